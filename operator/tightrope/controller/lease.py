"""The rules by which one process holds a Lease: when it may ask for it, and until when it may write.

`leadership` feeds a `Candidate` with what it read and wrote, and asks it what to do next. Everything is judged on this
process's own monotonic clock, from changes it has seen itself: the times in the Lease come from other machines' clocks
and are for people. The rules, for a lease of 15 s:

- Who holds it renews every 2 s and begins no write later than 10 s after the last renewal *was sent*; a write that
  was begun is given up after 14 s.
- Who wants it waits until it has *seen* no change for 15 s, so it can write at the earliest 15 s after the last renewal
  was sent. A Lease that was handed back is taken at once: who hands back has no write under way.
- Who finds none makes one and begins 15 s later: one that was deleted may have a holder who does not know it yet. Who
  knew that one leaves its holder 4 s to make it again.
- Every write to the Lease names the version it replaces; two who take it at once are told apart by the server.

Source: the lease protocol of Gray and Cheriton (1989); the three periods are those of Kubernetes' own components.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from tightrope.ports import LeaseRecord

# The duration of a Lease that was handed back. One without a holder that somebody edited is waited for like any other.
_HANDED_BACK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """How long a lease lasts, and what follows from it; seconds."""

    lease_seconds: float = 15.0

    @property
    def begin_seconds(self) -> float:
        """How long after a renewal was sent a write may still be begun."""
        return self.lease_seconds * 2 / 3

    @property
    def write_seconds(self) -> float:
        """How long after a renewal was sent a write may still be under way."""
        return self.lease_seconds * 14 / 15

    @property
    def delivery_seconds(self) -> float:
        """How long a write may be on its way to the server: begun at the last moment, it is there in time, or never."""
        return self.write_seconds - self.begin_seconds

    @property
    def renew_seconds(self) -> float:
        return self.lease_seconds * 2 / 15

    @property
    def remake_seconds(self) -> float:
        """How long a holder whose Lease was deleted has to make it again, before another one does."""
        return 2 * self.renew_seconds

    @property
    def look_seconds(self) -> float:
        """How often who does not hold it looks, and how soon a renewal that failed is tried again."""
        return self.lease_seconds / 15

    @property
    def answer_seconds(self) -> float:
        """How long the server may take for one answer: two tries fit between a failed renewal and the last write."""
        return self.lease_seconds / 5


class Candidate:
    """One process's view of the Lease. `identity` must be its own alone, for its whole life and after.

    Times called `now`, `sent` and `at` are seconds of its monotonic clock, `wall` is unix seconds.
    """

    def __init__(self, *, identity: str, periods: Periods) -> None:
        self.identity = identity
        self.periods = periods
        self.term = 0
        self._looked = False
        self._seen: LeaseRecord | None = None
        self._changed_at = 0.0
        self._knew_one = False
        self._resigned = False
        # When the renewal that holds now was sent; None while somebody else holds the Lease, or nobody.
        self._renewed_at: float | None = None
        self._opens_at = 0.0

    @property
    def holder(self) -> str:
        """Who holds the Lease, as far as this process knows; "" for nobody."""
        return self._seen.holder if self._seen is not None else ""

    def leads(self, now: float) -> bool:
        """Whether this process is the one that decides. It stays so while it cannot renew, until it learns that
        another one has taken over: it just may not write then."""
        return not self._resigned and self._renewed_at is not None and now >= self._opens_at

    def write_seconds(self, now: float) -> float:
        """For how long a write that is begun now may last; 0.0 if none may be begun. Closed in doubt."""
        if self._renewed_at is None or not self.leads(now):
            return 0.0
        age = now - self._renewed_at
        if not 0.0 <= age < self.periods.begin_seconds:
            return 0.0
        return self.periods.write_seconds - age

    def claim(self, *, now: float, wall: float) -> LeaseRecord | None:
        """The record to write now, at once, or None: look again first."""
        if self._resigned or not self._looked:
            return None
        seen, unchanged = self._seen, now - self._changed_at
        mine = partial(LeaseRecord, holder=self.identity, seconds=self.periods.lease_seconds, renewed_at=wall)
        if seen is None:
            return mine(transitions=0, acquired_at=wall) if self._may_make(now, unchanged) else None
        if seen.holder == self.identity:
            return mine(transitions=seen.transitions, acquired_at=seen.acquired_at, version=seen.version)
        if _handed_back(seen) or unchanged >= (seen.seconds or self.periods.lease_seconds):
            return mine(transitions=seen.transitions + 1, acquired_at=wall, version=seen.version)
        return None

    def _may_make(self, now: float, unchanged: float) -> bool:
        """Who leads makes its Lease again and goes on. Anybody else begins late, whatever becomes of this claim:
        whether it was taken may show only later."""
        if self.write_seconds(now) > 0.0:
            return True
        if self._knew_one and unchanged < self.periods.remake_seconds:
            return False
        self._renewed_at, self._opens_at = None, now + self.periods.lease_seconds
        return True

    def saw(self, record: LeaseRecord | None, *, at: float) -> None:
        """The Lease as it was read; `at` is when the answer was there."""
        if record != self._seen:
            self._changed_at = at
        self._looked, self._seen = True, record
        if record is not None:
            self._knew_one = True
            if record.holder != self.identity:
                self._renewed_at = None

    def wrote(self, stored: LeaseRecord, *, sent: float, at: float) -> None:
        """The server took the claim that was sent then. It goes on with the term, or begins one."""
        if self._renewed_at is None:
            self.term += 1
        self._renewed_at, self._seen, self._changed_at, self._knew_one = sent, stored, at, True

    def must_look(self) -> None:
        """The Lease is not what this process thought: what it shows now decides."""
        self._looked = False

    def resign(self) -> None:
        """Never again: from here on nothing may be written, and nothing is claimed."""
        self._resigned = True

    def hand_back(self, *, now: float, wall: float) -> LeaseRecord | None:
        """The record that lets the next one begin at once, if the Lease is this process's as far as it knows. Not
        while it still waited itself for a former holder: the next one would not."""
        if self._seen is None or self._seen.holder != self.identity or now < self._opens_at:
            return None
        return replace(self._seen, holder="", seconds=_HANDED_BACK_SECONDS, renewed_at=wall)


def _handed_back(record: LeaseRecord) -> bool:
    return not record.holder and record.seconds <= _HANDED_BACK_SECONDS
