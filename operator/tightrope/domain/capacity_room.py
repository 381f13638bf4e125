"""How many replicas a pool has room for, and when a pool that had none is tried again.

`situation` asks at every tick. A pool without room is found out only by asking it: pods that no node takes for longer
than the pool's time to ready, or that a quota refuses. Then the variant backs off, longer each time, and the plan is
made without more of it; what already runs there stays.

Nodes that are taken back from a spot pool are news of the pool before its room runs out: it backs off at once, for all
variants of the service on it, and plans count only on what is ready there where other pools carry the rest.
"""

import math
from collections.abc import Mapping

from tightrope.domain.memory import BackOff
from tightrope.domain.observation import Observation, VariantState
from tightrope.domain.spec import CapacityType, Pools, Service

MIN_WAIT_SECONDS = 5.0
MAX_WAIT_SECONDS = 1800.0
TAKEN_BACK_WAIT_SECONDS = 300.0  # at the least: where a spot market is short of nodes, it is not for a moment
CLOCKS_APART_SECONDS = 1.0  # times in the cluster are whole seconds


def back_offs(
    service: Service, pools: Pools, observation: Observation, previous: Mapping[str, BackOff], now: float
) -> dict[str, BackOff]:
    """The back-offs after this tick. One is forgotten once everything asked for is ready and its wait is over; after
    nodes were taken back, once no more were for as long again."""
    current: dict[str, BackOff] = {}
    losses = taken_back(service, pools, observation)
    for variant in service.variants:
        state, known = observation.variants[variant.name], previous.get(variant.name)
        lost_at = losses.get(variant.pool)
        if lost_at is not None and is_news(lost_at, known, now):
            first = max(pools[variant.pool].time_to_ready_seconds, TAKEN_BACK_WAIT_SECONDS)
            current[variant.name] = after_loss(known, first=first, now=now)
        elif known is not None and now < known.retry_at:
            current[variant.name] = known
        elif has_no_room(state, patience_seconds=pools[variant.pool].time_to_ready_seconds, now=now):
            current[variant.name] = longer(known, first=pools[variant.pool].time_to_ready_seconds, now=now)
        elif known is not None and (remembered(known, now) or not (state.wanted and state.ready >= state.wanted)):
            current[variant.name] = known
    return current


def taken_back(service: Service, pools: Pools, observation: Observation) -> dict[str, float]:
    """When each spot pool last lost a node under this service. Nodes of other pools go for reasons that say nothing of
    the pool's room."""
    found: dict[str, float] = {}
    for variant in service.variants:
        lost_at = observation.variants[variant.name].taken_back_at
        if lost_at is not None and pools[variant.pool].capacity_type is CapacityType.SPOT:
            found[variant.pool] = max(lost_at, found.get(variant.pool, lost_at))
    return found


def is_news(lost_at: float, known: BackOff | None, now: float) -> bool:
    """Whether this loss is young, and was not counted yet."""
    if known is not None and lost_at <= known.since + CLOCKS_APART_SECONDS:
        return False
    return now - lost_at < TAKEN_BACK_WAIT_SECONDS


def after_loss(known: BackOff | None, *, first: float, now: float) -> BackOff:
    """Nodes go in groups: another loss during the wait begins it anew; one after it makes it longer."""
    if known is not None and known.taken_back and now < known.retry_at:
        return BackOff(retry_at=now + known.wait_seconds, wait_seconds=known.wait_seconds, taken_back=True)
    waits = longer(known if known is not None and known.taken_back else None, first=first, now=now)
    return BackOff(retry_at=waits.retry_at, wait_seconds=waits.wait_seconds, taken_back=True)


def remembered(known: BackOff, now: float) -> bool:
    return known.taken_back and now < known.retry_at + known.wait_seconds


def doubted(service: Service, observation: Observation, waiting: Mapping[str, BackOff], now: float) -> dict[str, int]:
    """The replicas to count on, of variants whose pool lost nodes lately: those that are ready now. What was started
    there since may come, or go the way of the others."""
    return {
        variant.name: observation.variants[variant.name].ready
        for variant in service.variants
        if (known := waiting.get(variant.name)) is not None and known.taken_back and now < known.retry_at
    }


def has_no_room(state: VariantState, *, patience_seconds: float, now: float) -> bool:
    """An autoscaler has its time first: pending counts only when it is older than the pool's time to ready."""
    if state.refused is not None:
        return True
    return state.unschedulable_since is not None and now - state.unschedulable_since > patience_seconds


def longer(known: BackOff | None, *, first: float, now: float) -> BackOff:
    wait = max(first, MIN_WAIT_SECONDS) if known is None else known.wait_seconds * 2.0
    wait = min(wait, MAX_WAIT_SECONDS)
    return BackOff(retry_at=now + wait, wait_seconds=wait)


def limits(
    service: Service,
    pools: Pools,
    observation: Observation,
    waiting: Mapping[str, BackOff],
    per_node: Mapping[str, float],
    free_nodes: Mapping[str, float],
    now: float,
) -> dict[str, int]:
    """The most replicas of each variant: what the pool's nodes hold beside other services, or, while backing off,
    what runs already. What runs already is never over the limit: a pool that shrank is not a reason to descend."""
    found: dict[str, int] = {}
    for variant in service.variants:
        state, back_off = observation.variants[variant.name], waiting.get(variant.name)
        placed = max(state.pods - state.unschedulable, 0)
        whole = math.floor(max(free_nodes.get(variant.pool, 0.0), 0.0) + 1e-9)
        room = math.floor(whole * per_node[variant.name] + 1e-9)
        if back_off is not None and now < back_off.retry_at:
            room = min(room, placed)
        if state.unavailable is not None:
            room = 0
        found[variant.name] = max(room, min(placed, state.wanted or 0))
    return found


def nodes_used(service: Service, counts: Mapping[str, int], per_node: Mapping[str, float]) -> dict[str, float]:
    """Nodes of each pool that these replicas occupy, a node taken in part counting whole."""
    used: dict[str, float] = {}
    for variant in service.variants:
        nodes = math.ceil(counts.get(variant.name, 0) / (per_node[variant.name] or 1) - 1e-9)
        used[variant.pool] = used.get(variant.pool, 0.0) + nodes
    return used
