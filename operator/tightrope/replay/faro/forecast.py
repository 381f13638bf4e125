"""What a planner believes of the minutes to come. The published runs used N-HiTS networks trained on earlier days.

Neither those networks nor their training data are part of this harness; these stand in for them, from both sides:
`Level` knows only the last quarter of an hour, `Oracle` what will come (the published code has such a predictor too).
"""

import math
from statistics import NormalDist
from typing import Protocol

import numpy as np

from tightrope.dataplane.outcomes import Floats

CONTEXT = 15  # minutes, as the published networks look back (ten for two of the jobs)
SMOOTHING = 0.6
QUANTILE = 0.6  # of the forecast, as published


class Forecast(Protocol):
    """Requests in each of the next minutes."""

    def ahead(self, job: int, seen: Floats, minutes: int) -> Floats:
        """`seen` are the requests of each minute so far."""
        ...


class Level:
    """The exponentially smoothed level of the last minutes, raised to a quantile by how far it was off before.

    With weight 0.6 on the newest minute; errors are taken as normal, their spread for each minute ahead from the
    last quarter of an hour.
    """

    def __init__(self, quantile: float = QUANTILE) -> None:
        self._z = NormalDist().inv_cdf(quantile)

    def ahead(self, job: int, seen: Floats, minutes: int) -> Floats:
        recent = seen[-CONTEXT:]
        levels = smoothed(recent)
        spread = [float(np.std(recent[step:] - levels[:-step])) for step in range(1, minutes + 1)]
        found: Floats = np.maximum(levels[-1] + self._z * np.array(spread), 1.0)
        return found


class Oracle:
    """The requests that will come. `counts` is (jobs, minutes)."""

    def __init__(self, counts: Floats) -> None:
        self._counts = counts

    def ahead(self, job: int, seen: Floats, minutes: int) -> Floats:
        coming = self._counts[job, len(seen) : len(seen) + minutes]
        return coming if len(coming) else self._counts[job, -1:]


def smoothed(values: Floats) -> Floats:
    """The smoothed level after each value."""
    found = np.empty(len(values))
    level = math.nan
    for place, value in enumerate(values.tolist()):
        level = value if place == 0 else level + SMOOTHING * (value - level)
        found[place] = level
    return found
