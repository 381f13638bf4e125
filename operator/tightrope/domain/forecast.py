"""The most demand to expect until a new replica would be ready, from the demand of the last minutes.

`decide` asks once per variant, since each has its own time to ready. The figure is an upper quantile of the largest
demand over the horizon, not the mean at its end: level, plus a damped trend, plus the noise around both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

QUANTILE_Z = 1.645  # 95 %
TREND_SPAN_SECONDS = 60.0
MIN_TREND_SAMPLES = 4
DAMPING = 0.8
MAX_GROWTH = 2.0  # a trend may at most treble the demand within one horizon


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Arrivals per second: `level` now, `upper` the quantile of the maximum over `horizon_seconds`."""

    level: float
    upper: float
    horizon_seconds: float


def forecast(
    samples: Sequence[tuple[float, float]], *, horizon_seconds: float, tick_seconds: float, averaged_seconds: float
) -> Forecast | None:
    """From (unix seconds, arrivals per second, each averaged over `averaged_seconds`), ascending; None without samples.

    The trend is the steeper of two least-squares slopes, over the last ticks and over four times as many: the short
    one sees a ramp begin, the long one keeps it when a tick is flat. A falling trend is not followed: a descent has
    a window of its own.
    """
    if not samples:
        return None
    level = samples[-1][1]
    span = max(TREND_SPAN_SECONDS / 4.0, MIN_TREND_SAMPLES * tick_seconds)
    fits = [fit for fit in (slope_and_noise(samples, span), slope_and_noise(samples, 4.0 * span)) if fit]
    slope = max([0.0, *(fit[0] for fit in fits)])
    growth = min(slope * horizon_seconds * DAMPING, MAX_GROWTH * level)
    # Counting n requests is uncertain by sqrt(n); scatter that was seen has that in it already.
    counting = math.sqrt(max(level, 0.0) / max(averaged_seconds, 1.0))
    upper = level + growth + QUANTILE_Z * max([counting, *(fit[1] for fit in fits)])
    return Forecast(level=level, upper=upper, horizon_seconds=horizon_seconds)


def slope_and_noise(samples: Sequence[tuple[float, float]], span_seconds: float) -> tuple[float, float] | None:
    """Least-squares slope (per second per second) and residual standard deviation over the last `span_seconds`."""
    newest = samples[-1][0]
    recent = np.array([sample for sample in samples if sample[0] >= newest - span_seconds], dtype=float)
    if len(recent) < 3:
        return None
    times = recent[:, 0] - recent[:, 0].mean()
    values = recent[:, 1] - recent[:, 1].mean()
    spread = float(times @ times)
    if spread <= 0.0:
        return None
    slope = float(times @ values) / spread
    residual = values - slope * times
    return slope, float(np.sqrt(residual @ residual / len(recent)))
