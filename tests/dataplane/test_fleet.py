"""The pods behind a Service: how load is split, how pods join, drain and go."""

from collections import Counter

import numpy as np
import pytest
from dataplane.queueing import erlang_b, shortest_of_two_mean_inside, statuses

from tightrope.dataplane.fleet import Fleet
from tightrope.dataplane.outcomes import Outcomes, Status, together
from tightrope.dataplane.routing import Routing
from tightrope.dataplane.server_model import Distribution, ServerModel

FAST = ServerModel(base_seconds=0.001)
SLOW = ServerModel(base_seconds=1.0)


def fleet_of(*pods: str, model: ServerModel = FAST) -> Fleet:
    fleet = Fleet(seed=4)
    for pod in pods:
        fleet.add(pod, model)
    fleet.set_ready(pods)
    return fleet


def test_each_ready_pod_gets_its_share_at_random() -> None:
    fleet = fleet_of("a", "b", "c")
    step = fleet.advance(np.linspace(0.0, 100.0, 30_000), 200.0)
    shares = {pod: len(ended) for pod, ended in step.by_pod.items()}
    assert sum(shares.values()) == 30_000
    # Three standard deviations of a binomial; an exact third for each would not be random.
    assert all(abs(share - 10_000) < 3 * np.sqrt(30_000 * 2 / 9) for share in shares.values())
    assert len(set(shares.values())) > 1


def test_poisson_arrivals_split_at_random_keep_each_pod_an_m_m_1_queue() -> None:
    model = ServerModel(base_seconds=0.05, distribution=Distribution.EXPONENTIAL, queue_limit=10_000)
    fleet = fleet_of("a", "b", "c", "d", model=model)
    arrivals = np.cumsum(np.random.default_rng(9).exponential(1 / 48.0, size=600_000))
    waits = [fleet.advance(chunk, float(chunk[-1])).everything().wait for chunk in np.array_split(arrivals, 30)]
    assert np.concatenate(waits).mean() == pytest.approx(0.6 * 0.05 / 0.4, rel=0.02)


def test_without_a_ready_pod_requests_are_dropped_and_nothing_else_is() -> None:
    fleet = fleet_of("a")
    fleet.set_ready([])
    step = fleet.advance(np.array([0.5, 0.6]), 1.0)
    assert statuses(step.everything()) == {Status.UNROUTED: 2}
    fleet.set_ready(["a"])
    assert statuses(fleet.advance(np.array([1.5]), 2.0).everything()) == {Status.FINISHED: 1}


def test_a_draining_pod_gets_nothing_new_and_finishes_what_it_has() -> None:
    fleet = fleet_of("old", model=SLOW)
    fleet.advance(np.array([0.1, 0.2, 0.3]), 0.5)
    fleet.add("new", FAST)
    fleet.set_ready(["new"])
    step = fleet.advance(np.linspace(0.6, 5.0, 100), 6.0)
    assert {pod: len(ended) for pod, ended in step.by_pod.items()} == {"old": 3, "new": 100}
    assert fleet.servers["old"].idle
    assert len(fleet.remove("old")) == 0
    assert list(fleet.servers) == ["new"]


def test_a_pod_that_goes_before_it_has_drained_loses_its_requests() -> None:
    fleet = fleet_of("a", model=SLOW)
    fleet.advance(np.array([0.1, 0.2, 0.3]), 0.5)
    assert statuses(fleet.remove("a")) == {Status.LOST: 3}
    assert fleet.ready == ()


def test_every_request_ends_once_or_is_inside_while_pods_come_and_go() -> None:
    random = np.random.default_rng(12)
    model = ServerModel(base_seconds=0.1, queue_limit=5, timeout_seconds=0.3, slots=2)
    fleet, parts, sent, born = Fleet(seed=1), [], 0, 0
    for second in range(300):
        if random.random() < 0.4:
            fleet.add(f"pod-{born}", model)
            born += 1
        if fleet.servers and random.random() < 0.3:
            parts.append(fleet.remove(str(random.choice(list(fleet.servers)))))
        fleet.set_ready([pod for pod in fleet.servers if random.random() < 0.8])
        arrivals = second + np.sort(random.random(random.integers(0, 120)))
        sent += len(arrivals)
        parts.append(fleet.advance(arrivals, second + 1.0).everything())
    inside = sum(server.queued + server.running for server in fleet.servers.values())
    ended = together(parts)
    assert len(ended) + inside == sent
    assert set(statuses(ended)) == set(Status)
    assert Counter(ended.arrival.tolist()).most_common(1)[0][1] == 1


def least_loaded_fleet_of(*pods: str, model: ServerModel) -> Fleet:
    fleet = Fleet(seed=4, routing=Routing.LEAST_LOADED)
    for pod in pods:
        fleet.add(pod, model)
    fleet.set_ready(pods)
    return fleet


def poisson(rate: float, requests: int) -> list[np.ndarray]:
    """In chunks."""
    arrivals = np.cumsum(np.random.default_rng(9).exponential(1 / rate, size=requests))
    return np.array_split(arrivals, max(requests // 20_000, 1))


def test_two_least_loaded_pods_hold_as_many_as_the_shorter_of_two_queues_says() -> None:
    model = ServerModel(base_seconds=0.05, distribution=Distribution.EXPONENTIAL, queue_limit=10_000)
    fleet = least_loaded_fleet_of("a", "b", model=model)
    latency = [fleet.advance(chunk, float(chunk[-1])).everything().latency for chunk in poisson(28.0, 1_000_000)]
    inside = np.concatenate(latency).mean() * 28.0  # Little's law
    assert inside == pytest.approx(shortest_of_two_mean_inside(28.0, 0.05), rel=0.02)


def test_least_loaded_pods_without_a_queue_refuse_only_when_all_are_busy_as_erlang_b_says() -> None:
    model = ServerModel(base_seconds=0.1, distribution=Distribution.EXPONENTIAL, queue_limit=0)
    fleet = least_loaded_fleet_of(*"abcde", model=model)
    ended = together([fleet.advance(chunk, float(chunk[-1])).everything() for chunk in poisson(40.0, 500_000)])
    assert ended.count(Status.REFUSED) / len(ended) == pytest.approx(erlang_b(5, 4.0), rel=0.02)


MODELS = {
    "lone": ServerModel(base_seconds=0.05, slots=2, distribution=Distribution.EXPONENTIAL),
    "impatient": ServerModel(base_seconds=0.05, slots=2, timeout_seconds=0.12, distribution=Distribution.EXPONENTIAL),
    "batching": ServerModel(base_seconds=0.1, per_request_seconds=0.01, batch_limit=4, timeout_seconds=0.4),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_no_other_pod_has_fewer_inside_than_the_least_loaded(model: ServerModel) -> None:
    pods = "abcdef"
    fleet = least_loaded_fleet_of(*pods, model=model)
    arrivals = np.sort(np.random.default_rng(3).random(5_000) * 25.0)
    found = fleet.advance(arrivals, 100.0).by_pod
    inside = np.column_stack([number_inside(found[pod], arrivals) for pod in pods])
    taken = np.column_stack([np.isin(arrivals, found[pod].arrival) for pod in pods])
    assert (taken.sum(axis=1) == 1).all()
    assert (inside[taken] == inside.min(axis=1)).all()
    assert inside.max() > 2


def number_inside(ended: Outcomes, at: np.ndarray) -> np.ndarray:
    """Requests that came before these times and ended after them."""
    return np.searchsorted(np.sort(ended.arrival), at) - np.searchsorted(np.sort(ended.ended), at, side="right")


def test_a_least_loaded_fleet_with_room_lets_nobody_wait() -> None:
    fleet = Fleet(seed=4, routing=Routing.LEAST_LOADED)
    for pod in "abc":
        fleet.add(pod, SLOW)
    fleet.set_ready("abc")
    step = fleet.advance(np.array([0.0, 0.1, 0.2]), 2.0)
    assert {pod: len(ended) for pod, ended in step.by_pod.items()} == {"a": 1, "b": 1, "c": 1}
    assert step.everything().wait.tolist() == [0.0, 0.0, 0.0]


def test_weights_share_out_the_requests() -> None:
    fleet = Fleet(seed=4, routing=Routing.WEIGHTED)
    for pod in ("large", "small"):
        fleet.add(pod, FAST)
    fleet.set_ready(["large", "small"], {"large": 9.0, "small": 1.0})
    step = fleet.advance(np.linspace(0.0, 100.0, 20_000), 200.0)
    assert len(step.by_pod["large"]) == pytest.approx(18_000, rel=0.02)


def test_the_weights_of_those_that_stay_go_on_when_a_pod_goes() -> None:
    fleet = Fleet(seed=4, routing=Routing.WEIGHTED)
    for pod in ("gone", "large", "small"):
        fleet.add(pod, FAST)
    fleet.set_ready(["gone", "large", "small"], {"gone": 5.0, "large": 3.0, "small": 1.0})
    fleet.remove("gone")
    step = fleet.advance(np.linspace(0.0, 100.0, 20_000), 200.0)
    assert len(step.by_pod["large"]) == pytest.approx(15_000, rel=0.02)


def test_a_weight_of_nothing_is_refused_in_words() -> None:
    fleet = Fleet(seed=4, routing=Routing.WEIGHTED)
    fleet.add("a", FAST)
    with pytest.raises(ValueError, match="weight of pod a is 0: write one above 0"):
        fleet.set_ready(["a"], {"a": 0.0})


def test_weights_mean_nothing_to_an_even_split() -> None:
    fleet = fleet_of("a", "b")
    fleet.set_ready(["a", "b"], {"a": 100.0, "b": 1.0})
    step = fleet.advance(np.linspace(0.0, 100.0, 20_000), 200.0)
    assert len(step.by_pod["a"]) == pytest.approx(10_000, rel=0.03)


@pytest.mark.parametrize("routing", list(Routing))
def test_a_fleet_does_not_feel_how_time_is_cut(routing: Routing) -> None:
    model = ServerModel(base_seconds=0.03, per_request_seconds=0.01, batch_limit=4, slots=2, timeout_seconds=0.4)
    arrivals = np.sort(np.random.default_rng(3).random(4_000) * 20.0)
    ends = []
    for steps in (1, 7, 500):
        fleet = Fleet(seed=2, routing=routing)
        for pod in "abc":
            fleet.add(pod, model)
        fleet.set_ready("abc")
        edges = np.linspace(0.0, 21.0, steps + 1)[1:]
        parts = []
        for before, until in zip([0.0, *edges[:-1]], edges, strict=True):
            chunk = arrivals[(arrivals > before) & (arrivals <= until)]
            parts.append(fleet.advance(chunk, float(until)).everything())
        whole = together(parts)
        order = np.argsort(whole.arrival)
        ends.append(np.column_stack([whole.arrival, whole.wait, whole.service])[order])
    assert np.allclose(ends[0], ends[1]) and np.allclose(ends[0], ends[2])


def test_a_pod_that_is_not_there_cannot_be_ready() -> None:
    with pytest.raises(KeyError):
        fleet_of("a").set_ready(["b"])
