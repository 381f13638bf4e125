"""Request rate over time, piecewise linear, with its integral and the inverse of that: what `arrivals` needs to bend
a process of rate 1 to any rate."""

import math
from collections.abc import Sequence

import numpy as np

from tightrope.dataplane.outcomes import Floats

STEP_SECONDS = 1e-9  # points closer than this are a step


class RateCurve:
    """Requests per second at t seconds, linear between points (t, rate).

    Times ascend from >= 0; two points at one time make a step. Before the first and after the last point the rate is
    theirs; with `repeat_seconds` (at least the last time) the curve starts over instead, for ever. Raises ValueError.
    """

    def __init__(self, points: Sequence[tuple[float, float]] | Floats, *, repeat_seconds: float | None = None) -> None:
        times, rates = _checked(points, repeat_seconds)
        if times[0] > 0:
            times, rates = np.append(0.0, times), np.append(rates[0], rates)
        if repeat_seconds is not None and repeat_seconds > times[-1]:
            times, rates = np.append(times, repeat_seconds), np.append(rates, rates[-1])
        self._times, self._rates = times, rates
        self._slopes = np.append(_slopes(times, rates), 0.0)
        self._totals = np.append(0.0, np.cumsum(np.diff(times) * (rates[1:] + rates[:-1]) / 2))
        self._period = repeat_seconds

    def rate(self, at: float) -> float:
        """Requests per second at this time (after the step, where there is one)."""
        index, passed = self._place(at % self._period if self._period else at)
        return float(self._rates[index] + self._slopes[index] * passed)

    def expected(self, until: float) -> float:
        """Requests expected from 0 to `until`: the integral of the rate."""
        rounds, rest = divmod(until, self._period) if self._period else (0.0, until)
        index, passed = self._place(rest)
        part = self._totals[index] + passed * (self._rates[index] + self._slopes[index] * passed / 2)
        return float(rounds * self._totals[-1] + part)

    def scaled(self, factor: float) -> "RateCurve":
        """The same course at so many times the rate."""
        points = zip(self._times.tolist(), (self._rates * factor).tolist(), strict=True)
        return RateCurve(list(points), repeat_seconds=self._period)

    def fingerprint(self) -> bytes:
        """The same for curves that are the same."""
        return self._times.tobytes() + self._rates.tobytes() + repr(self._period).encode()

    def _place(self, at: float) -> tuple[int, float]:
        """The segment that holds this time, and how far into it."""
        index = int(np.searchsorted(self._times, at, side="right")) - 1
        return index, at - float(self._times[index])

    def times_of(self, expected: Floats) -> Floats:
        """When the integral reaches these values (ascending, > 0); inf where it never does.

        On a segment that starts with rate r and has slope s, x more requests take d seconds with r d + s d^2 / 2 = x,
        so d = 2 x / (r + sqrt(r^2 + 2 s x)), which is stable for s near 0.
        """
        whole = self._totals[-1]
        rounds = np.zeros(len(expected))
        if self._period:
            if whole == 0:
                return np.full(len(expected), math.inf)
            rounds = np.floor(expected / whole)
            expected = expected - rounds * whole
        index = np.maximum(np.searchsorted(self._totals, expected, side="left") - 1, 0)
        rate, slope = self._rates[index], self._slopes[index]
        more = expected - self._totals[index]
        with np.errstate(divide="ignore", invalid="ignore"):
            passed = 2 * more / (rate + np.sqrt(np.maximum(rate**2 + 2 * slope * more, 0.0)))
        passed = np.where(more > 0, passed, 0.0)
        found: Floats = rounds * (self._period or 0.0) + self._times[index] + passed
        return found


def _slopes(times: Floats, rates: Floats) -> Floats:
    width = np.diff(times)
    slopes: Floats = np.divide(np.diff(rates), width, out=np.zeros(len(width)), where=width > STEP_SECONDS)
    return slopes


def _checked(points: Sequence[tuple[float, float]] | Floats, repeat_seconds: float | None) -> tuple[Floats, Floats]:
    """Times and rates as arrays; ValueError names what is wrong and what to write instead."""
    if len(points) == 0:
        raise ValueError("a rate curve has no points: write at least one [seconds, requests per second]")
    table = np.asarray(points, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != 2:
        raise ValueError("a rate curve is a list of [seconds, requests per second]: write pairs of numbers")
    times, rates = table[:, 0], table[:, 1]
    descends = np.diff(times, prepend=times[0]) < 0
    wrong = ~np.isfinite(table).all(axis=1) | (table < 0).any(axis=1) | descends
    for index in np.flatnonzero(wrong)[:1].tolist():
        time, rate = table[index]
        if not (math.isfinite(time) and time >= 0):
            raise ValueError(f"point {index} is at {time:g} s: write a time of 0 or more")
        if not (math.isfinite(rate) and rate >= 0):
            raise ValueError(f"point {index} has {rate:g} requests per second: write a rate of 0 or more")
        raise ValueError(f"point {index} is at {time:g} s, before the one it follows: write times in order")
    if repeat_seconds is not None and not (math.isfinite(repeat_seconds) and repeat_seconds >= max(times[-1], 1e-3)):
        raise ValueError(f"repeat_seconds is {repeat_seconds:g}: write at least the last time, {times[-1]:g}")
    return times, rates
