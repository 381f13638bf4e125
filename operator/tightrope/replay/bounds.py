"""What nobody can beat: the cheapest schedule for somebody who knows every arrival.

`unreachable` has no start-up at all. `clairvoyant` has the real start-up and billing and is played on the data plane;
`relaxed` is a lower limit for every schedule that changes on the minute, so that their distance bounds how far the
clairvoyant's may be from the best.

Method: a schedule is a path over fleets, one a minute. Its price is what its replicas cost, plus the start-up time that
each new one is billed before it serves, plus a price for each miss (Lagrange relaxation of the objective; Everett,
Generalized Lagrange multiplier method, Operations Research 11, 1963). For one price of a miss, dynamic programming
finds the cheapest path exactly; the price is then searched by bisection.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tightrope.dataplane.outcomes import Floats
from tightrope.domain import miss_curve
from tightrope.domain.spec import Metric
from tightrope.replay.profiles import ReplayError
from tightrope.replay.record import MINUTE
from tightrope.replay.run import Case, play
from tightrope.replay.score import Course
from tightrope.replay.seat import PolicyKind, Seat, Setting, VariantProfile

Indices: TypeAlias = NDArray[np.int64]
Misses: TypeAlias = Callable[[float], Floats]  # of arrivals in a minute: misses by fleet

ROUNDS = 9  # bisections of the price of a miss: within 1 % of the cheapest that holds the objective
STARTUP_SIGMAS = 2.0  # the clairvoyant asks early enough for all but one start in forty
MAX_FLEETS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Costs in the pools' currency. `attainment` is that of the clairvoyant's course."""

    unreachable: float
    relaxed: float
    clairvoyant: float
    attainment: float | None
    course: Course

    @property
    def gap(self) -> float:
        """How far the clairvoyant's cost may be from the optimum, as a share of the lower limit."""
        return self.clairvoyant / self.relaxed - 1.0 if self.relaxed > 0 else 0.0


def bound(case: Case) -> Bound:
    """The bounds of this case. Raises ReplayError for a case that cannot be played."""
    search = _Search(case)
    course = search.cheapest_course()
    return Bound(
        unreachable=search.unreachable(),
        relaxed=search.relaxed(),
        clairvoyant=course.score.cost,
        attainment=course.score.attainment,
        course=course,
    )


class _Search:
    """Fleets are points of a grid with one axis a variant. Arrays of misses are (minutes, fleets...)."""

    def __init__(self, case: Case) -> None:
        self._case, self._profiles = case, case.profiles()
        self._objective = case.service.objective
        self._counts = arrivals_by_minute(case)
        self._sizes = grid(self._profiles, float(self._counts.max(initial=0.0)) / MINUTE, case.service.max_replicas)
        axes = np.indices(self._sizes)
        self._total = axes.sum(axis=0)
        self._shares = [self._price_shares(minute) for minute in range(len(self._counts))]
        self._prices = {share: self._price_of(share, axes) for share in set(self._shares)}
        # A start may lie in minutes that are cheaper than the one in which it is done: a limit takes the lowest.
        lowest = np.array(self._shares).min(axis=0).tolist()
        self._starting = [
            least * p.price_per_hour * p.time_to_ready_seconds / 3600.0
            for p, least in zip(self._profiles, lowest, strict=True)
        ]
        self._forbidden = (self._total > case.service.max_replicas) | (self._total < case.service.min_replicas)
        self._saturation = np.tensordot(np.array([p.saturation for p in self._profiles]), axes, axes=1)
        self._inside = np.tensordot(np.array([float(p.slots * p.batch_limit) for p in self._profiles]), axes, axes=1)
        self._weakest = self._weakest_capacity(axes)
        self._scored = MINUTE * np.arange(1.0, len(self._counts) + 1) > case.assumptions.warmup_seconds
        self._allowed = self._objective.allowed_miss_fraction * float(self._counts[self._scored].sum())

    def unreachable(self) -> float:
        """Per minute the cheapest fleet that carries it, at once and for that minute only."""
        carried = self._total * self._weakest
        total = 0.0
        for count, share in zip(self._counts[self._scored], compress(self._shares, self._scored), strict=True):
            fits = ~self._forbidden & (carried >= count / MINUTE)
            total += float(np.min(self._prices[share], where=fits, initial=math.inf))
        return total if math.isfinite(total) else math.nan

    def relaxed(self) -> float:
        """Nothing is missed that the servers could finish by the threshold after its minute, whatever the queue and the
        routing: the largest of the Lagrange bounds, each of which no schedule can go below."""
        best = 0.0
        for price in (np.geomspace(1e-3, 10.0, 13) * self._miss_scale()).tolist():
            cost, misses, _ = self._path(price, self._least_misses, only_scored=True)
            best = max(best, cost + price * (misses - self._allowed))
        return best

    def cheapest_course(self) -> Course:
        """The cheapest course that holds the objective, over prices of a miss; the best attainment if none does."""
        low, high = 1e-4 * self._miss_scale(), 1e3 * self._miss_scale()
        best = self._course(high)
        for _ in range(ROUNDS):
            middle = math.sqrt(low * high)
            course = self._course(middle)
            if course.score.met:
                high = middle
                if not best.score.met or course.score.cost < best.score.cost:
                    best = course
            else:
                low = middle
        return best

    def _course(self, price: float) -> Course:
        _, _, path = self._path(price, self._expected_misses)
        kind = PolicyKind(
            name="clairvoyant",
            title="Clairvoyant",
            source="knows every arrival",
            period_seconds=MINUTE / 4,
            build=lambda setting: Scheduled(path, setting, self._case.assumptions.startup_cv),
            defaults={},
            reach="all pools",
        )
        names = tuple(profile.name for profile in self._profiles)
        return play(self._case, kind, knobs={}, variants=names)

    def _path(
        self, price: float, misses: Misses, *, only_scored: bool = False
    ) -> tuple[float, float, list[tuple[int, ...]]]:
        """The cheapest path of fleets at this price of a miss: its cost, its misses, and the fleet of each minute. What
        is not scored is free of both where a limit is asked for; a course that is played pays for it."""
        value = np.where(self._forbidden, math.inf, 0.0)
        weights = self._scored if only_scored else np.ones_like(self._scored)
        came: list[Indices] = []
        for count, share, weight in zip(self._counts, self._shares, weights.astype(float), strict=True):
            value, origin = self._step(value)
            came.append(origin)
            paid = weight * (self._prices[share] + price * misses(count))
            value = np.where(self._forbidden, math.inf, value + paid)
        at = int(np.argmin(value))
        fleets = [at]
        for origin in reversed(came[1:]):
            fleets.append(int(origin.flat[fleets[-1]]))
        fleets.reverse()
        missed = sum(
            weight * float(misses(count).flat[at])
            for count, at, weight in zip(self._counts, fleets, weights.tolist(), strict=True)
        )
        total = float(value.min()) - price * missed
        return total, missed, [tuple(int(i) for i in np.unravel_index(at, self._sizes)) for at in fleets]

    def _price_shares(self, minute: int) -> tuple[float, ...]:
        """By variant, the price of its pool in this minute over that of the spec: the lower of both ends."""
        events, pools, ends = self._case.assumptions.events, self._case.pools, (minute * MINUTE, (minute + 1) * MINUTE)
        usual = {p.pool: pools[p.pool].price_per_node_hour for p in self._profiles}
        return tuple(
            min(events.price(p.pool, at, usual[p.pool]) for at in ends) / usual[p.pool] if usual[p.pool] else 1.0
            for p in self._profiles
        )

    def _price_of(self, share: tuple[float, ...], axes: Indices) -> Floats:
        """What each fleet costs in a minute at these prices."""
        prices = np.array([p.price_per_hour * times for p, times in zip(self._profiles, share, strict=True)])
        found: Floats = np.tensordot(prices, axes, axes=1) * MINUTE / 3600.0
        return found

    def _step(self, value: Floats) -> tuple[Floats, Indices]:
        """The cheapest way into each fleet from the minute before, axis by axis: down for nothing, up for the
        start-up of what is added. Also where it came from, as flat indices."""
        origin = np.arange(value.size).reshape(self._sizes)
        for axis, start in enumerate(self._starting):
            ladder = start * np.arange(self._sizes[axis]).reshape([-1 if a == axis else 1 for a in range(value.ndim)])
            up, up_from = running_minimum(value - ladder, origin, axis)
            down, down_from = running_minimum(np.flip(value, axis), np.flip(origin, axis), axis)
            up, down, down_from = up + ladder, np.flip(down, axis), np.flip(down_from, axis)
            value, origin = np.minimum(up, down), np.where(down <= up, down_from, up_from)
        return value, origin

    def _expected_misses(self, count: float) -> Floats:
        """Misses in a minute with so many arrivals, by the curve that the decision itself believes in."""
        with np.errstate(divide="ignore", invalid="ignore"):
            load = np.where(self._total > 0, count / MINUTE / np.maximum(self._total, 1), math.inf)
            over = np.minimum(miss_curve.over(load, self._weakest, self._objective), 50.0)
        share = np.clip(self._objective.allowed_miss_fraction * np.exp(over), 0.0, 1.0)
        found: Floats = np.where(self._total > 0, share, 1.0) * count
        return found

    def _least_misses(self, count: float) -> Floats:
        if self._objective.metric is Metric.ITL:
            return np.zeros_like(self._saturation)  # who waits long may still have its tokens close together
        inside = 0.0 if self._objective.metric is Metric.LATENCY else self._inside  # these have their first token
        spare = self._saturation * (MINUTE + self._objective.threshold_seconds) + inside
        found: Floats = np.maximum(count - spare, 0.0)
        return found

    def _weakest_capacity(self, axes: Indices) -> Floats:
        """Behind an even split every replica carries what the weakest of the fleet does."""
        capacity = np.array([p.capacity for p in self._profiles]).reshape([-1] + [1] * len(self._sizes))
        weakest: Floats = np.min(np.where(axes > 0, capacity, math.inf), axis=0)
        return np.where(np.isfinite(weakest), weakest, 0.0)

    def _miss_scale(self) -> float:
        """What one request costs a busy replica, in currency: the natural size of the price of a miss."""
        return max(p.price_per_hour / 3600.0 / p.capacity for p in self._profiles) / (
            self._objective.allowed_miss_fraction
        )


class Scheduled:
    """The policy of somebody who knows: each minute's fleet is asked for early enough to be ready."""

    def __init__(self, path: list[tuple[int, ...]], setting: Setting, startup_cv: float) -> None:
        slowest = 1.0 + STARTUP_SIGMAS * startup_cv
        self._lead = {p.name: p.time_to_ready_seconds * slowest + MINUTE / 4 for p in setting.variants}
        self._path = np.array(path)
        self._names = [profile.name for profile in setting.variants]

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        first = int(seat.now // MINUTE)
        found = {}
        for column, name in enumerate(self._names):
            last = int((seat.now + self._lead[name]) // MINUTE)
            found[name] = int(self._path[first : last + 1, column].max())
        return found


def arrivals_by_minute(case: Case) -> Floats:
    """How many requests really come in each minute of this case."""
    stream, counts, end = case.demand.arrivals(seed=case.seed), [], 0.0
    while end < case.demand.duration_seconds:
        end = min(end + MINUTE, case.demand.duration_seconds)
        counts.append(len(stream.until(end)))
    return np.array(counts, dtype=np.float64)


def grid(profiles: tuple[VariantProfile, ...], peak: float, most: int) -> tuple[int, ...]:
    """How many replicas of each variant are looked at, none included: enough for the peak, with room to spare. Raises
    ReplayError where all combinations would be too many."""
    sizes = [min(math.ceil(1.3 * peak / profile.capacity) + 2, profile.max_replicas, most) + 1 for profile in profiles]
    if math.prod(sizes) > MAX_FLEETS:
        raise ReplayError(
            f"the bound would look at {math.prod(sizes)} fleets a minute: give it fewer variants, or larger replicas"
        )
    return tuple(sizes)


def running_minimum(values: Floats, origin: Indices, axis: int) -> tuple[Floats, Indices]:
    """The smallest value up to each place along an axis, and where it came from (the latest of equals)."""
    smallest = np.minimum.accumulate(values, axis=axis)
    places = np.arange(values.shape[axis]).reshape([-1 if a == axis else 1 for a in range(values.ndim)])
    latest = np.maximum.accumulate(np.where(values == smallest, places, 0), axis=axis)
    return smallest, np.take_along_axis(origin, latest, axis=axis)
