"""The plan that would be best now, before any rail: the cheapest mix that carries what must be covered.

`decide` calls `propose` with a situation; the rails of `stabilise` then decide how much of it may be done at this tick.
A change of the set of variants is a switch: it must pay for its overlap, and wait for its dwell, unless the present
set can't carry the demand at all.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tightrope.domain import accounts, explain, zero
from tightrope.domain.allocate import NO_LIMIT, Bounds, Mix, Option, candidates, carried, priced
from tightrope.domain.observation import Known, VariantState
from tightrope.domain.plan import Alternative, Reason
from tightrope.domain.situation import Situation
from tightrope.domain.spec import Metric, Mode, Objective, Service

FALLBACK_TARGET = 0.7  # of utilisation, where demand is unknown
FALLBACK_TRIGGER = 0.85
BURN_TRIGGER = 2.0  # times the allowed miss fraction, within the rate window
MIN_REQUESTS_TO_JUDGE = 20.0
CHANCE = 1.645  # standard deviations (95 %) of a Poisson count
AT_RISK_GROWTH = 1.25
LOADED = 0.5  # of the capacity: below it, slowness is not a matter of load


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan on its way through the rails. `plan` is the mix to converge to, `targets` what spec.replicas should be
    after this tick; `cost_per_hour` prices `plan`. `switched` is true at the tick that changes the set. `money_budget`
    says what the budget keeps from being planned."""

    plan: Mapping[str, int]
    targets: Mapping[str, int]
    reason: Reason
    message: str
    cost_per_hour: float
    covered: float | None
    alternatives: tuple[Alternative, ...] = ()
    switched: bool = False
    money_budget: str | None = None


def propose(situation: Situation) -> Proposal:
    """The best plan now. Never raises; with nothing to go by it proposes what runs already."""
    rest = zero.resting(situation)
    if rest is not None:
        return at_rest(situation, rest)
    at_risk = slo_at_risk(situation)
    options, mixes = weighed(situation, at_risk)
    if not mixes:
        return without_capacities(situation)
    chosen, reason, why_not = choose(situation, mixes, options)
    covered = max(option.demand for option in options if option.name in chosen.replicas)
    if reason is Reason.STEADY:
        reason = change_reason(situation, chosen, at_risk=at_risk is not None)
    proposal = Proposal(
        plan=chosen.replicas,
        targets=chosen.replicas,
        reason=reason,
        message=explain.plan_sentence(situation, chosen, reason, covered, at_risk.metric if at_risk else None),
        cost_per_hour=chosen.cost_per_hour,
        covered=covered if covered > 0 or isinstance(situation.observation.demand, Known) else None,
        alternatives=explain.alternatives(mixes, chosen, why_not),
        switched=situation.previous_plan is not None and chosen.variants != frozenset(situation.previous_plan),
        money_budget=explain.budget_sentence(situation, chosen, covered) if chosen.capped else None,
    )
    return utilisation_fallback(situation, proposal)


def weighed(situation: Situation, at_risk: "AtRisk | None") -> tuple[tuple[Option, ...], tuple[Mix, ...]]:
    """The variants with what may be planned of them, and every mix, best first. Replicas that start in a spot pool
    whose nodes were taken back are counted on only where nothing else would carry the demand."""
    bounds, options = bounds_of(situation.service), options_of(situation)
    if at_risk is not None:
        options = tuple(replace(option, demand=max(option.demand, at_risk.cover)) for option in options)
    if situation.doubted:
        sure = tuple(
            replace(option, limit=min(option.limit, situation.doubted.get(option.name, option.limit)))
            for option in options
        )
        mixes = candidates(sure, bounds)
        if mixes and mixes[0].shortfall <= 0 and not (mixes[0].capped or mixes[0].over_budget):
            return sure, mixes
    return options, candidates(options, bounds)


def at_rest(situation: Situation, why: str) -> Proposal:
    """Nothing runs until demand returns."""
    nothing = priced({}, {}, 0.0)
    return Proposal(
        plan={},
        targets={},
        reason=Reason.IDLE,
        message=f"{why}; no replica runs until one does, for {explain.money(nothing.cost_per_hour, situation)}.",
        cost_per_hour=nothing.cost_per_hour,
        covered=0.0,
    )


def options_of(situation: Situation) -> tuple[Option, ...]:
    """The variants that may be planned with: capacity known, SLO feasible."""
    return tuple(
        Option(
            name=variant.name,
            pool=situation.pools[variant.pool],
            capacity=situation.capacities[variant.name],
            demand=situation.covered[variant.name],
            limit=situation.limits[variant.name],
            per_node=situation.per_node[variant.name],
            running=situation.wanted[variant.name],
        )
        for variant in sorted(situation.service.variants, key=lambda variant: variant.name)
        if variant.name in situation.capacities and variant.name not in situation.service.bridges
    )


def bounds_of(service: Service) -> Bounds:
    """What a plan of this service may be."""
    budget = NO_LIMIT if service.budget_per_hour is None else service.budget_per_hour
    return Bounds(
        least=service.min_replicas,
        most=service.max_replicas,
        budget_per_hour=budget,
        spot_share=service.spot_share,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRisk:
    """An objective that is being missed under load, and the arrivals per second to cover for its sake."""

    metric: Metric
    cover: float


def slo_at_risk(situation: Situation) -> AtRisk | None:
    """What to cover when requests miss although everything asked for is ready: more than the fleet carries now. Of
    several objectives the one that misses its allowance by most is named.

    Only where load explains it: replicas at less than half their capacity would not be helped by company.
    """
    burns = {
        objective.metric: burn for objective in situation.service.objectives if (burn := burn_now(situation, objective))
    }
    worst = max(burns, key=burns.__getitem__, default=None)
    starting = any(situation.wanted[name] > situation.ready[name] for name in situation.wanted)
    if worst is None or starting or burns[worst] <= BURN_TRIGGER or situation.blind:
        return None
    carries = carried(situation.ready, situation.capacities)
    demand = situation.observation.demand.value if isinstance(situation.observation.demand, Known) else 0.0
    return AtRisk(metric=worst, cover=carries * AT_RISK_GROWTH) if carries > 0 and demand > LOADED * carries else None


def burn_now(situation: Situation, objective: Objective) -> float | None:
    """How often the allowed misses of this objective were missed in the rate window, by those that replicas may mend;
    None with too few requests to judge.

    As many misses as may come by chance where BURN_TRIGGER times the allowed ones are the rule are not held against
    the fleet: of 480 requests 5 may miss, and 10 now and then do.
    """
    known, clock = situation.memory.accounts, situation.clock
    seen = accounts.mendable(objective.metric, known, situation.service, situation.observation)
    if seen is None or seen.total * clock.tick_seconds < MIN_REQUESTS_TO_JUDGE:
        return None
    requests = seen.total * max(2.0 * clock.metrics_delay_seconds, clock.tick_seconds)
    allowed = objective.allowed_miss_fraction * requests
    by_chance = CHANCE * math.sqrt(BURN_TRIGGER * allowed)
    missed = (seen.total - seen.good_low) / seen.total * requests
    return max(missed - by_chance, 0.0) / allowed


def choose(situation: Situation, mixes: Sequence[Mix], options: Sequence[Option]) -> tuple[Mix, Reason, dict[str, str]]:
    """The mix to follow, why (STEADY where the set stays), and why cheaper mixes were passed over (by mix label)."""
    best, previous = mixes[0], situation.previous_plan
    if previous is None:
        return best, Reason.FROM_ZERO if zero.asleep(situation) else Reason.FIRST_PLAN, {}
    if best.variants == frozenset(previous):
        return best, Reason.STEADY, {}
    staying = [option for option in options if option.name in previous]
    stays = candidates(staying, bounds_of(situation.service))
    same_set = [mix for mix in stays if mix.variants == frozenset(previous)] or list(stays)
    lacking = Reason.TAKEN_BACK if any(name in situation.doubted for name in previous) else Reason.NO_CAPACITY
    if not same_set:
        return best, lacking, {}
    stay = same_set[0]
    if stay.shortfall > 0 and best.carries > stay.carries:
        return best, lacking, {}
    objection = too_early_to_switch(situation, best)
    if objection is None and stay.beyond_spot > best.beyond_spot:
        return best, Reason.SPOT_SHARE, {}
    objection = objection or too_dear_to_switch(situation, stay, best)
    if objection is None:
        return best, Reason.CHEAPER_MIX, {}
    return stay, Reason.STEADY, {explain.mix_label(best.replicas): objection}


def too_early_to_switch(situation: Situation, best: Mix) -> str | None:
    """Why no switch that can wait begins now, whatever it is worth; None if nothing speaks against it."""
    behavior, service = situation.service.behavior, situation.service
    if situation.blind:
        return "data is missing, and a switch ends with a descent"
    if not reentry_passed(situation):
        return "data has not been whole for a descent window yet"
    if service.descents_paused:
        return "descents are paused, and a switch ends with one"
    if any(state.rolling_out for state in situation.observation.variants.values()):
        return "a rollout is in flight"
    contested = any(state.other_writer for state in situation.observation.variants.values())
    if contested and service.mode is not Mode.RECOMMEND:  # there somebody else scales until we do
        return "another writer sets replicas"
    overlap = sum(max(situation.wanted[name], best.replicas.get(name, 0)) for name in situation.wanted)
    if overlap > service.max_replicas:
        return f"both fleets together are {overlap} replicas, over max {service.max_replicas}"
    last = situation.memory.persisted.last_switch_at
    if last is not None and situation.now - last < behavior.switch_min_dwell_seconds:
        return f"the last switch was {situation.now - last:.0f}s ago, under minDwell"
    return None


def too_dear_to_switch(situation: Situation, stay: Mix, best: Mix) -> str | None:
    """Why the cheaper mix does not save enough; None if it does."""
    behavior = situation.service.behavior
    savings = stay.marginal_per_hour - best.marginal_per_hour
    if savings < stay.marginal_per_hour * behavior.switch_min_savings_percent / 100.0 or savings <= 0:
        return f"saves {explain.money(savings, situation)}, under minSavingsPercent"
    # Nobody promises that demand stays longer than the dwell: the overlap must be earned back within it.
    fresh = {name: count for name, count in best.replicas.items() if name not in stay.replicas}
    start_seconds = max((situation.time_to_ready[name] for name in fresh), default=0.0)
    overlap_cost = best.marginal_per_hour * start_seconds
    if savings * behavior.switch_min_dwell_seconds < overlap_cost:
        return "the overlap would cost more than the switch saves within minDwell"
    return None


def reentry_passed(situation: Situation) -> bool:
    """Whether data has been whole for long enough to trust a low reading: the first rates after an outage are low."""
    since = situation.memory.healthy_since
    window = max(situation.service.behavior.descent_window_seconds, 2.0 * situation.clock.metrics_delay_seconds)
    return since is not None and situation.now - since >= window


def change_reason(situation: Situation, chosen: Mix, *, at_risk: bool) -> Reason:
    """Why the same set of variants gets another size."""
    previous = sum((situation.previous_plan or {}).values())
    if chosen.shortfall > 0:
        at_max = chosen.total >= situation.service.max_replicas
        return Reason.MONEY_BUDGET if chosen.capped else Reason.MAXIMUM if at_max else Reason.POOL_FULL
    fewer_would_do = chosen.carries * (chosen.total - 1) / chosen.total >= max(
        situation.covered[name] for name in chosen.replicas
    )
    at_min = chosen.total == situation.service.min_replicas and fewer_would_do
    if at_min and situation.scheduled is not None:
        return Reason.SCHEDULED_MINIMUM
    if chosen.total > previous:
        return Reason.SLO_AT_RISK if at_risk else Reason.DEMAND_ROSE
    if chosen.total < previous:
        return Reason.DEMAND_FELL
    return Reason.MINIMUM if at_min else Reason.STEADY


def without_capacities(situation: Situation) -> Proposal:
    """What to do when no variant can be planned with: keep what runs, at least `min` of the cheapest usable variant,
    and more where utilisation asks for it."""
    usable = [
        option.name
        for option in sorted(
            unpriced_options(situation), key=lambda option: (option.cost_per_replica_hour, option.name)
        )
        if option.name not in {*situation.infeasible, *situation.service.bridges} and option.limit > 0
    ]
    plan = dict(situation.previous_plan or {})
    if not plan:
        plan = least_of(usable, situation)
    reason = Reason.FIRST_PLAN if situation.previous_plan is None and usable else Reason.NO_FEASIBLE_VARIANT
    unknown = [name for name in usable if name not in situation.capacities]
    message = explain.no_capacity_sentence(situation, unknown)
    if unknown and situation.previous_plan is not None:
        reason = Reason.STEADY
    proposal = Proposal(
        plan=plan,
        targets=plan,
        reason=reason,
        message=message,
        cost_per_hour=cost_of(situation, plan),
        covered=None,
    )
    return utilisation_fallback(situation, proposal)


def least_of(usable: Sequence[str], situation: Situation) -> dict[str, int]:
    """`min` replicas, or one, on the first of these variants, and on the next where its pool has no room for more."""
    plan: dict[str, int] = {}
    for name in usable:
        count = min(max(situation.service.min_replicas, 1) - sum(plan.values()), situation.limits[name])
        if count > 0:
            plan[name] = count
    return plan


def cost_of(situation: Situation, plan: Mapping[str, int]) -> float:
    """What the nodes of this plan cost an hour, whatever is known of its variants."""
    return priced(plan, {option.name: option for option in unpriced_options(situation)}, 0.0).cost_per_hour


def unpriced_options(situation: Situation) -> tuple[Option, ...]:
    """Every variant as an option, whatever is known of it: for pricing what runs."""
    return tuple(
        Option(
            name=variant.name,
            pool=situation.pools[variant.pool],
            capacity=situation.capacities.get(variant.name, 0.0),
            demand=0.0,
            limit=situation.limits[variant.name],
            per_node=situation.per_node[variant.name],
        )
        for variant in situation.service.variants
    )


def utilisation_fallback(situation: Situation, proposal: Proposal) -> Proposal:
    """More replicas where utilisation is high and nothing better is known: demand or latency missing, or a capacity
    that nobody has stated or seen yet. The formula is the HPA's: ready x utilisation / target."""
    if situation.blind is None and situation.capacities:
        return proposal
    plan = dict(proposal.plan)
    most_cost = bounds_of(situation.service).budget_per_hour
    for name in sorted(plan):
        pool = situation.pools[situation.service.variant(name).pool]
        # A batching accelerator is busy at any load, so more replicas would never calm it: it only counts as a last
        # resort, where not even a capacity is known.
        if pool.node.accelerators and name in situation.capacities:
            continue
        needed = replicas_by_utilisation(situation.observation.variants[name])
        room = situation.service.max_replicas - (sum(plan.values()) - plan[name])
        wished = max(plan[name], min(needed, situation.limits[name], room))
        plan[name] = next(
            (n for n in range(wished, plan[name], -1) if cost_of(situation, {**plan, name: n}) <= most_cost),
            plan[name],
        )
    if plan == dict(proposal.plan):
        return proposal
    return replace(
        proposal,
        plan=plan,
        targets=plan,
        reason=Reason.UTILISATION_HIGH,
        message=explain.utilisation_sentence(situation, plan),
        cost_per_hour=cost_of(situation, plan),
    )


def replicas_by_utilisation(state: VariantState) -> int:
    if not isinstance(state.utilisation, Known) or state.utilisation.value <= FALLBACK_TRIGGER:
        return 0
    return math.ceil(state.ready * state.utilisation.value / FALLBACK_TARGET)
