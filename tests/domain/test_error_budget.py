"""The ledger and what it says: attainment, what is left, how fast it burns."""

import build
import pytest

from tightrope.domain import error_budget
from tightrope.domain.spec import LatencyObjective

OBJECTIVE = LatencyObjective(threshold_seconds=0.3, percent=99.0)
WINDOW = 3600.0


def grown(ledger=(), *, now: float, rates=None, seconds: float = 15.0, history=()):
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
    assert error_budget.budget((), OBJECTIVE, now=0.0, window_seconds=WINDOW) is None


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
    ledger = ()
    for tick in range(1000):
        ledger = grown(ledger, now=15.0 * (tick + 1), rates=build.outcomes(10.0))

    assert len(ledger) <= 2 * error_budget.RESOLUTION + 2
    assert sum(entry.seconds for entry in ledger) == pytest.approx(WINDOW, rel=0.02)


def test_a_threshold_between_buckets_counts_the_pessimistic_bound() -> None:
    rates = error_budget.Outcomes(total=100.0, good_low=98.0, good_high=100.0)
    state = error_budget.budget(grown(now=15.0, rates=rates), OBJECTIVE, now=15.0, window_seconds=WINDOW)

    assert state is not None and state.attainment == pytest.approx(0.98)
