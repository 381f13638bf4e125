"""One account for each objective of a service: what its variants carry while it holds, its ledger and its debts.

`situation` keeps them at every tick. The capacity that plans use is the smallest of all objectives': a replica carries
what it carries while every one of them holds. The price of a miss is that of the objective that presses hardest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tightrope.domain import background_errors, error_budget, performance
from tightrope.domain.memory import Account, Background, LearnedCapacity, Ledger, LedgerEntry, ServiceMemory
from tightrope.domain.observation import Missing, Observation, Outcomes, VariantState
from tightrope.domain.pressure import Pressure, Terms, terms_of
from tightrope.domain.spec import Metric, Objective, Pools, Service, Variant


def adopted(memory: ServiceMemory, service: Service) -> dict[Metric, Account]:
    """An account for each objective of the spec, in its order.

    A new threshold or percent moves the capacities along the queueing curve. An objective without an account begins
    with what the status kept: after a restart that held for all objectives; beside others it is as good as a guess.
    """
    found: dict[Metric, Account] = {}
    for objective in service.objectives:
        known = memory.accounts.get(objective.metric)
        if known is None:
            kept = memory.persisted.capacities
            if memory.accounts:
                kept = {name: performance.widened(belief) for name, belief in kept.items()}
            known = Account(objective=objective, capacities=kept)
        elif known.objective != objective:
            known = replace(known, objective=objective, capacities=moved(known, objective))
        found[objective.metric] = known
    return found


def moved(account: Account, objective: Objective) -> dict[str, LearnedCapacity]:
    """The capacities for another threshold or percent; without those of which nothing is left."""
    found = {
        name: performance.moved(learned, old=account.objective, new=objective)
        for name, learned in account.capacities.items()
    }
    return {name: belief for name, belief in found.items() if belief is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The time since the last tick: `now` in unix seconds, all of its `seconds`, the `span` of it that was seen."""

    now: float
    seconds: float
    span: float
    settling_seconds: float


def learned(
    accounts: Mapping[Metric, Account],
    service: Service,
    pools: Pools,
    observation: Observation,
    memory: ServiceMemory,
    stretch: Stretch,
) -> dict[Metric, Account]:
    """The accounts with this tick's beliefs, for the variants of which anything is believed. Errors come last: what is
    little to do follows from the other objectives' capacities."""
    found: dict[Metric, Account] = {}
    for objective in sorted(service.objectives, key=lambda one: one.metric is Metric.ERRORS):
        account = accounts[objective.metric]
        if objective.metric is Metric.ERRORS:
            account = with_backgrounds(account, found, service, observation, stretch)
        capacities: dict[str, LearnedCapacity] = {}
        for variant in service.variants:
            seen = judged(observation.variants[variant.name], account, found, service, variant.name)
            belief = believed(account, variant, seen, pools, memory, stretch)
            if belief is not None:
                capacities[variant.name] = belief
        found[objective.metric] = replace(account, capacities=capacities)
    return {objective.metric: found[objective.metric] for objective in service.objectives}


def believed(
    account: Account, variant: Variant, state: VariantState, pools: Pools, memory: ServiceMemory, stretch: Stretch
) -> LearnedCapacity | None:
    """The belief of one variant at one objective after this tick; `state.outcomes` are judged by that objective."""
    belief = account.capacities.get(variant.name)
    if belief is None:
        belief = performance.prior_belief(variant.capacity, account.objective)
    if belief is not None and state.rolling_out:
        belief = performance.widened(belief)
    evidence = performance.evidence_of(
        state,
        recent_loads=memory.loads.get(variant.name, ()),
        settling_seconds=stretch.settling_seconds,
        seconds=stretch.seconds,
        accelerated=pools[variant.pool].node.accelerators > 0,
    )
    return performance.learn(belief, evidence, account.objective, seconds=stretch.seconds)


def judged(
    state: VariantState, account: Account, known: Mapping[Metric, Account], service: Service, name: str
) -> VariantState:
    """The variant with its outcomes as this account's objective judges them, without errors that do not come from
    load."""
    metric = account.objective.metric
    if metric is service.objective.metric:
        return state
    seen = state.further_outcomes.get(metric)
    if seen is not None and metric is Metric.ERRORS:
        background = account.backgrounds.get(name, Background())
        seen = background_errors.from_load(seen, background, idle=is_idle(state, known, name))
    return replace(state, outcomes=seen)


def is_idle(state: VariantState, known: Mapping[Metric, Account], name: str) -> bool:
    """Whether load explains no failure of this variant now."""
    beliefs = [
        one.capacities[name] for metric, one in known.items() if metric is not Metric.ERRORS and name in one.capacities
    ]
    capacity = min((performance.median_capacity(belief) for belief in beliefs), default=None)
    return background_errors.has_little_to_do(state, capacity)


def with_backgrounds(
    account: Account, known: Mapping[Metric, Account], service: Service, observation: Observation, stretch: Stretch
) -> Account:
    """The errors' account after this tick's failures at low load."""
    found: dict[str, Background] = {}
    for variant in service.variants:
        state, before = observation.variants[variant.name], account.backgrounds.get(variant.name, Background())
        seen = state.further_outcomes.get(Metric.ERRORS)
        idle = is_idle(state, known, variant.name)
        found[variant.name] = (
            before if seen is None else background_errors.after(before, seen, seconds=stretch.span, idle=idle)
        )
    return replace(account, backgrounds=found)


def from_load(
    seen: Outcomes, accounts: Mapping[Metric, Account], service: Service, observation: Observation
) -> Outcomes:
    """The service's errors without those that replicas do not mend, summed over the variants that are measured."""
    account, excused = accounts[Metric.ERRORS], 0.0
    for name, state in observation.variants.items():
        own = state.further_outcomes.get(Metric.ERRORS)
        if own is not None:
            rest = judged(state, account, accounts, service, name).outcomes
            excused += rest.good_low - own.good_low if rest is not None else 0.0
    good = min(seen.good_low + excused, seen.total)
    return Outcomes(total=seen.total, good_low=good, good_high=max(good, seen.good_high))


def mendable(
    metric: Metric, accounts: Mapping[Metric, Account], service: Service, observation: Observation
) -> Outcomes | None:
    """What finished as this objective judges it, with only those misses that more replicas might spare; None if
    unknown."""
    seen = observation.judged_by(metric, service)
    if isinstance(seen, Missing):
        return None
    return from_load(seen, accounts, service, observation) if metric is Metric.ERRORS else seen


def settled(
    accounts: Mapping[Metric, Account], service: Service, observation: Observation, stretch: Stretch
) -> dict[Metric, Account]:
    """The accounts with this tick's finished requests and debts."""
    found: dict[Metric, Account] = {}
    for metric, account in accounts.items():
        ledger = grown_ledger(account, observation, service, stretch)
        found[metric] = replace(
            account, ledger=ledger, pressure=pressure_after(account, accounts, ledger, observation, service, stretch)
        )
    return found


def grown_ledger(account: Account, observation: Observation, service: Service, stretch: Stretch) -> Ledger:
    """The ledger with this tick's finished requests. After a gap of more than two ticks only the last tick is
    counted: what happened before it comes from history, or stays unknown."""
    metric = account.objective.metric
    seen = observation.judged_by(metric, service)
    return error_budget.extended(
        account.ledger,
        history=observation.history_of(metric, service),
        latest=None if isinstance(seen, Missing) else (stretch.now - stretch.span, stretch.span, seen),
        now=stretch.now,
        window_seconds=service.slo_window_seconds,
    )


def pressure_after(
    account: Account,
    accounts: Mapping[Metric, Account],
    ledger: Ledger,
    observation: Observation,
    service: Service,
    stretch: Stretch,
) -> Pressure:
    """The pressure after this tick. Where history was read again it is told anew, from all that is now known; which
    of the errors in it came from load nobody knows, so an errors objective goes on from where it stood."""
    metric, terms = account.objective.metric, terms_of(service, account.objective)
    if observation.history_of(metric, service) and metric is not Metric.ERRORS:
        return retold(ledger, terms)
    seen = mendable(metric, accounts, service, observation)
    if seen is None:
        return account.pressure
    return account.pressure.after(
        seconds=stretch.span,
        finished=seen.total * stretch.span,
        missed=(seen.total - seen.good_low) * stretch.span,
        terms=terms,
    )


def with_earlier(
    account: Account, earlier: Sequence[tuple[float, float, Outcomes]], service: Service, *, now: float
) -> Account:
    """The account with what finished in earlier stretches (start, seconds, rates), and its debts told anew from all
    that is now known; not those of errors, as in `pressure_after`."""
    if not earlier:
        return account
    ledger = error_budget.extended(
        account.ledger, history=earlier, latest=None, now=now, window_seconds=service.slo_window_seconds
    )
    if account.objective.metric is Metric.ERRORS:
        return replace(account, ledger=ledger)
    return replace(account, ledger=ledger, pressure=retold(ledger, terms_of(service, account.objective)))


def retold(ledger: Ledger, terms: Terms) -> Pressure:
    """The pressure after all of the ledger."""
    pressure = Pressure()
    for entry in ledger:
        pressure = after_entry(pressure, entry, terms)
    return pressure


def after_entry(pressure: Pressure, entry: LedgerEntry, terms: Terms) -> Pressure:
    """The pressure after a stretch of the ledger."""
    missed = entry.total - entry.good
    return pressure.after(seconds=entry.seconds, finished=entry.total, missed=missed, terms=terms)


def hardest(accounts: Mapping[Metric, Account], service: Service) -> Account:
    """The account whose debts press hardest; of equals the first of the spec."""
    if len(accounts) == 1:
        return next(iter(accounts.values()))
    return max(accounts.values(), key=lambda one: one.pressure.debts(terms_of(service, one.objective)))


def binding(accounts: Mapping[Metric, Account]) -> dict[str, Objective]:
    """Per variant of which anything is believed, the objective that leaves it the least capacity."""
    found: dict[str, tuple[float, Objective]] = {}
    for account in accounts.values():
        for name, belief in account.capacities.items():
            capacity = performance.planning_capacity(belief)
            if name not in found or capacity < found[name][0]:
                found[name] = (capacity, account.objective)
    return {name: objective for name, (_, objective) in found.items()}


def beyond_replicas(accounts: Mapping[Metric, Account]) -> str | None:
    """In words, the errors that more replicas would not spare; None where there is nothing to say."""
    account = accounts.get(Metric.ERRORS)
    if account is None:
        return None
    shares = {name: background_errors.share(one) for name, one in account.backgrounds.items()}
    return background_errors.sentence(account.objective, shares)
