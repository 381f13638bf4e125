"""One policy over one demand, in virtual time: arrivals, scrapes, turns of the policy, pods that come and go.

`compare` and the command line call `play`. Everything random is drawn from the seed, so that the same call gives the
same course, and every policy meets the same requests.
"""

import math
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from tightrope.dataplane.fleet import Pod
from tightrope.dataplane.llm_fleet import LlmPod
from tightrope.dataplane.outcomes import Floats
from tightrope.dataplane.tally import Groups
from tightrope.domain.spec import Pools, Service
from tightrope.replay.assumptions import Assumptions
from tightrope.replay.cluster import Cluster
from tightrope.replay.demand import Demand
from tightrope.replay.goals import goals_of
from tightrope.replay.meter import Meter
from tightrope.replay.profiles import profile_of
from tightrope.replay.record import MINUTE, Record
from tightrope.replay.score import Course, Score, Step
from tightrope.replay.seat import PolicyKind, Seat, Setting, VariantProfile

FIRST_SECONDS = 300.0  # every policy starts with what this much of the demand needs

Progress = Callable[[float, int], None]  # seconds played, requests ended


@runtime_checkable
class Explains(Protocol):
    """A policy that says why."""

    def explanation(self) -> Step | None:
        """Its last turn as a step, or None if it has nothing to say."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is the same for all policies: the service, its pools, the demand, the assumptions, and the seed."""

    service: Service
    pools: Pools
    demand: Demand
    assumptions: Assumptions
    seed: int = 0

    def profiles(self) -> tuple[VariantProfile, ...]:
        """What is known of each variant. Raises ReplayError."""
        return tuple(profile_of(self.service, v, self.pools, self.assumptions) for v in self.service.variants)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A run that has cost more, or has more misses, cannot be the cheapest that meets the objective any more."""

    cost: float
    misses: float


class Beaten(Exception):
    """The run is over its bar."""


def play(
    case: Case,
    kind: PolicyKind,
    *,
    knobs: Mapping[str, float],
    variants: tuple[str, ...],
    progress: Progress | None = None,
    bar: Bar | None = None,
) -> Course:
    """The course of this policy with these knobs, on these variants only. Raises ReplayError, and Beaten as soon as the
    run is over the bar."""
    return _Run(case, kind, knobs, variants, progress, bar).course()


class _Run:
    def __init__(
        self,
        case: Case,
        kind: PolicyKind,
        knobs: Mapping[str, float],
        variants: tuple[str, ...],
        progress: Progress | None,
        bar: Bar | None,
    ) -> None:
        self._case, self._kind, self._knobs, self._progress, self._bar = case, kind, knobs, progress, bar
        self._profiles = [profile for profile in case.profiles() if profile.name in variants]
        self._ahead = rate_by_minute(case.demand)
        self._policy = kind.build(self._setting())
        names = [variant.name for variant in case.service.variants]
        every = kind.sample_seconds or case.assumptions.scrape_seconds
        goals = goals_of(case.service)
        self._every = every
        self._meter = Meter(
            names,
            threshold_seconds=case.service.objective.threshold_seconds,
            every=every,
            delay=case.assumptions.scrape_delay_seconds if kind.sample_seconds is None else 0.0,
            memory_seconds=kind.memory_seconds,
            goals=list(goals),
        )
        self._places = {name: place for place, name in enumerate(names)}
        self._groups = Groups(len(names), goals=list(goals.values()), bounds=self._meter.bounds)
        self._record = Record(case.service, case.demand, names, warmup=case.assumptions.warmup_seconds)
        self._cluster = Cluster(case.service, case.pools, case.assumptions, seed=case.seed)
        self._arrivals = case.demand.arrivals(seed=case.seed)
        self._steps: list[Step] = []
        self._changes = self._switches = 0
        self._gap_cost = self._warmup_cost = 0.0
        self._serving: frozenset[str] = frozenset()

    def _setting(self) -> Setting:
        return Setting(
            service=self._case.service,
            pools=self._case.pools,
            variants=tuple(self._profiles),
            knobs=self._knobs,
            ahead=self._ahead,
            seed=self._case.seed,
            start_unix=self._case.demand.start_unix,
        )

    def course(self) -> Course:
        case, now, unknown = self._case, 0.0, 0.0
        self._cluster.start(self._first())
        warm, end = case.assumptions.warmup_seconds, case.demand.duration_seconds
        turn = scrape = 0
        while now < end:
            # Turns fall half a scrape after the scrapes: a policy sees samples of every age.
            next_scrape, next_turn = scrape * self._every, turn * self._kind.period_seconds + self._every / 2
            then = min(next_scrape, next_turn, self._cluster.next_change(now), warm if now < warm else end)
            if then > now:
                unknown += self._work(now, then)
                now = then
                if now == warm:
                    unknown = self._warmed_up(now)
            self._settle(now, self._cluster.move(now))
            if now >= next_scrape:
                if case.demand.known_at(now):
                    self._meter.scrape(now, self._servers())
                scrape += 1
                if self._progress is not None and scrape % 200 == 0:
                    self._progress(now, self._record.requests)
            if now >= next_turn and now < end:
                self._turn(now)
                turn += 1
                if now > warm:
                    self._check(now)
        self._record.cost = self._cost(now)
        return Course(score=self._score(unknown), timeline=self._record.timeline(), steps=self._steps)

    def _warmed_up(self, now: float) -> float:
        """What is scored begins now: with no unknown seconds, and no cost or change of before."""
        self._warmup_cost = self._cost(now)
        self._changes = self._switches = 0
        return 0.0

    def _check(self, now: float) -> None:
        """Whether there is any use in going on."""
        bar = self._bar
        if bar is not None and (self._record.misses > bar.misses or self._cost(now) > bar.cost):
            raise Beaten

    def _cost(self, now: float) -> float:
        return self._cluster.cost(now) - self._gap_cost - self._warmup_cost

    def _first(self) -> dict[str, int]:
        """What the first minutes need, on the variant that carries it cheapest."""
        minutes = max(int(FIRST_SECONDS / MINUTE), 1)
        rate = float(np.nanmax(np.append(self._ahead[:minutes], 0.0)))
        service = self._case.service

        def cost(profile: VariantProfile) -> tuple[float, str]:
            return (math.ceil(rate / profile.capacity) * profile.price_per_hour, profile.name)

        chosen = min(self._profiles, key=cost)
        count = min(max(math.ceil(rate / chosen.capacity), service.min_replicas, 1), chosen.max_replicas)
        self._serving = frozenset([chosen.name])
        return {chosen.name: count}

    def _work(self, start: float, end: float) -> float:
        """Everybody works from start to end; returns how much of it lies in a gap."""
        seconds, cluster, meter = end - start, self._cluster, self._meter
        sent = self._arrivals.until(end)
        for name in cluster.fleet.servers:
            self._groups.put(name, self._places[name.rsplit("-", 1)[0]])
        step = cluster.serve(sent, end)
        tally = self._groups.counted(cluster.fleet, step)
        ready = cluster.ready
        for name, count in ready.items():
            place = self._places[name]
            meter.use(name, arrivals=tally.came[place], busy=tally.busy_seconds[place], ready=count * seconds)
        meter.count(tally)
        if len(step.unrouted):
            meter.drop(len(step.unrouted))
        self._record.ended(end, tally, unrouted=len(step.unrouted))
        gap = self._case.demand.unknown_seconds(start, end)
        price = cluster.price_per_hour
        self._gap_cost += price * gap / 3600.0
        self._record.passed(end, seconds, arrived=len(sent), price=price, ready=ready, wanted=cluster.wanted)
        return gap

    def _settle(self, now: float, lost: Sequence[Sized]) -> None:
        for outcomes in lost:
            self._record.lost(now, len(outcomes))

    def _turn(self, now: float) -> None:
        cluster = self._cluster
        self._meter.now = now
        seat = Seat(now=now, variants=cluster.seen(now), metrics=self._meter, prices=cluster.prices)
        asked = self._policy.wanted(seat)
        before = cluster.wanted
        after = self._bounded({**before, **{name: int(count) for name, count in asked.items()}})
        changed = {name: count for name, count in after.items() if count != before[name]}
        if not changed:
            return
        self._changes += len(changed)
        cluster.scale(changed, now)
        serving = frozenset(name for name, count in after.items() if count > 0)
        self._switches += serving != self._serving
        self._serving = serving
        said = self._policy.explanation() if isinstance(self._policy, Explains) else None
        if said is None:
            said = Step(at=now, replicas=after)
        self._steps.append(said)

    def _bounded(self, wanted: dict[str, int]) -> dict[str, int]:
        """Inside spec.replicas, over all variants together; too many are taken from the largest, too few go there."""
        service = self._case.service
        wanted = {name: max(count, 0) for name, count in wanted.items()}
        largest = max(wanted, key=lambda name: (wanted[name], name))
        total = sum(wanted.values())
        wanted[largest] += max(service.min_replicas - total, 0) - max(total - service.max_replicas, 0)
        return wanted

    def _servers(self) -> dict[str, list[Pod | LlmPod]]:
        fleet = self._cluster.fleet
        found: dict[str, list[Pod | LlmPod]] = {variant.name: [] for variant in self._case.service.variants}
        for pod in fleet.ready:
            found[pod.rsplit("-", 1)[0]].append(fleet.servers[pod])
        return found

    def _score(self, unknown: float) -> Score:
        pools = self._case.pools
        currency = pools[self._profiles[0].pool].currency
        return self._record.score(
            policy=self._kind.name,
            title=self._kind.title,
            knobs=self._knobs,
            used=[profile.name for profile in self._profiles],
            currency=currency,
            changes=self._changes,
            switches=self._switches,
            unknown_seconds=unknown,
        )


def rate_by_minute(demand: Demand) -> Floats:
    """Requests per second expected in each minute, over the part of it that is known; NaN where none is."""
    whole = MINUTE * np.arange(math.ceil(demand.duration_seconds / MINUTE) + 1, dtype=np.float64)
    edges = np.minimum(whole, demand.duration_seconds)
    known = np.diff(edges) * demand.known_share(edges)
    expected = demand.expected(edges)
    rates: Floats = np.divide(expected, known, out=np.full(len(known), math.nan), where=known > 0)
    return rates
