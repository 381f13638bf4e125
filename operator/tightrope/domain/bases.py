"""What demand could be taken for until a new replica is ready: the simple answers that the rules of `shadows` multiply.

`situation` asks for each variant, since each has its own horizon. No answer is under the demand of this moment, and
one that nothing is known for (there was no yesterday) is the demand of this moment.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tightrope.domain.demand_history import MINUTE, DemandHistory
from tightrope.domain.forecast import expected_growth, steepest

Floats: TypeAlias = NDArray[np.float64]

DAY, WEEK = 86_400.0, 604_800.0
BEFORE_AND_AFTER = MINUTE  # what repeats comes a minute early or late
LEVEL_SECONDS = 1200.0  # over which today is compared with the period before
LEVEL_RANGE = (0.5, 2.0)
ROUNDS_COMPARED = 3

NAMES = (
    "the demand of this moment",
    "the most of five minutes",
    "the most of 20 minutes",
    "the most of an hour",
    "the most of six hours",
    "the most of a day",
    "where the trend leads",
    "yesterday at this time",
    "yesterday at this time, at today's level",
    "last week at this time",
    "last week at this time, at today's level",
    "the last round of its period",
    "the last round of its period, at today's level",
    "the most of three rounds of its period",
)
SHORT_WINDOWS = (300.0, 1200.0)  # seen in ticks
LONG_WINDOWS = (3600.0, 21_600.0, DAY)  # seen in minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known of demand: `rates` (arrivals per second) at `times` (unix seconds) by tick, ascending and never
    empty; `level` (arrivals per second) is the demand of this moment, as the module of that name tells it; `history`
    by minute; `period` in seconds, None if it has none that is known."""

    times: Floats
    rates: Floats
    level: float
    history: DemandHistory
    period: float | None
    tick_seconds: float


def bases(past: Past, *, now: float, horizons: Sequence[float]) -> Floats:
    """Arrivals per second to expect at the most until `now` + each horizon (seconds): (horizons, NAMES)."""
    times, rates, level = past.times, past.rates, past.level
    windows = [
        *(
            float(rates[np.searchsorted(times, now - window, side="right") :].max(initial=0.0))
            for window in SHORT_WINDOWS
        ),
        *(past.history.largest(now - span, now) for span in LONG_WINDOWS),
    ]
    trend = steepest(times, rates, tick_seconds=past.tick_seconds)
    seasons = Seasons(past.history, now)
    found = [
        [
            level,
            *windows,
            level + expected_growth(trend, float(rates[-1]), horizon_seconds=horizon),
            *seasons.seasonal(DAY, horizon),
            *seasons.seasonal(WEEK, horizon),
            *periodic(seasons, past.period, horizon),
        ]
        for horizon in horizons
    ]
    values = np.array([[level if value is None else value for value in row] for row in found], dtype=np.float64)
    return np.maximum(values, level)


class Seasons:
    """Earlier rounds of a demand, seen from `now`. How today compares with another day is asked for each horizon, and
    found out once."""

    def __init__(self, history: DemandHistory, now: float) -> None:
        self._history, self._now = history, now
        self._ratios: dict[float, float] = {}

    def most(self, lag: float, horizon_seconds: float) -> float | None:
        """The most of the horizon so many seconds ago."""
        then = self._now - lag
        return self._history.largest(then - BEFORE_AND_AFTER, then + horizon_seconds + BEFORE_AND_AFTER)

    def seasonal(self, lag: float, horizon_seconds: float) -> tuple[float | None, float | None]:
        """The same as it was and at today's level."""
        most = self.most(lag, horizon_seconds)
        if most is None:
            return None, None
        return most, most * min(max(self.ratio(lag), LEVEL_RANGE[0]), LEVEL_RANGE[1])

    def ratio(self, lag: float) -> float:
        """Demand now over demand then; 1 where one of the two is unknown."""
        if lag not in self._ratios:
            today, before = self._usual(0.0), self._usual(lag)
            self._ratios[lag] = today / before if today is not None and before else 1.0
        return self._ratios[lag]

    def _usual(self, lag: float) -> float | None:
        then = self._now - lag
        return self._history.usual(then - LEVEL_SECONDS, then)


def periodic(
    seasons: Seasons, period: float | None, horizon_seconds: float
) -> tuple[float | None, float | None, float | None]:
    """The last round of the learned period that shows the whole horizon, the same at today's level, and the most of
    three rounds."""
    if period is None:
        return None, None, None
    first = rounds_ahead(period, horizon_seconds)
    last, scaled = seasons.seasonal(first * period, horizon_seconds)
    rounds = [seasons.most(count * period, horizon_seconds) for count in range(first + 1, first + ROUNDS_COMPARED)]
    known = [value for value in (last, *rounds) if value is not None]
    return last, scaled, max(known, default=None)


def rounds_ahead(period: float, horizon_seconds: float) -> int:
    """How many rounds ago the last one began that shows the whole horizon."""
    return max(math.ceil((horizon_seconds + BEFORE_AND_AFTER) / period), 1)
