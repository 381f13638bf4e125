"""Lines over time: what is not a number is not drawn, and what leaves the chart is marked."""

import math
import re

import numpy as np

from tightrope.replay.report.axes import TimeAxis, amount_ticks
from tightrope.replay.report.charts import Chart, Frame, Line, digits, figure, readings, stairs, under

NAN = math.nan


def chart(*values: float, high: float = 10.0) -> Chart:
    return Chart(
        key="k", title="Load", remark="now", unit="req/s",
        lines=[Line(name="all", values=np.array(values), style="ours")],
        low=0.0, high=high, ticks=amount_ticks(0.0, high),
    )  # fmt: skip


def frame(steps: float = 4.0, *, gaps=()) -> Frame:
    return Frame(axis=TimeAxis(seconds=steps * 60, start_unix=None), steps=steps, gaps=gaps, shown=frozenset({1}))


def test_steps_are_stairs_and_equal_ones_are_one_line() -> None:
    assert stairs(np.array([0.0, 0.0, 1.0, 0.5]), 4.0) == "M0 1000H2V0H3V500H4"


def test_a_line_is_broken_where_there_is_no_value() -> None:
    assert stairs(np.array([NAN, 0.5, NAN, 0.5]), 4.0) == "M1 500H2M3 500H4"
    assert stairs(np.array([NAN, NAN]), 2.0) == ""


def test_the_last_step_may_be_short() -> None:
    assert stairs(np.array([0.5, 0.5]), 1.25).endswith("H1.25")


def test_the_area_under_a_broken_line_is_broken_too() -> None:
    assert under("M1 500H2M3 400H4").count("Z") == 2


def test_what_leaves_the_chart_is_drawn_at_its_edge_and_marked() -> None:
    inside, outside = figure(chart(1.0, 2.0), frame()), figure(chart(1.0, 99.0), frame())

    assert "beyond" not in inside
    assert re.search(r'd="M1 0H2" class="beyond ours"', outside)


def test_gaps_are_shaded_and_called_unknown() -> None:
    drawn = figure(chart(1.0, NAN, NAN, 1.0), frame(gaps=[(60.0, 180.0)]))

    assert 'x="25.000%" y="0" width="50.000%"' in drawn
    assert ">unknown</text>" in drawn and "nothing was recorded here" in drawn


def test_a_chart_says_its_range_to_those_who_hear_it() -> None:
    assert "all: 1 to 7" in figure(chart(1.0, 7.0, NAN), frame())


def test_readings_keep_four_digits_and_leave_the_unknown_empty() -> None:
    (line,) = readings(chart(1.23456, NAN, 7.0))["lines"]

    assert line["values"] == [1.235, None, 7]
    assert digits(123456.0) == 123500
