"""The ledger and what it says: attainment, what is left, how fast it burns."""

import build
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tightrope.domain import error_budget
from tightrope.domain.memory import Ledger
from tightrope.domain.plan import BudgetState, Pace
from tightrope.domain.spec import LatencyObjective

OBJECTIVE = LatencyObjective(threshold_seconds=0.3, percent=99.0)
WINDOW = 3600.0
NOTHING = Ledger()


def grown(ledger=NOTHING, *, now: float, rates=None, seconds: float = 15.0, history=()):
    latest = (now - seconds, seconds, rates) if rates is not None else None
    return error_budget.extended(ledger, history=history, latest=latest, now=now, window_seconds=WINDOW)


def test_half_the_allowed_misses_leave_half_the_budget() -> None:
    ledger = grown(now=1000.0, rates=build.outcomes(100.0, missed=0.5))

    state = error_budget.budget(ledger, OBJECTIVE, now=1000.0, window_seconds=WINDOW)

    assert state is not None
    assert state.attainment == pytest.approx(0.995)
    assert state.remaining == pytest.approx(0.5)
    assert state.burn_rate == pytest.approx(0.5)


def test_an_overspent_budget_is_negative() -> None:
    ledger = grown(now=1000.0, rates=build.outcomes(100.0, missed=3.0))
    state = error_budget.budget(ledger, OBJECTIVE, now=1000.0, window_seconds=WINDOW)

    assert state is not None and state.remaining == pytest.approx(-2.0)


def test_nothing_finished_is_unknown_and_not_a_full_budget() -> None:
    assert error_budget.budget(NOTHING, OBJECTIVE, now=0.0, window_seconds=WINDOW) is None


def test_what_leaves_the_window_is_forgotten() -> None:
    ledger = grown(now=1000.0, rates=build.outcomes(100.0, missed=50.0))
    ledger = grown(ledger, now=1000.0 + WINDOW + 20.0, rates=build.outcomes(100.0))
    state = error_budget.budget(ledger, OBJECTIVE, now=1000.0 + WINDOW + 20.0, window_seconds=WINDOW)

    assert state is not None and state.attainment == 1.0


def test_history_fills_a_gap_once_and_never_counts_twice() -> None:
    ledger = grown(now=1000.0, rates=build.outcomes(10.0))
    gap = [(1000.0, 60.0, build.outcomes(10.0, missed=5.0)), (990.0, 15.0, build.outcomes(10.0, missed=10.0))]
    ledger = grown(ledger, now=1075.0, rates=build.outcomes(10.0), history=gap)
    ledger = grown(ledger, now=1075.0, history=gap)

    assert sum(entry.total for entry in ledger) == pytest.approx(10 * (15 + 60 + 15))
    assert sum(entry.total - entry.good for entry in ledger) == pytest.approx(5 * 60)


def test_the_ledger_stays_small_over_a_whole_window() -> None:
    ledger = NOTHING
    for tick in range(1000):
        ledger = grown(ledger, now=15.0 * (tick + 1), rates=build.outcomes(10.0))

    assert len(ledger) <= 2 * error_budget.RESOLUTION + 2
    assert sum(entry.seconds for entry in ledger) == pytest.approx(WINDOW, rel=0.02)


def test_a_threshold_between_buckets_counts_the_pessimistic_bound() -> None:
    rates = error_budget.Outcomes(total=100.0, good_low=98.0, good_high=100.0)
    state = error_budget.budget(grown(now=15.0, rates=rates), OBJECTIVE, now=15.0, window_seconds=WINDOW)

    assert state is not None and state.attainment == pytest.approx(0.98)


MONTH = 28 * 86_400.0
HOUR = 3600.0


def played(*stretches: tuple[float, float], window: float = MONTH, rate: float = 20.0):
    """The ledger after stretches of (hours, share missed), tick by tick, and the time at their end."""
    ledger, now = NOTHING, 0.0
    for hours, missed in stretches:
        for _ in range(round(hours * HOUR / 15.0)):
            now += 15.0
            latest = (now - 15.0, 15.0, build.outcomes(rate, missed=rate * missed))
            ledger = error_budget.extended(ledger, history=(), latest=latest, now=now, window_seconds=window)
    return ledger, now


def state_after(*stretches: tuple[float, float], window: float = MONTH) -> BudgetState:
    ledger, now = played(*stretches, window=window)
    state = error_budget.budget(ledger, OBJECTIVE, now=now, window_seconds=window)
    assert state is not None
    return state


def test_each_stretch_has_its_own_burn_rate_to_a_tenth_of_its_length() -> None:
    rates = state_after((72, 0.0), (0.5, 0.2)).burn_rates
    assert rates[300.0] == pytest.approx(20.0)
    assert rates[1800.0] == pytest.approx(20.0, rel=0.11)
    assert rates[HOUR] == pytest.approx(10.0, rel=0.11)
    assert rates[6 * HOUR] == pytest.approx(20.0 / 12, rel=0.11)
    assert rates[72 * HOUR] == pytest.approx(20.0 / 144, rel=0.11)


def test_a_burn_is_fast_while_it_matters_and_still_goes_on() -> None:
    assert state_after((24, 0.0), (0.9, 0.2)).burning is Pace.FAST
    assert state_after((24, 0.0), (0.9, 0.2), (0.1, 0.0)).burning is None, "it ended six minutes ago"
    assert state_after((24, 0.0), (0.1, 0.2)).burning is None, "two per cent of an hour's budget"


def test_seven_times_the_allowance_is_fast_after_hours() -> None:
    assert state_after((24, 0.0), (1.0, 0.07)).burning is None
    assert state_after((24, 0.0), (6.0, 0.07)).burning is Pace.FAST


def test_a_little_too_much_for_days_is_slow() -> None:
    assert state_after((96, 0.015)).burning is Pace.SLOW
    assert state_after((96, 0.009)).burning is None


def test_a_window_of_a_day_is_not_judged_by_three() -> None:
    rates = state_after((30, 0.0), window=86_400.0).burn_rates
    assert set(rates) == {300.0, 1800.0, HOUR, 6 * HOUR}


def test_a_ledger_of_a_month_stays_small_though_its_last_hours_are_fine() -> None:
    ledger, now = played((24 * 7, 0.001))
    assert len(ledger) <= 1.1 * error_budget.RESOLUTION / 4 + 3 * error_budget.CROWD
    assert sum(entry.total for entry in ledger) == pytest.approx(20.0 * 24 * 7 * HOUR)
    for entry in ledger:
        age = now - entry.start - entry.seconds
        assert entry.seconds <= max(2 * error_budget.FINEST_SECONDS, age * error_budget.AGE_SHARE) + 1e-6


@given(st.lists(st.tuples(st.floats(0.02, 30), st.floats(0, 1)), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_whatever_happened_all_rates_lie_between_none_and_everything_missed(
    stretches: list[tuple[float, float]],
) -> None:
    state = state_after(*stretches)
    assert all(-1e-6 <= rate <= 100.0 + 1e-6 for rate in state.burn_rates.values())
    assert min(state.burn_rates.values()) <= state.burn_rate + 1e-6 or state.burn_rate == 0.0
