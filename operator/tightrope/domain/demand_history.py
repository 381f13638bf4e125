"""How much was asked for over the last days: what rules of the kind "as yesterday at this time" look at.

`situation` records every tick here and fills in what Prometheus still knows; `bases` and `periods` read it. Fifteen
kilobytes a service, whatever the tick: the largest rate of each minute for a day, of each five minutes for a week.
A minute that nobody saw is NaN, and stays so.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Rates: TypeAlias = NDArray[np.float32]
Floats: TypeAlias = NDArray[np.float64]

MINUTE, FIVE_MINUTES = 60.0, 300.0
MINUTES_KEPT = 26 * 60
FIVES_KEPT = 8 * 24 * 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The largest rate (arrivals per second) of each stretch of `width` seconds, oldest first; the last value belongs
    to stretch number `newest` (unix seconds // width). None: nothing is recorded yet."""

    width: float
    values: Rates
    newest: int | None = None

    def recorded(self, at: float, rate: float) -> "Track":
        """With this rate at this time (unix seconds); one from before the track began changes nothing."""
        number = int(at // self.width)
        ahead = 0 if self.newest is None else number - self.newest
        if ahead <= 0 and self.newest is not None and self._is_told(ahead, rate):
            return self
        values = self.values.copy()
        if ahead > 0:
            kept = max(len(values) - ahead, 0)
            values[:kept] = self.values[len(values) - kept :]
            values[kept:] = np.nan
        newest = number if self.newest is None else max(number, self.newest)
        place = len(values) - 1 - (newest - number)
        if place >= 0:
            values[place] = np.fmax(values[place], np.float32(rate))
        return Track(width=self.width, values=values, newest=newest)

    def _is_told(self, ahead: int, rate: float) -> bool:
        """Whether the stretch so many before the newest has seen this rate or a larger one, or is not kept."""
        return -ahead >= len(self.values) or bool(np.float32(rate) <= self.values[ahead - 1])

    def between(self, start: float, end: float) -> Rates:
        """The values of all stretches that touch this time, clipped to what is kept (unix seconds)."""
        if self.newest is None:
            return self.values[:0]
        oldest = self.newest - len(self.values) + 1
        first, last = int(start // self.width) - oldest, int(end // self.width) - oldest
        return self.values[max(first, 0) : max(last + 1, 0)]


def empty(width: float, count: int) -> Track:
    return Track(width=width, values=np.full(count, np.nan, dtype=np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandHistory:
    """One service's demand over the last days."""

    minutes: Track = field(default_factory=lambda: empty(MINUTE, MINUTES_KEPT))
    fives: Track = field(default_factory=lambda: empty(FIVE_MINUTES, FIVES_KEPT))

    def recorded(self, samples: Iterable[tuple[float, float]]) -> "DemandHistory":
        """With these (unix seconds, arrivals per second)."""
        minutes, fives = self.minutes, self.fives
        for at, rate in samples:
            minutes, fives = minutes.recorded(at, rate), fives.recorded(at, rate)
        return DemandHistory(minutes=minutes, fives=fives)

    def largest(self, start: float, end: float) -> float | None:
        """The largest rate known between two times (unix seconds); None where nothing is known."""
        values = self._track(start).between(start, end)
        most = float(np.fmax.reduce(values)) if len(values) else math.nan
        return None if math.isnan(most) else most

    def usual(self, start: float, end: float) -> float | None:
        """The mean of the stretches' largest rates between two times; None where nothing is known."""
        values = self._track(start).between(start, end)
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else None

    def _track(self, start: float) -> Track:
        """The finest track that reaches back this far."""
        newest = self.minutes.newest
        reaches = newest is not None and start >= (newest - MINUTES_KEPT + 1) * MINUTE
        return self.minutes if reaches else self.fives


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """One service's demand over the last ticks: `samples` is (2, ticks), unix seconds ascending, and arrivals per
    second then."""

    samples: Floats = field(default_factory=lambda: np.empty((2, 0)))

    def __len__(self) -> int:
        return len(self.samples[0])

    @property
    def times(self) -> Floats:
        found: Floats = self.samples[0]
        return found

    @property
    def rates(self) -> Floats:
        found: Floats = self.samples[1]
        return found

    @property
    def newest_at(self) -> float:
        """Unix seconds; the beginning of time where nothing is known."""
        return float(self.samples[0, -1]) if len(self) else -math.inf

    def pairs(self) -> dict[float, float]:
        """The rates by time."""
        return dict(zip(self.times.tolist(), self.rates.tolist(), strict=True))

    def then(self, at: float, rate: float) -> "Recent":
        """With one more, newer than all others."""
        return Recent(samples=np.concatenate((self.samples, ((at,), (rate,))), axis=1))

    def between(self, start: float, end: float) -> "Recent":
        """Those from `start` to `end` (unix seconds), both included."""
        first, last = int(self.times.searchsorted(start)), int(self.times.searchsorted(end, side="right"))
        return self if last - first == len(self) else Recent(samples=self.samples[:, first:last])


def recent_of(pairs: Mapping[float, float]) -> Recent:
    """These rates by time (unix seconds), in whatever order."""
    return Recent(samples=np.array(sorted(pairs.items()), dtype=np.float64).reshape(-1, 2).T)
