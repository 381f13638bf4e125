"""The pods of a language model behind a Service: how load is split, how pods join, drain and go."""

from collections import Counter

import numpy as np
import pytest

from tightrope.dataplane.llm import LlmServer
from tightrope.dataplane.llm_fleet import LlmFleet
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.llm_outcomes import LlmOutcomes
from tightrope.dataplane.outcomes import Status
from tightrope.dataplane.routing import Routing
from tightrope.dataplane.tokens import LlmRequests

FAST = LlmModel(step_base_seconds=0.001)
SLOW = LlmModel(step_base_seconds=0.1, prefill_base_seconds=0.2)
CROWDED = LlmModel(
    step_base_seconds=0.01, step_per_sequence_seconds=0.002, prefill_base_seconds=0.02, batch_limit=4, cache_tokens=200,
    queue_limit=5, timeout_seconds=1.5,
)  # fmt: skip


def fleet_of(*pods: str, model: LlmModel = FAST, routing: Routing = Routing.EVEN) -> LlmFleet:
    fleet = LlmFleet(seed=4, routing=routing)
    for pod in pods:
        fleet.add(pod, model)
    fleet.set_ready(pods)
    return fleet


def asked(arrival: np.ndarray, *, inputs: float = 10.0, outputs: float = 5.0) -> LlmRequests:
    """Requests that are all alike."""
    ones = np.ones(len(arrival))
    return LlmRequests(
        arrival=np.asarray(arrival, dtype=float), input_tokens=inputs * ones, output_tokens=outputs * ones
    )


def crowd(seed: int, *, count: int, seconds: float) -> LlmRequests:
    """Requests at random times with random lengths."""
    random = np.random.default_rng(seed)
    return LlmRequests(
        arrival=np.sort(random.random(count)) * seconds,
        input_tokens=random.integers(1, 60, count).astype(float),
        output_tokens=random.integers(1, 40, count).astype(float),
    )


def statuses(*parts: LlmOutcomes) -> Counter[Status]:
    return Counter(Status(code) for part in parts for code in part.status.tolist())


def test_an_even_split_gives_each_ready_pod_its_share_at_random() -> None:
    fleet = fleet_of("a", "b", "c")
    step = fleet.advance(asked(np.linspace(0.0, 100.0, 30_000)), 200.0)
    shares = {pod: len(ended) for pod, ended in step.by_pod.items()}
    assert sum(shares.values()) == 30_000
    assert all(abs(share - 10_000) < 3 * np.sqrt(30_000 * 2 / 9) for share in shares.values())
    assert len(set(shares.values())) > 1


def test_weights_share_out_the_requests() -> None:
    fleet = fleet_of("large", "small", routing=Routing.WEIGHTED)
    fleet.set_ready(["large", "small"], {"large": 9.0, "small": 1.0})
    step = fleet.advance(asked(np.linspace(0.0, 100.0, 20_000)), 200.0)
    assert len(step.by_pod["large"]) == pytest.approx(18_000, rel=0.02)


@pytest.mark.parametrize("model", [SLOW, CROWDED], ids=["slow", "crowded"])
def test_no_other_pod_has_fewer_inside_than_the_least_loaded(model: LlmModel) -> None:
    pods = "abcde"
    fleet = fleet_of(*pods, model=model, routing=Routing.LEAST_LOADED)
    requests = crowd(3, count=1500, seconds=25.0)
    found = fleet.advance(requests, 1e4).by_pod
    inside = np.column_stack([number_inside(found[pod], requests.arrival) for pod in pods])
    taken = np.column_stack([np.isin(requests.arrival, found[pod].arrival) for pod in pods])
    assert (taken.sum(axis=1) == 1).all()
    assert (inside[taken] == inside.min(axis=1)).all()
    assert inside.max() > 2


def number_inside(ended: LlmOutcomes, at: np.ndarray) -> np.ndarray:
    """Requests that came before these times and ended after them."""
    ends = np.sort(ended.arrival + ended.end_to_end)
    return np.searchsorted(np.sort(ended.arrival), at) - np.searchsorted(ends, at, side="right")


def test_each_pod_serves_its_share_as_if_it_stood_alone() -> None:
    fleet = fleet_of("a", "b", model=CROWDED)
    requests = crowd(5, count=2000, seconds=20.0)
    found = fleet.advance(requests, 1e4).by_pod
    for pod in ("a", "b"):
        mine = np.isin(requests.arrival, found[pod].arrival)
        alone = LlmServer(CROWDED).advance(
            LlmRequests(
                arrival=requests.arrival[mine],
                input_tokens=requests.input_tokens[mine],
                output_tokens=requests.output_tokens[mine],
            ),
            1e4,
        )
        for name in ("arrival", "wait", "first_token", "end_to_end", "inter_token", "output_tokens", "status"):
            one, two = getattr(found[pod], name), getattr(alone, name)
            assert np.array_equal(np.sort(one), np.sort(two), equal_nan=True), name


def test_a_draining_pod_gets_nothing_new_and_finishes_what_it_has() -> None:
    fleet = fleet_of("old", model=SLOW)
    fleet.advance(asked(np.array([0.1, 0.2, 0.3])), 0.5)
    fleet.add("new", FAST)
    fleet.set_ready(["new"])
    step = fleet.advance(asked(np.linspace(0.6, 5.0, 100)), 6.0)
    assert {pod: len(ended) for pod, ended in step.by_pod.items()} == {"old": 3, "new": 100}
    assert fleet.servers["old"].idle
    assert len(fleet.remove("old")) == 0
    assert list(fleet.servers) == ["new"]


def test_without_a_ready_pod_requests_are_dropped_and_nothing_else_is() -> None:
    fleet = fleet_of("a")
    fleet.set_ready([])
    step = fleet.advance(asked(np.array([0.5, 0.6])), 1.0)
    assert statuses(step.routed, step.unrouted) == {Status.UNROUTED: 2}
    assert np.isnan(step.unrouted.first_token).all()
    fleet.set_ready(["a"])
    assert statuses(fleet.advance(asked(np.array([1.5])), 2.0).routed) == {Status.FINISHED: 1}


def test_every_request_ends_once_or_is_inside_while_pods_of_two_kinds_come_and_go() -> None:
    random = np.random.default_rng(12)
    fleet, parts, sent, born = LlmFleet(seed=1), [], 0, 0
    for second in range(300):
        if random.random() < 0.4:
            fleet.add(f"pod-{born}", CROWDED if born % 2 else LlmModel(step_base_seconds=0.02, batch_limit=9))
            born += 1
        if fleet.servers and random.random() < 0.3:
            parts.append(fleet.remove(str(random.choice(list(fleet.servers)))))
        fleet.set_ready([pod for pod in fleet.servers if random.random() < 0.8])
        requests = crowd(second, count=int(random.integers(0, 90)), seconds=1.0)
        requests = LlmRequests(
            arrival=second + requests.arrival,
            input_tokens=requests.input_tokens,
            output_tokens=requests.output_tokens,
        )
        sent += len(requests)
        step = fleet.advance(requests, second + 1.0)
        parts += [step.routed, step.unrouted]
    inside = sum(pod.queued + pod.running for pod in fleet.servers.values())
    arrivals = np.concatenate([part.arrival for part in parts])
    assert len(arrivals) + inside == sent
    assert set(statuses(*parts)) == set(Status)
    assert len(np.unique(arrivals)) == len(arrivals)


@pytest.mark.parametrize("routing", list(Routing))
def test_a_fleet_does_not_feel_how_time_is_cut(routing: Routing) -> None:
    requests, ends = crowd(3, count=1500, seconds=20.0), []
    for steps in (1, 7, 500):
        fleet = fleet_of("a", "b", "c", model=CROWDED, routing=routing)
        edges, parts, before = np.linspace(0.0, 40.0, steps + 1)[1:], [], 0
        for until in edges:
            after = int(np.searchsorted(requests.arrival, until, side="right"))
            chunk = LlmRequests(
                arrival=requests.arrival[before:after],
                input_tokens=requests.input_tokens[before:after],
                output_tokens=requests.output_tokens[before:after],
            )
            parts.append(fleet.advance(chunk, float(until)).routed)
            before = after
        columns = ("arrival", "wait", "first_token", "end_to_end", "output_tokens")
        whole = np.column_stack([np.concatenate([getattr(part, name) for part in parts]) for name in columns])
        ends.append(whole[np.argsort(whole[:, 0])])
    assert len(ends[0]) == 1500
    assert np.array_equal(ends[0], ends[1], equal_nan=True) and np.array_equal(ends[0], ends[2], equal_nan=True)


def test_a_new_pod_in_the_place_of_one_that_is_gone_begins_empty() -> None:
    fleet = fleet_of("old", model=SLOW)
    fleet.advance(asked(np.array([0.1, 0.2, 0.3])), 0.5)
    number = fleet.servers["old"].number
    assert statuses(fleet.remove("old")) == {Status.LOST: 3}
    fleet.add("new", SLOW)
    pod = fleet.servers["new"]
    assert (pod.number, pod.idle, pod.accepted, pod.cache_tokens_used, pod.busy_seconds(0.5)) == (number, True, 0, 0, 0)
