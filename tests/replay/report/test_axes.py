"""Ticks and scales as a reader meets them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.replay.report.axes import CostScale, NinesScale, TimeAxis, amount_ticks, since_start

MARCH = 1_772_323_200.0  # 2026-03-01 00:00 UTC
HOUR = 3600.0


def labels(seconds: float, start: float | None) -> list[str]:
    return [tick.label for tick in TimeAxis(seconds=seconds, start_unix=start).ticks()]


def test_time_is_told_in_dates_where_they_are_known() -> None:
    assert labels(24 * HOUR, MARCH) == [
        "1 Mar", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "2 Mar",
    ]  # fmt: skip
    assert labels(14 * 24 * HOUR, MARCH)[:3] == ["1 Mar", "3 Mar", "5 Mar"]


def test_time_is_told_since_the_start_where_no_date_is_known() -> None:
    assert labels(6 * HOUR, None) == ["0", "1 h", "2 h", "3 h", "4 h", "5 h", "6 h"]
    assert labels(600.0, None)[:3] == ["0", "2 min", "4 min"]
    assert TimeAxis(seconds=60.0, start_unix=None).title == "time since the start"


def test_ticks_of_a_replay_that_begins_at_an_odd_time_stand_at_even_ones() -> None:
    first = TimeAxis(seconds=6 * HOUR, start_unix=MARCH + 1000).ticks()[0]

    assert first.label == "01:00"
    assert first.at == pytest.approx(2600 / (6 * HOUR))


def test_moments_have_a_clock_and_a_stretch() -> None:
    dated, undated = TimeAxis(seconds=99_999, start_unix=MARCH), TimeAxis(seconds=99_999, start_unix=None)

    assert dated.clock(3725.0) == "01:02:05"
    assert undated.clock(90_125.0) == "25:02:05"
    assert dated.stretch(3725.0, 3600)[1] == "1 Mar 2026, 01:00"
    assert undated.stretch(90_125.0, 86_400)[1] == "Day 2"
    assert dated.day(0.0) == "2026-03-01 00:00 UTC"


def test_lengths_since_the_start_leave_out_what_is_zero() -> None:
    assert [since_start(at) for at in (0, 2700, 10_800, 194_400)] == ["0", "45 min", "3 h", "2 d 6 h"]


@given(low=st.floats(-100, 0), size=st.floats(0.001, 1e6))
def test_amounts_have_a_few_round_ticks_inside_their_axis(low: float, size: float) -> None:
    ticks = amount_ticks(low, low + size)

    assert 1 <= len(ticks) <= 8
    assert all(-1e-6 <= tick.at <= 1 + 1e-6 for tick in ticks)


def test_replicas_have_no_halves() -> None:
    assert [tick.label for tick in amount_ticks(0.0, 2.2, whole=True)] == ["0", "1", "2"]


def test_costs_far_apart_are_told_by_their_logarithm() -> None:
    near, far = CostScale.over([10.0, 20.0]), CostScale.over([1.0, 100.0])

    assert not near.logarithmic and near.place(0.0) == 0.0
    assert far.logarithmic and far.place(10.0) == pytest.approx(0.5)


@given(st.lists(st.floats(0, 1), min_size=1), st.sampled_from([0.9, 0.99, 0.999]))
def test_every_attainment_has_its_place_and_better_ones_are_higher(attainments: list[float], objective: float) -> None:
    scale = NinesScale.over(attainments, objective)
    places = [scale.place(one) for one in sorted(attainments)]

    assert all(0.0 <= place <= 1.0 for place in places)
    assert places == sorted(places)
    assert 0.0 < scale.place(objective) < 1.0
