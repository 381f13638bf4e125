"""The pods behind one Service that serve a language model. A replay tells it which pods exist and which are ready, and
advances it.

As `fleet`, with tokens. `llm_model` says how a pod works,
`llm_fleet_kernels` computes the events; docs/llm-servers.md says what it was checked against.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tightrope.dataplane import llm_fleet_kernels, llm_kernels
from tightrope.dataplane.kernels import Numbers, Records
from tightrope.dataplane.llm_kernels import ANSWERED, ENGINE
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.llm_outcomes import LlmOutcomes, outcomes_of
from tightrope.dataplane.outcomes import Floats, Status
from tightrope.dataplane.roster import Roster, grown, roomier
from tightrope.dataplane.routing import Routing
from tightrope.dataplane.tokens import LlmRequests

_FIRST_PLACES = 64
_NOTHING = outcomes_of(np.zeros(0, dtype=ANSWERED))


@dataclass(frozen=True, kw_only=True)
class LlmStep:
    """What ended in one step, all of it, or by pod (those where something did), and the requests that found no ready
    pod. `ended` is the same as records by number of the pod, `count` of them, valid until the fleet's next step."""

    ended: Records
    count: int
    names: Mapping[int, str]
    unrouted: LlmOutcomes

    @cached_property
    def routed(self) -> LlmOutcomes:
        """What ended at pods; of a single one in the order of the ends."""
        return outcomes_of(self.ended[: self.count])

    @cached_property
    def by_pod(self) -> Mapping[str, LlmOutcomes]:
        """What ended, by name of the pod."""
        records = self.ended[: self.count]
        return {
            self.names[number]: outcomes_of(records[records["pod"] == number])
            for number in np.unique(records["pod"]).tolist()
        }


class LlmPod:
    """What can be seen of one pod of a fleet."""

    def __init__(self, fleet: "LlmFleet", number: int, model: LlmModel) -> None:
        self.number, self.model = number, model
        self._fleet = fleet

    @property
    def queued(self) -> int:
        """Requests whose prefill has not begun."""
        return int(self._fleet.pods["queued"][self.number])

    @property
    def running(self) -> int:
        """Sequences inside: those decoding, and the one in prefill."""
        return self.model.batch_limit - int(self._fleet.pods["spare"][self.number])

    @property
    def accepted(self) -> int:
        """Requests that came and were not refused, since the pod was added."""
        return int(self._fleet.pods["accepted"][self.number])

    @property
    def cache_tokens_used(self) -> float:
        """Tokens of cache that are set aside for the sequences inside."""
        return float(self._fleet.pods["cache_used"][self.number])

    @property
    def idle(self) -> bool:
        """Nothing inside, so that a step without requests changes nothing."""
        return not self.queued and not self.running

    def busy_seconds(self, at: float) -> float:
        """Seconds up to `at` in which any sequence was inside; `at` is the end of the last step or later."""
        return llm_fleet_kernels.busy_seconds(self._fleet.pods, self.number, at)


class LlmFleet(Roster[LlmPod]):
    """Pods by name. Changes of pods take effect where the last step ended; cut a step there to be exact. Memory grows
    with what is inside and with the largest step, not with time."""

    def __init__(self, *, seed: int, routing: Routing = Routing.EVEN) -> None:
        super().__init__(seed=seed, routing=routing)
        self._now = 0.0
        self.pods: Records = np.zeros(0, dtype=ENGINE)
        self._waiting = np.zeros((0, _FIRST_PLACES, 3))
        self._held = np.zeros((0, 1, 6))
        self._links = np.zeros((0, 1, 5), dtype=np.int64)
        self._ended: Records = np.zeros(0, dtype=ANSWERED)

    @property
    def room(self) -> int:
        """Numbers of pods are below this."""
        return len(self.pods)

    def add(self, pod: str, model: LlmModel) -> None:
        """A pod that exists; it gets requests once it is ready."""
        if not self._unused:
            self._grow(2 * self.room or 1)
        if model.batch_limit > self._held.shape[1]:
            self._held = grown(self._held, (self.room, model.batch_limit, 6))
            self._links = grown(self._links, (self.room, model.batch_limit, 5))
        number = self._unused.pop()
        self.pods[number] = described(model, number)
        self._links[number, : model.batch_limit, llm_kernels.SPARE] = np.arange(model.batch_limit)
        self._enter(pod, LlmPod(self, number, model))

    def remove(self, pod: str) -> LlmOutcomes:
        """The pod is gone; what it still had inside is lost."""
        gone = self._leave(pod)
        lost = outcomes_of(self._inside(gone))
        self.pods[gone.number] = described(gone.model, gone.number)
        return lost

    def add_work(self, group: Numbers, sums: Floats) -> None:
        """Add what the pods accepted and worked since this was last called to the sums of their groups (by number of
        the pod)."""
        llm_fleet_kernels.worked(self.pods, self._numbers(self._servers), group, self._now, sums)

    def advance(self, requests: LlmRequests, until: float) -> LlmStep:
        """All pods work until `until`, with these requests (ascending, since the last step, up to `until`)."""
        unrouted, chances = _NOTHING, self._places(len(requests))
        if len(requests) and not self._ready:
            unrouted, requests, chances = nowhere(requests), requests.first(0), chances[:0]
        self._make_room(len(requests))
        total = np.zeros(1, dtype=np.int64)
        llm_fleet_kernels.advance(
            self.pods,
            self._waiting,
            self._held,
            self._links,
            self._ended,
            total,
            requests.arrival,
            requests.input_tokens,
            requests.output_tokens,
            chances,
            self._numbers(self._servers),
            self._numbers(self._ready),
            self._routing is Routing.LEAST_LOADED,
            until,
        )
        self._now = until
        return LlmStep(ended=self._ended, count=int(total[0]), names=self._names, unrouted=unrouted)

    def _inside(self, pod: LlmPod) -> Records:
        """All that is inside a pod, as if it ended now, in the order of arrival."""
        one, held, links = self.pods[pod.number], self._held[pod.number], self._links[pod.number]
        rings = self._waiting[pod.number]
        batch, spare = pod.model.batch_limit, links[: int(one["spare"]), llm_kernels.SPARE]
        held = np.delete(held[:batch], spare, axis=0)
        waiting = rings[(int(one["head"]) + np.arange(pod.queued)) % len(rings)]
        lost: Records = np.zeros(len(held) + len(waiting), dtype=ANSWERED)
        lost["arrival"] = np.append(held[:, llm_kernels.ARRIVAL], waiting[:, 0])
        lost["wait"] = np.append(held[:, llm_kernels.ADMITTED], np.full(len(waiting), self._now)) - lost["arrival"]
        lost["first"] = np.append(held[:, llm_kernels.FIRST], np.full(len(waiting), math.nan))
        lost["inputs"] = np.append(held[:, llm_kernels.INPUTS], waiting[:, 1])
        lost["tokens"] = np.append(self._given(pod.number, held), np.zeros(len(waiting)))
        lost["end"], lost["status"], lost["pod"] = self._now, int(Status.LOST), pod.number
        return lost[np.argsort(lost["arrival"], kind="stable")]

    def _given(self, number: int, held: Floats) -> Floats:
        """Tokens that these sequences of a pod have been given by now."""
        one = self.pods[number]
        progress = one["progress"] + ((self._now - one["anchor"]) / one["pace"] if one["pace"] > 0 else 0.0)
        to_come = np.maximum(held[:, llm_kernels.GOAL] - progress, 0.0)
        given = np.floor(held[:, llm_kernels.OUTPUTS] - to_come + 1e-9)
        return np.where(np.isnan(held[:, llm_kernels.FIRST]), 0.0, given)

    def _make_room(self, coming: int) -> None:
        """For everybody who may wait or end in a step with so many requests."""
        queued, limit = self.pods["queued"], int(self.pods["limit"].max(initial=0))
        needed = min(int(queued.max(initial=0)) + coming, limit) + 1
        if needed > self._waiting.shape[1]:
            self._waiting = roomier(self._waiting, self.pods, 2 * needed)
        running = int((self.pods["batch"] - self.pods["spare"]).sum())
        most = int(queued.sum()) + running + coming
        if most > len(self._ended):
            self._ended = np.zeros(2 * most, dtype=ANSWERED)

    def _grow(self, count: int) -> None:
        there = self.room
        self.pods = grown(self.pods, (count,))
        self._waiting = grown(self._waiting, (count, *self._waiting.shape[1:]))
        self._held = grown(self._held, (count, *self._held.shape[1:]))
        self._links = grown(self._links, (count, *self._links.shape[1:]))
        self._unused = [*range(count - 1, there - 1, -1)]


def nowhere(requests: LlmRequests) -> LlmOutcomes:
    """These found no ready pod."""
    ended: Records = np.zeros(len(requests), dtype=ANSWERED)
    ended["arrival"] = ended["end"] = requests.arrival
    ended["first"], ended["inputs"], ended["status"] = math.nan, requests.input_tokens, int(Status.UNROUTED)
    return outcomes_of(ended)


def described(model: LlmModel, number: int) -> Records:
    """The pod of this number, which works like this, with nothing inside."""
    one = np.zeros((), dtype=ENGINE)
    one["number"] = number
    one["step_base"], one["step_each"] = model.step_base_seconds, model.step_per_sequence_seconds
    one["prefill_base"], one["prefill_each"] = model.prefill_base_seconds, model.prefill_per_token_seconds
    one["batch"], one["cache"], one["limit"] = model.batch_limit, model.cache_tokens, model.queue_limit
    one["chunk"] = math.inf if model.chunk_tokens is None else model.chunk_tokens
    one["patience"] = math.inf if model.timeout_seconds is None else model.timeout_seconds
    one["prefilling"] = one["oldest"] = one["youngest"] = llm_kernels.NONE
    one["spare"], one["busy_since"] = model.batch_limit, math.inf
    return one
