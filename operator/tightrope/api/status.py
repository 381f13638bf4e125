"""The status of an InferenceDeployment, rendered from what was decided and seen; the controller writes what differs.

Equal news give an equal status: figures hold still while they hardly move, the decision and its history change with
the plan or with the kind of reason, conditions with their status. So a status at rest is written once.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tightrope.api.conditions import Finding, conditions, ready_finding
from tightrope.api.duration import format_duration, parse_duration
from tightrope.api.figures import (
    burns_text,
    covered_text,
    mix_text,
    money_text,
    objective_text,
    parse_number,
    significant,
    steady,
    steady_sentence,
    time_text,
)
from tightrope.api.persisted import read_status
from tightrope.api.recommendation import recommendation_status
from tightrope.api.servicestatus import (
    AlternativeStatus,
    Cost,
    DecisionStatus,
    InferenceDeploymentStatus,
    ObjectiveStatus,
    PastDecision,
    VariantStatus,
)
from tightrope.domain.observation import Observation, VariantState
from tightrope.domain.plan import Decision, Reason, VariantBelief
from tightrope.domain.spec import Objective, Service

_HISTORY: Final = 5
_ALTERNATIVES: Final = 8
_TEXT_MAX: Final = 1024

# With the plan unchanged, a move from one of these to another is the everyday to and fro of a plan that stands.
_EVERYDAY: Final = frozenset(
    {
        Reason.STEADY,
        Reason.FIRST_PLAN,
        Reason.DEMAND_ROSE,
        Reason.DEMAND_FELL,
        Reason.CHEAPER_MIX,
        Reason.UTILISATION_HIGH,
        Reason.MINIMUM,
        Reason.HOLD_DESCENT_WINDOW,
        Reason.HOLD_MARGIN,
        Reason.HOLD_RATE_LIMIT,
        Reason.HOLD_DESCENTS_PAUSED,
    }
)


def render_status(
    *,
    previous: Mapping[str, Any],
    generation: int,
    now: float,
    findings: Sequence[Finding],
    service: Service | None = None,
    decision: Decision | None = None,
    observation: Observation | None = None,
    currency: str | None = None,
    adopted: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The whole status in wire format. What is not given stays as `previous` has it: a spec that cannot be acted on
    changes the conditions only. `findings` in order of weight; Ready is added. `adopted` maps variants to the uid of
    the workload that their scaleTargetRef was found to be; costs are in `currency` per hour."""
    before = read_status(previous)
    parts: dict[str, Any] = {"observed_generation": generation}
    if service is not None:
        parts["slo"] = [_objective(service, objective, decision, before) for objective in service.objectives]
    if service is not None and observation is not None:
        parts["variants"] = _variants(service, observation, decision, before, adopted or {})
        parts["ready"] = _ready_of_wanted(service, observation)
    if service is not None and decision is not None:
        parts |= _decided(service, decision, before, now)
        parts["past"] = None if decision.past is None else decision.past[:_TEXT_MAX]
        parts["cost"] = Cost(per_hour=money_text(decision.cost_per_hour), currency=currency)
        parts["recommendation"] = recommendation_status(decision.persisted.comparison, before.recommendation)
    ready = sum(state.ready for state in observation.variants.values()) if observation else 0
    found = [ready_finding(findings, decision, ready=ready), *findings]
    parts["conditions"] = conditions(found, previous=before.conditions, generation=generation, now=now)
    return before.model_copy(update=parts).model_dump(by_alias=True, exclude_none=True)


def status_patch(previous: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any] | None:
    """The JSON merge patch that turns the previous status into this one; None if there is nothing to write."""
    patch: dict[str, Any] = {key: None for key in previous if key not in status}
    for key, value in status.items():
        old = previous.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            inner = status_patch(old, value)
            patch |= {} if inner is None else {key: inner}
        elif key not in previous or value != old:
            patch[key] = value
    return patch or None


def _objective(
    service: Service, objective: Objective, decision: Decision | None, before: InferenceDeploymentStatus
) -> ObjectiveStatus:
    fresh = ObjectiveStatus(metric=objective.metric.value, objective=objective_text(objective))
    known = (slo for slo in before.slo if (slo.metric, slo.objective) == (fresh.metric, fresh.objective))
    old, budget = next(known, fresh), decision.budget_of(objective.metric, service) if decision else None
    if budget is None:
        return old
    burn_before = parse_number(old.burn_rate, 0.0, math.inf) or 0.0
    return ObjectiveStatus(
        metric=fresh.metric,
        objective=fresh.objective,
        attainment=steady(100 * budget.attainment, decimals=2, tolerance=0.0075, previous=old.attainment),
        budget_remaining=steady(budget.remaining, decimals=2, tolerance=0.01, previous=old.budget_remaining),
        burn_rate=steady(budget.burn_rate, decimals=1, tolerance=max(0.1, 0.25 * burn_before), previous=old.burn_rate),
        burn_rates=burns_text(budget.burn_rates, old.burn_rates),
        burning=budget.burning,
        covered=covered_text(budget.covered_seconds, service.slo_window_seconds),
    )


def _variants(
    service: Service,
    observation: Observation,
    decision: Decision | None,
    before: InferenceDeploymentStatus,
    adopted: Mapping[str, str],
) -> list[VariantStatus]:
    olds = {variant.name: variant for variant in before.variants}
    rendered = []
    for variant in service.variants:
        old = olds.get(variant.name, VariantStatus(name=variant.name))
        state = observation.variants.get(variant.name)
        parts: dict[str, Any] = {"target_uid": adopted.get(variant.name), "note": None}
        if state is not None:
            parts |= {"wanted": state.wanted, "ready": state.ready}
        belief = decision.beliefs.get(variant.name) if decision else None
        if decision is not None:
            parts["bound_by"] = belief.bound_by if belief is not None and service.further_objectives else None
            parts |= {"planned": decision.plan.get(variant.name, 0)} | _learned(variant.name, decision, belief, old)
        note = _note(state, belief)
        if note:
            parts["note"] = steady_sentence(note[:_TEXT_MAX], old.note)
        rendered.append(old.model_copy(update=parts))
    return rendered


def _learned(name: str, decision: Decision, belief: VariantBelief | None, old: VariantStatus) -> dict[str, str | None]:
    """What is believed of one variant: the figures for people, and those that the operator reads back."""
    parts: dict[str, str | None] = {"capacity": None, "capacity_log_mean": None, "capacity_log_sd": None}
    learned = decision.persisted.capacities.get(name)
    if learned is not None:
        sd_before = parse_number(old.capacity_log_sd, 0.0, math.inf) or 0.0
        # A move that is small beside what is not known is no news.
        still = max(0.02, 0.25 * sd_before)
        mean = steady(learned.log_mean, decimals=3, tolerance=still, previous=old.capacity_log_mean)
        sd = steady(learned.log_sd, decimals=3, tolerance=0.15 * sd_before, previous=old.capacity_log_sd)
        median = math.exp(float(mean))
        spread = median * float(sd)
        parts = {"capacity_log_mean": mean, "capacity_log_sd": sd}
        parts["capacity"] = f"{significant(median, 3)}/s ± {significant(spread, 2)}"
    elif belief is not None and belief.capacity is not None:
        parts["capacity"] = f"{significant(belief.capacity, 3)}/s"
    measured = decision.persisted.time_to_ready_seconds.get(name)
    parts["time_to_ready"] = None if measured is None else _seconds_text(measured, old.time_to_ready)
    parts["per_hour"] = None if belief is None else money_text(belief.cost_per_hour)
    back_off = decision.persisted.back_offs.get(name)
    parts["retry_at"] = time_text(back_off.retry_at) if back_off else None
    parts["back_off"] = format_duration(round(back_off.wait_seconds)) if back_off else None
    parts["back_off_reason"] = Reason.TAKEN_BACK.value if back_off and back_off.taken_back else None
    return parts


def _seconds_text(seconds: float, previous: str | None) -> str:
    """Whole seconds; as before while they differ by less than a tenth."""
    try:
        before = parse_duration(previous or "")
    except ValueError:
        before = 0.0
    if previous is not None and abs(seconds - before) <= max(1.0, 0.1 * before):
        return previous
    return format_duration(max(1, round(seconds)))


def _note(state: VariantState | None, belief: VariantBelief | None) -> str:
    """What hinders one variant, most lasting first; empty if nothing does."""
    notes = [belief.infeasible if belief else None]
    if state is not None:
        notes += [state.unavailable, state.other_writer, state.refused]
        if state.unschedulable:
            notes.append(f"{state.unschedulable} pods find no node")
    return "; ".join(note for note in notes if note)


def _ready_of_wanted(service: Service, observation: Observation) -> str:
    states = [observation.variants[v.name] for v in service.variants if v.name in observation.variants]
    return f"{sum(state.ready for state in states)}/{sum(state.wanted or 0 for state in states)}"


def _decided(service: Service, decision: Decision, before: InferenceDeploymentStatus, now: float) -> dict[str, Any]:
    """The plan, and the decision with its history if it says something new."""
    names = [variant.name for variant in service.variants]
    plan = mix_text(decision.plan, names)
    switched = decision.persisted.last_switch_at
    parts: dict[str, Any] = {"plan": plan, "last_switch_time": None if switched is None else time_text(switched)}
    last = before.decision
    if last is not None and before.plan == plan and _kind(last.reason) == _kind(decision.reason):
        return parts
    at, message = time_text(now), decision.message[:_TEXT_MAX]
    parts["decision"] = DecisionStatus(
        time=at,
        reason=decision.reason,
        message=message,
        covered_demand=None if decision.covered_demand is None else f"{significant(decision.covered_demand, 3)}/s",
        alternatives=[
            AlternativeStatus(
                plan=mix_text(other.replicas, names),
                per_hour=money_text(other.cost_per_hour),
                why_not=other.why_not[:_TEXT_MAX],
            )
            for other in decision.alternatives[:_ALTERNATIVES]
        ],
    )
    entry = PastDecision(time=at, reason=decision.reason, message=message, plan=plan)
    parts["history"] = [entry, *before.history][:_HISTORY]
    return parts


def _kind(reason: str) -> str:
    return "everyday" if reason in _EVERYDAY else reason
