"""Who gets the nodes of a pool that is too small for what all its services wish for.

`decide` calls `shared` once a tick. Where the pools have room for every wish each service gets its own, and nothing is
changed. A pool that is short is shared out: by priority, and within a priority node by node to whoever is furthest from
what it needs (max-min fairness of the covered share of demand: D. Bertsekas and R. Gallager, Data Networks, 1992,
section 6.5.2), the demand of this moment before what may come. Those who get less then plan anew, with other pools if
they may, which can make another pool short in turn. What runs for the demand of this moment is never taken away for
somebody else's sake; what runs for a demand that may come is.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tightrope.domain.spec import Pools, ServiceKey

Nodes: TypeAlias = Mapping[str, float]  # by pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one service would have alone: nodes by pool that it holds now, that it would hold, and that the demand of
    this moment needs (at most as many as it would hold). `per_node` is the demand (arrivals per second) that a node of
    each pool carries for it, of the `demand` to be covered; `unpaid` is what of that it does not wish for, since its
    budget in money is spent: it is in need all the same."""

    key: ServiceKey
    priority: int
    held: Nodes
    wished: Nodes
    needed: Nodes
    per_node: Nodes
    demand: float
    unpaid: float = 0.0

    def grows(self, pool: str) -> float:
        """Nodes of this pool that it would add."""
        return max(self.wished.get(pool, 0.0) - self.held.get(pool, 0.0), 0.0)

    def secured(self, pool: str) -> float:
        """Nodes of this pool that are its own whoever else is in need."""
        return min(self.held.get(pool, 0.0), self.needed.get(pool, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Of a short pool: how many of its nodes a service may hold, and among how many it is shared."""

    nodes: float
    services: int
    of: int


Planner = Callable[[ServiceKey, Mapping[str, Share]], Wish]
"""What a service would wish for if it could hold no more than these shares of pools."""


def shared(wishes: Mapping[ServiceKey, Wish], pools: Pools, again: Planner) -> dict[ServiceKey, dict[str, Share]]:
    """The shares of every service in pools that are short; empty for a service that gets what it wishes for."""
    wishes = dict(wishes)
    shares: dict[ServiceKey, dict[str, Share]] = {key: {} for key in wishes}
    settled: set[str] = set()
    while True:
        short = next((name for name in sorted(pools) if name not in settled and is_short(name, wishes, pools)), None)
        if short is None:
            return shares
        settled.add(short)
        for key, nodes in dealt_out(short, wishes, pools).items():
            among = sum(wish.wished.get(short, 0.0) > 0.0 for wish in wishes.values())
            shares[key][short] = Share(nodes=nodes, services=among, of=pools[short].max_nodes)
        for key in sorted(key for key, share in shares.items() if short in share):
            wishes[key] = again(key, shares[key])


def is_short(pool: str, wishes: Mapping[ServiceKey, Wish], pools: Pools) -> bool:
    """Whether it is too small for all wishes, and somebody wishes to grow there."""
    total = sum(max(wish.wished.get(pool, 0.0), wish.held.get(pool, 0.0)) for wish in wishes.values())
    return total > pools[pool].max_nodes + 1e-9 and any(wish.grows(pool) > 0.0 for wish in wishes.values())


def dealt_out(pool: str, wishes: Mapping[ServiceKey, Wish], pools: Pools) -> dict[ServiceKey, float]:
    """Nodes of this pool that each service may hold that uses it or wishes to."""
    given = {key: wish.secured(pool) for key, wish in wishes.items()}
    free = pools[pool].max_nodes - sum(given.values())
    users = [wish for wish in wishes.values() if wish.wished.get(pool, 0.0) > 0.0]
    waiting = [turn(wish, pool, given[wish.key]) for wish in users if wish.wished[pool] > given[wish.key]]
    heapq.heapify(waiting)
    while free > 1e-9 and waiting:
        *_, key = heapq.heappop(waiting)
        given[key] += 1.0
        free -= 1.0
        if wishes[key].wished[pool] > given[key] + 1e-9:
            heapq.heappush(waiting, turn(wishes[key], pool, given[key]))
    return {wish.key: given[wish.key] for wish in users}


Turn: TypeAlias = tuple[int, bool, float, ServiceKey]


def turn(wish: Wish, pool: str, nodes: float) -> Turn:
    """Whose turn it is, the smallest first: who of the highest priority cannot carry the demand of this moment, and is
    furthest from what it needs."""
    return (-wish.priority, nodes >= wish.needed.get(pool, 0.0), -uncovered(wish, pool, nodes), wish.key)


def uncovered(wish: Wish, pool: str, nodes: float) -> float:
    """The share of the demand to be covered that is left with so many nodes of this pool and the rest of the wish."""
    if wish.demand <= 0.0:
        return 0.0
    missing = (wish.wished.get(pool, 0.0) - nodes) * wish.per_node.get(pool, 0.0)
    return (missing + wish.unpaid) / wish.demand
