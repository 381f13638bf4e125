"""The error budget over the SLO window, from a ledger of finished requests.

The ledger is rebuilt from Prometheus at start and after an outage and grows by one entry per tick. A stretch that
nobody saw is not in it: it counts neither as good nor as missed, and `covered_seconds` says how much is known.
"""

from collections.abc import Sequence

from tightrope.domain.memory import LedgerEntry
from tightrope.domain.observation import Outcomes
from tightrope.domain.plan import BudgetState
from tightrope.domain.spec import Objective

RESOLUTION = 400  # entries kept over a window; older ones are merged to that width
BURN_FRACTION = 1.0 / 720.0  # of the window: one hour of 30 days (Google SRE Workbook, chapter 5)
MIN_BURN_SECONDS = 60.0
A_REQUEST = 1e-3  # less than that is rounding, not traffic


def extended(
    ledger: Sequence[LedgerEntry],
    *,
    history: Sequence[tuple[float, float, Outcomes]],
    latest: tuple[float, float, Outcomes] | None,
    now: float,
    window_seconds: float,
) -> tuple[LedgerEntry, ...]:
    """The ledger with re-read stretches and the latest (start, seconds, rates) added and all outside the window gone.

    A re-read stretch that overlaps an entry already there is dropped: what was counted once is not counted again.
    """
    width = window_seconds / RESOLUTION
    if not history:
        return within(ledger if latest is None else appended(ledger, latest, width=width), now - window_seconds)
    entries = list(ledger)
    for start, seconds, rates in [*history, *([latest] if latest is not None else [])]:
        if seconds > 0 and not any(overlaps(entry, start, seconds) for entry in entries[-RESOLUTION * 2 :]):
            entries.append(counted(start, seconds, rates))
    entries.sort(key=lambda entry: entry.start)
    return merged(within(entries, now - window_seconds), width=width)


def appended(
    ledger: Sequence[LedgerEntry], latest: tuple[float, float, Outcomes], *, width: float
) -> tuple[LedgerEntry, ...]:
    """The ledger with one more stretch after all others; unchanged if it is counted already."""
    start, seconds, rates = latest
    if seconds <= 0 or (ledger and start < ledger[-1].start + ledger[-1].seconds - 1e-6):
        return tuple(ledger)
    return (*ledger[:-1], *merged([*ledger[-1:], counted(start, seconds, rates)], width=width))


def within(entries: Sequence[LedgerEntry], since: float) -> tuple[LedgerEntry, ...]:
    """Those that end after this time (unix seconds); they ascend."""
    first = 0
    while first < len(entries) and entries[first].start + entries[first].seconds <= since:
        first += 1
    return tuple(entries[first:])


def overlaps(entry: LedgerEntry, start: float, seconds: float) -> bool:
    return entry.start < start + seconds - 1e-6 and start < entry.start + entry.seconds - 1e-6


def counted(start: float, seconds: float, rates: Outcomes) -> LedgerEntry:
    """Counts from rates. Where the threshold lies between two buckets the lower bound counts as good."""
    return LedgerEntry(start=start, seconds=seconds, total=rates.total * seconds, good=rates.good_low * seconds)


def merged(entries: Sequence[LedgerEntry], *, width: float) -> tuple[LedgerEntry, ...]:
    """Adjacent entries joined up to `width` seconds, so that memory is bounded whatever the window."""
    joined: list[LedgerEntry] = []
    for entry in entries:
        last = joined[-1] if joined else None
        touches = last is not None and abs(last.start + last.seconds - entry.start) < 1e-3
        if last is not None and touches and last.seconds + entry.seconds <= width:
            joined[-1] = LedgerEntry(
                start=last.start,
                seconds=last.seconds + entry.seconds,
                total=last.total + entry.total,
                good=last.good + entry.good,
            )
        else:
            joined.append(entry)
    return tuple(joined)


def budget(
    ledger: Sequence[LedgerEntry], objective: Objective, *, now: float, window_seconds: float
) -> BudgetState | None:
    """Attainment, what is left of the budget, and how fast it burns; None while nothing has finished."""
    total = sum(entry.total for entry in ledger)
    if total < A_REQUEST:
        return None
    missed = total - sum(entry.good for entry in ledger)
    allowed = objective.allowed_miss_fraction
    since = now - max(window_seconds * BURN_FRACTION, MIN_BURN_SECONDS)
    recent = [entry for entry in ledger if entry.start + entry.seconds > since]
    recent_total = sum(entry.total for entry in recent)
    recent_missed = recent_total - sum(entry.good for entry in recent)
    return BudgetState(
        attainment=1.0 - missed / total,
        remaining=1.0 - missed / (allowed * total),
        burn_rate=recent_missed / (allowed * recent_total) if recent_total >= A_REQUEST else 0.0,
        covered_seconds=min(sum(entry.seconds for entry in ledger), window_seconds),
    )
