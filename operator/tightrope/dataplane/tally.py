"""What became of requests, as sums per group of pods: what a replay keeps of them. No line of Python sees a single
request."""

from dataclasses import dataclass

import numpy as np

from tightrope.dataplane import kernels
from tightrope.dataplane.fleet import Fleet, Step
from tightrope.dataplane.outcomes import Floats

_ENDED, _FINISHED, _GOOD, _REFUSED, _LATENCY, _WAITED, _ACCEPTED, _BUSY = range(8)


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums of one step, a value for each group; `buckets` is (groups, bounds + 1): how many of those answered took up
    to each bound."""

    sums: Floats
    buckets: Floats

    @property
    def ended(self) -> Floats:
        return self.sums[:, _ENDED]

    @property
    def finished(self) -> Floats:
        """Answered, in time or not."""
        return self.sums[:, _FINISHED]

    @property
    def good(self) -> Floats:
        """Answered within the threshold."""
        return self.sums[:, _GOOD]

    @property
    def refused(self) -> Floats:
        return self.sums[:, _REFUSED]

    @property
    def latency_seconds(self) -> Floats:
        """Over those answered."""
        return self.sums[:, _LATENCY]

    @property
    def waited_seconds(self) -> Floats:
        """Over those answered."""
        return self.sums[:, _WAITED]

    @property
    def came(self) -> Floats:
        """Requests that came to a pod, refused or not."""
        return self.sums[:, _ACCEPTED] + self.sums[:, _REFUSED]

    @property
    def busy_seconds(self) -> Floats:
        """Replica-seconds at work: a pod with one of four slots busy works a quarter of the time."""
        return self.sums[:, _BUSY]


class Groups:
    """Counts the steps of a fleet by group of its pods; `of` says which group (0 and up) each pod belongs to."""

    def __init__(self, count: int, *, threshold_seconds: float, bounds: Floats) -> None:
        self._count, self._threshold, self._bounds = count, threshold_seconds, bounds
        self._of: dict[str, int] = {}

    def put(self, pod: str, group: int) -> None:
        """This pod counts to this group."""
        self._of[pod] = group

    def counted(self, fleet: Fleet, step: Step) -> Tally:
        """The sums of a step that the fleet has just made; once a step. Raises KeyError for a pod of no group."""
        self._of = {name: self._of[name] for name in fleet.servers}  # those that are gone are forgotten
        group = np.zeros(fleet.room, dtype=np.int64)
        for name, pod in fleet.servers.items():
            group[pod.number] = self._of[name]
        tally = Tally(np.zeros((self._count, 8)), np.zeros((self._count, len(self._bounds) + 1)))
        kernels.tallied(group, step.ended, step.count, self._threshold, self._bounds, tally.sums, tally.buckets)
        fleet.add_work(group, tally.sums)
        return tally
