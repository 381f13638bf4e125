"""When requests arrive. The lab and the replay ask for the arrivals of one step after another.

Every generator is seeded, and what it produces does not depend on how the time is cut into steps.
"""

import math
from typing import Protocol

import numpy as np

from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.outcomes import Floats

BLOCK = 1024  # gaps are drawn in blocks of one size, so that steps of any length see the same numbers


class Arrivals(Protocol):
    """A stream of requests."""

    def until(self, end: float) -> Floats:
        """Ascending times (seconds) of the requests after the previous `end` and up to this one."""
        ...


class RandomArrivals:
    """Poisson (`dispersion` 1) or bursty (above 1) arrivals that follow a rate curve.

    A renewal process of rate 1 with gamma gaps of mean 1 and variance `dispersion`, its time bent by the curve's
    integral (Cinlar, Introduction to Stochastic Processes, chapter 4: exact for Poisson). Over many requests the
    variance of a count is `dispersion` times its mean (Cox, Renewal Theory, chapter 4: the index of dispersion for
    counts of a renewal process tends to the squared coefficient of variation of its gaps). Below 1 arrivals are
    smoother than Poisson.
    The process is in its steady state from the start: its first gap is a residual one. Raises ValueError.
    """

    def __init__(self, curve: RateCurve, *, dispersion: float = 1.0, seed: int) -> None:
        if not (math.isfinite(dispersion) and 0.01 <= dispersion <= 10_000):
            raise ValueError(f"dispersion is {dispersion:g}: write 1 for Poisson, more for bursts, from 0.01 to 10000")
        self._curve = curve
        self._shape, self._scale = 1.0 / dispersion, dispersion
        self._random = np.random.default_rng(seed)
        self._end = 0.0
        # A residual gap is a uniform part of a length-biased gap, and a length-biased gamma has a shape one higher.
        first = self._random.random() * self._random.standard_gamma(self._shape + 1.0) * self._scale
        self._epochs = self._block(first)

    def until(self, end: float) -> Floats:
        target = self._curve.expected(end)
        parts = []
        while self._epochs[-1] <= target:
            parts.append(self._epochs)
            self._epochs = self._block(self._epochs[-1] + self._gaps(1)[0])
        ready = int(np.searchsorted(self._epochs, target, side="right"))
        parts.append(self._epochs[:ready])
        self._epochs = self._epochs[ready:]
        start, self._end = self._end, end
        epochs = np.concatenate(parts) if len(parts) > 1 else parts[0]
        if not len(epochs):
            return epochs
        # Bending back and forth may move the last digit over the edge of the step.
        return np.clip(self._curve.times_of(epochs), start, end)

    def _block(self, first: float) -> Floats:
        """The next epochs of the unbent process, the first of them given."""
        return np.cumsum(np.append(first, self._gaps(BLOCK)))

    def _gaps(self, count: int) -> Floats:
        if self._scale == 1.0:  # the same distribution, drawn three times as fast
            return self._random.standard_exponential(count)
        return self._random.standard_gamma(self._shape, size=count) * self._scale


class RecordedArrivals:
    """The requests of a trace, once: `times` ascend, in seconds."""

    def __init__(self, times: Floats) -> None:
        self._times = times
        self._next = 0

    def until(self, end: float) -> Floats:
        first, self._next = self._next, int(np.searchsorted(self._times, end, side="right"))
        return self._times[first : self._next]
