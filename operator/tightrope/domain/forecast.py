"""Where the demand of the last minutes leads, and what a plan must cover until a new replica would be ready.

`bases` asks for the trend; `situation` keeps a `Forecast` for each variant, since each has its own time to ready.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

TREND_SPAN_SECONDS = 60.0
MIN_TREND_SAMPLES = 4
DAMPING = 0.8
MAX_GROWTH = 2.0  # a trend may at most treble the demand within one horizon


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Arrivals per second: `level` now, `upper` what must be covered over `horizon_seconds`, and by which rule."""

    level: float
    upper: float
    horizon_seconds: float
    rule: str


def steepest(times: Floats, rates: Floats, *, tick_seconds: float) -> float:
    """How fast demand grows (per second per second), from rates (arrivals per second) at ascending times (unix
    seconds); 0 where it does not.

    The trend is the steeper of two least-squares slopes, over the last ticks and over four times as many: the short
    one sees a ramp begin, the long one keeps it when a tick is flat. A falling trend is not followed: a descent has
    rules of its own.
    """
    return max(*(slope(times, rates, span) for span in trend_spans(tick_seconds)), 0.0)


def expected_growth(trend: float, rate: float, *, horizon_seconds: float) -> float:
    """How much more than this rate (arrivals per second) to expect at the end of the horizon, with such a trend."""
    return min(trend * horizon_seconds * DAMPING, MAX_GROWTH * rate)


def trend_spans(tick_seconds: float) -> tuple[float, float]:
    """Over how many seconds the short slope and the long one are taken."""
    span = max(TREND_SPAN_SECONDS / 4.0, MIN_TREND_SAMPLES * tick_seconds)
    return span, 4.0 * span


def slope(times: Floats, rates: Floats, span_seconds: float) -> float:
    """Least-squares slope (per second per second) over the last `span_seconds`; 0 where too few samples say."""
    first = int(np.searchsorted(times, times[-1] - span_seconds))
    count = len(times) - first
    if count < 3:
        return 0.0
    passed = times[first:] - times[-1]
    passed = passed - passed.sum() / count
    spread = float(passed @ passed)
    return float(passed @ rates[first:]) / spread if spread > 0.0 else 0.0
