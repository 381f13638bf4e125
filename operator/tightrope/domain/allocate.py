"""Which mix of variants carries a demand at the least cost, and what the next best mixes would have cost.

`decide` calls this once per service and tick. Behind a plain Service every ready pod gets the same share of the
requests, so a mix carries (number of pods) x (the smallest capacity in it): a pod of 400/s beside one of 25/s gets no
more than 25/s. The programme is therefore exact by enumeration: choose which capacity binds, count the pods that
makes necessary, and fill them from the variants of at least that capacity, cheapest first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tightrope.domain.spec import CapacityType, Pool

NO_LIMIT = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One variant as the allocation sees it.

    `capacity` is arrivals per second per replica that the plan may count on; `demand` what must be carried if this
    variant is in the mix (its own horizon); `limit` the most replicas its pool has room for; `per_node` how many
    replicas share a node, less than one where a replica takes several; `running` how many there are.
    """

    name: str
    pool: Pool
    capacity: float
    demand: float
    limit: int
    per_node: float
    running: int = 0

    @property
    def on_spot(self) -> bool:
        return self.pool.capacity_type is CapacityType.SPOT

    @property
    def cost_per_replica_hour(self) -> float:
        return self.pool.price_per_node_hour / (self.per_node or 1)

    @property
    def marginal_per_replica_hour(self) -> float:
        return self.pool.marginal_price_per_node_hour / (self.per_node or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A candidate plan: replicas per variant (positive only), its cost per hour, and the demand it falls short of.
    `marginal_per_hour` is the part of the cost that is saved without it, which decides: reserved nodes are paid anyway.
    `capped` says that a budget made it smaller, `over_budget` that it costs more all the same, since fewer are not
    allowed. `beyond_spot` replicas are more in spot pools than was asked for."""

    replicas: Mapping[str, int]
    cost_per_hour: float
    carries: float
    shortfall: float
    marginal_per_hour: float
    capped: bool = False
    over_budget: bool = False
    beyond_spot: int = 0

    @property
    def variants(self) -> frozenset[str]:
        return frozenset(self.replicas)

    @property
    def total(self) -> int:
        return sum(self.replicas.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Over all variants of a mix: replicas, and what their nodes may cost an hour. The budget gives way to `least`.
    `spot_share` (0..1) of the replicas may stand in spot pools; it gives way to the demand, where others are full."""

    least: int
    most: int
    budget_per_hour: float = NO_LIMIT
    spot_share: float = 1.0

    def on_spot(self, replicas: int) -> int:
        """How many of so many replicas may stand in spot pools."""
        return math.floor(self.spot_share * replicas + 1e-9)


def candidates(options: Sequence[Option], bounds: Bounds) -> tuple[Mix, ...]:
    """Every undominated mix, best first: those that carry the demand by what they have too much on spot and by cost,
    then the rest by what they carry, those over the budget last."""
    mixes: dict[tuple[tuple[str, int], ...], Mix] = {}
    for binding in options:
        together = [option for option in options if option.capacity >= binding.capacity]
        for group in ([binding], together) if len(together) > 1 else (together,):
            mix = filled(group, bounds)
            if mix is not None:
                mixes[tuple(sorted(mix.replicas.items()))] = mix
    return tuple(sorted(mixes.values(), key=preference))


def preference(mix: Mix) -> tuple[float, bool, float, int, float, float, int, tuple[tuple[str, int], ...]]:
    """Order of choice; the last keys make it independent of the order in which variants are listed."""
    short, over = mix.shortfall > 0, mix.cost_per_hour if mix.over_budget else 0.0
    names = tuple(sorted(mix.replicas.items()))
    money = (mix.marginal_per_hour, mix.cost_per_hour)
    return (over, short, -mix.carries if short else 0.0, mix.beyond_spot, *money, mix.total, names)


def filled(group: Sequence[Option], bounds: Bounds) -> Mix | None:
    """The cheapest way to put enough pods on these variants; None if they have room for none.

    A budget stops growth: it takes away neither what runs already nor the least that the user asked for.
    """
    open_options = [option for option in group if option.limit > 0 and option.capacity > 0]
    if not open_options:
        return None
    capacity = min(option.capacity for option in open_options)
    demand = max(option.demand for option in open_options)
    needed = min(max(replicas_for(demand, capacity), bounds.least, 1), bounds.most)
    by_name = {option.name: option for option in open_options}
    whole = priced(spread(open_options, needed, bounds), by_name, demand, bounds)
    if whole.cost_per_hour <= bounds.budget_per_hour:
        return whole
    running = sum(option.running for option in open_options)
    kept = min(max(running, bounds.least, 1), needed)
    for count in range(needed - 1, kept - 1, -1):
        mix = priced(spread(open_options, count, bounds), by_name, demand, bounds)
        if mix.cost_per_hour <= bounds.budget_per_hour:
            return replace(mix, capped=True)
    mix = priced(spread(open_options, kept, bounds), by_name, demand, bounds)
    return replace(mix, capped=kept < needed, over_budget=kept > running)


def spread(options: Sequence[Option], needed: int, bounds: Bounds) -> dict[str, int]:
    """So many replicas on these variants, the cheapest first, as far as there is room: on spot no more than may be,
    and then, where the others have no room for the rest, all the same."""
    replicas: dict[str, int] = {}
    left_on_spot = bounds.on_spot(needed)
    for within in (True, False):
        for option in sorted(options, key=replica_price):
            held = replicas.get(option.name, 0)
            share = min(option.limit - held, needed - sum(replicas.values()))
            if within and option.on_spot:
                share = min(share, left_on_spot)
                left_on_spot -= max(share, 0)
            if share > 0:
                replicas[option.name] = held + share
    return replicas


def replica_price(option: Option) -> tuple[float, float, str]:
    """What orders variants by price: what a replica adds to the bill, then what it costs."""
    return (option.marginal_per_replica_hour, option.cost_per_replica_hour, option.name)


def replicas_for(demand: float, capacity: float) -> int:
    """Pods for this demand; a hair of rounding error must not buy a pod."""
    return math.ceil(demand / capacity - 1e-9)


def priced(
    replicas: Mapping[str, int], options: Mapping[str, Option], demand: float, bounds: Bounds | None = None
) -> Mix:
    """The mix with what it costs and what it carries under an even split."""
    used = [options[name] for name in replicas]
    on_spot = sum(count for name, count in replicas.items() if options[name].on_spot)
    carries = sum(replicas.values()) * min((option.capacity for option in used), default=0.0)
    return Mix(
        replicas=dict(replicas),
        cost_per_hour=cost_per_hour((options[name], count) for name, count in replicas.items()),
        carries=carries,
        shortfall=max(demand - carries - 1e-9, 0.0),
        marginal_per_hour=sum(
            nodes(options[name], count) * options[name].pool.marginal_price_per_node_hour
            for name, count in replicas.items()
        ),
        beyond_spot=max(on_spot - bounds.on_spot(sum(replicas.values())), 0) if bounds is not None else 0,
    )


def cost_per_hour(counts: Iterable[tuple[Option, int]]) -> float:
    """Price of the nodes that these replicas occupy; a node taken in part is billed whole."""
    return sum(nodes(option, count) * option.pool.price_per_node_hour for option, count in counts)


def nodes(option: Option, count: int) -> int:
    """How many nodes so many replicas take, one taken in part counting whole."""
    return math.ceil(count / (option.per_node or 1) - 1e-9)


def larger(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    """Per variant the larger of two counts: during a switch both fleets hold their nodes."""
    return {name: max(left.get(name, 0), right.get(name, 0)) for name in {*left, *right}}


def carried(ready: Mapping[str, int], capacities: Mapping[str, float]) -> float:
    """Arrivals per second that these ready pods carry together under an even split. A variant of unknown capacity
    is not in `capacities`: it may not lower or raise the figure, and counts for nothing."""
    serving = {name: count for name, count in ready.items() if count > 0 and name in capacities}
    if not serving:
        return 0.0
    return sum(serving.values()) * min(capacities[name] for name in serving)
