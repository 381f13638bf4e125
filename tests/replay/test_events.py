"""What befalls the pools of a replay, and that whoever plays meets it."""

import math

import numpy as np
import pytest
from replay.cases import case, told

from tightrope.replay.events import Events, PriceChange, Reclaim, Room, Shortage
from tightrope.replay.policies import tightrope
from tightrope.replay.run import play

BOTH = ("cpu", "gpu")


def test_a_failure_is_drawn_anew_each_minute_with_its_probability_and_alike_for_every_request_of_it() -> None:
    events = Events(shortages=(Shortage(pool="cpu", start=0.0, end=6e5, probability=0.3),))
    drawn = np.array([[events.refuses("cpu", 60.0 * minute + at, seed=1) for at in (0, 59)] for minute in range(9999)])

    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert drawn[:, 0].mean() == pytest.approx(0.3, abs=0.02)
    assert not events.refuses("gpu", 10.0, seed=1)
    assert [events.refuses("cpu", 60.0 * m, seed=2) for m in range(99)] != drawn[:99, 0].tolist()


def test_a_node_costs_what_its_pool_costs_at_each_moment() -> None:
    prices = (
        PriceChange(pool="cpu", at=7200.0, price_per_node_hour=3.0),
        PriceChange(pool="cpu", at=3600.0, price_per_node_hour=2.0),
    )
    events = Events(prices=prices)

    assert [events.price("cpu", at, 1.0) for at in (0.0, 3599.0, 3600.0, 9999.0)] == [1.0, 1.0, 2.0, 3.0]
    assert events.cost("cpu", 1800.0, 9000.0, 1.0) == pytest.approx(0.5 * 1 + 1 * 2 + 0.5 * 3)
    assert events.cost("gpu", 0.0, 3600.0, 1.0) == pytest.approx(1.0)


def test_the_newest_word_on_a_pools_room_counts_and_everything_comes_in_its_time() -> None:
    rooms = (Room(pool="cpu", at=50.0, count=2), Room(pool="cpu", at=10.0, count=5))
    events = Events(rooms=rooms, reclaims=(Reclaim(pool="cpu", at=30.0, count=1),))

    assert [events.room("cpu", at) for at in (0.0, 10.0, 49.0, 50.0)] == [math.inf, 5, 5, 2]
    assert [one.at for one in events.taken(10.0, 50.0)] == [30.0, 50.0]
    assert [events.after(at) for at in (0.0, 10.0, 50.0)] == [10.0, 30.0, math.inf]


def test_what_befalls_each_pool_is_said() -> None:
    shortages = tuple(Shortage(pool="cpu", start=at, end=at + 1) for at in (0.0, 9.0))
    events = Events(shortages=shortages, prices=(PriceChange(pool="gpu", at=0.0, price_per_node_hour=1.0),) * 2)

    assert events.sentences() == [
        "what befalls pool cpu, whoever plays: 2 shortages",
        "what befalls pool gpu, whoever plays: 2 changes of price",
    ]


def test_tightrope_leaves_a_pool_that_has_become_dear() -> None:
    dear = Events(prices=(PriceChange(pool="cpu", at=1800.0, price_per_node_hour=2.0),))
    course = play(case([(0, 15.0)], seconds=2 * 3600.0, events=dear), tightrope.KIND, knobs={}, variants=BOTH)

    assert course.timeline.ready["cpu"][: 1800 // 15].min() >= 1.0
    assert course.timeline.ready["gpu"][-1] == 1.0
    assert course.timeline.ready["cpu"][-1] == 0.0
    assert course.score.met


def test_nodes_that_are_taken_back_cost_requests_until_others_are_ready() -> None:
    gone = Events(reclaims=(Reclaim(pool="cpu", at=1000.0, count=9),))
    kind, _ = told(lambda seat: {"cpu": 2})
    usual = play(case([(0, 30.0)], seconds=3600.0), kind, knobs={}, variants=("cpu",)).score
    hit = play(case([(0, 30.0)], seconds=3600.0, events=gone), kind, knobs={}, variants=("cpu",)).score

    # Nobody is there for the 20 s that a start takes.
    assert hit.dropped == pytest.approx(30 * 20, rel=0.2)
    assert usual.dropped == 0
    # Both nodes that go are billed up to then, both that come from then on.
    assert hit.cost == pytest.approx(usual.cost, rel=0.01)
