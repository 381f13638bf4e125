"""The fixed cluster in virtual time: CPUs that ten jobs share, replicas that start and stop, and who gets what first.

`play` puts a policy on it. The rules are those of the published controller (see `world` for the source): orders that
take replicas away come first; the rest in the order of the jobs, each as far as the CPUs go. An order for a job that is
still changing is forgotten, or tried again at the next turns if it came with more than one try; so is the part of one
that found no CPU left. What the controller counts as free is free once the job that held it lets go.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tightrope.dataplane.outcomes import Floats
from tightrope.replay.faro.job import Job
from tightrope.replay.faro.world import World

MOST_REPLICAS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a policy wants of one job: `replicas` in all, or `more` than it has. `tries` is for how many turns."""

    job: int
    replicas: int | None = None
    more: int = 0
    tries: int = 1

    def target(self, asked: int) -> int:
        """Replicas that this comes to where so many are asked for."""
        return min(max(asked + self.more if self.replicas is None else self.replicas, 1), MOST_REPLICAS)


class Cluster:
    """Jobs with their first replicas on `cpus` CPUs. Times are seconds since the beginning."""

    def __init__(
        self, arrivals: Sequence[Floats], world: World, *, cpus: int, replicas: Sequence[int], seed: int
    ) -> None:
        self.cpus, self.world, self.now = cpus, world, 0.0
        self.jobs = [
            Job(number, times, world, replicas=count, seed=1000 * seed + number)
            for number, (times, count) in enumerate(zip(arrivals, replicas, strict=True))
        ]
        self._room = cpus - sum(replicas)  # CPUs that no job holds
        self._waiting: list[Order] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    @property
    def held(self) -> int:
        """CPUs that the jobs hold."""
        return self.cpus - self._room

    def advance(self, until: float) -> None:
        """Everything that happens until then."""
        while self._events and self._events[0][0] <= until:
            at, _, event = heapq.heappop(self._events)
            self.now = at
            event()
        self.now = until
        for job in self.jobs:
            job.advance(until)

    def take(self, orders: Sequence[Order]) -> None:
        """The orders of one turn, with those that wait."""
        free = self.cpus - sum(job.asked for job in self.jobs)
        waiting, self._waiting = self._waiting, []
        asked = [job.asked for job in self.jobs]
        for order in sorted([*waiting, *orders], key=lambda order: order.target(asked[order.job]) >= asked[order.job]):
            job = self.jobs[order.job]
            if job.busy:
                self._again(order)
                continue
            change = order.target(job.asked) - job.asked
            granted = min(change, free)
            free -= granted
            job.asked += granted
            if granted < change:
                self._again(replace(order, replicas=None, more=change - granted))
            if granted:
                self._change(job)

    def _again(self, order: Order) -> None:
        if order.tries > 1:
            self._waiting.append(replace(order, tries=order.tries - 1))

    def _change(self, job: Job) -> None:
        """Make the job's replicas what is asked for."""
        change = job.asked - job.ready - job.starting
        if change > 0:
            job.busy = self.world.blocking
            job.starting += change
            self._start(job, change)
        elif change < 0 and job.ready > 1:
            job.busy = self.world.blocking
            job.advance(self.now)
            job.vanish(min(-change, job.ready - 1))
            self._at(self.now + self.world.hot_start, lambda: _rest(job))
            self._at(math.ceil((self.now + self.world.idle) / self.world.sweep) * self.world.sweep, self._sweep)

    def _start(self, job: Job, count: int) -> None:
        """On CPUs that the job still holds, then on those that nobody does; what finds none tries again later."""
        hot = min(count, len(job.idle))
        cold = min(count - hot, self._room)
        del job.idle[:hot]
        self._room -= cold
        for some, seconds in ((hot, self.world.hot_start), (cold, self.world.cold_start)):
            if some:
                self._at(self.now + seconds, lambda some=some: self._ready(job, some))  # type: ignore[misc]
        if (left := count - hot - cold) > 0:
            self._at(self.now + self.world.retry, lambda: self._start(job, left))

    def _ready(self, job: Job, count: int) -> None:
        job.advance(self.now)
        job.appear(count)
        job.starting -= count
        if not job.starting:
            _rest(job)

    def _sweep(self) -> None:
        """Take back the CPUs that have been idle for long enough."""
        for job in self.jobs:
            kept = [since for since in job.idle if self.now - since < self.world.idle]
            self._room += len(job.idle) - len(kept)
            job.idle = kept

    def _at(self, time: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), event))


def _rest(job: Job) -> None:
    job.busy = False
