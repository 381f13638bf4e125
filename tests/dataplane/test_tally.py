"""Sums of steps are what the single requests add up to."""

import numpy as np
import pytest

from tightrope.dataplane.fleet import Fleet
from tightrope.dataplane.goals import Goal, Quantity
from tightrope.dataplane.llm_fleet import LlmFleet
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.dataplane.tally import Groups
from tightrope.dataplane.tokens import LlmRequests

BOUNDS = np.array([0.05, 0.1, 0.2, 0.4])


def test_sums_are_what_the_single_requests_add_up_to() -> None:
    model = ServerModel(base_seconds=0.05, distribution=Distribution.EXPONENTIAL, queue_limit=3, timeout_seconds=0.5)
    fleet, groups = Fleet(seed=1), Groups(2, goals=[Goal(threshold_seconds=0.1)], bounds=BOUNDS)
    for group, pod in enumerate(["cpu-1", "gpu-1", "gpu-2"]):
        fleet.add(pod, model)
        groups.put(pod, min(group, 1))
    fleet.set_ready(["cpu-1", "gpu-1", "gpu-2"])
    step = fleet.advance(np.sort(np.random.default_rng(1).random(3_000) * 30.0), 40.0)
    tally = groups.counted(fleet, step)

    for row, pods in enumerate([["cpu-1"], ["gpu-1", "gpu-2"]]):
        parts = [step.by_pod[pod] for pod in pods]
        latency = np.concatenate([part.latency[part.finished] for part in parts])
        assert tally.ended[row] == sum(len(part) for part in parts)
        assert tally.finished[row] == len(latency)
        assert tally.good[row] == np.count_nonzero(latency <= 0.1)
        assert tally.latency_seconds[row] == pytest.approx(latency.sum())
        assert tally.buckets[row].tolist() == np.histogram(latency, [0.0, *BOUNDS, np.inf])[0].tolist()


def test_a_latency_on_the_threshold_is_good() -> None:
    fleet, groups = Fleet(seed=1), Groups(1, goals=[Goal(threshold_seconds=0.1)], bounds=BOUNDS)
    fleet.add("pod", ServerModel(base_seconds=0.1))
    groups.put("pod", 0)
    fleet.set_ready(["pod"])
    tally = groups.counted(fleet, fleet.advance(1_000.0 + np.arange(50.0) / 7.0, 1_020.0))

    assert tally.good[0] == tally.ended[0] == 50
    assert tally.buckets[0].tolist() == [0.0, 50.0, 0.0, 0.0, 0.0]


def test_who_came_and_how_long_pods_worked_is_counted_in_the_step_where_it_happened() -> None:
    model = ServerModel(base_seconds=1.0, slots=2, queue_limit=0)
    fleet, groups = Fleet(seed=1), Groups(1, goals=[Goal(threshold_seconds=0.1)], bounds=BOUNDS)

    def step(arrivals: list[float], until: float) -> tuple[float, float]:
        tally = groups.counted(fleet, fleet.advance(np.array(arrivals), until))
        return float(tally.came[0]), float(tally.busy_seconds[0])

    def only(pod: str) -> None:
        fleet.add(pod, model)
        groups.put(pod, 0)
        fleet.set_ready([pod])

    only("first")
    assert step([0.5, 0.75, 0.875], 1.0) == (3.0, (0.5 + 0.25) / 2)  # the third is refused
    assert step([], 2.0) == (0.0, (0.5 + 0.75) / 2)
    assert step([], 3.0) == (0.0, 0.0)
    fleet.remove("first")
    only("second")
    assert step([3.5], 4.0) == (1.0, 0.5 / 2)


LLM = LlmModel(step_base_seconds=0.02, prefill_base_seconds=0.05, batch_limit=4, queue_limit=3, timeout_seconds=2.0)
EVERY_GOAL = [
    Goal(threshold_seconds=0.4),
    Goal(quantity=Quantity.FIRST_TOKEN, threshold_seconds=0.15),
    Goal(quantity=Quantity.INTER_TOKEN, threshold_seconds=0.025),
]


def test_each_goal_counts_what_met_it_of_what_counts_for_it() -> None:
    fleet, groups = LlmFleet(seed=1), Groups(2, goals=EVERY_GOAL, bounds=BOUNDS)
    for group, pod in enumerate(["a-1", "b-1"]):
        fleet.add(pod, LLM)
        groups.put(pod, group)
    fleet.set_ready(["a-1", "b-1"])
    random = np.random.default_rng(1)
    requests = LlmRequests(
        arrival=np.sort(random.random(600)) * 30.0,
        input_tokens=np.ones(600),
        output_tokens=random.choice([1.0, 2.0, 9.0, 40.0], 600),
    )
    step = fleet.advance(requests, 60.0)
    tally = groups.counted(fleet, step)

    for row, pod in enumerate(["a-1", "b-1"]):
        found = step.by_pod[pod]
        fine = found.finished
        between = ~fine | ~np.isnan(found.inter_token)
        assert np.count_nonzero(~fine) > 0 and np.count_nonzero(~between) > 0
        assert tally.kept[row].tolist() == [
            [np.count_nonzero(fine & (found.end_to_end <= 0.4)), len(found)],
            [np.count_nonzero(fine & (found.first_token <= 0.15)), len(found)],
            [np.count_nonzero(fine & (found.inter_token <= 0.025)), np.count_nonzero(between)],
        ]
        assert tally.good[row] == tally.kept[row, 0, 0]
        assert tally.ended[row] == tally.came[row] == len(found)
        assert tally.output_tokens[row] == found.output_tokens[fine].sum()
        assert tally.input_tokens[row] == found.input_tokens[fine].sum()
        assert tally.waited_seconds[row] == pytest.approx(found.wait[fine].sum())
        assert tally.busy_seconds[row] == pytest.approx(fleet.servers[pod].busy_seconds(60.0))


def test_a_server_without_tokens_gives_its_first_with_the_rest_and_nothing_between() -> None:
    fleet, groups = Fleet(seed=1), Groups(1, goals=EVERY_GOAL, bounds=BOUNDS)
    fleet.add("pod", ServerModel(base_seconds=0.1, queue_limit=0))
    groups.put("pod", 0)
    fleet.set_ready(["pod"])
    tally = groups.counted(fleet, fleet.advance(np.array([1.0, 1.05, 2.0]), 3.0))

    assert tally.kept[0].tolist() == [[2, 3], [2, 3], [0, 1]]  # the one that was refused misses them all
