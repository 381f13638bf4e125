"""What befalls the pools in a replay, whoever plays: shortages, nodes taken back, other prices. `cluster` asks.

Everything depends on the time and the seed alone, never on what a policy asked for, so that all policies of a
comparison meet the same.
"""

import bisect
import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

TRY_SECONDS: Final = 60.0  # a request for a node that failed is made again in the next minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """From `start` to `end` (seconds) a request for a new node of this pool fails with this probability; each minute
    is drawn anew, for all requests of that minute alike."""

    pool: str
    start: float
    end: float
    probability: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reclaim:
    """At `at` (seconds) so many nodes of this pool, or this share of them, are told that they go within the notice."""

    pool: str
    at: float
    count: int | None = None
    share: float | None = None
    notice_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """From `at` (seconds) on this pool has at most so many nodes: others are told that they go within the notice."""

    pool: str
    at: float
    count: int
    notice_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """From `at` (seconds) on a node of this pool costs so much an hour."""

    pool: str
    at: float
    price_per_node_hour: float


Event: TypeAlias = Shortage | Reclaim | Room | PriceChange


@dataclass(frozen=True, kw_only=True)
class Events:
    """All of them. Times are seconds since the replay began."""

    shortages: tuple[Shortage, ...] = ()
    reclaims: tuple[Reclaim, ...] = ()
    rooms: tuple[Room, ...] = ()
    prices: tuple[PriceChange, ...] = ()

    def refuses(self, pool: str, now: float, *, seed: int) -> bool:
        """Whether this pool gives no new node now."""
        return any(
            one.pool == pool and one.start <= now < one.end and _drawn(seed, pool, now) < one.probability
            for one in self.shortages
        )

    def next_try(self, pool: str, now: float) -> float:
        """When a request that this pool refuses now is made again."""
        ends = [one.end for one in self.shortages if one.pool == pool and one.start <= now < one.end]
        return min([*ends, (math.floor(now / TRY_SECONDS) + 1) * TRY_SECONDS])

    def room(self, pool: str, now: float) -> float:
        """How many nodes this pool has at most now, beyond what its spec says; inf if nothing says so."""
        found = [one for one in self.rooms if one.pool == pool and one.at <= now]
        return max(found, key=lambda one: one.at).count if found else math.inf

    def taken(self, start: float, end: float) -> list[Reclaim | Room]:
        """What takes nodes back after `start` and up to `end`, in order."""
        both: Iterable[Reclaim | Room] = (*self.reclaims, *self.rooms)
        return sorted((one for one in both if start < one.at <= end), key=lambda one: one.at)

    def after(self, now: float) -> float:
        """When the next of them comes; inf if none does."""
        place = bisect.bisect_right(self._times, now)
        return self._times[place] if place < len(self._times) else math.inf

    def price(self, pool: str, now: float, usual: float) -> float:
        """What a node of this pool costs an hour now; `usual` before any change."""
        steps = self._steps.get(pool, ())
        place = bisect.bisect_right(steps, now, key=lambda step: step[0])
        return steps[place - 1][1] if place else usual

    def cost(self, pool: str, start: float, end: float, usual: float) -> float:
        """What one node of this pool costs from start to end, at the prices of each moment."""
        edges = [start, *(at for at, _ in self._steps.get(pool, ()) if start < at < end), end]
        stretches = itertools.pairwise(edges)
        return sum(self.price(pool, one, usual) * (other - one) for one, other in stretches) / 3600.0

    @cached_property
    def _times(self) -> list[float]:
        edges = {at for one in self.shortages for at in (one.start, one.end)}
        edges |= {one.at for one in self.reclaims} | {one.at for one in self.rooms} | {one.at for one in self.prices}
        return sorted(edges)

    @cached_property
    def _steps(self) -> Mapping[str, list[tuple[float, float]]]:
        """By pool: from when, and how much."""
        steps: dict[str, list[tuple[float, float]]] = {}
        for change in sorted(self.prices, key=lambda one: one.at):
            steps.setdefault(change.pool, []).append((change.at, change.price_per_node_hour))
        return steps

    def sentences(self) -> list[str]:
        """What befalls each pool, in plain words."""
        everything: dict[str, tuple[Event, ...]] = {
            "shortage": self.shortages,
            "reclaim": self.reclaims,
            "change of room": self.rooms,
            "change of price": self.prices,
        }
        said = []
        for pool in sorted({one.pool for events in everything.values() for one in events}):
            counts = {kind: sum(one.pool == pool for one in events) for kind, events in everything.items()}
            listed = ", ".join(_counted(count, kind) for kind, count in counts.items() if count)
            said.append(f"what befalls pool {pool}, whoever plays: {listed}")
        return said


NO_EVENTS: Final = Events()


def _drawn(seed: int, pool: str, now: float) -> float:
    """0..1, the same for everybody who asks for a node of this pool in this minute."""
    minute = math.floor(now / TRY_SECONDS)
    digest = hashlib.blake2b(f"{seed}/{pool}/{minute}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64


def _counted(count: int, kind: str) -> str:
    return f"1 {kind}" if count == 1 else f"{count} {kind.replace('change', 'changes') if ' ' in kind else kind + 's'}"
