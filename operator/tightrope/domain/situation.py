"""Everything the decision knows of one service at one tick, gathered into one frozen value before any rule runs.

`decide` builds it; `propose` and `stabilise` read it. Learning happens here too: the memory that comes in is the last
tick's, the memory in the situation is this tick's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tightrope.domain import accounts, capacity_room, outlook, performance, schedules
from tightrope.domain.demand_history import recent_of
from tightrope.domain.forecast import Forecast
from tightrope.domain.memory import Account, BackOff, LearnedCapacity, Memory, ServiceMemory
from tightrope.domain.observation import Known, Missing, Observation, describe, lower_bound
from tightrope.domain.shadows import Came, Server
from tightrope.domain.sharing import Share
from tightrope.domain.spec import LatencyObjective, Metric, Objective, Pools, Service, ServiceKey, Variant

DEMAND_MEMORY_SECONDS = 1800.0
LOAD_MEMORY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """When this tick is, how far the next one is, and how old a rate is when it is read (seconds)."""

    now: float
    tick_seconds: float
    metrics_delay_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a service may cost of its namespace's budget, and among how many that is shared; currency an hour."""

    per_hour: float
    of: float
    services: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One service now. Maps are by variant name; every variant of the service is in each of them, except that
    `capacities` has only variants whose capacity is known and feasible. Capacities are arrivals per second per
    replica; `covered` is arrivals per second that must be carried if that variant is in the mix. `bound_by` is the
    objective that leaves a variant the least capacity. `scheduled` is the schedule that raises `min` now,
    `shares` what it may hold of pools that are too small for all services, `allowance` what it may cost of a budget
    that is too small for all services of its namespace. `doubted` are the replicas to count on where nodes were taken
    back lately, if other pools carry the rest."""

    service: Service
    pools: Pools
    clock: Clock
    observation: Observation
    memory: ServiceMemory
    blind: str | None
    wanted: Mapping[str, int]
    ready: Mapping[str, int]
    capacities: Mapping[str, float]
    infeasible: Mapping[str, str]
    time_to_ready: Mapping[str, float]
    limits: Mapping[str, int]
    per_node: Mapping[str, float]
    forecasts: Mapping[str, Forecast | None]
    covered: Mapping[str, float]
    bound_by: Mapping[str, Objective]
    scheduled: schedules.InForce | None = None
    shares: Mapping[str, Share] = field(default_factory=dict)
    allowance: Allowance | None = None
    doubted: Mapping[str, int] = field(default_factory=dict)

    @property
    def now(self) -> float:
        return self.clock.now

    @property
    def previous_plan(self) -> Mapping[str, int] | None:
        """The plan of the last tick, or what runs already; None for a service that has neither."""
        names = {variant.name for variant in self.service.variants}
        remembered = {k: n for k, n in (self.memory.persisted.plan or {}).items() if n > 0 and k in names}
        running = {name: count for name, count in self.wanted.items() if count > 0}
        return remembered or running or None

    @property
    def least_covered(self) -> float:
        """What must be carried whatever the mix: the figure of the fastest variant to start."""
        known = [self.covered[name] for name in self.capacities]
        return min(known, default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """One service after this tick's learning, before it looks ahead. `known` has an account for each objective."""

    service: Service
    scheduled: schedules.InForce | None
    observation: Observation
    memory: ServiceMemory
    stretch: accounts.Stretch
    blind: str | None
    times: "TimesToReady"
    known: Mapping[Metric, Account]
    bound_by: Mapping[str, Objective]
    back_offs: Mapping[str, BackOff]
    per_node: Mapping[str, float]
    infeasible: Mapping[str, str]


def gather(
    services: Sequence[Service],
    *,
    pools: Pools,
    observations: Mapping[ServiceKey, Observation],
    memory: Memory,
    clock: Clock,
    free_nodes: Mapping[str, float],
) -> list[Situation]:
    """The situations of these services. `free_nodes` is what each could have of every pool, were it alone."""
    found = [
        learned(service, pools=pools, observation=observations[service.key], memory=memory.of(service.key), clock=clock)
        for service in services
    ]
    ahead = outlook.outlooks([ask_of(one, clock) for one in found], now=clock.now, tick_seconds=clock.tick_seconds)
    return [situated(one, pools, mine, clock, free_nodes) for one, mine in zip(found, ahead, strict=True)]


def learned(
    service: Service, *, pools: Pools, observation: Observation, memory: ServiceMemory, clock: Clock
) -> Learned:
    """One service with all that this tick teaches of it."""
    stretch = stretch_of(memory, clock)
    memory = remembered(memory, observation, service, clock)
    memory = outlook.with_period(memory, now=clock.now)
    times = times_to_ready(service, pools, observation, memory, stretch.seconds)
    service, scheduled = schedules.applied(
        service, now=clock.now, lead_seconds=lead(service, observation, times, clock)
    )
    known = accounts.learned(accounts.adopted(memory, service), service, pools, observation, memory, stretch)
    per_node = {v.name: pools[v.pool].room_per_node(v) for v in service.variants}
    return Learned(
        service=service,
        scheduled=scheduled,
        observation=observation,
        memory=memory,
        stretch=stretch,
        blind=blindness(service, observation),
        times=times,
        known=known,
        bound_by=accounts.binding(known),
        back_offs=capacity_room.back_offs(service, pools, observation, memory.persisted.back_offs, clock.now),
        per_node=per_node,
        infeasible=infeasibilities(service, known, per_node),
    )


def situated(
    learned: Learned,
    pools: Pools,
    ahead: Mapping[str, outlook.Outlook],
    clock: Clock,
    free_nodes: Mapping[str, float],
) -> Situation:
    """The situation of a service with what it looks ahead to."""
    service, observation, memory, known = learned.service, learned.observation, learned.memory, learned.known
    capacities = {name: known[objective.metric].capacities[name] for name, objective in learned.bound_by.items()}
    memory = replace(
        memory,
        persisted=replace(
            memory.persisted,
            capacities=capacities,
            time_to_ready_seconds=learned.times.measured,
            back_offs=learned.back_offs,
        ),
        healthy_since=None
        if learned.blind
        else (memory.healthy_since if memory.healthy_since is not None else clock.now),
        shadows={name: one.shadows for name, one in ahead.items()},
        accounts=accounts.settled(known, service, observation, learned.stretch),
        last_tick_at=clock.now,
    )
    forecasts = {v.name: ahead[v.name].forecast if v.name in ahead else None for v in service.variants}
    return Situation(
        service=service,
        pools=pools,
        clock=clock,
        observation=observation,
        memory=memory,
        blind=learned.blind,
        wanted={v.name: observation.variants[v.name].wanted or 0 for v in service.variants},
        ready={v.name: observation.variants[v.name].ready for v in service.variants},
        capacities=planning_capacities(capacities, learned.infeasible),
        infeasible=learned.infeasible,
        time_to_ready=learned.times.used,
        limits=capacity_room.limits(
            service, pools, observation, learned.back_offs, learned.per_node, free_nodes, clock.now
        ),
        per_node=learned.per_node,
        forecasts=forecasts,
        covered=covered_demands(service, forecasts, memory, observation, clock),
        bound_by=learned.bound_by,
        scheduled=learned.scheduled,
        doubted=capacity_room.doubted(service, observation, learned.back_offs, clock.now),
    )


def with_room(situation: Situation, free_nodes: Mapping[str, float]) -> Situation:
    """The same with so many nodes of each pool for it, those that it holds included."""
    service, known = situation.service, situation.memory.persisted.back_offs
    limits = capacity_room.limits(
        service, situation.pools, situation.observation, known, situation.per_node, free_nodes, situation.now
    )
    return situation if limits == situation.limits else replace(situation, limits=limits)


def with_shares(situation: Situation, shares: Mapping[str, Share]) -> Situation:
    """The same with no more than its shares of the pools that are short."""
    if not shares and not situation.shares:
        return situation
    limits = dict(situation.limits)
    for variant in situation.service.variants:
        if variant.pool in shares:
            most = math.floor(shares[variant.pool].nodes + 1e-9) * situation.per_node[variant.name]
            limits[variant.name] = min(limits[variant.name], math.floor(most + 1e-9))
    return replace(situation, limits=limits, shares=shares)


def with_allowance(situation: Situation, allowance: Allowance) -> Situation:
    """The same with a budget of no more than this; its own stays where it is the smaller one."""
    service = situation.service
    if service.budget_per_hour is not None and service.budget_per_hour <= allowance.per_hour:
        return situation
    return replace(situation, service=replace(service, budget_per_hour=allowance.per_hour), allowance=allowance)


def planning_capacities(learned: Mapping[str, LearnedCapacity], infeasible: Mapping[str, str]) -> dict[str, float]:
    """What a replica of each feasible variant is planned to carry, arrivals per second."""
    return {name: performance.planning_capacity(belief) for name, belief in learned.items() if name not in infeasible}


def ask_of(learned: Learned, clock: Clock) -> outlook.Ask:
    """What to plan for is asked per variant whose capacity is known and feasible, at the objective that binds it."""
    rate, times = outlook.known_rate(learned.observation), learned.times
    return outlook.Ask(
        service=learned.service,
        memory=learned.memory,
        accounts=learned.known,
        servers=servers_of(
            learned.service, learned.known, learned.bound_by, learned.infeasible, learned.per_node, times, clock
        ),
        horizons={name: horizon(used, clock) for name, used in times.used.items()},
        came=None if rate is None else Came(rate=rate, seconds=learned.stretch.span),
    )


def horizon(time_to_ready: float, clock: Clock) -> float:
    """Seconds that a plan must look ahead: until what is asked for at the next tick is ready, as metrics show it."""
    return time_to_ready + clock.tick_seconds + clock.metrics_delay_seconds


def servers_of(
    service: Service,
    known: Mapping[Metric, Account],
    bound_by: Mapping[str, Objective],
    infeasible: Mapping[str, str],
    per_node: Mapping[str, float],
    times: "TimesToReady",
    clock: Clock,
) -> dict[str, Server]:
    """The variants whose capacity is known and feasible, as the shadows see them."""
    return {
        name: outlook.server_of(
            service,
            known[objective.metric].capacities[name],
            objective=objective,
            per_node=per_node[name],
            startup_seconds=times.used[name] + clock.metrics_delay_seconds,
            averaged_seconds=2.0 * clock.metrics_delay_seconds,
        )
        for name, objective in bound_by.items()
        if name not in infeasible
    }


def blindness(service: Service, observation: Observation) -> str | None:
    """Why this service may not descend now, in words; None when demand and all objectives are known.

    Without traffic there is no latency to know: a demand of zero that is Known is enough.
    """
    if not isinstance(observation.demand, Known):
        return f"demand is unknown: {describe(observation.demand)}"
    if observation.demand.value <= 0:
        return None
    for objective in service.objectives:
        seen = observation.judged_by(objective.metric, service)
        if isinstance(seen, Missing):
            return f"{objective.metric} is unknown: {seen.reason}"
    return None


def stretch_of(memory: ServiceMemory, clock: Clock) -> accounts.Stretch:
    """The time since the last tick; of a gap of more than two ticks, nobody saw but the last one."""
    seconds = elapsed(memory, clock)
    return accounts.Stretch(
        now=clock.now,
        seconds=seconds,
        span=seconds if seconds <= 2.0 * clock.tick_seconds else clock.tick_seconds,
        settling_seconds=3.0 * clock.metrics_delay_seconds,
    )


def elapsed(memory: ServiceMemory, clock: Clock) -> float:
    """Seconds since the last tick of this service; one tick when there was none or the clock went back."""
    if memory.last_tick_at is None or memory.last_tick_at >= clock.now:
        return clock.tick_seconds
    return clock.now - memory.last_tick_at


def remembered(memory: ServiceMemory, observation: Observation, service: Service, clock: Clock) -> ServiceMemory:
    """What was seen of late: demand of the last half hour (longer if a window of the behaviour is) with re-read history
    merged in, loads, and the plans of the descent window."""
    keep = max(DEMAND_MEMORY_SECONDS, service.behavior.descent_window_seconds, service.behavior.idle_window_seconds)
    seen = {observation.at: observation.demand.value} if isinstance(observation.demand, Known) else {}
    if observation.demand_history or observation.at <= memory.demand.newest_at:
        known = memory.demand.pairs()
        samples = dict(observation.demand_history) | known | seen
        added = sorted((at, rate) for at, rate in samples.items() if at not in known)
        recent = recent_of(samples)
    else:
        added, recent = list(seen.items()), memory.demand
        for at, rate in added:
            recent = recent.then(at, rate)
    recent = recent.between(clock.now - keep, clock.now)
    history = memory.history.recorded(added)
    window = service.behavior.descent_window_seconds
    covered = tuple((at, value) for at, value in memory.covered if at > clock.now - window)
    planned = tuple((at, plan) for at, plan in memory.planned if at > clock.now - window)
    loads = loads_after(memory.loads, observation, clock)
    return replace(memory, demand=recent, history=history, covered=covered, planned=planned, loads=loads)


def loads_after(
    loads: Mapping[str, tuple[tuple[float, float], ...]], observation: Observation, clock: Clock
) -> dict[str, tuple[tuple[float, float], ...]]:
    """Arrivals per second per ready replica, per variant, over the last minute."""
    since = clock.now - max(LOAD_MEMORY_SECONDS, 4.0 * clock.metrics_delay_seconds)
    found: dict[str, tuple[tuple[float, float], ...]] = {}
    for name, state in observation.variants.items():
        kept = tuple([entry for entry in loads.get(name, ()) if since < entry[0] < observation.at])
        if isinstance(state.serving_demand, Known) and state.ready > 0:
            kept = (*kept, (observation.at, state.serving_demand.value / state.ready))
        found[name] = kept
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TimesToReady:
    """Seconds per variant: `used` by the forecast, `measured` (only where pods were timed) kept in the status."""

    used: Mapping[str, float]
    measured: Mapping[str, float]


def times_to_ready(
    service: Service, pools: Pools, observation: Observation, memory: ServiceMemory, seconds: float
) -> TimesToReady:
    remembered = memory.persisted.time_to_ready_seconds
    used = {
        v.name: performance.measured_time_to_ready(
            observation.variants[v.name],
            remembered=remembered.get(v.name),
            prior=pools[v.pool].time_to_ready_seconds,
            seconds=seconds,
        )
        for v in service.variants
    }
    timed = {name for name, state in observation.variants.items() if state.startup_seconds} | set(remembered)
    return TimesToReady(used=used, measured={name: used[name] for name in used if name in timed})


def times_known(service: Service, pools: Pools, memory: ServiceMemory) -> TimesToReady:
    """As last remembered, without looking at the cluster."""
    measured = memory.persisted.time_to_ready_seconds
    used = {v.name: measured.get(v.name, pools[v.pool].time_to_ready_seconds) for v in service.variants}
    return TimesToReady(used=used, measured=measured)


def lead(service: Service, observation: Observation, times: TimesToReady, clock: Clock) -> float:
    """Seconds from a decision to a ready replica of the slowest variant that runs; of all of them where none does."""
    running = [v.name for v in service.variants if observation.variants[v.name].wanted]
    return max(times.used[name] for name in running or times.used) + clock.tick_seconds


def infeasibilities(service: Service, known: Mapping[Metric, Account], per_node: Mapping[str, float]) -> dict[str, str]:
    """Variants that can't meet the SLO at any load, fit no node, or are not good enough, each with why."""
    found: dict[str, str] = {}
    for variant in service.variants:
        if per_node[variant.name] <= 0:
            who = "a replica's requests" if variant.pods_per_replica == 1 else "the requests of a group's largest pod"
            found[variant.name] = f"{who} do not fit an empty node of pool {variant.pool}"
            continue
        if not good_enough(service, variant) and variant.name not in service.bridges:
            found[variant.name] = f"its quality {variant.quality} is under quality.min {service.min_quality:g}"
            continue
        whys = (unreachable(variant, account) for account in known.values())
        why = next((why for why in whys if why is not None), None)
        if why is not None:
            found[variant.name] = why
    return found


def good_enough(service: Service, variant: Variant) -> bool:
    """Whether plans may have it."""
    return service.min_quality is None or (variant.quality is not None and variant.quality >= service.min_quality)


def unreachable(variant: Variant, account: Account) -> str | None:
    """Why the variant can't hold this objective at any load; None if it can, for all that is known."""
    belief, objective = account.capacities.get(variant.name), account.objective
    if not isinstance(objective, LatencyObjective):
        return None  # errors without load are a background, and no reason to prefer another variant
    threshold = f"{objective.threshold_seconds * 1000:.0f}ms"
    of = "" if objective.metric is Metric.LATENCY else f" of {objective.metric}"
    if belief is None and variant.capacity is not None:
        stated = f"{variant.capacity.rate_per_second:g}/s within {variant.capacity.at_seconds * 1000:.0f}ms"
        return f"{stated} leaves no capacity within {threshold}{of}"
    if belief is not None and performance.is_infeasible(belief, objective):
        return f"even lone requests miss {threshold}{of} on {variant.name}"
    return None


def covered_demands(
    service: Service,
    forecasts: Mapping[str, Forecast | None],
    memory: ServiceMemory,
    observation: Observation,
    clock: Clock,
) -> dict[str, float]:
    """What the plan must carry per variant: its forecast, and no less than any tick of the descent window asked for.

    Unknown is never zero: a demand known only in part counts with that part, and a forecast from samples older than
    the descent window counts no more.
    """
    seen = observation.demand
    floor = 0.0 if isinstance(seen, Known) else lower_bound(seen) or 0.0
    fresh = memory.demand.newest_at > clock.now - service.behavior.descent_window_seconds
    return {
        name: max(
            floor,
            max((asked.get(name, 0.0) for _, asked in memory.covered), default=0.0),
            predicted.upper if predicted is not None and fresh else 0.0,
        )
        for name, predicted in forecasts.items()
    }
