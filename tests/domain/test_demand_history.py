"""What is remembered of the demand of days: the largest of each stretch, and where nobody looked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.demand_history import DemandHistory

DAY, WEEK = 86_400.0, 604_800.0
START = 1_000_000_000.0


def test_the_largest_of_a_stretch_is_found_again_a_day_later() -> None:
    history = DemandHistory().recorded([(START, 5.0), (START + 20, 9.0), (START + DAY, 1.0)])

    assert history.largest(START - 60, START + 60) == 9.0


def test_the_largest_of_a_stretch_is_found_again_a_week_later() -> None:
    history = DemandHistory().recorded([(START, 9.0), (START + WEEK, 1.0)])

    assert history.largest(START - 300, START + 300) == 9.0


def test_what_nobody_saw_is_unknown_and_not_zero() -> None:
    history = DemandHistory().recorded([(START, 5.0), (START + 7200, 5.0)])

    assert history.largest(START + 600, START + 6000) is None
    assert history.usual(START + 600, START + 6000) is None
    assert DemandHistory().largest(START, START + 60) is None


def test_what_was_read_late_finds_its_place_and_what_is_too_old_is_left_out() -> None:
    history = DemandHistory().recorded([(START, 1.0), (START - 3600, 7.0), (START - 30 * DAY, 99.0)])

    assert history.largest(START - 3660, START - 3540) == 7.0
    assert history.largest(START - 40 * DAY, START) == 7.0


@given(
    st.lists(
        st.tuples(st.floats(0, 2 * WEEK), st.floats(0, 1e6).map(lambda rate: round(rate, 3))), min_size=1, max_size=20
    )
)
def test_no_order_of_samples_loses_the_newest(samples: list[tuple[float, float]]) -> None:
    newest = max(at for at, _ in samples)
    history = DemandHistory().recorded((START + at, rate) for at, rate in samples)

    most = max(rate for at, rate in samples if at == newest)
    found = history.largest(START + newest, START + newest)
    assert found is not None and found >= most * (1 - 1e-6)


def test_it_stays_small_whatever_is_recorded() -> None:
    history = DemandHistory().recorded((START + 15.0 * i, 1.0) for i in range(2000))

    assert history.minutes.values.nbytes + history.fives.values.nbytes < 20_000
    assert history.usual(START, START + 600) == pytest.approx(1.0)
