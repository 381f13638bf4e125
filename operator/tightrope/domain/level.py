"""What demand is now, as far as noise allows: the mean of the steady stretch that ends here.

A rate over one minute scatters: a demand of eight requests a second is seen as 7 in one minute and 9 in another, and a
fleet that follows starts and stops replicas for nothing. `outlook` asks here for the level instead. The stretch is as
long as its minutes agree with each other: windows grow while the confidence intervals of their means have a point in
common (the rule of intersecting confidence intervals: A. Goldenshluger and A. Nemirovski, On spatially adaptive
estimation of nonparametric regression, 1997). Where the newest minute does not belong to it, demand has changed, and
that minute alone counts.
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

LONGEST_SECONDS = 1200.0
AGREEMENT = 2.0  # standard deviations
LEAST_BLOCKS, MOST_DISPERSED = 6, 10.0
MIDDLE_OF_NORMAL = 0.6745  # half of all values of a normal distribution lie within so many standard deviations


def level_of(times: Floats, rates: Floats, *, averaged_seconds: float) -> float:
    """Arrivals per second at the newest sample. `rates` (arrivals per second), each a mean over the `averaged_seconds`
    before its time (unix seconds, ascending, never empty).

    How long the stretch is does not depend on the newest sample, so that more demand is never taken for less.
    """
    newest = float(rates[-1])
    before = earlier(times, rates, averaged_seconds)
    dispersion = dispersion_of(before, averaged_seconds)
    steady = agreeing(before, averaged_seconds / dispersion)
    if not steady:
        return newest
    mean = float(before[:steady].mean())
    spread = AGREEMENT * math.sqrt(mean * dispersion / averaged_seconds * (1.0 + 1.0 / steady))
    if abs(newest - mean) > spread:
        return newest
    return (steady * mean + newest) / (steady + 1)


def earlier(times: Floats, rates: Floats, averaged_seconds: float) -> Floats:
    """The samples before the newest that share no request with it or with each other, newest first; up to the first
    stretch of which nothing is known."""
    count = max(int(LONGEST_SECONDS // averaged_seconds) - 1, 0)
    wanted = times[-1] - averaged_seconds * np.arange(1, count + 1)
    places = np.searchsorted(times, wanted + 1e-6, side="right") - 1
    known = (places >= 0) & (times[np.maximum(places, 0)] > wanted - 0.5 * averaged_seconds)
    length = count if known.all() else int(np.argmin(known))
    found: Floats = rates[places[:length]]
    return found


def dispersion_of(blocks: Floats, averaged_seconds: float) -> float:
    """How much more these counts scatter than those of a Poisson process (variance over mean, 1 at the least). Told by
    the middle one of the steps between neighbours, which neither a trend nor a burst moves."""
    if len(blocks) < LEAST_BLOCKS:
        return 1.0
    step = float(np.median(np.abs(np.diff(blocks))))
    deviation = step / (MIDDLE_OF_NORMAL * math.sqrt(2.0))
    middle = max(float(np.median(blocks)), 1e-9)
    return min(max(deviation**2 * averaged_seconds / middle, 1.0), MOST_DISPERSED)


def agreeing(blocks: Floats, effective_seconds: float) -> int:
    """How many of these (newest first) are one steady stretch, if the mean of one scatters like a Poisson count over so
    many seconds."""
    if not len(blocks):
        return 0
    counts = np.arange(1, len(blocks) + 1)
    means = np.cumsum(blocks) / counts
    spread = AGREEMENT * np.sqrt(means / (counts * effective_seconds))
    common = np.minimum.accumulate(means + spread) >= np.maximum.accumulate(means - spread)
    return len(blocks) if common.all() else int(np.argmin(common))
