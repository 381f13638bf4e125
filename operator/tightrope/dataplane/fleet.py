"""The pods behind one Service. The lab and the replay tell it which pods exist and which are ready, and advance it.

A pod that is no longer ready drains: it gets nothing new and finishes what it has. `kernels` computes the events; here
are the arrays it works on, and the random numbers, of which each request takes its own when it arrives.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tightrope.dataplane import kernels
from tightrope.dataplane.kernels import ENDED, POD, Numbers, Records
from tightrope.dataplane.outcomes import NOTHING, Floats, Outcomes, Status, all_alike, together
from tightrope.dataplane.roster import Roster, grown, roomier
from tightrope.dataplane.routing import Routing
from tightrope.dataplane.server_model import Distribution, ServerModel

_FIRST_PODS, _FIRST_PLACES = 8, 64
_KINDS = {
    Distribution.DETERMINISTIC: 0,
    Distribution.EXPONENTIAL: kernels.EXPONENTIAL,
    Distribution.LOGNORMAL: kernels.LOGNORMAL,
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """What ended in one step, all of it, or by pod (those where something did), and the requests that found no ready
    pod. `ended` is the same as records by number of the pod, `count` of them, valid until the fleet's next step."""

    ended: Records
    count: int
    names: Mapping[int, str]
    unrouted: Outcomes = field(default=NOTHING)

    @cached_property
    def routed(self) -> Outcomes:
        """What ended at pods."""
        records = self.ended[: self.count]
        return Outcomes(
            arrival=records["arrival"].copy(),
            wait=records["wait"].copy(),
            service=records["service"].copy(),
            status=records["status"].astype(np.int8),
        )

    @cached_property
    def by_pod(self) -> Mapping[str, Outcomes]:
        """What ended, by name of the pod."""
        pods, everything = self.ended["pod"][: self.count], self.routed
        return {self.names[number]: chosen(everything, pods == number) for number in np.unique(pods).tolist()}

    def everything(self) -> Outcomes:
        """What ended, with those that found no ready pod."""
        return together([self.routed, self.unrouted])


def chosen(outcomes: Outcomes, which: NDArray[np.bool_]) -> Outcomes:
    """Some of these."""
    return Outcomes(
        arrival=outcomes.arrival[which],
        wait=outcomes.wait[which],
        service=outcomes.service[which],
        status=outcomes.status[which],
    )


class Pod:
    """What can be seen of one pod of a fleet."""

    def __init__(self, fleet: "Fleet", number: int, model: ServerModel) -> None:
        self.number, self.model = number, model
        self._fleet = fleet

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return int(self._fleet.pods["queued"][self.number])

    @property
    def running(self) -> int:
        """Requests being worked on whose clients still wait."""
        return int(self._fleet.pods["running"][self.number])

    @property
    def accepted(self) -> int:
        """Requests that came and were not refused, since the pod was added."""
        return int(self._fleet.pods["accepted"][self.number])

    @property
    def idle(self) -> bool:
        """Nothing inside, so that a step without arrivals changes nothing."""
        return not self.queued and not self.running

    def busy_seconds(self, at: float) -> float:
        """Slot-seconds worked up to `at`, which is the end of the last step or, on an idle pod, later."""
        return self._fleet.busy_seconds(self.number, at)


class Fleet(Roster[Pod]):
    """Pods by name. Changes of pods take effect where the last step ended; cut a step there to be exact."""

    def __init__(self, *, seed: int, routing: Routing = Routing.EVEN) -> None:
        super().__init__(seed=seed, routing=routing)
        self._work, self._spread = (np.random.default_rng([seed, stream]) for stream in (1, 2))
        self._now = 0.0
        self.pods: Records = np.zeros(0, dtype=POD)
        self._waiting, self._free, self._inside = np.zeros((0, 1, 3)), np.zeros((0, 1)), np.zeros((0, 1, 3))
        self._ended: Records = np.zeros(0, dtype=ENDED)

    @property
    def room(self) -> int:
        """Numbers of pods are below this."""
        return len(self.pods)

    def add(self, pod: str, model: ServerModel) -> None:
        """A pod that exists; it gets requests once it is ready."""
        if not self._unused:
            self._grow_pods(2 * self.room or _FIRST_PODS)
        self._fit(places=_FIRST_PLACES, slots=model.slots, inside=model.slots * model.batch_limit)
        number = self._unused.pop()
        self._free[number] = -math.inf
        self.pods[number] = described(model)
        self._enter(pod, Pod(self, number, model))

    def remove(self, pod: str) -> Outcomes:
        """The pod is gone; what it still had inside is lost."""
        gone = self._leave(pod)
        lost = self._lost(gone.number)
        self.pods[gone.number] = described(gone.model)
        return lost

    def busy_seconds(self, number: int, at: float) -> float:
        """Slot-seconds that a pod has worked up to `at`."""
        return kernels.busy_seconds(self.pods, self._free, number, at)

    def add_work(self, group: Numbers, sums: Floats) -> None:
        """Add what the pods accepted and worked since this was last called to the sums of their groups (by number of
        the pod), as `kernels.worked` says."""
        kernels.worked(self.pods, self._free, self._numbers(self._servers), group, self._now, sums)

    def advance(self, arrivals: Floats, until: float) -> Step:
        """All pods work until `until`, with these arrivals (ascending, since the last step, up to `until`)."""
        unrouted = NOTHING
        chances = self._chances(len(arrivals))
        if len(arrivals) and not self._ready:
            unrouted, arrivals, chances = all_alike(Status.UNROUTED, arrival=arrivals), arrivals[:0], chances[:0]
        self._make_room(len(arrivals))
        total = np.zeros(1, dtype=np.int64)
        kernels.advance(
            self.pods,
            self._waiting,
            self._free,
            self._inside,
            self._ended,
            total,
            arrivals,
            chances,
            self._numbers(self._servers),
            self._numbers(self._ready),
            self._routing is Routing.LEAST_LOADED,
            until,
        )
        self._now = until
        return Step(ended=self._ended, count=int(total[0]), names=self._names, unrouted=unrouted)

    def _chances(self, count: int) -> Floats:
        """(count, 3): which ready pod (or, least-loaded, the chance that decides among equals), and how much work."""
        chances = np.zeros((count, 3))
        chances[:, 0] = self._places(count)
        kinds = {pod.model.distribution for pod in self._servers.values()}
        if Distribution.EXPONENTIAL in kinds:
            chances[:, 1] = self._work.random(count)
        if Distribution.LOGNORMAL in kinds:
            chances[:, 2] = self._spread.standard_normal(count)
        return chances

    def _lost(self, number: int) -> Outcomes:
        one, now = self.pods[number], self._now
        inside = self._inside[number, : one["running"]]
        order = (one["head"] + np.arange(one["queued"])) % self._waiting.shape[1]
        waiting = self._waiting[number, order, 0]
        start = inside[:, 1].copy()
        arrival = inside[:, 0].copy()
        return together(
            [
                all_alike(Status.LOST, arrival=waiting, wait=now - waiting),
                all_alike(Status.LOST, arrival=arrival, wait=start - arrival, service=now - start),
            ]
        )

    def _make_room(self, coming: int) -> None:
        """For everybody who may wait or end in a step with so many arrivals."""
        queued, limit = self.pods["queued"], int(self.pods["limit"].max(initial=0))
        self._fit(places=min(int(queued.max(initial=0)) + coming, limit) + 1, slots=1, inside=1)
        most = int(queued.sum() + self.pods["running"].sum()) + coming
        if most > len(self._ended):
            self._ended = np.zeros(2 * most, dtype=ENDED)

    def _grow_pods(self, count: int) -> None:
        there = self.room
        self.pods = grown(self.pods, (count,))
        self._waiting = grown(self._waiting, (count, *self._waiting.shape[1:]))
        self._free = grown(self._free, (count, *self._free.shape[1:]))
        self._inside = grown(self._inside, (count, *self._inside.shape[1:]))
        self._unused = [*range(count - 1, there - 1, -1)]

    def _fit(self, *, places: int, slots: int, inside: int) -> None:
        """Room for so many who wait, slots, and requests being worked on, at every pod."""
        if places > self._waiting.shape[1]:
            self._waiting = roomier(self._waiting, self.pods, 2 * places)
        if slots > self._free.shape[1]:
            self._free = grown(self._free, (self.room, slots))
        if inside > self._inside.shape[1]:
            self._inside = grown(self._inside, (self.room, inside, 3))


def described(model: ServerModel) -> Records:
    """A pod that works like this, with nothing inside."""
    one = np.zeros((), dtype=POD)
    one["base"], one["each"] = model.base_seconds, model.per_request_seconds
    one["batch"], one["slots"], one["limit"] = model.batch_limit, model.slots, model.queue_limit
    one["patience"] = math.inf if model.timeout_seconds is None else model.timeout_seconds
    one["distribution"] = _KINDS[model.distribution]
    one["spread"] = math.log1p((model.cv or 0.0) ** 2)
    one["due"] = math.inf
    return one
