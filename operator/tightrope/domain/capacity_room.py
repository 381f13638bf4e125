"""How many replicas a pool has room for, and when a pool that had none is tried again.

`situation` asks at every tick. A pool without room is found out only by asking it: pods that no node takes for longer
than the pool's time to ready, or that a quota refuses. Then the variant backs off, longer each time, and the plan is
made without more of it; what already runs there stays.
"""

import math
from collections.abc import Mapping

from tightrope.domain.memory import BackOff
from tightrope.domain.observation import Observation, VariantState
from tightrope.domain.spec import Pools, Service

MIN_WAIT_SECONDS = 5.0
MAX_WAIT_SECONDS = 1800.0


def back_offs(
    service: Service, pools: Pools, observation: Observation, previous: Mapping[str, BackOff], now: float
) -> dict[str, BackOff]:
    """The back-offs after this tick. One is forgotten once everything asked for is ready and its wait is over."""
    current: dict[str, BackOff] = {}
    for variant in service.variants:
        state, known = observation.variants[variant.name], previous.get(variant.name)
        if known is not None and now < known.retry_at:
            current[variant.name] = known
        elif has_no_room(state, patience_seconds=pools[variant.pool].time_to_ready_seconds, now=now):
            current[variant.name] = longer(known, first=pools[variant.pool].time_to_ready_seconds, now=now)
        elif known is not None and not (state.wanted and state.ready >= state.wanted):
            current[variant.name] = known
    return current


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
