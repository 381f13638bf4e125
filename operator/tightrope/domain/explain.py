"""Sentences for people: why this plan, and why not the others. Computed from the decision's own values."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from tightrope.domain import miss_curve
from tightrope.domain.allocate import Mix
from tightrope.domain.memory import Seeded
from tightrope.domain.observation import Known
from tightrope.domain.plan import Alternative, Reason
from tightrope.domain.situation import Situation
from tightrope.domain.spec import Metric

SHOWN_ALTERNATIVES = 3
HOUR = 3600.0


def past_sentence(seeded: Seeded | None, unknown: str | None) -> str | None:
    """What is known of the demand before the operator's start; None where nobody asked."""
    if seeded is None:
        return None if unknown is None else f"Covered by the standing rule: {unknown}."
    if seeded.seconds <= 0.0:
        return "No history: covered by the standing rule."
    missing = f", of which {length(seeded.missing_seconds)} were missing" if seeded.missing_seconds >= HOUR / 60 else ""
    return f"Seeded with {length(seeded.seconds)} of history{missing}."


def length(seconds: float) -> str:
    """So many hours, or minutes if it is less than two hours: `26 h`, `45 min`."""
    return f"{seconds / HOUR:.0f} h" if seconds >= 2 * HOUR else f"{seconds / 60.0:.0f} min"


def mix_label(replicas: Mapping[str, int]) -> str:
    """A mix as users see it everywhere: `cpu:6 gpu:0` by variant name; `none` when empty."""
    return " ".join(f"{name}:{count}" for name, count in sorted(replicas.items())) or "none"


def money(per_hour: float, situation: Situation) -> str:
    """An hourly amount with its currency: `1.20 USD/h`."""
    currency = situation.pools[situation.service.variants[0].pool].currency
    return f"{per_hour:.2f} {currency}/h"


def plan_sentence(situation: Situation, mix: Mix, reason: Reason, covered: float, at_risk: Metric | None) -> str:
    """One sentence with the numbers behind the plan; of several objectives it names the one that decides."""
    name = max(mix.replicas, key=lambda variant: (situation.time_to_ready[variant], variant))
    predicted, demand = situation.forecasts[name], situation.observation.demand
    now = f"demand is {demand.value:.1f}/s" if isinstance(demand, Known) else "demand is unknown"
    if predicted is None:
        ahead = "there is no demand history yet"
    else:
        until = f"until {name} would be ready ({predicted.horizon_seconds:.0f}s)"
        ahead = f"up to {covered:.1f}/s must be covered {until}, by the rule {predicted.rule}"
    cost = f"{money(mix.cost_per_hour, situation)}{paid_clause(situation, mix)}"
    carries = f"{mix_label(mix.replicas)} carries {mix.carries:.1f}/s for {cost}"
    lead = f"{LEADS[reason]}{risk_clause(situation, reason, at_risk)}"
    limits = f"{shortfall_clause(mix)}{budget_clause(situation, mix, covered)}{share_clause(situation)}"
    by = f"{bound_clause(situation, mix)}{schedule_clause(situation, reason)}"
    return f"{lead}: {now}, {ahead}; {carries}{limits}{by}."


def risk_clause(situation: Situation, reason: Reason, at_risk: Metric | None) -> str:
    """Which of several objectives is being missed."""
    named = at_risk is not None and reason is Reason.SLO_AT_RISK and len(situation.service.objectives) > 1
    return f" ({at_risk})" if named else ""


def bound_clause(situation: Situation, mix: Mix) -> str:
    """Which of several objectives leaves each variant of the mix its capacity: `; bound by ttft`."""
    if len(situation.service.objectives) < 2:
        return ""
    metrics = {name: situation.bound_by[name].metric for name in sorted(mix.replicas)}
    if len(set(metrics.values())) == 1:
        return f"; bound by {next(iter(metrics.values()))}"
    return "; bound by " + ", ".join(f"{metric} on {name}" for name, metric in metrics.items())


def shortfall_clause(mix: Mix) -> str:
    return f", {mix.shortfall:.1f}/s short" if mix.shortfall > 0 else ""


def share_clause(situation: Situation) -> str:
    """What is left of pools that are too small for all services."""
    return "".join(
        f"; of the {share.of} nodes of pool {name} {share.nodes:g} are its share among {share.services} services"
        for name, share in sorted(situation.shares.items())
    )


def budget_clause(situation: Situation, mix: Mix, covered: float) -> str:
    """What the budget in money costs: the share of requests that are still good when all that is covered comes."""
    budget = situation.service.budget_per_hour
    if budget is None or not (mix.capped or mix.cost_per_hour > budget):
        return ""
    said = f"; {budget_in_words(budget, situation)}"
    if mix.cost_per_hour > budget:
        said += f", and {'replicas.min asks for' if mix.over_budget else 'what runs already is'} more"
    if not mix.capped:
        return said
    return f"{said}, and {100.0 * predicted_attainment(situation, mix, covered):.1f}% would be good at {covered:.1f}/s"


def budget_in_words(budget: float, situation: Situation) -> str:
    """Whose budget it is, and what it allows."""
    share = situation.allowance
    if share is None:
        return f"budget.perHour allows {money(budget, situation)}"
    namespace = situation.service.key.namespace
    whole = f"of the {money(share.of, situation)} of namespace {namespace}"
    return f"{whole} {money(budget, situation)} are its share among {share.services} services"


def budget_sentence(situation: Situation, mix: Mix, covered: float) -> str:
    """What the budget keeps from being planned, for the condition."""
    return f"{mix_label(mix.replicas)} carries {mix.carries:.1f}/s{shortfall_clause(mix)}" + budget_clause(
        situation, mix, covered
    )


def predicted_attainment(situation: Situation, mix: Mix, demand: float) -> float:
    """The share of requests (0..1) that are good at this demand, by the curve that the decision believes in."""
    capacity = np.array(min(situation.capacities[name] for name in mix.replicas))
    objectives = {situation.bound_by[name] for name in mix.replicas}
    load = demand / max(mix.total, 1)
    missed = [
        objective.allowed_miss_fraction * math.exp(min(float(miss_curve.over(load, capacity, objective)), 50.0))
        for objective in objectives
    ]
    return 1.0 - min(max(missed), 1.0)


def schedule_clause(situation: Situation, reason: Reason) -> str:
    """Which minimum a schedule asks for, and when it is over."""
    found = situation.scheduled
    if found is None or reason is not Reason.SCHEDULED_MINIMUM:
        return ""
    ends = datetime.fromtimestamp(found.ends_at, tz=UTC)
    return f"; at least {situation.service.min_replicas} are asked for until {ends:%Y-%m-%dT%H:%M:%SZ}"


LEADS: Mapping[Reason, str] = {
    Reason.STEADY: "Steady",
    Reason.FIRST_PLAN: "First plan",
    Reason.DEMAND_ROSE: "Demand rose",
    Reason.DEMAND_FELL: "Demand fell",
    Reason.SLO_AT_RISK: "Requests miss the threshold while all replicas are ready",
    Reason.CHEAPER_MIX: "Another mix is cheaper",
    Reason.NO_CAPACITY: "The present variants can't carry the demand",
    Reason.MINIMUM: "At the minimum",
    Reason.MAXIMUM: "At the maximum",
    Reason.POOL_FULL: "The pools have no more room",
    Reason.SCHEDULED_MINIMUM: "At the minimum of a schedule",
    Reason.MONEY_BUDGET: "At the budget in money",
    Reason.FROM_ZERO: "From zero",
    Reason.TAKEN_BACK: "Spot nodes were taken back",
    Reason.SPOT_SHARE: "Less on spot, as spot.maxPercent asks",
}


def no_capacity_sentence(situation: Situation, unknown: Sequence[str]) -> str:
    """Why nothing can be planned, and what to write."""
    if unknown:
        names = ", ".join(sorted(unknown))
        return f"The capacity of {names} is not known yet: state variants[].capacity, or let traffic show it."
    reasons = "; ".join(f"{name}: {why}" for name, why in sorted(situation.infeasible.items()))
    return f"No variant can meet the SLO ({reasons or 'no pool has room'})."


def utilisation_sentence(situation: Situation, plan: Mapping[str, int]) -> str:
    """Why utilisation decided."""
    why = situation.blind or "no capacity is known"
    return f"Utilisation is high while {why}: {mix_label(plan)}."


def alternatives(mixes: Sequence[Mix], chosen: Mix, why_not: Mapping[str, str]) -> tuple[Alternative, ...]:
    """The best mixes that were not chosen, each with its price and why not."""
    rejected = [mix for mix in mixes if dict(mix.replicas) != dict(chosen.replicas)]
    return tuple(
        Alternative(replicas=mix.replicas, cost_per_hour=mix.cost_per_hour, why_not=objection(mix, chosen, why_not))
        for mix in rejected[:SHOWN_ALTERNATIVES]
    )


def has_paid(mix: Mix) -> bool:
    """Whether some of its nodes are paid for in any case."""
    return mix.marginal_per_hour < mix.cost_per_hour


def paid_clause(situation: Situation, mix: Mix) -> str:
    """How much of the cost is that of reserved nodes."""
    if not has_paid(mix):
        return ""
    return (
        f" ({money(mix.cost_per_hour - mix.marginal_per_hour, situation)} of it for reserved nodes, paid in any case)"
    )


def objection(mix: Mix, chosen: Mix, why_not: Mapping[str, str]) -> str:
    """Why this mix lost to the chosen one."""
    stated = why_not.get(mix_label(mix.replicas))
    if stated is not None:
        return stated
    if mix.shortfall > 0:
        return f"carries {mix.carries:.1f}/s, {mix.shortfall:.1f}/s short"
    if mix.beyond_spot > chosen.beyond_spot:
        return f"{mix.beyond_spot} replicas more on spot than spot.maxPercent allows"
    if mix.marginal_per_hour > chosen.marginal_per_hour:
        paid = ", since reserved nodes are paid for in any case" if has_paid(mix) or has_paid(chosen) else ""
        return f"dearer by {mix.marginal_per_hour - chosen.marginal_per_hour:.2f}/h{paid}"
    if mix.marginal_per_hour == chosen.marginal_per_hour:
        return "costs the same with more replicas or another order of names"
    return "would be a switch"
