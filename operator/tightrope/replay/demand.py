"""The arrivals that a replay plays: a rate over time or single requests, with the stretches nobody recorded.

`inputs/` reads it from files and Prometheus, `generators` makes it up; `run` plays it and `bounds` looks ahead in it.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tightrope.dataplane.arrivals import Arrivals, RandomArrivals, RecordedArrivals
from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.outcomes import Floats
from tightrope.dataplane.token_records import TokenMeans, TokenPairs, TokenRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Requests from 0 to `duration_seconds`.

    Either `curve` (requests per second over time; arrivals are drawn from it with this `dispersion`, 1 for Poisson) or
    `times` (ascending arrival times in seconds of every single request).
    `gaps` are stretches (start, end) in which demand is unknown: nothing is played there and nothing is scored.
    `tokens` are the lengths of requests as they were recorded: of every single one (a TokenRecord beside `times`), of
    some of them, or as means over time; None if the source does not say.
    `start_unix` is when second 0 was, None if the source does not say. `source` is one sentence for the report.
    """

    name: str
    duration_seconds: float
    source: str
    curve: RateCurve | None = None
    times: Floats | None = None
    gaps: tuple[tuple[float, float], ...] = ()
    dispersion: float = 1.0
    start_unix: float | None = None
    tokens: TokenRecord | TokenPairs | TokenMeans | None = None
    notes: Sequence[str] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        if (self.curve is None) == (self.times is None):
            raise ValueError(f"demand {self.name} needs a rate curve or request times, and not both")

    def arrivals(self, *, seed: int) -> Arrivals:
        """A fresh stream of these arrivals; the same seed gives the same requests."""
        if self.times is not None:
            return RecordedArrivals(self.times)
        assert self.curve is not None
        return RandomArrivals(self.curve, dispersion=self.dispersion, seed=seed)

    def at_mean(self, rate: float) -> "Demand":
        """The same course with this mean rate over the time that is known, in requests per second. Single requests
        become a rate a second. Raises ValueError for a demand without requests."""
        edges = np.arange(math.ceil(self.duration_seconds) + 1, dtype=np.float64)
        known = self.duration_seconds - sum(end - start for start, end in self.gaps)
        curve = self.curve
        if curve is None:
            counts = self.expected(edges).tolist()
            curve = RateCurve([(at + side, count) for at, count in enumerate(counts) for side in (0.0, 1.0)])
        total = curve.expected(self.duration_seconds)
        if total <= 0:
            raise ValueError(f"demand {self.name} has no requests, so that it has no mean to change")
        factor = rate * known / total
        note = f"scaled by {factor:.4g} to a mean of {rate:g} requests per second"
        tokens = self.tokens.shuffled() if isinstance(self.tokens, TokenRecord) else self.tokens
        return replace(self, curve=curve.scaled(factor), times=None, tokens=tokens, notes=(*self.notes, note))

    def expected(self, edges: Floats) -> Floats:
        """Requests expected (or recorded) between one edge (seconds, ascending) and the next: one fewer value."""
        if self.times is not None:
            before = np.searchsorted(self.times, edges, side="right")
            before[0] = np.searchsorted(
                self.times, edges[0], side="left"
            )  # an edge belongs to the stretch that ends there
            return np.diff(before).astype(np.float64)
        assert self.curve is not None
        curve = self.curve
        return np.diff(np.array([curve.expected(edge) for edge in edges]))

    def known_share(self, edges: Floats) -> Floats:
        """The share (0..1) of each stretch between two edges in which demand is known."""
        missing = np.zeros(len(edges) - 1)
        for start, end in self.gaps:
            missing += np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0.0, None)
        share: Floats = 1.0 - missing / np.diff(edges)
        return share

    def unknown_seconds(self, start: float, end: float) -> float:
        """How much of this stretch is unknown."""
        total, place = 0.0, bisect.bisect_right(self.gaps, start, key=lambda gap: gap[1])
        while place < len(self.gaps) and self.gaps[place][0] < end:
            total += min(end, self.gaps[place][1]) - max(start, self.gaps[place][0])
            place += 1
        return total

    def known_at(self, at: float) -> bool:
        """Whether demand is known at this time."""
        place = bisect.bisect_right(self.gaps, at, key=lambda gap: gap[1])
        return place == len(self.gaps) or at < self.gaps[place][0]
