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
    before = earlier(times, rates, averaged_seconds)
    return float(levels_of(rates[-1:], before[None, :], averaged_seconds=averaged_seconds)[0])


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


def levels_of(newest: Floats, before: Floats, *, averaged_seconds: float) -> Floats:
    """The level at each of several newest samples; a row of `before` has the samples before it, newest first."""
    if not before.shape[1]:
        return newest.copy()
    dispersion = dispersions_of(before, averaged_seconds)
    steady = agreeing(before, averaged_seconds / dispersion)
    mean = np.cumsum(before, axis=1)[np.arange(len(before)), steady - 1] / steady
    spread = AGREEMENT * np.sqrt(mean * dispersion / averaged_seconds * (1.0 + 1.0 / steady))
    found: Floats = np.where(np.abs(newest - mean) > spread, newest, (steady * mean + newest) / (steady + 1))
    return found


def dispersions_of(blocks: Floats, averaged_seconds: float) -> Floats:
    """How much more the counts of each row scatter than those of a Poisson process (variance over mean, 1 at the
    least). Told by the middle one of the steps between neighbours, which neither a trend nor a burst moves."""
    if blocks.shape[1] < LEAST_BLOCKS:
        return np.ones(len(blocks))
    deviation = middles(np.abs(blocks[:, 1:] - blocks[:, :-1])) / (MIDDLE_OF_NORMAL * math.sqrt(2.0))
    middle = np.maximum(middles(blocks), 1e-9)
    found: Floats = np.clip(deviation**2 * averaged_seconds / middle, 1.0, MOST_DISPERSED)
    return found


def middles(rows: Floats) -> Floats:
    """The median of each row; numpy's own takes longer to begin than a few values take to sort."""
    ordered, half = np.sort(rows, axis=1), rows.shape[1] // 2
    found: Floats = ordered[:, half] if rows.shape[1] % 2 else 0.5 * (ordered[:, half - 1] + ordered[:, half])
    return found


def agreeing(blocks: Floats, effective_seconds: Floats) -> NDArray[np.intp]:
    """How many of each row (newest first) are one steady stretch, if the mean of one scatters like a Poisson count over
    so many seconds."""
    counts = np.arange(1, blocks.shape[1] + 1)
    means = np.cumsum(blocks, axis=1) / counts
    spread = AGREEMENT * np.sqrt(means / (counts * effective_seconds[:, None]))
    common = np.minimum.accumulate(means + spread, axis=1) >= np.maximum.accumulate(means - spread, axis=1)
    found: NDArray[np.intp] = np.where(common.all(axis=1), blocks.shape[1], np.argmin(common, axis=1))
    return found
