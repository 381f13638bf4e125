"""Where the demand of the last minutes leads, and what a plan must cover until a new replica would be ready.

`bases` asks for the trend; `situation` keeps a `Forecast` for each variant, since each has its own time to ready.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def expected_growth(samples: Sequence[tuple[float, float]], *, horizon_seconds: float, tick_seconds: float) -> float:
    """How much more than now to expect at the end of the horizon, from (unix seconds, arrivals per second), ascending.

    The trend is the steeper of two least-squares slopes, over the last ticks and over four times as many: the short
    one sees a ramp begin, the long one keeps it when a tick is flat. A falling trend is not followed: a descent has
    rules of its own.
    """
    span = max(TREND_SPAN_SECONDS / 4.0, MIN_TREND_SAMPLES * tick_seconds)
    steepest = max(slope(samples, span), slope(samples, 4.0 * span), 0.0)
    return min(steepest * horizon_seconds * DAMPING, MAX_GROWTH * samples[-1][1])


def slope(samples: Sequence[tuple[float, float]], span_seconds: float) -> float:
    """Least-squares slope (per second per second) over the last `span_seconds`; 0 where too few samples say."""
    newest = samples[-1][0]
    recent = np.array([sample for sample in samples if sample[0] >= newest - span_seconds], dtype=float)
    if len(recent) < 3:
        return 0.0
    times = recent[:, 0] - recent[:, 0].mean()
    spread = float(times @ times)
    return float(times @ (recent[:, 1] - recent[:, 1].mean())) / spread if spread > 0.0 else 0.0
