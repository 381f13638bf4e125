"""One job of the fixed cluster: its replicas behind one queue, the CPUs it holds, and what can be seen of it.

`cluster` owns the jobs and the clock; a job never looks at another one.
"""

from collections.abc import Sequence

import numpy as np

from tightrope.dataplane.fleet import Fleet
from tightrope.dataplane.goals import Goal
from tightrope.dataplane.outcomes import Floats
from tightrope.dataplane.tally import Groups
from tightrope.replay.faro.world import TARGET_SECONDS, World
from tightrope.replay.meter import Meter

VARIANT = "cpu"
SCRAPE_SECONDS = 15.0
_SIGHT_SECONDS = 300.0


class Job:
    """Replicas by name in the order they came; `idle` is since when each CPU is held without a replica on it.

    `asked` is how many replicas the controller counts on, `starting` how many of them are not ready yet; `busy` says
    that the job is changing.
    """

    def __init__(self, number: int, arrivals: Floats, world: World, *, replicas: int, seed: int) -> None:
        self.number, self.asked, self.starting, self.busy = number, replicas, 0, False
        self.idle: list[float] = []
        self.requests = self.good = self.dropped = 0
        self._arrivals, self._world, self._sent = arrivals, world, 0
        self._fleet = Fleet(seed=seed, routing=world.routing)
        self._ready: list[str] = []
        self._leaving: list[str] = []
        self._born, self._now = 0, 0.0
        threshold = TARGET_SECONDS - world.proxy
        self.meter = Meter(
            [VARIANT], threshold_seconds=threshold, every=SCRAPE_SECONDS, delay=0.0, memory_seconds=_SIGHT_SECONDS
        )
        self._groups = Groups(1, goals=[Goal(threshold_seconds=threshold)], bounds=self.meter.bounds)
        self._ended: list[tuple[float, float, float]] = []  # until, requests that ended, seconds that they took
        self._scraped = 0.0
        self.appear(replicas)

    @property
    def ready(self) -> int:
        """Replicas that take requests."""
        return len(self._ready)

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return sum(pod.queued for pod in self._fleet.servers.values())

    @property
    def leaving(self) -> int:
        """Replicas that finish what they have."""
        return len(self._leaving)

    def appear(self, count: int) -> None:
        """So many more replicas are ready."""
        for _ in range(count):
            name = f"{self.number}-{self._born}"
            self._born += 1
            self._fleet.add(name, self._world.server)
            self._groups.put(name, 0)
            self._ready.append(name)
        self._share()

    def vanish(self, count: int) -> None:
        """The newest replicas take nothing more; their CPUs are held until the cluster looks for them."""
        self._leaving += self._ready[-count:]
        del self._ready[-count:]
        self.idle += [self._now] * count
        self._share()

    def advance(self, until: float) -> None:
        """Serve what comes until then."""
        while self._now < until:
            step = min(until, self._scraped + SCRAPE_SECONDS)
            self._serve(step)
            if step >= self._scraped + SCRAPE_SECONDS:
                self._scraped = step
                self.meter.scrape(step, {VARIANT: [self._fleet.servers[name] for name in self._ready]})

    def see(self) -> Meter:
        """The metrics as of now."""
        self.meter.now = self._now
        return self.meter

    def mean_latency(self, window_seconds: float) -> float | None:
        """Seconds, over what ended in the window, dropped or not as the world says; None if nothing did."""
        since = self._now - window_seconds + 1e-9
        self._ended = [entry for entry in self._ended if entry[0] > since]
        count = sum(entry[1] for entry in self._ended)
        return sum(entry[2] for entry in self._ended) / count if count else None

    def minutes(self, width: float) -> Floats:
        """Requests in each whole stretch of `width` seconds up to now, oldest first."""
        edges = np.arange(self._now - width * int(self._now // width), self._now + width / 2, width)
        counts: Floats = np.diff(np.searchsorted(self._arrivals, edges)).astype(np.float64)
        return counts

    def _serve(self, until: float) -> None:
        first, self._sent = self._sent, int(np.searchsorted(self._arrivals, until, side="left"))
        tally = self._groups.counted(self._fleet, self._fleet.advance(self._arrivals[first : self._sent], until))
        ended, finished, good, refused = (
            float(column[0]) for column in (tally.ended, tally.finished, tally.good, tally.refused)
        )
        self.requests += int(ended)
        self.good += int(good)
        self.dropped += int(refused)
        counted = ended if self._world.drops_in_mean else finished
        self._ended.append((until, counted, float(tally.latency_seconds[0]) + counted * self._world.proxy))
        self.meter.count(tally)
        self.meter.use(
            VARIANT,
            arrivals=float(tally.came[0]),
            busy=float(tally.busy_seconds[0]),
            ready=self.ready * (until - self._now),
        )
        self._now = until
        self._bury()

    def _bury(self) -> None:
        for name in [name for name in self._leaving if self._fleet.servers[name].idle]:
            self._fleet.remove(name)
            self._leaving.remove(name)

    def _share(self) -> None:
        """The queue is the job's: each replica keeps its part of it."""
        self._fleet.set_ready(self._ready)
        numbers = [self._fleet.servers[name].number for name in self._ready]
        self._fleet.pods["limit"][numbers] = self._world.queue_limit(len(numbers))


def attainment(jobs: Sequence[Job]) -> float:
    """Percent of all requests that were answered in time."""
    requests = sum(job.requests for job in jobs)
    return 100.0 * sum(job.good for job in jobs) / requests if requests else 100.0
