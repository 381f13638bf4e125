"""What happened in a replay, added up step by step into a Score and a Timeline. `run` feeds it.

Memory does not grow with the requests: minutes for the violations, and at most so many steps for the timeline.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tightrope.dataplane.outcomes import Floats
from tightrope.dataplane.tally import Tally
from tightrope.domain.spec import Metric, Service
from tightrope.replay.demand import Demand
from tightrope.replay.goals import Held, counts_errors, goals_of
from tightrope.replay.meter import bounds_around, quantile_of
from tightrope.replay.score import Score, Timeline

MINUTE = 60.0
HOUR, DAY = 3600.0, 86400.0
TIMELINE_STEPS = 1500
STEP_CHOICES = (15.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 21600.0)


class Record:
    """The account of one replay. The timeline has all of it, the score only what comes after `warmup` seconds."""

    def __init__(self, service: Service, demand: Demand, variants: Sequence[str], *, warmup: float = 0.0) -> None:
        self._service, self._demand, self._warmup = service, demand, warmup
        self._minutes = np.zeros((max(math.ceil(demand.duration_seconds / MINUTE), 1), 2))
        wanted_step = demand.duration_seconds / TIMELINE_STEPS
        self.step_seconds = next((step for step in STEP_CHOICES if step >= wanted_step), STEP_CHOICES[-1])
        steps = max(math.ceil(demand.duration_seconds / self.step_seconds), 1)
        self._bounds = bounds_around(service.objective.threshold_seconds)
        self._buckets = np.zeros((steps, len(self._bounds) + 1))
        self._sums = np.zeros((steps, 4))  # counted, good, arrived, cost
        self._goals = list(goals_of(service))
        self._kept = np.zeros((len(self._goals), 2))  # good, counted
        self._apart = counts_errors(service)
        self._ended = 0
        self._ready = {name: np.zeros(steps) for name in variants}
        self._wanted = {name: np.zeros(steps) for name in variants}
        self.dropped = 0
        self.misses = 0
        self.cost = 0.0

    @property
    def requests(self) -> int:
        """Requests ended so far, those that are not scored left out."""
        return self._ended

    def ended(self, at: float, tally: Tally, *, unrouted: int) -> None:
        """Requests whose end was seen in the step that ends at `at`; `unrouted` found no replica at all."""
        ended = float(tally.ended.sum()) + unrouted
        if not ended:
            return
        dropped = int(ended - tally.finished.sum())
        counted = float(tally.kept[:, 0, 1].sum()) + unrouted
        counts = (counted - (dropped if self._apart else 0), float(tally.good.sum()))
        if at > self._warmup:
            self._ended += int(ended)
            self.dropped += dropped
            self._kept += tally.kept.sum(axis=0)
            self._kept[:, 1] += unrouted - (dropped if self._apart else 0)
            self.misses += int(counts[0] - counts[1])
            self._minutes[self._place(at, MINUTE, len(self._minutes))] += counts
        row = self._place(at, self.step_seconds, len(self._sums))
        self._sums[row, :2] += counts
        self._buckets[row] += tally.buckets.sum(axis=0)

    def lost(self, at: float, count: int) -> None:
        """So many requests went away with their replicas."""
        scored = at > self._warmup
        if scored:
            self.dropped += count
            self._ended += count
        if self._apart:
            return
        self._sums[self._place(at, self.step_seconds, len(self._sums)), 0] += count
        if scored:
            self.misses += count
            self._kept[:, 1] += count
            self._minutes[self._place(at, MINUTE, len(self._minutes)), 0] += count

    def passed(
        self,
        at: float,
        seconds: float,
        *,
        arrived: int,
        price: float,
        ready: Mapping[str, int],
        wanted: Mapping[str, int],
    ) -> None:
        """So many seconds up to `at`, with this fleet at this price per hour."""
        row = self._place(at, self.step_seconds, len(self._sums))
        self._sums[row, 2] += arrived
        self._sums[row, 3] += price * seconds / HOUR
        for name, count in ready.items():
            self._ready[name][row] += count * seconds
        for name, count in wanted.items():
            self._wanted[name][row] += count * seconds

    def score(
        self, *, policy: str, title: str, knobs: Mapping[str, float], used: Sequence[str], currency: str, changes: int,
        switches: int, unknown_seconds: float,
    ) -> Score:  # fmt: skip
        """The sums of it all."""
        total, good = self._minutes.sum(axis=0)
        objective = self._service.objective.percent / 100.0
        violated = (self._minutes[:, 0] > 0) & (self._minutes[:, 1] < objective * self._minutes[:, 0])
        return Score(
            policy=policy,
            title=title,
            knobs=dict(knobs),
            variants=tuple(used),
            requests=self._ended,
            good=int(good),
            dropped=self.dropped,
            attainment=float(good / total) if total else None,
            objective=objective,
            cost=self.cost,
            currency=currency,
            violation_seconds=float(violated.sum() * MINUTE),
            longest_violation_seconds=longest_run(violated) * MINUTE,
            worst_hour=self._worst(HOUR),
            worst_day=self._worst(DAY),
            changes=changes,
            switches=switches,
            unknown_seconds=unknown_seconds,
            further=self._further(),
        )

    def _further(self) -> dict[str, Held]:
        """How the objectives beside the leading one were held."""
        found: dict[str, Held] = {}
        for one in self._service.further_objectives:
            good, counted = (
                (float(self._ended - self.dropped), float(self._ended))
                if one.metric is Metric.ERRORS
                else self._kept[self._goals.index(one.metric)].tolist()
            )
            found[one.metric.value] = Held(objective=one.percent / 100.0, good=good, counted=counted)
        return found

    def timeline(self) -> Timeline:
        """The course in steps."""
        ended, good, arrived, cost = self._sums.T
        lengths = np.full(len(ended), self.step_seconds)
        lengths[-1] = self._demand.duration_seconds - self.step_seconds * (len(ended) - 1)
        scored = self.step_seconds * np.arange(len(ended)) >= self._warmup
        allowed = (1.0 - self._service.objective.percent / 100.0) * max(ended[scored].sum(), 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(ended > 0, good / ended, np.nan)
        return Timeline(
            step_seconds=self.step_seconds,
            start_unix=self._demand.start_unix,
            demand=arrived / lengths,
            good_share=share,
            p50=self._quantiles(0.5),
            p95=self._quantiles(0.95),
            p99=self._quantiles(0.99),
            cost_per_hour=cost / lengths * HOUR,
            budget_left=1.0 - np.cumsum(scored * (ended - good)) / allowed,
            ready={name: values / lengths for name, values in self._ready.items()},
            wanted={name: values / lengths for name, values in self._wanted.items()},
        )

    def _quantiles(self, q: float) -> Floats:
        found = [quantile_of(row, self._bounds, q) for row in self._buckets]
        return np.array([math.nan if value is None else value for value in found])

    def _worst(self, span: float) -> float | None:
        """The lowest attainment of a whole span with requests in it."""
        minutes = int(span / MINUTE)
        whole = len(self._minutes) // minutes
        if not whole:
            return None
        sums = self._minutes[: whole * minutes].reshape(whole, minutes, 2).sum(axis=1)
        served = sums[sums[:, 0] > 0]
        return float((served[:, 1] / served[:, 0]).min()) if len(served) else None

    @staticmethod
    def _place(at: float, width: float, count: int) -> int:
        """The bin of a step that ends at `at`: an end on an edge belongs to the bin before it."""
        return min(max(math.ceil(at / width - 1e-9) - 1, 0), count - 1)


def longest_run(flags: np.ndarray) -> int:
    """The length of the longest stretch of True."""
    longest = current = 0
    for flag in flags:
        current = current + 1 if flag else 0
        longest = max(longest, current)
    return longest
