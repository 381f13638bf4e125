"""What recommended plans would have cost and missed, beside what the real fleet did: arithmetic of `mode: Recommend`.

`recommended` fills a `Trial` tick by tick; the status keeps its `Comparison`, so that a restart goes on from there.
Both fleets are counted over the same ticks, or not at all: a stretch that nobody saw is in neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tightrope.domain.spec import Metric, Objective

RESOLUTION = 200  # entries kept over a window
TOUCHING_SECONDS = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Requests by one objective: those that finished, those that missed, and how many would have with the recommended
    plans (`predicted`). Only of ticks in which all three were known."""

    finished: float = 0.0
    missed: float = 0.0
    predicted: float = 0.0

    def plus(self, other: "Judged", share: float = 1.0) -> "Judged":
        """Both together; of the other one only this share."""
        return Judged(
            finished=self.finished + share * other.finished,
            missed=self.missed + share * other.missed,
            predicted=self.predicted + share * other.predicted,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that was compared since the mode began (`since`, unix seconds), of the SLO's window at the most: `seconds` of
    ticks, in which the fleet cost `cost` and the recommended one would have cost `plan_cost`, in `currency`."""

    since: float
    currency: str
    seconds: float = 0.0
    cost: float = 0.0
    plan_cost: float = 0.0
    objectives: Mapping[Metric, Judged] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A stretch of ticks: what both fleets cost and missed in it. `start` in unix seconds."""

    start: float
    seconds: float
    cost: float
    plan_cost: float
    objectives: Mapping[Metric, Judged] = field(default_factory=dict)

    @property
    def end(self) -> float:
        return self.start + self.seconds

    def plus(self, other: "Entry") -> "Entry":
        """Both as one; the other one comes right after."""
        return Entry(
            start=self.start,
            seconds=self.seconds + other.seconds,
            cost=self.cost + other.cost,
            plan_cost=self.plan_cost + other.plan_cost,
            objectives=summed(self.objectives, other.objectives),
        )

    def after(self, at: float) -> "Entry":
        """The part of it that lies after this time, as if all of it were spread evenly."""
        share = min(max((self.end - at) / self.seconds, 0.0), 1.0)
        if share >= 1.0:
            return self
        return Entry(
            start=at,
            seconds=self.seconds * share,
            cost=self.cost * share,
            plan_cost=self.plan_cost * share,
            objectives=summed({}, self.objectives, share),
        )


def summed(left: Mapping[Metric, Judged], right: Mapping[Metric, Judged], share: float = 1.0) -> dict[Metric, Judged]:
    """By objective, the left and this share of the right."""
    found = dict(left)
    for metric, judged in right.items():
        found[metric] = found.get(metric, Judged()).plus(judged, share)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Replicas of one variant as they would be: `ready` ones, and (unix seconds, count) of those that start."""

    ready: int = 0
    coming: tuple[tuple[float, int], ...] = ()

    @property
    def asked(self) -> int:
        return self.ready + sum(count for _, count in self.coming)

    def at(self, now: float) -> "Fleet":
        """With those that have become ready by now."""
        ready = self.ready + sum(count for at, count in self.coming if at <= now)
        return Fleet(ready=ready, coming=tuple(batch for batch in self.coming if batch[0] > now))

    def scaled(self, target: int, *, ready_at: float) -> "Fleet":
        """With so many replicas asked for: new ones are ready at that time; those that still start go first."""
        if target >= self.asked:
            added = target - self.asked
            return replace(self, coming=(*self.coming, (ready_at, added))) if added else self
        ready, coming = min(self.ready, target), []
        room = target - ready
        for at, count in self.coming:
            kept = min(count, room)
            room -= kept
            if kept:
                coming.append((at, kept))
        return Fleet(ready=ready, coming=tuple(coming))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The comparison as it goes on: its entries, ascending, and the fleet that there would be. `objectives` are what
    it is about; `at` is its last tick (None before the first), `backlog` the requests that would be waiting, by
    objective and variant."""

    since: float
    currency: str
    objectives: tuple[Objective, ...]
    entries: tuple[Entry, ...] = ()
    at: float | None = None
    fleet: Mapping[str, Fleet] = field(default_factory=dict)
    backlog: Mapping[tuple[Metric, str], float] = field(default_factory=dict)
    last_descent_at: float | None = None

    def with_entry(self, entry: Entry | None, *, now: float, window_seconds: float) -> "Trial":
        """With this entry after the others, and without all that is older than the window."""
        entries = [kept.after(now - window_seconds) for kept in self.entries if kept.end > now - window_seconds]
        if entry is not None:
            entries = joined(entries, entry, width=window_seconds / RESOLUTION)
        return replace(self, entries=tuple(entries))

    def comparison(self) -> Comparison:
        """All entries together."""
        objectives: dict[Metric, Judged] = {}
        for entry in self.entries:
            objectives = summed(objectives, entry.objectives)
        return Comparison(
            since=self.since,
            currency=self.currency,
            seconds=sum(entry.seconds for entry in self.entries),
            cost=sum(entry.cost for entry in self.entries),
            plan_cost=sum(entry.plan_cost for entry in self.entries),
            objectives=objectives,
        )


def joined(entries: Sequence[Entry], entry: Entry, *, width: float) -> list[Entry]:
    """The entries with one more, as part of the last where that is not too wide: memory is bounded whatever the
    window."""
    if entries and entries[-1].seconds + entry.seconds <= width and touches(entries[-1], entry):
        return [*entries[:-1], entries[-1].plus(entry)]
    return [*entries, entry]


def touches(left: Entry, right: Entry) -> bool:
    return abs(left.end - right.start) < TOUCHING_SECONDS


def resumed(kept: Comparison, objectives: tuple[Objective, ...], *, now: float) -> Trial:
    """A trial that goes on from what the status kept: one entry that ends now. How it was spread nobody knows."""
    entry = Entry(
        start=now - kept.seconds,
        seconds=kept.seconds,
        cost=kept.cost,
        plan_cost=kept.plan_cost,
        objectives=kept.objectives,
    )
    entries = (entry,) if kept.seconds > 0.0 else ()
    return Trial(since=kept.since, currency=kept.currency, objectives=objectives, entries=entries)
