"""Which mix of variants carries a demand at the least cost, and what the next best mixes would have cost.

`decide` calls this once per service and tick. Behind a plain Service every ready pod gets the same share of the
requests, so a mix carries (number of pods) x (the smallest capacity in it): a pod of 400/s beside one of 25/s gets no
more than 25/s. The programme is therefore exact by enumeration: choose which capacity binds, count the pods that
makes necessary, and fill them from the variants of at least that capacity, cheapest first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tightrope.domain.spec import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One variant as the allocation sees it.

    `capacity` is arrivals per second per replica that the plan may count on; `demand` what must be carried if this
    variant is in the mix (its own horizon); `limit` the most replicas its pool has room for; `per_node` how many
    replicas share a node.
    """

    name: str
    pool: Pool
    capacity: float
    demand: float
    limit: int
    per_node: int

    @property
    def cost_per_replica_hour(self) -> float:
        return self.pool.price_per_node_hour / max(self.per_node, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A candidate plan: replicas per variant (positive only), its cost per hour, and the demand it falls short of."""

    replicas: Mapping[str, int]
    cost_per_hour: float
    carries: float
    shortfall: float

    @property
    def variants(self) -> frozenset[str]:
        return frozenset(self.replicas)

    @property
    def total(self) -> int:
        return sum(self.replicas.values())


def candidates(options: Sequence[Option], *, min_replicas: int, max_replicas: int) -> tuple[Mix, ...]:
    """Every undominated mix, best first: those that carry the demand by cost, then the rest by what they carry."""
    mixes: dict[tuple[tuple[str, int], ...], Mix] = {}
    for binding in options:
        together = [option for option in options if option.capacity >= binding.capacity]
        for group in ([binding], together):
            mix = filled(group, min_replicas=min_replicas, max_replicas=max_replicas)
            if mix is not None:
                mixes[tuple(sorted(mix.replicas.items()))] = mix
    return tuple(sorted(mixes.values(), key=preference))


def preference(mix: Mix) -> tuple[bool, float, float, int, tuple[tuple[str, int], ...]]:
    """Order of choice; the last keys make it independent of the order in which variants are listed."""
    short = mix.shortfall > 0
    return (short, -mix.carries if short else 0.0, mix.cost_per_hour, mix.total, tuple(sorted(mix.replicas.items())))


def filled(group: Sequence[Option], *, min_replicas: int, max_replicas: int) -> Mix | None:
    """The cheapest way to put enough pods on these variants; None if they have room for none."""
    open_options = [option for option in group if option.limit > 0 and option.capacity > 0]
    if not open_options:
        return None
    capacity = min(option.capacity for option in open_options)
    demand = max(option.demand for option in open_options)
    needed = min(max(replicas_for(demand, capacity), min_replicas, 1), max_replicas)
    replicas: dict[str, int] = {}
    for option in sorted(open_options, key=lambda option: (option.cost_per_replica_hour, option.name)):
        share = min(option.limit, needed - sum(replicas.values()))
        if share > 0:
            replicas[option.name] = share
    return priced(replicas, {option.name: option for option in open_options}, demand)


def replicas_for(demand: float, capacity: float) -> int:
    """Pods for this demand; a hair of rounding error must not buy a pod."""
    return math.ceil(demand / capacity - 1e-9)


def priced(replicas: Mapping[str, int], options: Mapping[str, Option], demand: float) -> Mix:
    """The mix with what it costs and what it carries under an even split."""
    used = [options[name] for name in replicas]
    carries = sum(replicas.values()) * min((option.capacity for option in used), default=0.0)
    return Mix(
        replicas=dict(replicas),
        cost_per_hour=cost_per_hour((options[name], count) for name, count in replicas.items()),
        carries=carries,
        shortfall=max(demand - carries - 1e-9, 0.0),
    )


def cost_per_hour(counts: Iterable[tuple[Option, int]]) -> float:
    """Price of the nodes that these replicas occupy; a node taken in part is billed whole."""
    return sum(math.ceil(count / max(option.per_node, 1)) * option.pool.price_per_node_hour for option, count in counts)


def carried(ready: Mapping[str, int], capacities: Mapping[str, float]) -> float:
    """Arrivals per second that these ready pods carry together under an even split. A variant of unknown capacity
    is not in `capacities`: it may not lower or raise the figure, and counts for nothing."""
    serving = {name: count for name, count in ready.items() if count > 0 and name in capacities}
    if not serving:
        return 0.0
    return sum(serving.values()) * min(capacities[name] for name in serving)
