"""What is said of many past moments at once is what would have been said at each of them."""

import math

import numpy as np
import pytest
from build import service

from tightrope.domain import hindsight, outlook, shadows
from tightrope.domain.bases import NAMES, Past, bases
from tightrope.domain.demand_history import DemandHistory
from tightrope.domain.level import level_of
from tightrope.domain.memory import LearnedCapacity

MONDAY = 999_475_200.0
FIRST = int(MONDAY // 60)


def demand(count: int, *, seed: int, gaps: tuple[tuple[int, int], ...] = ()) -> np.ndarray:
    """A day's swing with bursts and noise, by minute; NaN in the gaps."""
    draw = np.random.default_rng(seed)
    at = np.arange(count)
    rates = 80.0 + 50.0 * np.sin(2 * np.pi * at / 1440) + 60.0 * (at % 97 < 6) + draw.normal(0.0, 4.0, count)
    rates = np.maximum(rates, 0.5)
    for start, end in gaps:
        rates[start:end] = np.nan
    return rates


def half_hour(rates: np.ndarray, last: int) -> tuple[np.ndarray, np.ndarray]:
    """The known samples of the half hour up to this minute, with their times."""
    places = np.arange(max(last - 30, 0), last + 1)
    recent = places[~np.isnan(rates[places])]
    return 60.0 * (FIRST + recent.astype(float)), rates[recent]


def watched(rates: np.ndarray, last: int) -> DemandHistory:
    """The history of a memory that saw each of these minutes up to the last."""
    known = [place for place in range(last + 1) if not math.isnan(rates[place])]
    return DemandHistory().recorded((60.0 * (FIRST + place), rates[place]) for place in known)


def record(rates: np.ndarray) -> hindsight.Record:
    fives = np.fmax.reduce(np.append(rates, np.full(-len(rates) % 5, np.nan)).reshape(-1, 5), axis=1)
    return hindsight.Record(first=FIRST, minutes=rates, first_five=FIRST // 5, fives=fives)


@pytest.mark.parametrize("period", [None, 97 * 60.0, 11 * 3600.0])
@pytest.mark.parametrize("gaps", [(), ((40, 47), (2000, 2400), (9990, 9993))])
@pytest.mark.parametrize("tick", [15.0, 60.0])
def test_each_minute_has_the_bases_that_a_memory_of_that_minute_has(
    period: float | None, gaps: tuple[tuple[int, int], ...], tick: float
) -> None:
    rates = demand(10_200, seed=3, gaps=gaps)
    seen = hindsight.of(record(rates), averaged_seconds=60.0, tick_seconds=tick)
    places = np.array([0, 1, 3, 25, 55, 700, 1999, 2401, 2420, 5000, 9989, 9995, 10_199])
    found = seen.bases(places, horizon_seconds=145.0, period=period)
    for row, place in zip(found, places, strict=True):
        times, recent = half_hour(rates, int(place))
        history = seen.record.history(int(place))
        now = 60.0 * (FIRST + place)
        level = level_of(times, recent, averaged_seconds=60.0)
        past = Past(times=times, rates=recent, level=level, history=history, period=period, tick_seconds=tick)
        (expected,) = bases(past, now=now, horizons=[145.0])
        for name, one, other in zip(NAMES, row, expected, strict=True):
            assert one == pytest.approx(other, rel=1e-5), (name, place)


def test_the_history_of_a_minute_is_the_one_that_a_memory_has_then() -> None:
    rates = demand(4000, seed=5, gaps=((100, 200),))
    for place in (10, 150, 3999):
        history = watched(rates, place)
        found = record(rates).history(place)
        now = 60.0 * (FIRST + place)
        for window in (300.0, 3600.0, 86_400.0, 200_000.0):
            assert found.largest(now - window, now) == pytest.approx(history.largest(now - window, now))


def test_many_minutes_are_played_as_one_after_the_other() -> None:
    rates, draw = demand(90, seed=7), np.random.default_rng(2)
    server = outlook.server_of(
        service(),
        LearnedCapacity(log_mean=math.log(8.0), log_sd=0.1),
        objective=service().objective,
        per_node=2,
        startup_seconds=150.0,
        averaged_seconds=60.0,
    )
    wished = shadows.demands(draw.uniform(20.0, 160.0, (90, len(NAMES))), [server], least=[0.0])
    one = shadows.begun(wished[0], rates[0], server, now=0.0)
    slow, late = one, False
    for place in range(90):
        came, now = shadows.Came(rate=rates[place], seconds=60.0), 60.0 * (place + 1)
        (slow,) = shadows.after([slow], wished[place : place + 1], [server], [came], now=now, tick_seconds=60.0)
        late = late or bool(slow.backlog.any())
    fast, asked = one, one.asked
    for part in (slice(0, 2), slice(2, 60), slice(60, 90)):
        asked = np.concatenate([asked, shadows.needs(wished[part], [server])])
        fast = shadows.played_through(fast, asked, rates=rates[part], seconds=60.0, slots=4, server=server)
    for name in ("cost", "missed", "requests", "backlog", "prior_weight"):
        assert getattr(fast, name) == pytest.approx(getattr(slow, name), rel=1e-9), name
    assert late, "some rules left requests waiting"
