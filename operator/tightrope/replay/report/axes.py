"""Scales and their ticks: time as dates or hours since the start, amounts from zero, attainment by its nines."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

MINUTE, HOUR, DAY = 60, 3600, 86_400
STEPS = (MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR,
         12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY)  # fmt: skip
TIME_TICKS = 9
BEST_MISS = 1e-5  # better than 99.999 % is drawn there


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark at this share (0..1) of an axis. Minor ones give way where there is little room."""

    at: float
    label: str
    minor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAxis:
    """The time of a replay, `seconds` long; `start_unix` is its second 0, None if nobody knows."""

    seconds: float
    start_unix: float | None

    def ticks(self) -> list[Tick]:
        """At round times (UTC), or round hours since the start; every other one is minor."""
        step = next((step for step in STEPS if self.seconds / step <= TIME_TICKS), STEPS[-1])
        origin = self.start_unix or 0.0
        zero = math.ceil(origin / DAY) * DAY if step >= DAY else 0  # days are counted from the first midnight
        first, last = math.ceil((origin - zero) / step), math.floor((origin + self.seconds - zero) / step)
        times = [(number, zero + number * step) for number in range(first, last + 1)]
        return [
            Tick(at=(time - origin) / self.seconds, label=self._label(time, step), minor=number % 2 > 0)
            for number, time in times
        ]

    def _label(self, at: float, step: int) -> str:
        if self.start_unix is None:
            return since_start(at)
        when = datetime.fromtimestamp(at, tz=UTC)
        return f"{when.day} {when:%b}" if step >= DAY or at % DAY == 0 else f"{when:%H:%M}"

    @property
    def title(self) -> str:
        """What the ticks count."""
        return "time since the start" if self.start_unix is None else "time in UTC"

    def clock(self, at: float) -> str:
        """The time of day of a moment (seconds since the start), or how long after the start it is."""
        if self.start_unix is None:
            return since_start(at, fine=True)
        return f"{datetime.fromtimestamp(self.start_unix + at, tz=UTC):%H:%M:%S}"

    def stretch(self, at: float, span: int) -> tuple[int, str]:
        """The whole hour or day (`span` seconds) that a moment lies in: its number, and its name."""
        origin = self.start_unix or 0.0
        number = int((origin + at) // span)
        if self.start_unix is None:
            unit = "Day" if span == DAY else "Hour"
            return number, f"{unit} {number + 1}"
        when = datetime.fromtimestamp(number * span, tz=UTC)
        day = f"{when.day} {when:%b %Y}"
        return number, day if span == DAY else f"{day}, {when:%H:%M}"

    def day(self, at: float) -> str:
        """The date of a moment, for a sentence: `2026-03-01 06:00 UTC`."""
        assert self.start_unix is not None
        return f"{datetime.fromtimestamp(self.start_unix + at, tz=UTC):%Y-%m-%d %H:%M} UTC"


def since_start(at: float, *, fine: bool = False) -> str:
    """`3 h`, `45 min`, `2 d 6 h`; with `fine`, hours, minutes and seconds: `27:14:30`."""
    whole = round(at)
    if fine:
        return f"{whole // HOUR}:{whole % HOUR // MINUTE:02}:{whole % MINUTE:02}"
    days, hours, minutes = whole // DAY, whole % DAY // HOUR, whole % HOUR // MINUTE
    named = ((days, "d"), (hours, "h"), (minutes, "min"))
    return " ".join(f"{count} {unit}" for count, unit in named if count) or "0"


def amount_ticks(low: float, high: float, *, whole: bool = False) -> list[Tick]:
    """Round amounts from `low` to `high`, six at the most (and zero); `whole` ones where halves mean nothing."""
    step = max(round_step((high - low) / 6), 1.0 if whole else 0.0)
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [Tick(at=(number * step - low) / (high - low), label=f"{number * step:.4g}") for number in numbers]


def round_step(least: float) -> float:
    """The smallest of 1, 2 or 5 times a power of ten that is not under `least`."""
    if least <= 0:
        return 1.0
    power = float(10.0 ** math.floor(math.log10(least)))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least * (1 - 1e-9))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostScale:
    """Cost from left (0) to right (1): from zero, or by its logarithm where the dearest is far from the cheapest."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def over(cls, costs: Sequence[float]) -> "CostScale":
        """A scale that shows all of these costs, with some room."""
        known = [cost for cost in costs if math.isfinite(cost) and cost > 0] or [1.0]
        low, high = min(known), max(known)
        if high / low > 8:
            return cls(low=low / 1.25, high=high * 1.25, logarithmic=True)
        return cls(low=0.0, high=high * 1.1, logarithmic=False)

    def place(self, cost: float) -> float:
        if not self.logarithmic:
            return cost / self.high
        return math.log(max(cost, self.low) / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[Tick]:
        if not self.logarithmic:
            return amount_ticks(0.0, self.high)
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        rounds = [digit * 10.0**power for power in decades for digit in (1, 2, 5)]
        return [Tick(at=self.place(one), label=f"{one:.4g}") for one in rounds if self.low <= one <= self.high]


@dataclass(frozen=True, slots=True, kw_only=True)
class NinesScale:
    """Attainment from the bottom (0) to the top (1) by the logarithm of its misses: each nine takes as much room."""

    worst_miss: float
    best_miss: float

    @classmethod
    def over(cls, attainments: Sequence[float], objective: float) -> "NinesScale":
        """A scale that shows all of these, and the objective with room on both sides."""
        misses = [min(max(1.0 - one, BEST_MISS), 1.0) for one in (*attainments, objective)]
        return cls(worst_miss=min(max(*misses, 3 * (1 - objective)) * 1.5, 1.0), best_miss=min(misses) / 2.5)

    def place(self, attainment: float) -> float:
        miss = min(max(1.0 - attainment, self.best_miss), self.worst_miss)
        return math.log(self.worst_miss / miss) / math.log(self.worst_miss / self.best_miss)

    def ticks(self) -> list[Tick]:
        rounds = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999)
        inside = [one for one in rounds if self.best_miss <= 1.0 - one <= self.worst_miss]
        return [Tick(at=self.place(one), label=f"{one * 100:g}%") for one in inside]
