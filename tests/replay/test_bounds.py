"""What nobody can beat."""

import build
import numpy as np
import pytest
from replay.cases import case

from tightrope.replay.bounds import Bound, bound, running_minimum
from tightrope.replay.events import Events, PriceChange
from tightrope.replay.policies import tightrope
from tightrope.replay.run import play

STEP = [(0.0, 20.0), (1800.0, 20.0), (1800.0, 110.0), (3600.0, 110.0), (3600.0, 20.0)]


def one_pool(points, seconds: float):
    service = build.service(variants=(build.variant("cpu"),))
    return case(points, seconds=seconds, service=service, pools=build.pools("cpu"))


@pytest.fixture(scope="module")
def found() -> Bound:
    """The bounds of an hour and a half with a step in the middle, on one pool."""
    return bound(one_pool(STEP, 5400.0))


def test_the_bounds_stand_in_their_order_and_hold_the_objective(found: Bound) -> None:
    ours = play(one_pool(STEP, 5400.0), tightrope.KIND, knobs={}, variants=("cpu",)).score

    assert found.relaxed <= found.clairvoyant <= ours.cost
    assert found.attainment is not None and found.attainment >= 0.99
    assert found.gap == pytest.approx(found.clairvoyant / found.relaxed - 1.0)


def test_the_clairvoyant_asks_before_the_step_and_pays_for_the_start_up(found: Bound) -> None:
    grown = [step for step in found.course.steps if step.replicas["cpu"] >= 4]

    assert 1740 <= grown[0].at < 1800
    # 20/s needs one replica, 110/s four or five; the nodes of the latter are billed 1800 s and their start-up.
    assert 0.20 * (5400 + 3 * 1800) / 3600 < found.clairvoyant < 0.20 * (5400 + 4 * 1900) / 3600


def test_without_start_up_each_minute_costs_the_cheapest_fleet_that_carries_it() -> None:
    # 20/s on CPU is one replica of 0.20, 190/s is one on the GPU at 0.80, since eight on CPU would cost 1.60.
    mixed = case([(0.0, 15.0), (1800.0, 15.0), (1800.0, 170.0)], seconds=3600.0)
    assert bound(mixed).unreachable == pytest.approx(0.5 * 0.20 + 0.5 * 0.80, rel=0.02)


def test_a_price_that_changes_is_paid_from_then_on_by_the_bounds_too() -> None:
    dear = Events(prices=(PriceChange(pool="cpu", at=1800.0, price_per_node_hour=2.0),))
    found = bound(case([(0.0, 15.0)], seconds=3600.0, events=dear))

    # From then on one replica on the GPU at 0.80 is cheaper than one on CPU.
    assert found.unreachable == pytest.approx(0.5 * 0.20 + 0.5 * 0.80, rel=0.02)
    assert found.relaxed <= found.clairvoyant < 0.5 * 0.20 + 0.5 * 2.0


def test_nothing_before_the_end_of_the_warm_up_counts_for_a_bound() -> None:
    service = build.service(variants=(build.variant("cpu"),))
    late = case(STEP, seconds=5400.0, service=service, pools=build.pools("cpu"), warmup_seconds=3600.0)
    found = bound(late)

    # What is left is half an hour of 20/s on one replica.
    assert found.unreachable == pytest.approx(0.20 * 0.5)
    assert found.relaxed <= found.clairvoyant == pytest.approx(0.20 * 0.5, rel=0.25)
    assert found.course.score.met


def test_the_running_minimum_knows_where_it_came_from() -> None:
    values = np.array([[5.0, 3.0, 4.0, 1.0], [1.0, 2.0, 0.5, 0.5]])
    smallest, origin = running_minimum(values, np.arange(8).reshape(2, 4), axis=1)

    assert smallest.tolist() == [[5.0, 3.0, 3.0, 1.0], [1.0, 1.0, 0.5, 0.5]]
    assert origin.tolist() == [[0, 1, 1, 3], [4, 4, 6, 7]]
