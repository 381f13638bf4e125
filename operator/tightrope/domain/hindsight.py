"""The bases of many past moments at once: what `bases` would have said at each minute of a record of demand.

`seeding` calls this when history was read. Minute by minute, two days of a service took seconds; over all minutes
together they take hundredths. It knows no rule of its own: each answer is that of `bases`, `level` and `forecast` at
that minute, from what was known by then, and a test holds them together.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tightrope.domain import bases, level
from tightrope.domain.demand_history import FIVE_MINUTES, FIVES_KEPT, MINUTE, MINUTES_KEPT, DemandHistory, Track
from tightrope.domain.forecast import DAMPING, MAX_GROWTH, trend_spans

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Demand in cells of `width` seconds, of which a track keeps `kept`; the first cell is number `first`. `highest`
    has a row for each of 1, 2, 4.. cells: the largest of so many from each cell on (-inf where nothing is known), so
    that the largest of any stretch is that of two; `sums` and `counts` are of all known cells before each."""

    width: float
    kept: int
    first: int
    highest: Floats
    sums: Floats
    counts: Floats

    def largest(self, start: Floats, end: Floats, now: Floats) -> Floats:
        """The largest rate known at `now` of each stretch (unix seconds); NaN where nothing is."""
        low, high = self._cells(start, end, now)
        length = high - low + 1
        power = np.frexp(np.maximum(length, 1))[1] - 1
        inside = np.minimum(low, self.highest.shape[1] - 1)
        found = np.maximum(self.highest[power, inside], self.highest[power, np.maximum(high + 1 - (1 << power), 0)])
        return np.where((length < 1) | np.isneginf(found), np.nan, found)

    def usual(self, start: Floats, end: Floats, now: Floats) -> Floats:
        """The mean of the cells known at `now` of each stretch; NaN where none is."""
        low, high = self._cells(start, end, now)
        after = np.maximum(high + 1, low)
        low, after = np.clip(low, 0, len(self.counts) - 1), np.clip(after, 0, len(self.counts) - 1)
        count = self.counts[after] - self.counts[low]
        total = self.sums[after] - self.sums[low]
        found: Floats = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        return found

    def _cells(self, start: Floats, end: Floats, now: Floats) -> tuple[Places, Places]:
        newest = np.floor(now / self.width)
        low = np.maximum(np.floor(start / self.width), newest - self.kept + 1) - self.first
        high = np.minimum(np.floor(end / self.width), newest) - self.first
        last = len(self.counts) - 2
        return np.maximum(low, 0).astype(np.intp), np.minimum(high, last).astype(np.intp)


def scale(values: Floats, *, width: float, kept: int, first: int) -> Scale:
    """The scale of these values, NaN where nothing is known."""
    known = ~np.isnan(values)
    highest = np.full((len(values).bit_length(), len(values)), -np.inf)
    highest[0] = np.where(known, values, -np.inf)
    for power in range(1, len(highest)):
        half = 1 << (power - 1)
        count = len(values) + 1 - 2 * half
        highest[power, :count] = np.maximum(highest[power - 1, :count], highest[power - 1, half : half + count])
    return Scale(
        width=width,
        kept=kept,
        first=first,
        highest=highest,
        sums=np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))]),
        counts=np.concatenate([[0.0], np.cumsum(known)]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of a service's demand: arrivals per second of each minute from number `first` (unix seconds // 60)
    on, and the largest of each five minutes of a longer time, from number `first_five` on; NaN is unknown."""

    first: int
    minutes: Floats
    first_five: int
    fives: Floats

    def scales(self) -> tuple[Scale, Scale]:
        return (
            scale(self.minutes, width=MINUTE, kept=MINUTES_KEPT, first=self.first),
            scale(self.fives, width=FIVE_MINUTES, kept=FIVES_KEPT, first=self.first_five),
        )

    def history(self, minute: int) -> DemandHistory:
        """What a memory would hold at the end of this minute (its place in `minutes`)."""
        number = self.first + minute
        five = int(number * MINUTE // FIVE_MINUTES) - self.first_five
        return DemandHistory(
            minutes=track(self.minutes, minute, width=MINUTE, kept=MINUTES_KEPT, newest=number),
            fives=track(self.fives, five, width=FIVE_MINUTES, kept=FIVES_KEPT, newest=self.first_five + five),
        )


def track(values: Floats, last: int, *, width: float, kept: int, newest: int) -> Track:
    """The track whose newest value is the one in this place."""
    held = np.full(kept, np.nan, dtype=np.float32)
    part = values[max(last + 1 - kept, 0) : last + 1]
    if len(part):
        held[kept - len(part) :] = part
    return Track(width=width, values=held, newest=newest)


def levels(record: Record, *, averaged_seconds: float) -> Floats:
    """The level at each minute, as `level` tells it; NaN at minutes that nobody saw."""
    rates, averaged = record.minutes, max(averaged_seconds, MINUTE)
    count = max(int(level.LONGEST_SECONDS // averaged) - 1, 0)
    back = np.ceil(averaged * np.arange(1, count + 1) / MINUTE - 1e-9).astype(np.intp)
    if not count:
        return rates.copy()
    padded = np.concatenate([np.full(back[-1], np.nan), rates])
    blocks = np.stack([padded[back[-1] - step : len(padded) - step] for step in back], axis=1)
    # A block is the newest sample up to half of its length before its end; older ones say nothing of it.
    blocks[:, back * MINUTE - averaged * np.arange(1, count + 1) >= 0.5 * averaged] = np.nan
    whole = ~np.isnan(blocks).any(axis=1)
    found = rates.copy()
    found[whole] = level.levels_of(rates[whole], blocks[whole], averaged_seconds=averaged)
    for place in np.flatnonzero(~whole & ~np.isnan(rates)):
        unknown = np.isnan(blocks[place])
        known = blocks[place : place + 1, : int(np.argmax(unknown))]
        found[place] = level.levels_of(rates[place : place + 1], known, averaged_seconds=averaged)[0]
    return found


def growths(record: Record, *, tick_seconds: float) -> Floats:
    """The steepest slope at each minute (arrivals per second per second), as `forecast` finds it; never negative."""
    short, long = (slopes(record.minutes, span) for span in trend_spans(tick_seconds))
    return np.fmax(np.fmax(short, long), np.zeros(1))


def slopes(rates: Floats, span_seconds: float) -> Floats:
    """Least-squares slope over the samples of the last `span_seconds` of each minute; 0 where too few say."""
    count = int(span_seconds // MINUTE) + 1
    if count < 3:
        return np.zeros(len(rates))
    windows = sliding_window_view(np.concatenate([np.full(count - 1, np.nan), rates]), count)
    known = ~np.isnan(windows)
    passed, values = MINUTE * np.arange(1.0 - count, 1.0), np.where(known, windows, 0.0)
    number = np.maximum(known.sum(axis=1), 1)
    middle = known @ passed / number
    spread = known @ passed**2 - number * middle**2
    slope = (values @ passed - middle * values.sum(axis=1)) / np.maximum(spread, 1e-9)
    found: Floats = np.where((known.sum(axis=1) >= 3) & (spread > 1e-6), slope, 0.0)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """A record with all that its minutes share; `of` makes it."""

    record: Record
    by_minute: Scale
    by_five: Scale
    levels: Floats
    growths: Floats

    def bases(self, places: Places, *, horizon_seconds: float, period: float | None) -> Floats:
        """`bases` at these minutes of the record: (minutes, bases)."""
        now, rates, at_level = self.times(places), self.record.minutes[places], self.levels[places]
        growth = np.minimum(self.growths[places] * horizon_seconds * DAMPING, MAX_GROWTH * rates)
        found = [
            at_level,
            *(self.by_minute.largest(now - window + MINUTE, now, now) for window in bases.SHORT_WINDOWS),
            *(self.largest(now - window, now, now) for window in bases.LONG_WINDOWS),
            at_level + growth,
            *self.seasonal(now, bases.DAY, horizon_seconds),
            *self.seasonal(now, bases.WEEK, horizon_seconds),
            *self.periodic(now, period, horizon_seconds),
        ]
        return np.fmax(np.column_stack(found), at_level[:, None])

    def times(self, places: Places) -> Floats:
        """Unix seconds of these minutes."""
        return MINUTE * (self.record.first + places.astype(np.float64))

    def largest(self, start: Floats, end: Floats, now: Floats) -> Floats:
        """As a `DemandHistory` of that time says."""
        return np.where(
            self.reaches(start, now), self.by_minute.largest(start, end, now), self.by_five.largest(start, end, now)
        )

    def usual(self, start: Floats, end: Floats, now: Floats) -> Floats:
        """As a `DemandHistory` of that time says."""
        return np.where(
            self.reaches(start, now), self.by_minute.usual(start, end, now), self.by_five.usual(start, end, now)
        )

    def reaches(self, start: Floats, now: Floats) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = start >= (np.floor(now / MINUTE) - MINUTES_KEPT + 1) * MINUTE
        return found

    def seasonal(self, now: Floats, lag: float, horizon_seconds: float) -> tuple[Floats, Floats]:
        then, around = now - lag, bases.BEFORE_AND_AFTER
        most = self.largest(then - around, then + horizon_seconds + around, now)
        today = self.usual(now - bases.LEVEL_SECONDS, now, now)
        before = self.usual(then - bases.LEVEL_SECONDS, then, now)
        comparable = (before > 0.0) & ~np.isnan(today)
        ratio = np.divide(today, before, out=np.ones(len(now)), where=comparable)
        return most, most * np.clip(ratio, *bases.LEVEL_RANGE)

    def periodic(self, now: Floats, period: float | None, horizon_seconds: float) -> tuple[Floats, Floats, Floats]:
        if period is None:
            unknown = np.full(len(now), np.nan)
            return unknown, unknown, unknown
        first = bases.rounds_ahead(period, horizon_seconds)
        last, scaled = self.seasonal(now, first * period, horizon_seconds)
        rounds = [
            self.seasonal(now, count * period, horizon_seconds)[0]
            for count in range(first + 1, first + bases.ROUNDS_COMPARED)
        ]
        return last, scaled, np.fmax.reduce([last, *rounds])


def of(record: Record, *, averaged_seconds: float, tick_seconds: float) -> Hindsight:
    """What all minutes of the record share. Rates are averaged over so many seconds, ticks so far apart."""
    by_minute, by_five = record.scales()
    return Hindsight(
        record=record,
        by_minute=by_minute,
        by_five=by_five,
        levels=levels(record, averaged_seconds=averaged_seconds),
        growths=growths(record, tick_seconds=tick_seconds),
    )
