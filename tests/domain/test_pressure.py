"""What a miss is worth: more with a debt, less with savings, and the same at any traffic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.pressure import AIM, Pressure
from tightrope.domain.spec import LatencyObjective

OBJECTIVE = LatencyObjective(threshold_seconds=0.3, percent=99.0)
DAY = 86_400.0


def after(miss_fraction: float, *, hours: float, rate: float = 50.0, window: float = DAY) -> Pressure:
    pressure = Pressure()
    for _ in range(int(hours * 60)):
        pressure = pressure.after(
            seconds=60.0,
            finished=60.0 * rate,
            missed=60.0 * rate * miss_fraction,
            objective=OBJECTIVE,
            window_seconds=window,
        )
    return pressure


def test_a_miss_is_dearer_and_fewer_are_allowed_after_an_hour_of_many() -> None:
    calm, burning = after(AIM * 0.01, hours=6), after(0.05, hours=1)

    assert burning.price_factor(OBJECTIVE, DAY) > 1.5 * calm.price_factor(OBJECTIVE, DAY)
    assert burning.allowance(OBJECTIVE, DAY) < 0.7 * calm.allowance(OBJECTIVE, DAY)


def test_savings_may_be_spent_and_only_savings() -> None:
    assert after(0.0, hours=6).least_share(OBJECTIVE, DAY) < 0.9
    assert after(0.02, hours=6).least_share(OBJECTIVE, DAY) == 1.0
    assert Pressure().least_share(OBJECTIVE, DAY) == 1.0


def test_a_debt_of_the_whole_window_is_not_forgotten_by_a_good_hour() -> None:
    pressure = after(0.10, hours=6)
    for _ in range(240):
        pressure = pressure.after(seconds=60.0, finished=3000.0, missed=0.0, objective=OBJECTIVE, window_seconds=DAY)

    assert pressure.allowance(OBJECTIVE, DAY) < AIM * 0.01


@given(st.floats(0, 0.2), st.floats(0.1, 1000))
def test_it_does_not_depend_on_how_much_traffic_there_is(miss: float, scale: float) -> None:
    one, other = after(miss, hours=0.5, rate=10.0), after(miss, hours=0.5, rate=10.0 * scale)

    assert one.allowance(OBJECTIVE, DAY) == pytest.approx(other.allowance(OBJECTIVE, DAY), rel=1e-6)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1)), max_size=30))
def test_no_history_gives_a_figure_that_is_none(steps: list[tuple[float, float]]) -> None:
    pressure = Pressure()
    for finished, share in steps:
        pressure = pressure.after(
            seconds=15.0, finished=finished, missed=finished * share, objective=OBJECTIVE, window_seconds=DAY
        )

    assert 0.85 <= pressure.least_share(OBJECTIVE, DAY) <= 1.0
    assert 0.3 <= pressure.price_factor(OBJECTIVE, DAY) <= 8.0
    assert 0.0 < pressure.allowance(OBJECTIVE, DAY) <= 0.04
