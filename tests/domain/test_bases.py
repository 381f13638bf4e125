"""What demand could be taken for: never under this moment's, and as the past was where there is one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.bases import NAMES, Past, bases
from tightrope.domain.demand_history import DemandHistory

NOW = 1_000_000_000.0
DAY = 86_400.0


def past(recent, *, earlier=(), period=None) -> Past:
    times, rates = np.array(recent).T
    return Past(
        times=times,
        rates=rates,
        level=float(rates[-1]),
        history=DemandHistory().recorded([*earlier, *recent]),
        period=period,
        tick_seconds=15.0,
    )


def named(values: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, values.tolist(), strict=True))


def test_yesterdays_burst_is_expected_before_it_comes() -> None:
    burst = [(NOW - DAY + 120, 90.0)]
    found = named(bases(past([(NOW, 20.0)], earlier=burst), now=NOW, horizons=[150.0])[0])

    assert found["yesterday at this time"] == 90.0
    assert found["the demand of this moment"] == 20.0


def test_a_burst_beyond_the_horizon_is_not_expected_yet() -> None:
    burst = [(NOW - DAY + 900, 90.0)]
    found = named(bases(past([(NOW, 20.0)], earlier=burst), now=NOW, horizons=[150.0])[0])

    assert found["yesterday at this time"] == 20.0


def test_a_day_twice_as_busy_doubles_what_yesterday_was() -> None:
    before = [(NOW - DAY - 60.0 * i, 10.0) for i in range(20)] + [(NOW - DAY + 60, 30.0)]
    today = [(NOW - 60.0 * i, 20.0) for i in range(19, -1, -1)]
    found = named(bases(past(today, earlier=before), now=NOW, horizons=[100.0])[0])

    assert found["yesterday at this time, at today's level"] > found["yesterday at this time"] * 1.5


def test_the_learned_period_looks_back_far_enough_for_a_long_horizon() -> None:
    bursts = [(NOW - 300.0 * k, 80.0) for k in range(1, 5)]
    found = named(bases(past([(NOW, 20.0)], earlier=bursts, period=300.0), now=NOW, horizons=[400.0])[0])

    assert found["the last round of its period"] == 80.0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=10), st.floats(1, 3600))
def test_nothing_known_is_under_the_demand_of_this_moment(rates: list[float], horizon: float) -> None:
    recent = [(NOW - 15.0 * i, rate) for i, rate in enumerate(rates)][::-1]
    values = bases(past(recent), now=NOW, horizons=[horizon])[0]

    assert np.all(np.isfinite(values)) and np.all(values >= recent[-1][1])
