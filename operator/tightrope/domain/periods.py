"""Which period demand repeats with, if it does: found from the demand itself, not from a list.

`situation` asks once an hour. A day and a week need no finding; this is for jobs every 37 minutes and batches every
five hours.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tightrope.domain.demand_history import FIVES_KEPT, DemandHistory, Track

Floats: TypeAlias = NDArray[np.float64]

CORRELATED = 0.25  # of the variance: below it a peak of the autocorrelation is noise
NEARLY_AS_GOOD = 0.85  # multiples of a period correlate as well as the period: the shortest of those is it
OUT_OF_THE_LOBE = 0.3  # neighbours correlate with each other: a period begins where that has ended
FEWEST = 30
LONGEST_SHARE = 0.5  # of what is known: a period must have been seen twice
KNOWN_SHARE = 0.9


def period(history: DemandHistory) -> float | None:
    """Seconds after which demand repeats itself, from a day of minutes or else a week of five minutes; None if it does
    not."""
    for track, shortest in ((history.minutes, 0.0), (history.fives, len(history.minutes.values) * 60.0 * 0.5)):
        lag = repeating_lag(known_tail(track))
        if lag is not None and lag * track.width >= shortest:
            return lag * track.width
    return None


def known_tail(track: Track) -> Floats:
    """What the track knows without the time before it began, short gaps filled with the mean; empty if too little is
    known."""
    known = np.flatnonzero(~np.isnan(track.values))
    if not len(known):
        return np.empty(0)
    tail = track.values[known[0] :].astype(np.float64)
    missing = np.isnan(tail)
    if missing.mean() > 1.0 - KNOWN_SHARE:
        return np.empty(0)
    tail[missing] = tail[~missing].mean()
    return tail


def repeating_lag(values: Floats) -> int | None:
    """The lag (in values) of the first high peak of the autocorrelation; None without one.

    The autocorrelation is the inverse transform of the power spectrum (Wiener and Khinchin), each lag divided by how
    many pairs it has.
    """
    count = len(values)
    longest = min(int(count * LONGEST_SHARE), FIVES_KEPT)
    centred = values - values.mean() if count else values
    variance = float(centred @ centred) / max(count, 1)
    if count < FEWEST or variance <= 0.0:
        return None
    spectrum = np.fft.rfft(centred, 2 * count)
    pairs = np.arange(count, count - longest, -1)
    correlation = np.fft.irfft(spectrum * np.conj(spectrum))[:longest] / pairs / variance
    outside = np.flatnonzero(correlation < OUT_OF_THE_LOBE)
    if not len(outside):
        return None
    first = max(int(outside[0]), 2)
    rest = correlation[first:]
    if len(rest) < 3 or rest.max() < CORRELATED:
        return None
    peaks = (rest[1:-1] >= rest[:-2]) & (rest[1:-1] >= rest[2:]) & (rest[1:-1] >= NEARLY_AS_GOOD * rest.max())
    found = np.flatnonzero(peaks)
    return first + 1 + int(found[0]) if len(found) else None
