"""One pod that serves a language model: continuous batching, event by event.

A replay drives it in virtual time, the lab in wall time. `llm_model` says how it works, `tokens` what comes to it,
`llm_kernels` computes the events; docs/llm-servers.md says what it was checked against.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tightrope.dataplane import llm_kernels
from tightrope.dataplane.kernels import Records
from tightrope.dataplane.llm_kernels import ANSWERED, ENGINE
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.outcomes import Codes, Floats, Status
from tightrope.dataplane.tokens import LlmRequests

_FIRST_PLACES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmOutcomes:
    """Requests that ended in one step, in the order of their ends; arrays of one length, times in seconds.

    `wait` is the time in the queue, before the prefill begins. `first_token` is the time from arrival to the first
    token, NaN for a request that got none. `end_to_end` is from arrival to the end, whichever it was. `inter_token` is
    the mean time between the tokens of an answer, NaN unless it was finished and has two or more. `output_tokens` are
    the tokens given, for a finished request all it asked for.
    """

    arrival: Floats
    wait: Floats
    first_token: Floats
    end_to_end: Floats
    inter_token: Floats
    input_tokens: Floats
    output_tokens: Floats
    status: Codes

    def __len__(self) -> int:
        return len(self.arrival)

    @property
    def finished(self) -> NDArray[np.bool_]:
        finished: NDArray[np.bool_] = self.status == np.int8(Status.FINISHED)
        return finished

    def count(self, status: Status) -> int:
        return int(np.count_nonzero(self.status == np.int8(status)))


class LlmServer:
    """`now` is how far it has come, in seconds. Memory grows with what is inside and with the largest step, not with
    time."""

    def __init__(self, model: LlmModel) -> None:
        self.model = model
        self.now = 0.0
        self._engine = described(model)
        self._waiting = np.zeros((_FIRST_PLACES, 3))
        self._held = np.zeros((model.batch_limit, 6))
        self._links = np.zeros((model.batch_limit, 5), dtype=np.int64)
        self._links[:, llm_kernels.SPARE] = np.arange(model.batch_limit)
        self._ended: Records = np.zeros(0, dtype=ANSWERED)

    @property
    def queued(self) -> int:
        """Requests whose prefill has not begun."""
        return int(self._engine["queued"][0])

    @property
    def running(self) -> int:
        """Sequences inside: those decoding, and the one in prefill."""
        return self.model.batch_limit - int(self._engine["spare"][0])

    @property
    def idle(self) -> bool:
        """Nothing inside, so that a step without requests changes nothing."""
        return not self.queued and not self.running

    @property
    def accepted(self) -> int:
        """Requests that came and were not refused."""
        return int(self._engine["accepted"][0])

    @property
    def cache_tokens_used(self) -> float:
        """Tokens of cache that are set aside for the sequences inside."""
        return float(self._engine["cache_used"][0])

    def busy_seconds(self, at: float) -> float:
        """Seconds up to `at` in which any sequence was inside; `at` is `now` or later."""
        return float(self._engine["busy"][0] + max(at - self._engine["busy_since"][0], 0.0))

    def advance(self, requests: LlmRequests, until: float) -> LlmOutcomes:
        """Work until `until`, with these requests (ascending, after `now`, up to `until`): what ended on the way."""
        self._make_room(len(requests))
        total = np.zeros(1, dtype=np.int64)
        llm_kernels.advance(
            self._engine,
            self._waiting,
            self._held,
            self._links,
            self._ended,
            total,
            requests.arrival,
            requests.input_tokens,
            requests.output_tokens,
            until,
        )
        self.now = until
        return outcomes_of(self._ended[: total[0]])

    def lose(self) -> LlmOutcomes:
        """The pod goes away now, and all that is inside with it; it is empty then."""
        lost = self._inside()
        busy, accepted = self.busy_seconds(self.now), self._engine["accepted"][0]
        self._engine = described(self.model)
        self._engine["busy"], self._engine["accepted"] = busy, accepted
        self._links[:, llm_kernels.SPARE] = np.arange(self.model.batch_limit)
        return outcomes_of(lost)

    def _inside(self) -> Records:
        """All that is inside, as if it ended now, in the order of arrival."""
        spare = self._links[: int(self._engine["spare"][0]), llm_kernels.SPARE]
        held = np.delete(self._held, spare, axis=0)
        order = (int(self._engine["head"][0]) + np.arange(self.queued)) % len(self._waiting)
        waiting = self._waiting[order]
        lost: Records = np.zeros(len(held) + len(waiting), dtype=ANSWERED)
        lost["arrival"] = np.append(held[:, llm_kernels.ARRIVAL], waiting[:, 0])
        lost["wait"] = np.append(held[:, llm_kernels.ADMITTED], np.full(len(waiting), self.now)) - lost["arrival"]
        lost["first"] = np.append(held[:, llm_kernels.FIRST], np.full(len(waiting), math.nan))
        lost["inputs"] = np.append(held[:, llm_kernels.INPUTS], waiting[:, 1])
        lost["tokens"] = np.append(self._given(held), np.zeros(len(waiting)))
        lost["end"], lost["status"] = self.now, int(Status.LOST)
        return lost[np.argsort(lost["arrival"], kind="stable")]

    def _given(self, held: Floats) -> Floats:
        """Tokens that these sequences have been given by now."""
        one = self._engine[0]
        progress = one["progress"] + ((self.now - one["anchor"]) / one["pace"] if one["pace"] > 0 else 0.0)
        to_come = np.maximum(held[:, llm_kernels.GOAL] - progress, 0.0)
        given = np.floor(held[:, llm_kernels.OUTPUTS] - to_come + 1e-9)
        return np.where(np.isnan(held[:, llm_kernels.FIRST]), 0.0, given)

    def _make_room(self, coming: int) -> None:
        """For everybody who may wait or end in a step with so many requests."""
        queued, places = self.queued, len(self._waiting)
        needed = min(queued + coming, self.model.queue_limit) + 1
        if needed > places:
            order = (int(self._engine["head"][0]) + np.arange(queued)) % places
            larger = np.zeros((2 * needed, 3))
            larger[:queued] = self._waiting[order]
            self._waiting = larger
            self._engine["head"] = 0
        most = queued + self.running + coming
        if most > len(self._ended):
            self._ended = np.zeros(2 * most, dtype=ANSWERED)


def described(model: LlmModel) -> Records:
    """A server that works like this, with nothing inside."""
    one = np.zeros(1, dtype=ENGINE)
    one["step_base"], one["step_each"] = model.step_base_seconds, model.step_per_sequence_seconds
    one["prefill_base"], one["prefill_each"] = model.prefill_base_seconds, model.prefill_per_token_seconds
    one["batch"], one["cache"], one["limit"] = model.batch_limit, model.cache_tokens, model.queue_limit
    one["chunk"] = math.inf if model.chunk_tokens is None else model.chunk_tokens
    one["patience"] = math.inf if model.timeout_seconds is None else model.timeout_seconds
    one["prefilling"] = one["oldest"] = one["youngest"] = llm_kernels.NONE
    one["spare"], one["busy_since"] = model.batch_limit, math.inf
    return one


def outcomes_of(ended: Records) -> LlmOutcomes:
    """To the nanosecond: as differences of clock times they carry rounding, and 0.1 s must be found at or under it."""
    finished, tokens = ended["status"] == int(Status.FINISHED), ended["tokens"]
    gaps = np.where(finished & (tokens >= 2), tokens - 1, math.nan)
    return LlmOutcomes(
        arrival=ended["arrival"].copy(),
        wait=np.round(ended["wait"], 9),
        first_token=np.round(ended["first"] - ended["arrival"], 9),
        end_to_end=np.round(ended["end"] - ended["arrival"], 9),
        inter_token=np.round((ended["end"] - ended["first"]) / gaps, 9),
        input_tokens=ended["inputs"].copy(),
        output_tokens=tokens.copy(),
        status=ended["status"].astype(np.int8),
    )


def compile_now() -> None:
    """Compile the event loop, or load what was compiled, before somebody waits for a first answer."""
    one = np.ones(1)
    LlmServer(LlmModel(step_base_seconds=1.0)).advance(
        LlmRequests(arrival=one, input_tokens=one, output_tokens=one), 2.0
    )
