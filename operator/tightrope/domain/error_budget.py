"""The error budget over the SLO window, from a ledger of finished requests.

The ledger is rebuilt from Prometheus at start and after an outage and grows by one entry per tick. A stretch that
nobody saw is not in it: it counts neither as good nor as missed, and `covered_seconds` says how much is known.

How fast the budget burns is judged over a long and a short stretch together, as in Google's Site Reliability Workbook
(chapter 5): the long one says that it matters, the short one that it still goes on. So the ledger is finer the younger
its entries are, like an exponential histogram (M. Datar et al., Maintaining stream statistics over sliding windows,
2002): any recent stretch is known to a tenth of its length.
"""

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from tightrope.domain.memory import Ledger, LedgerEntry, packed
from tightrope.domain.observation import Outcomes
from tightrope.domain.plan import BudgetState, Pace
from tightrope.domain.spec import Objective

RESOLUTION = 400  # entries kept over a window; older ones are merged to that width
FINEST_SECONDS = 30.0  # entries this wide or up to twice as wide are the youngest: five to ten to five minutes
AGE_SHARE = 0.1  # how wide an entry may be, in shares of its age
CROWD = 48  # so many entries of the finest width are merged at once: looking at all of them each tick would cost more
BURN_FRACTION = 1.0 / 720.0  # of the window: one hour of 30 days (Google SRE Workbook, chapter 5)
MIN_BURN_SECONDS = 60.0
A_REQUEST = 1e-3  # less than that is rounding, not traffic
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
_START = attrgetter("start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two stretches of time and the burn rate that both must exceed."""

    long_seconds: float
    short_seconds: float
    limit: float
    pace: Pace


# Of a budget for 30 days: 2 % in an hour, 5 % in six hours, 10 % in three days.
PAIRS = (
    Pair(long_seconds=HOUR, short_seconds=5 * MINUTE, limit=14.4, pace=Pace.FAST),
    Pair(long_seconds=6 * HOUR, short_seconds=30 * MINUTE, limit=6.0, pace=Pace.FAST),
    Pair(long_seconds=3 * DAY, short_seconds=6 * HOUR, limit=1.0, pace=Pace.SLOW),
)


def extended(
    ledger: Ledger,
    *,
    history: Sequence[tuple[float, float, Outcomes]],
    latest: tuple[float, float, Outcomes] | None,
    now: float,
    window_seconds: float,
) -> Ledger:
    """The ledger with re-read stretches and the latest (start, seconds, rates) added and all outside the window gone.

    A re-read stretch that overlaps an entry already there is dropped: what was counted once is not counted again.
    """
    width, since = window_seconds / RESOLUTION, now - window_seconds
    if not history:
        grown = (ledger if latest is None else appended(ledger, latest, width=width)).later_than(since)
        return Ledger(packed=packed(merged(list(grown), width=width, now=now))) if is_crowded(grown, width) else grown
    known = sorted(ledger, key=_START)
    for start, seconds, rates in [*history, *([latest] if latest is not None else [])]:
        # Entries do not overlap each other: of those that begin before this one ends, the last one ends last.
        place = bisect.bisect_left(known, start + seconds - 1e-6, key=_START)
        if seconds > 0 and not (place and overlaps(known[place - 1], start, seconds)):
            known.insert(place, counted(start, seconds, rates))
    kept = [entry for entry in known if entry.start + entry.seconds > since]
    return Ledger(packed=packed(merged(kept, width=width, now=now)))


def is_crowded(ledger: Ledger, width: float) -> bool:
    """Whether so many of the newest entries are as fine as can be that it is time to merge."""
    return len(ledger) > CROWD and ledger[-CROWD].seconds <= width_at(0.0, width=width) < width


def width_at(age: float, *, width: float) -> float:
    """How wide an entry of this age (seconds) may be. Widths double, so that two entries of one make one of the next,
    and the last is `width`: whatever is merged fills it."""
    if width < FINEST_SECONDS:
        return width
    doublings = math.floor(math.log2(width / FINEST_SECONDS))
    finest = width / 2**doublings
    reached = math.floor(math.log2(max(age * AGE_SHARE / finest, 1.0)))
    return float(finest * 2 ** min(reached, doublings))


def appended(ledger: Ledger, latest: tuple[float, float, Outcomes], *, width: float) -> Ledger:
    """The ledger with one more stretch after all others; unchanged if it is counted already."""
    start, seconds, rates = latest
    newest = [ledger[-1]] if len(ledger) else []
    if seconds <= 0 or any(start < entry.start + entry.seconds - 1e-6 for entry in newest):
        return ledger
    joined = merged([*newest, counted(start, seconds, rates)], width=width, now=start + seconds)
    return ledger.ending_with(joined, instead_of=len(newest))


def overlaps(entry: LedgerEntry, start: float, seconds: float) -> bool:
    return entry.start < start + seconds - 1e-6 and start < entry.start + entry.seconds - 1e-6


def counted(start: float, seconds: float, rates: Outcomes) -> LedgerEntry:
    """Counts from rates. Where the threshold lies between two buckets the lower bound counts as good."""
    return LedgerEntry(start=start, seconds=seconds, total=rates.total * seconds, good=rates.good_low * seconds)


def merged(entries: Sequence[LedgerEntry], *, width: float, now: float) -> tuple[LedgerEntry, ...]:
    """Adjacent entries joined up to `width` seconds, young ones only up to a share of their age, so that memory is
    bounded whatever the window."""
    joined: list[LedgerEntry] = []
    for entry in entries:
        last = joined[-1] if joined else None
        touches = last is not None and abs(last.start + last.seconds - entry.start) < 1e-3
        allowed = width_at(now - entry.start - entry.seconds, width=width)
        if last is not None and touches and last.seconds + entry.seconds <= allowed:
            joined[-1] = LedgerEntry(
                start=last.start,
                seconds=last.seconds + entry.seconds,
                total=last.total + entry.total,
                good=last.good + entry.good,
            )
        else:
            joined.append(entry)
    return tuple(joined)


def budget(ledger: Ledger, objective: Objective, *, now: float, window_seconds: float) -> BudgetState | None:
    """Attainment, what is left of the budget, and how fast it burns; None while nothing has finished."""
    pairs = [pair for pair in PAIRS if pair.long_seconds <= window_seconds]
    judged = {length for pair in pairs for length in (pair.long_seconds, pair.short_seconds)}
    recent = max(window_seconds * BURN_FRACTION, MIN_BURN_SECONDS)
    if not len(ledger):
        return None
    seconds, total, good = np.add.accumulate(ledger.packed[1:], axis=1)[:, -1].tolist()
    whole = Sums(total, good, seconds)
    if whole.total < A_REQUEST:
        return None
    allowed = objective.allowed_miss_fraction
    sums = looking_back(ledger, sorted({*judged, recent}), now=now)
    rates = {length: sums[length].burn_rate(allowed) for length in sorted(judged)}
    missed = whole.total - whole.good
    return BudgetState(
        attainment=1.0 - missed / whole.total,
        remaining=1.0 - missed / (allowed * whole.total),
        burn_rate=sums[recent].burn_rate(allowed),
        covered_seconds=min(whole.seconds, window_seconds),
        burn_rates=rates,
        burning=pace_of(pairs, rates),
    )


@dataclass(frozen=True, slots=True)
class Sums:
    """What finished in a stretch, how much of it was good, and how many seconds of it were seen."""

    total: float
    good: float
    seconds: float

    def burn_rate(self, allowed: float) -> float:
        """How fast the budget went, 1 for exactly the allowed share; 0 where nothing finished."""
        return (self.total - self.good) / (allowed * self.total) if self.total >= A_REQUEST else 0.0


def looking_back(ledger: Ledger, lengths: Sequence[float], *, now: float) -> dict[float, Sums]:
    """The sums over the last so many seconds for each of these lengths, all from one pass from the newest entry back.
    An entry that reaches into a stretch counts whole."""
    sums = np.add.accumulate(ledger.packed[1:, ::-1], axis=1)
    counts = len(ledger) - ledger.ends.searchsorted([now - length for length in lengths], side="right")
    found: dict[float, Sums] = {}
    for length, count in zip(lengths, counts.tolist(), strict=True):
        seconds, total, good = sums[:, count - 1].tolist() if count else (0.0, 0.0, 0.0)
        found[length] = Sums(total, good, seconds)
    return found


def pace_of(pairs: Sequence[Pair], rates: Mapping[float, float]) -> Pace | None:
    """How fast the budget burns now: the first pair of which both stretches exceed the limit; None if it lasts."""
    for pair in pairs:
        if min(rates[pair.long_seconds], rates[pair.short_seconds]) > pair.limit:
            return pair.pace
    return None
