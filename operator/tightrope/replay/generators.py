"""Demand that is made up, for those who have no recording yet or want to see one shape alone.

The command line calls `generate`. A kind is a shape; mean and peak are met exactly, so that two kinds can be compared
at the same number of requests. The seed places what happens by chance; the arrivals themselves are drawn by the replay.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.outcomes import Floats
from tightrope.replay.demand import Demand
from tightrope.replay.profiles import ReplayError

DAY_SECONDS = 86_400.0
BISECTIONS = 60  # as many as halve an interval down to the last digit of a float
Points = list[tuple[float, float]]  # (seconds, requests per second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a kind is asked for: seconds, mean and peak in requests per second, and where its chance comes from."""

    duration: float
    rate: float
    peak: float
    random: np.random.Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`points` makes the curve; without a stated peak it is `usual_peak` times the mean."""

    points: Callable[[Wanted], Points]
    usual_peak: float


class _PeakTooHigh(Exception):
    """This mean leaves no room for this peak; carries the highest that it does."""

    def __init__(self, highest: float) -> None:
        super().__init__(highest)
        self.highest = highest


def generate(kind: str, *, hours: float, rate: float, peak: float | None, seed: int, dispersion: float = 1.0) -> Demand:
    """Demand of this kind with a mean of `rate` and a highest rate of `peak`, both in requests per second.

    The same arguments give the same demand. Raises ReplayError for an unknown kind, for values out of range, and for a
    peak that the kind cannot reach at this mean.
    """
    if kind not in KINDS:
        raise ReplayError(f"there is no kind of demand {kind!r}: write one of {', '.join(KINDS)}")
    _check_range("hours", hours, 1 / 60, 8784)
    _check_range("rate", rate, 1e-6, 1e9)
    _check_range("dispersion", dispersion, 0.01, 10_000)
    if seed < 0:
        raise ReplayError(f"seed is {seed}: write 0 or more")
    top = KINDS[kind].usual_peak * rate if peak is None else peak
    if not (math.isfinite(top) and top >= rate):
        raise ReplayError(f"peak is {top:g}: write at least the rate, {rate:g}, or leave it out")
    wanted = Wanted(duration=hours * 3600.0, rate=rate, peak=top, random=np.random.default_rng(seed))
    try:
        points = KINDS[kind].points(wanted)
    except _PeakTooHigh as too_high:
        raise ReplayError(
            f"peak is {top:g}: {kind} demand with a mean of {rate:g} can reach {too_high.highest:.6g} at the most: "
            "lower the peak, raise the rate, or leave the peak out"
        ) from None
    return Demand(
        name=kind,
        duration_seconds=wanted.duration,
        source=(
            f"made up: {kind}, {hours:g} h, {rate:g} requests per second on average and {top:g} at the peak, "
            f"seed {seed}; arrivals are drawn, dispersion {dispersion:g}"
        ),
        curve=RateCurve(points),
        dispersion=dispersion,
    )


def steady(wanted: Wanted) -> Points:
    """One rate from beginning to end; its peak is its mean."""
    if wanted.peak > wanted.rate:
        raise _PeakTooHigh(wanted.rate)
    return [(0.0, wanted.rate), (wanted.duration, wanted.rate)]


def diurnal(wanted: Wanted) -> Points:
    """A sine that starts at its trough: one cycle a day, or one in all where the demand is shorter than a day."""
    cycle = min(DAY_SECONDS, wanted.duration)
    times = np.append(np.arange(0.0, wanted.duration, cycle / 96), wanted.duration)  # a quarter of an hour of a day
    heights = (1.0 - np.cos(2.0 * math.pi * times / cycle)) / 2.0
    return _raised(list(zip(times.tolist(), heights.tolist(), strict=True)), wanted)


def ramp(wanted: Wanted) -> Points:
    """A straight line up, with the peak at the end."""
    return _raised([(0.0, 0.0), (wanted.duration, 1.0)], wanted)


def step(wanted: Wanted) -> Points:
    """Low for the first half, then at once the peak, to the end."""
    half = wanted.duration / 2.0
    return _raised(_held([(half, 0.0), (half, 1.0)]), wanted)


def spike(wanted: Wanted) -> Points:
    """Flat but for one peak: up within a tenth of its width, down over the rest.

    It is a quarter of an hour wide, or a tenth of a demand under two and a half hours, and begins at a random moment
    between a quarter and three quarters of the way.
    """
    width = min(900.0, wanted.duration / 10.0)
    start = wanted.duration * wanted.random.uniform(0.25, 0.75)
    end = wanted.duration
    return _raised([(0.0, 0.0), (start, 0.0), (start + width / 10, 1.0), (start + width, 0.0), (end, 0.0)], wanted)


def recurring_bursts(wanted: Wanted) -> Points:
    """One burst an hour (two in all at least), a twelfth of the hour long, at a random moment of each hour."""
    count = max(2, round(wanted.duration / 3600.0))
    period = wanted.duration / count
    burst = period / 12.0
    pieces = []
    for before in wanted.random.uniform(0.0, period - burst, size=count).tolist():
        pieces += [(before, 0.0), (burst, 1.0), (period - burst - before, 0.0)]
    return _raised(_held(pieces), wanted)


def on_off(wanted: Wanted) -> Points:
    """The peak or nothing, in turn. Lengths of both are exponential, ten minutes for a pair on average and three pairs
    at least, stretched so that the share of time that is on is the mean over the peak."""
    count = max(3, round(wanted.duration / 600.0))
    duty = wanted.rate / wanted.peak
    lengths_on, lengths_off = wanted.random.exponential(size=(2, count))
    lengths_on *= duty * wanted.duration / lengths_on.sum()
    lengths_off *= (1.0 - duty) * wanted.duration / lengths_off.sum()
    pieces: Points = []
    for seconds_on, seconds_off in zip(lengths_on.tolist(), lengths_off.tolist(), strict=True):
        pieces += [(seconds_on, wanted.peak), (seconds_off, 0.0)]
    return _held(pieces)


def heavy_tailed(wanted: Wanted) -> Points:
    """A new rate every minute (sixty in all at least), independent and Pareto: most are low, few are very high.

    A Pareto variable is exp(X / index) with X exponential of rate 1. The index is the one with which the highest draw
    is the peak while the mean is kept: the higher the peak, the heavier the tail. Up to a quarter of the number of
    rates times the mean, beyond which a single minute would hold nearly all requests.
    """
    count = max(60, round(wanted.duration / 60.0))
    if wanted.peak > wanted.rate * count / 4.0:
        raise _PeakTooHigh(wanted.rate * count / 4.0)
    draws = wanted.random.exponential(size=count)
    rates = wanted.peak * _shares_of_peak(draws - draws.max(), wanted.rate / wanted.peak)
    return _held([(wanted.duration / count, rate) for rate in rates.tolist()])


def _shares_of_peak(below: Floats, mean: float) -> Floats:
    """exp(a * below) with the `a` that gives this mean: it falls from 1 at a = 0 to 1 / count, as all but one `below`
    are negative."""
    if mean >= 1.0:
        return np.ones(len(below))

    low, high = 0.0, 1.0
    while np.exp(high * below).mean() > mean:
        low, high = high, high * 2.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if np.exp(middle * below).mean() > mean else (low, middle)
    shares: Floats = np.exp(high * below)
    return shares


def _raised(shape: Points, wanted: Wanted) -> Points:
    """Heights 0..1 as rates: 1 is the peak, and 0 the rate that gives the mean. With a shape of mean height m,
    low + (peak - low) m = rate: a ramp (m = 0.5) of mean 10 to a peak of 16 starts at 4."""
    height = RateCurve(shape).expected(wanted.duration) / wanted.duration
    low = (wanted.rate - wanted.peak * height) / (1.0 - height)
    if low < -1e-9 * wanted.rate:
        raise _PeakTooHigh(wanted.rate / height)
    low = max(low, 0.0)
    return [(time, low + (wanted.peak - low) * share) for time, share in shape]


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ReplayError(f"{name} is {value:g}: write a number from {least:g} to {most:g}")


def _held(pieces: Points) -> Points:
    """(length, level) one after another as a curve that holds each level for its length."""
    points: Points = []
    at = 0.0
    for length, level in pieces:
        points += [(at, level), (at + length, level)]
        at += length
    return points


KINDS = MappingProxyType(
    {
        "steady": Kind(points=steady, usual_peak=1.0),
        "diurnal": Kind(points=diurnal, usual_peak=1.75),
        "ramp": Kind(points=ramp, usual_peak=1.75),
        "step": Kind(points=step, usual_peak=1.75),
        "spike": Kind(points=spike, usual_peak=5.0),
        "recurring-bursts": Kind(points=recurring_bursts, usual_peak=4.0),
        "on-off": Kind(points=on_off, usual_peak=2.0),
        "heavy-tailed": Kind(points=heavy_tailed, usual_peak=10.0),
    }
)
