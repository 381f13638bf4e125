"""What a miss is worth: more with a debt, less with savings, and the same at any traffic."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.pressure import Pressure, Terms
from tightrope.domain.spec import BudgetPolicy, LatencyObjective

OBJECTIVE = LatencyObjective(threshold_seconds=0.3, percent=99.0)
DAY = 86_400.0
TERMS = Terms(objective=OBJECTIVE, window_seconds=DAY)


def after(miss_fraction: float, *, hours: float, rate: float = 50.0, window: float = DAY) -> Pressure:
    pressure = Pressure()
    for _ in range(int(hours * 60)):
        pressure = pressure.after(
            seconds=60.0,
            finished=60.0 * rate,
            missed=60.0 * rate * miss_fraction,
            terms=replace(TERMS, window_seconds=window),
        )
    return pressure


def test_a_miss_is_dearer_and_fewer_are_allowed_after_an_hour_of_many() -> None:
    calm, burning = after(TERMS.allowed, hours=6), after(0.05, hours=1)

    assert burning.price_factor(TERMS) > 1.5 * calm.price_factor(TERMS)
    assert burning.allowance(TERMS) < 0.7 * calm.allowance(TERMS)


def test_savings_may_be_spent_and_only_savings() -> None:
    assert after(0.0, hours=6).least_share(TERMS) < 0.9
    assert after(0.02, hours=6).least_share(TERMS) == 1.0
    assert Pressure().least_share(TERMS) == 1.0


def test_a_debt_of_the_whole_window_is_not_forgotten_by_a_good_hour() -> None:
    pressure = after(0.10, hours=6)
    for _ in range(240):
        pressure = pressure.after(seconds=60.0, finished=3000.0, missed=0.0, terms=TERMS)

    assert pressure.allowance(TERMS) < TERMS.allowed


@given(st.floats(0, 0.2), st.floats(0.1, 1000))
def test_it_does_not_depend_on_how_much_traffic_there_is(miss: float, scale: float) -> None:
    one, other = after(miss, hours=0.5, rate=10.0), after(miss, hours=0.5, rate=10.0 * scale)

    assert one.allowance(TERMS) == pytest.approx(other.allowance(TERMS), rel=1e-6)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1)), max_size=30))
def test_no_history_gives_a_figure_that_is_none(steps: list[tuple[float, float]]) -> None:
    pressure = Pressure()
    for finished, share in steps:
        pressure = pressure.after(seconds=15.0, finished=finished, missed=finished * share, terms=TERMS)

    assert 0.85 <= pressure.least_share(TERMS) <= 1.0
    assert 0.3 <= pressure.price_factor(TERMS) <= 8.0
    assert 0.0 < pressure.allowance(TERMS) <= 0.04


def test_a_budget_that_is_protected_makes_misses_dearer_and_is_never_spent_below_the_demand() -> None:
    protect, spend = (replace(TERMS, policy=policy) for policy in (BudgetPolicy.PROTECT, BudgetPolicy.SPEND))
    saved = after(0.0, hours=6)

    assert saved.price_factor(protect) > 2 * saved.price_factor(TERMS) > 2 * saved.price_factor(spend)
    assert saved.allowance(protect) < saved.allowance(TERMS) <= saved.allowance(spend)
    assert saved.least_share(protect) == 1.0
    assert saved.least_share(spend) < saved.least_share(TERMS)
