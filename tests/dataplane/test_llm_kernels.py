"""The compiled loop against a plain simulation of the same rules that counts every sequence's tokens down itself, and
what holds for any requests and any server."""

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tightrope.dataplane.llm import LlmServer
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.llm_outcomes import LlmOutcomes
from tightrope.dataplane.outcomes import Status
from tightrope.dataplane.tokens import LlmRequests

FIELDS = (
    "arrival", "wait", "first_token", "end_to_end", "inter_token", "input_tokens", "output_tokens", "status",
)  # fmt: skip

MODELS = st.builds(
    LlmModel,
    step_base_seconds=st.sampled_from([0.0, 0.011]),
    step_per_sequence_seconds=st.sampled_from([0.003, 0.0171]),
    prefill_base_seconds=st.sampled_from([0.0, 0.0107]),
    prefill_per_token_seconds=st.sampled_from([0.0, 0.00131]),
    batch_limit=st.sampled_from([1, 2, 3, 5, 40]),
    cache_tokens=st.sampled_from([60.0, 150.0, math.inf]),
    chunk_tokens=st.sampled_from([None, 7, 64]),
    queue_limit=st.sampled_from([0, 1, 4, 1000]),
    timeout_seconds=st.sampled_from([None, 0.31, 2.003]),
)


def crowd(seed: int, *, count: int = 40, seconds: float = 3.0, most: int = 40) -> LlmRequests:
    """Requests at random times, with lengths of 1 to `most`, of which some are the same."""
    random = np.random.default_rng(seed)
    return LlmRequests(
        arrival=np.sort(random.random(count)) * seconds,
        input_tokens=random.integers(1, most, count).astype(float),
        output_tokens=random.choice([1, 2, 9, most], count).astype(float),
    )


def alike(requests: LlmRequests, which: slice) -> LlmRequests:
    return LlmRequests(
        arrival=requests.arrival[which],
        input_tokens=requests.input_tokens[which],
        output_tokens=requests.output_tokens[which],
    )


def in_steps(server: LlmServer, requests: LlmRequests, ends: list[float]) -> list[LlmOutcomes]:
    """What ended in each of these steps."""
    places = np.searchsorted(requests.arrival, ends, side="right").tolist()
    return [
        server.advance(alike(requests, slice(begin, place)), end)
        for begin, place, end in zip([0, *places], places, ends, strict=False)
    ]


def joined(parts: list[LlmOutcomes]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS}


@dataclass
class Sequence:
    arrival: float
    inputs: float
    outputs: float
    admitted: float = math.nan
    first: float = math.nan
    prefill: float = math.nan  # what is left of it: seconds by itself, steps in chunks
    left: float = math.nan  # tokens to come
    end: float = math.nan
    status: Status = Status.FINISHED


class Plain:
    """The rules of LlmModel, one event after the other, each counting down everybody inside."""

    def __init__(self, model: LlmModel) -> None:
        self.model, self.now = model, 0.0
        self.queue: list[Sequence] = []
        self.decoding: list[Sequence] = []
        self.prefilling: Sequence | None = None
        self.ended: list[Sequence] = []

    def leave(self, one: Sequence, status: Status) -> None:
        one.end, one.status = self.now, status
        self.ended.append(one)

    def rates(self) -> tuple[float, float]:
        """Tokens, and units of prefill, per second."""
        model, chunk = self.model, self.model.chunk_tokens
        step = model.step_base_seconds + model.step_per_sequence_seconds * len(self.decoding)
        if self.prefilling is None:
            return (1 / step if self.decoding else 0.0), 0.0
        if chunk is None:
            return 0.0, 1.0
        work = model.prefill_base_seconds + model.prefill_per_token_seconds * self.prefilling.inputs
        step += work * chunk / self.prefilling.inputs
        return 1 / step if step else 1e8, 1 / step if step else 1e8

    def next_event(self) -> float:
        tokens, prefill = self.rates()
        times = [self.now + one.left / tokens for one in self.decoding if tokens]
        if self.prefilling:
            times.append(self.now + self.prefilling.prefill / prefill)
        if self.model.timeout_seconds is not None:
            inside = [*self.decoding, *self.queue, *([self.prefilling] if self.prefilling else [])]
            times += [max(one.arrival + self.model.timeout_seconds, self.now) for one in inside]
        return min(times, default=math.inf)

    def pass_to(self, at: float) -> None:
        tokens, prefill = self.rates()
        for one in self.decoding:
            one.left -= tokens * (at - self.now)
        if self.prefilling:
            self.prefilling.prefill -= prefill * (at - self.now)
        self.now = at

    def settle(self) -> None:
        """Whatever is due now, and who can go in for it."""
        for one in [one for one in self.decoding if one.left <= 1e-7]:
            self.decoding.remove(one)
            self.leave(one, Status.FINISHED)
        if self.prefilling and self.prefilling.prefill <= 1e-7:
            one, self.prefilling = self.prefilling, None
            one.first, one.left = self.now, one.outputs - 1
            if one.left:
                self.decoding.append(one)
            else:
                self.leave(one, Status.FINISHED)
        self.give_up()
        while self.queue and self.fits(self.queue[0]):
            self.prefilling = one = self.queue.pop(0)
            model, chunk = self.model, self.model.chunk_tokens
            work = model.prefill_base_seconds + model.prefill_per_token_seconds * one.inputs
            one.admitted, one.prefill = self.now, work if chunk is None else one.inputs / chunk

    def give_up(self) -> None:
        patience = self.model.timeout_seconds or math.inf
        gone = [one for one in [*self.decoding, *self.queue] if one.arrival + patience <= self.now + 1e-12]
        for one in gone:
            (self.decoding if one in self.decoding else self.queue).remove(one)
            self.leave(one, Status.TIMED_OUT)
        if self.prefilling and self.prefilling.arrival + patience <= self.now + 1e-12:
            self.leave(self.prefilling, Status.TIMED_OUT)
            self.prefilling = None

    def fits(self, one: Sequence) -> bool:
        inside = [*self.decoding, one]
        room = sum(each.inputs + each.outputs for each in inside) <= self.model.cache_tokens
        return self.prefilling is None and len(inside) <= self.model.batch_limit and room

    def run(self, requests: LlmRequests) -> list[Sequence]:
        """Everything that came, in the order of arrival."""
        columns = (requests.arrival.tolist(), requests.input_tokens.tolist(), requests.output_tokens.tolist())
        for arrival, inputs, outputs in zip(*columns, strict=True):
            self.work_until(arrival)
            one = Sequence(arrival, inputs, outputs)
            no_room = len(self.queue) >= self.model.queue_limit and (self.queue or not self.fits(one))
            if no_room or inputs + outputs > self.model.cache_tokens:
                self.leave(one, Status.REFUSED)
            else:
                self.queue.append(one)
                self.settle()
        self.work_until(math.inf)
        return sorted(self.ended, key=lambda one: one.arrival)

    def work_until(self, until: float) -> None:
        while (at := self.next_event()) <= until and at < math.inf:
            self.pass_to(at)
            self.settle()
        if until < math.inf:
            self.pass_to(until)


@given(model=MODELS, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_every_request_fares_as_in_a_plain_simulation_of_the_rules(model: LlmModel, seed: int) -> None:
    requests = crowd(seed)
    ended = joined([LlmServer(model).advance(requests, 1e6)])
    order = np.argsort(ended["arrival"])
    plain = Plain(model).run(requests)
    assert ended["status"][order].tolist() == [one.status for one in plain]
    assert ended["end_to_end"][order] == pytest.approx([one.end - one.arrival for one in plain], abs=1e-6)
    first = [one.first - one.arrival for one in plain]
    assert ended["first_token"][order] == pytest.approx(first, abs=1e-6, nan_ok=True)
    given = [0 if math.isnan(one.first) else math.floor(one.outputs - one.left + 1e-6) for one in plain]
    assert ended["output_tokens"][order].tolist() == given


@given(
    model=MODELS,
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.floats(0.0, 20.0), min_size=1, max_size=30, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_steps_of_any_length_change_nothing_to_the_last_bit(model: LlmModel, seed: int, cuts: list[float]) -> None:
    requests = crowd(seed)
    whole = joined([LlmServer(model).advance(requests, 1e6)])
    parts = joined(in_steps(LlmServer(model), requests, [*sorted(cuts), 1e6]))
    for name in FIELDS:
        assert np.array_equal(whole[name], parts[name], equal_nan=True), name


@given(model=MODELS, seed=st.integers(0, 2**32 - 1), at=st.floats(0.01, 4.0))
@settings(max_examples=100, deadline=None)
def test_each_request_ends_once_and_nothing_inside_is_beyond_the_limits(model: LlmModel, seed: int, at: float) -> None:
    requests, server = crowd(seed), LlmServer(model)
    parts = in_steps(server, requests, [at / 2, at])
    assert server.running <= model.batch_limit
    assert server.queued <= model.queue_limit
    assert server.cache_tokens_used <= model.cache_tokens
    came = int(np.count_nonzero(requests.arrival <= at))
    assert sum(len(part) for part in parts) + server.running + server.queued == came
    parts.append(server.lose())
    assert server.idle
    assert sorted(joined(parts)["arrival"].tolist()) == requests.arrival[:came].tolist()


@given(model=MODELS, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_first_tokens_come_in_the_order_of_arrival(model: LlmModel, seed: int) -> None:
    ended = LlmServer(model).advance(crowd(seed), 1e6)
    order = np.argsort(ended.arrival)
    first = (ended.arrival + ended.first_token)[order]
    assert np.all(np.diff(first[~np.isnan(first)]) >= -1e-8)


@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_where_sequences_do_not_slow_each_other_a_larger_batch_is_never_slower(seed: int, batch: int) -> None:
    """Then it is a queue with as many servers, where one more never lets anybody begin later."""
    requests = crowd(seed, seconds=0.5)
    model = LlmModel(step_base_seconds=0.01, batch_limit=batch)
    small, large = (LlmServer(one).advance(requests, 1e6) for one in (model, replace(model, batch_limit=batch + 1)))
    assert np.all(by_arrival(large)["end_to_end"] <= by_arrival(small)["end_to_end"] + 1e-8)


@given(seed=st.integers(0, 2**32 - 1), field=st.sampled_from(["step_base_seconds", "step_per_sequence_seconds"]))
@settings(max_examples=40, deadline=None)
def test_a_server_that_decodes_slower_is_never_done_earlier(seed: int, field: str) -> None:
    """With room for everybody: else who is served beside whom would change too."""
    model = LlmModel(step_base_seconds=0.01, step_per_sequence_seconds=0.001, prefill_per_token_seconds=0.0001)
    values: dict[str, Any] = {field: 1.3 * getattr(model, field)}
    fast, slow = (LlmServer(one).advance(crowd(seed), 1e6) for one in (model, replace(model, **values)))
    assert np.all(by_arrival(slow)["end_to_end"] >= by_arrival(fast)["end_to_end"] - 1e-8)


def by_arrival(ended: LlmOutcomes) -> dict[str, np.ndarray]:
    order = np.argsort(ended.arrival)
    return {name: getattr(ended, name)[order] for name in FIELDS}


def test_a_long_overload_forgets_no_token() -> None:
    """An hour in which the pod is never empty: 200 a step, all of one length, ends where arithmetic says."""
    model = LlmModel(step_base_seconds=0.01, batch_limit=200, queue_limit=100_000)
    count = 36_000
    same = np.full(count, 101.0)
    requests = LlmRequests(arrival=np.zeros(count), input_tokens=same, output_tokens=same)
    ended = LlmServer(model).advance(requests, 1e6)
    assert ended.end_to_end[-1] == pytest.approx(count / 200 * 100 * 0.01, abs=1e-6)
    assert list(itertools.islice(ended.end_to_end, 0, 400, 200)) == pytest.approx([1.0, 2.0])


def test_a_long_time_without_requests_costs_no_precision() -> None:
    """An empty step takes a picosecond: ten days of them counted on would leave no digits for a hundred steps."""
    model = LlmModel(step_base_seconds=1e-12, step_per_sequence_seconds=0.01)
    requests = LlmRequests(
        arrival=np.array([0.0, 864_000.0]), input_tokens=np.ones(2), output_tokens=np.array([3.0, 101.0])
    )
    ended = LlmServer(model).advance(requests, math.inf)
    assert ended.end_to_end.tolist() == pytest.approx([0.02, 1.0], abs=1e-6)
