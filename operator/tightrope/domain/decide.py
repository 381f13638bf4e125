"""The decision: from what is wanted and what is seen to a plan per service, with its reason.

One tick, top to bottom: gather everything known of a service into a situation (learning on the way), propose the
cheapest mix that carries what must be covered, share out the pools that are too small for all proposals, pass each
through the rails, and return the steps that are safe now. The controller calls `decide` once per tick for all services.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from tightrope.domain import accounts, allocate, allowance, error_budget, explain, performance, recommended
from tightrope.domain.allocate import larger, replicas_for
from tightrope.domain.capacity_room import nodes_used
from tightrope.domain.memory import Memory, ServiceMemory
from tightrope.domain.observation import Observation
from tightrope.domain.plan import BudgetState, Decision, Reason, SetReplicas, VariantBelief
from tightrope.domain.propose import Proposal, propose
from tightrope.domain.sharing import Share, Wish, shared
from tightrope.domain.situation import Clock, Situation, gather, with_allowance, with_room, with_shares
from tightrope.domain.spec import Metric, Mode, Pool, Service, ServiceKey
from tightrope.domain.stabilise import MARGIN, stabilised


def decide(
    *,
    services: Sequence[Service],
    pools: Mapping[str, Pool],
    observations: Mapping[ServiceKey, Observation],
    memory: Memory,
    now: float,
    tick_seconds: float,
    metrics_delay_seconds: float,
    budgets: Mapping[str, float] | None = None,
) -> tuple[dict[ServiceKey, Decision], Memory]:
    """Decisions for every service that has an observation, and the memory for the next tick.

    `now` is unix seconds; `tick_seconds` the time to the next call; `metrics_delay_seconds` how far behind a rate is
    when it is read. `budgets` is what all services of a namespace may cost together, currency an hour. Every pool that
    a variant names must be in `pools` (KeyError otherwise: the controller reports unknown pools before it asks). The
    same arguments give the same result, in whatever order they come.
    """
    clock = Clock(now=now, tick_seconds=tick_seconds, metrics_delay_seconds=metrics_delay_seconds)
    whole = {name: float(pool.max_nodes) for name, pool in pools.items()}
    seen = sorted((s for s in services if s.key in observations), key=lambda service: service.key)
    situations = gather(seen, pools=pools, observations=observations, memory=memory, clock=clock, free_nodes=whole)
    alone = {situation.service.key: situation for situation in situations}
    decisions: dict[ServiceKey, Decision] = {}
    memories: dict[ServiceKey, ServiceMemory] = {}
    for key, (situation, proposal) in together(alone, pools, budgets or {}).items():
        decisions[key], memories[key] = decide_one(situation, proposal)
    return decisions, Memory(services=memories)


Proposed: TypeAlias = dict[ServiceKey, tuple[Situation, Proposal]]


def together(
    alone: Mapping[ServiceKey, Situation], pools: Mapping[str, Pool], budgets: Mapping[str, float]
) -> Proposed:
    """Every service's proposal as far as the pools and the budgets of namespaces allow for all of them."""
    proposals = {key: propose(situation) for key, situation in alone.items()}
    found = within_pools(alone, proposals, pools)
    granted = allowance.dealt_out(found, budgets)
    if not granted:
        return found
    limited = {key: with_allowance(alone[key], granted[key]) for key in granted}
    proposals |= {key: propose(situation) for key, situation in limited.items()}
    # Whoever may not spend as much takes less of the pools: others may have that.
    return within_pools({**alone, **limited}, proposals, pools)


def within_pools(
    alone: Mapping[ServiceKey, Situation], proposals: Mapping[ServiceKey, Proposal], pools: Mapping[str, Pool]
) -> Proposed:
    """These proposals as far as the pools have room for all of them, and what each may take of them."""
    proposals = dict(proposals)
    wishes = {key: wish_of(situation, proposals[key]) for key, situation in alone.items()}

    def again(key: ServiceKey, nodes: Mapping[str, Share]) -> Wish:
        situation = with_shares(alone[key], nodes)
        proposals[key] = propose(situation)
        wishes[key] = wish_of(situation, proposals[key])
        return wishes[key]

    shares = shared(wishes, pools, again)
    used = dict.fromkeys(pools, 0.0)
    for wish in wishes.values():
        for name, nodes in wish.wished.items():
            used[name] += nodes
    found: Proposed = {}
    for key, situation in alone.items():
        free = {name: pools[name].max_nodes - used[name] + wishes[key].wished.get(name, 0.0) for name in pools}
        mine = with_shares(with_room(situation, free), shares[key])
        found[key] = (mine, propose(mine) if shares[key] else proposals[key])
    return found


def wish_of(situation: Situation, proposal: Proposal) -> Wish:
    """The nodes that this service holds and would hold with this proposal."""
    service = situation.service
    carried: dict[str, float] = {}
    for variant in service.variants:
        capacity = situation.capacities.get(variant.name, 0.0) * situation.per_node[variant.name]
        carried[variant.pool] = max(carried.get(variant.pool, 0.0), capacity)
    demand = proposal.covered or situation.least_covered
    planned = allocate.carried(proposal.plan, situation.capacities)
    return Wish(
        key=service.key,
        priority=service.priority,
        held=nodes_used(service, situation.wanted, situation.per_node),
        wished=nodes_used(service, larger(situation.wanted, proposal.plan), situation.per_node),
        needed=nodes_used(service, needed_now(situation, proposal), situation.per_node),
        per_node=carried,
        demand=demand,
        unpaid=max(demand - planned, 0.0) if proposal.money_budget else 0.0,
    )


def needed_now(situation: Situation, proposal: Proposal) -> Mapping[str, int]:
    """Replicas that the demand of this moment needs. All that is held or wished for where that is not clear: while data
    is missing, the mix changes, or descents are not for us to make."""
    wished = larger(situation.wanted, proposal.plan)
    name = next(iter(proposal.plan), "")
    forecast, capacity = situation.forecasts.get(name), situation.capacities.get(name)
    unclear = situation.blind is not None or len([n for n in wished.values() if n > 0]) != 1
    held_fast = situation.service.mode is not Mode.AUTO or situation.service.descents_paused
    if unclear or held_fast or forecast is None or capacity is None:
        return wished
    least = max(replicas_for(forecast.level * (1.0 + MARGIN), capacity), situation.service.min_replicas)
    return {name: min(least, wished[name])}


def decide_one(situation: Situation, proposal: Proposal) -> tuple[Decision, ServiceMemory]:
    """One service: pass the rails, write down."""
    trial = recommended.tried(situation, proposal)
    proposal = stabilised(situation, proposal)
    memory = remembered(situation, proposal)
    comparison = trial.comparison() if trial is not None else None
    memory = replace(memory, trial=trial, persisted=replace(memory.persisted, comparison=comparison))
    return decision_of(situation, proposal, memory), memory


def remembered(situation: Situation, proposal: Proposal) -> ServiceMemory:
    """The memory after this decision: the plan first, since the status keeps it before anything is written."""
    memory = situation.memory
    descends = any(proposal.targets.get(name, 0) < wanted for name, wanted in situation.wanted.items())
    asked = {name: predicted.upper for name, predicted in situation.forecasts.items() if predicted is not None}
    covered = memory.covered
    if asked and situation.blind is None:
        covered = (*covered, (situation.now, asked))
    switched_at = situation.now if proposal.switched else memory.persisted.last_switch_at
    return replace(
        memory,
        persisted=replace(memory.persisted, plan=dict(proposal.plan), last_switch_at=switched_at),
        covered=covered,
        planned=(*memory.planned, (situation.now, dict(proposal.plan))),
        last_descent_at=situation.now if descends else memory.last_descent_at,
    )


def decision_of(situation: Situation, proposal: Proposal, memory: ServiceMemory) -> Decision:
    """The decision as a value: the writes, scale-ups first, and everything that explains them."""
    service = situation.service
    writes = [
        SetReplicas(variant=name, replicas=proposal.targets.get(name, 0), previous=wanted)
        for name, wanted in sorted(situation.wanted.items())
        if proposal.targets.get(name, 0) != wanted
    ]
    writes.sort(key=lambda write: write.replicas < write.previous)
    running = {name: count for name, count in situation.wanted.items() if count > 0}
    budgets = budgets_of(situation, memory)
    return Decision(
        key=service.key,
        plan=dict(proposal.plan),
        writes=tuple(writes),
        reason=proposal.reason,
        message=proposal.message,
        required_ready=required_ready(situation, proposal),
        covered_demand=proposal.covered,
        cost_per_hour=proposal.cost_per_hour,
        beliefs=beliefs(situation),
        persisted=memory.persisted,
        alternatives=proposal.alternatives,
        budget=budgets.pop(service.objective.metric, None),
        further_budgets=budgets,
        beyond_replicas=accounts.beyond_replicas(memory.accounts),
        money_budget=proposal.money_budget,
        past=explain.past_sentence(memory.seeded, situation.observation.past_unknown),
        switching=bool(proposal.plan) and frozenset(running) != frozenset(proposal.plan) and service.mode is Mode.AUTO,
        blind=situation.blind,
        no_feasible_variant=explain.no_capacity_sentence(situation, ())
        if proposal.reason is Reason.NO_FEASIBLE_VARIANT
        else None,
    )


def budgets_of(situation: Situation, memory: ServiceMemory) -> dict[Metric, BudgetState]:
    """The error budget of every objective of which anything has finished. None as long as history is awaited: one
    tick without a miss would pass for a window without any, right after one that was overspent."""
    if situation.observation.history_awaited:
        return {}
    window = situation.service.slo_window_seconds
    found = {
        metric: error_budget.budget(account.ledger, account.objective, now=situation.now, window_seconds=window)
        for metric, account in memory.accounts.items()
    }
    return {metric: state for metric, state in found.items() if state is not None}


def required_ready(situation: Situation, proposal: Proposal) -> int:
    """Ready pods that must not be evicted now: those that the covered demand needs, of those that will stay.

    Counted at the smallest capacity among them; where that or the demand is unknown, every ready pod is needed.
    """
    staying = {name: min(situation.ready[name], proposal.targets.get(name, 0)) for name in situation.ready}
    serving = [name for name, count in staying.items() if count > 0]
    total = sum(staying.values())
    unknown = situation.blind is not None or proposal.covered is None
    if unknown or not serving or any(name not in situation.capacities for name in serving):
        return total
    assert proposal.covered is not None
    capacity = min(situation.capacities[name] for name in serving)
    return min(total, max(replicas_for(proposal.covered, capacity), situation.service.min_replicas))


def beliefs(situation: Situation) -> dict[str, VariantBelief]:
    """What is believed of each variant, and what it costs now."""
    persisted = situation.memory.persisted
    found: dict[str, VariantBelief] = {}
    for variant in situation.service.variants:
        name, learned = variant.name, persisted.capacities.get(variant.name)
        nodes = math.ceil(situation.wanted[name] / (situation.per_node[name] or 1) - 1e-9)
        back_off = persisted.back_offs.get(name)
        found[name] = VariantBelief(
            capacity=performance.median_capacity(learned) if learned is not None else None,
            capacity_low=performance.planning_capacity(learned) if learned is not None else None,
            time_to_ready_seconds=situation.time_to_ready[name],
            cost_per_hour=nodes * situation.pools[variant.pool].price_per_node_hour,
            infeasible=situation.infeasible.get(name) or only_bridges(situation, name),
            retry_at=back_off.retry_at if back_off is not None and situation.now < back_off.retry_at else None,
            bound_by=situation.bound_by[name].metric if name in situation.bound_by else None,
            taken_back=name in situation.doubted,
        )
    return found


def only_bridges(situation: Situation, name: str) -> str | None:
    """Why plans leave out a variant that may bridge."""
    service = situation.service
    if name not in service.bridges:
        return None
    quality = service.variant(name).quality
    return f"its quality {quality} is under quality.min {service.min_quality:g}, so that it only bridges"
