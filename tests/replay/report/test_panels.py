"""What the charts show of a course."""

import numpy as np
import pytest
from replay.cases import case
from replay.report.courses import STEPS, course, timeline

from tightrope.replay.report import panels
from tightrope.replay.report.standing import standing

SECONDS = STEPS * 15.0


def found(*courses):
    return standing(courses, bound=None, today="hpa", variants=2)


def test_demand_beside_a_gap_is_the_rate_of_the_time_that_is_known() -> None:
    made = case([(0.0, 40.0)], seconds=SECONDS, gaps=[(0.0, 15.0), (30.0, 37.5)])
    known = panels.known_share(made, timeline())
    demand = timeline(demand=np.r_[0.0, 40.0, 20.0, np.full(STEPS - 3, 40.0)])
    line = panels.demand_chart(made, demand, known).lines[0].values

    assert np.isnan(line[0])
    assert line[1:] == pytest.approx(np.full(STEPS - 1, 40.0))


def test_cost_so_far_ends_at_what_was_spent_in_known_time() -> None:
    made = case([(0.0, 40.0)], seconds=SECONDS, gaps=[(0.0, 300.0)])
    known = panels.known_share(made, timeline())

    assert panels.spent(made, timeline(), known)[-1] == pytest.approx(60.0 * 300.0 / 3600.0)


def test_a_bill_above_the_nodes_time_is_explained() -> None:
    made = case([(0.0, 40.0)], seconds=SECONDS)
    known = panels.known_share(made, timeline())

    assert "billed for a minimum" not in panels.spent_chart(made, found(course(cost=10.0)), known).remark
    assert "billed for a minimum" in panels.spent_chart(made, found(course(cost=12.0)), known).remark


def test_latency_far_over_the_threshold_leaves_room_for_the_rest_and_says_so() -> None:
    made = case([(0.0, 40.0)], seconds=SECONDS)
    calm, slow = (
        panels.latency_chart(made, found(course(course=timeline(p99=p99))).ours) for p99 in (0.2, 30.0)
    )  # fmt: skip

    assert (calm.high, slow.high) == pytest.approx((450.0, 900.0))
    assert "higher still" in slow.remark and "higher still" not in calm.remark


def test_a_budget_overspent_many_times_is_cut_and_says_so() -> None:
    calm, spent = (panels.budget_chart(found(course(course=timeline(budget_left=left)))) for left in (0.2, -50.0))

    assert calm.low == 0.0 and calm.mark is None
    assert spent.low == -100.0 and "overspent further" in spent.remark


def test_only_the_variants_that_a_policy_may_use_are_shown() -> None:
    made = case([(0.0, 40.0)], seconds=SECONDS)
    entrant = found(course(variants=("gpu",))).ours
    lines = panels.ready_chart(made, entrant, panels.known_share(made, timeline())).lines

    assert [line.name for line in lines] == ["gpu ready", "gpu wanted"]
