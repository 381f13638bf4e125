"""MArk: a plan for the minutes to come, filled with the instances that serve a request for the least money.

Source: Zhang et al., MArk: Exploiting Cloud Services for Cost-Effective, SLO-Aware Machine Learning Inference Serving,
USENIX ATC 2019, and its artefact (180be0a, 2019-12-27). Every minute it looks 50 minutes ahead. A stretch in which
demand stays over the capacity of the plan is filled with one instance after another of the kind with the least (price x
stretch + launch overhead) / requests served; one in which it stays under is thinned out by the kind that costs most per
capacity, where the smallest surplus of the stretch allows it. What is applied is the plan two minutes ahead.
Every 5 s a reactive loop adds a tenth of what is missing, of the cheapest kind. Knobs: the share of an instance's
capacity that is counted on, and whether the forecast follows the trend.

The artefact forecasts with a trained LSTM; here it is the last minute and, with `trend`, its damped slope over ten.
Launch overhead is the price of the start-up. Minutes without samples hold.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tightrope.dataplane.outcomes import Floats
from tightrope.replay.seat import PolicyKind, Seat, Setting, VariantProfile

INTERVAL_SECONDS = 5.0
STEP_SECONDS = 60.0
STEPS, APPLIED_STEP, PLANNED_STEPS = 50, 2, 3
TREND_MINUTES, DAMPING = 10, 0.9
REACTION = 0.1


class Mark:
    """A greedy plan every minute, a reaction every five seconds."""

    def __init__(self, setting: Setting) -> None:
        self._profiles, self._service = setting.variants, setting.service
        self._share, self._trend = setting.knobs["share"], setting.knobs["trend"] > 0
        self._capacity = np.array([self._share * profile.capacity for profile in setting.variants])
        self._due = 0.0

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        counts = np.array([seat.variants[profile.name].wanted for profile in self._profiles], dtype=float)
        rate = seat.metrics.rate("arrivals", STEP_SECONDS)
        if rate is None:
            return self._bounded(counts)
        if seat.now >= self._due:
            self._due = seat.now + STEP_SECONDS
            recent = seat.metrics.series("arrivals", STEP_SECONDS, TREND_MINUTES)
            counts = planned(counts, self._profiles, self._capacity, forecast(rate, recent, trend=self._trend))
        elif (missing := rate - float(counts @ self._capacity)) > 0:
            cheapest = min(range(len(self._profiles)), key=lambda i: self._profiles[i].price_per_hour)
            counts[cheapest] += math.ceil(REACTION * missing / self._capacity[cheapest])
        return self._bounded(counts)

    def _bounded(self, counts: Floats) -> dict[str, int]:
        found = {p.name: min(int(count), p.max_replicas) for p, count in zip(self._profiles, counts, strict=True)}
        missing = max(self._service.min_replicas, 1) - sum(found.values())
        if missing > 0:
            found[min(self._profiles, key=lambda p: (p.price_per_hour, p.name)).name] += missing
        return found


def forecast(rate: float, recent: Floats, *, trend: bool) -> Floats:
    """Requests per second in each step ahead."""
    known = recent[~np.isnan(recent)]
    if not trend or len(known) < 3:
        return np.full(STEPS, rate)
    slope = float(np.polyfit(np.arange(len(known)), known, 1)[0])
    grown: Floats = np.maximum(rate + slope * np.cumsum(DAMPING ** np.arange(1, STEPS + 1)), 0.0)
    return grown


def planned(counts: Floats, profiles: Sequence[VariantProfile], capacity: Floats, demand: Floats) -> Floats:
    """Instances of each kind two steps ahead, by the greedy plan over all steps."""
    plan = np.tile(counts, (len(demand), 1))
    step = 0
    while step < PLANNED_STEPS:
        residual = demand - float(plan[step] @ capacity)
        lacking = residual >= 0
        changes = np.flatnonzero(lacking[step:] != lacking[step])
        end = step + int(changes[0]) if len(changes) else len(demand)
        (fill if lacking[step] else kill)(plan, profiles, capacity, residual, step, end)
        step = end
    applied: Floats = plan[APPLIED_STEP]
    return applied


def fill(
    plan: Floats, profiles: Sequence[VariantProfile], capacity: Floats, residual: Floats, start: int, end: int
) -> None:
    """Add instances while demand is over capacity somewhere in these steps."""
    while end > start and residual[start:end].max() > 1e-9:
        span = max(STEP_SECONDS, end * STEP_SECONDS)
        run = np.maximum(residual[start:end], 0.0)
        served = [max(float(np.minimum(run, rate).sum()), 1e-12) for rate in capacity.tolist()]
        costs = [
            p.price_per_hour * (span + p.time_to_ready_seconds) / requests
            for p, requests in zip(profiles, served, strict=True)
        ]
        kind = len(costs) - 1 - int(np.argmin(costs[::-1]))  # a tie goes to the later kind
        plan[start:end, kind] += 1
        residual -= capacity[kind]
        over = np.flatnonzero(residual[start:end] > 0)
        if not len(over) or residual[min(APPLIED_STEP, len(residual) - 1)] < 0:
            return
        start, end = start + int(over[0]), start + int(over[-1]) + 1


def kill(
    plan: Floats, profiles: Sequence[VariantProfile], capacity: Floats, residual: Floats, start: int, end: int
) -> None:
    """Take instances away where even the smallest surplus of these steps can spare them."""
    while end > start:
        surplus = float(-residual[start:end].max())
        spare = [i for i in range(len(profiles)) if plan[start, i] > 0 and capacity[i] <= surplus + 1e-9]
        if not spare:
            return
        kind = max(spare, key=lambda i: profiles[i].price_per_hour / capacity[i])
        plan[start:end, kind] -= 1
        residual += capacity[kind]
        under = np.flatnonzero(residual[start:end] < 0)
        if not len(under):
            return
        start, end = start + int(under[0]), start + int(under[-1]) + 1


KIND = PolicyKind(
    name="mark",
    title="MArk",
    source="MArk, USENIX ATC 2019, greedy planner of its artefact",
    period_seconds=INTERVAL_SECONDS,
    build=Mark,
    defaults={"share": 1.0, "trend": 1.0},
    knobs={"share": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0), "trend": (0.0, 1.0)},
    reach="all pools",
    sample_seconds=INTERVAL_SECONDS,
    memory_seconds=TREND_MINUTES * STEP_SECONDS + 120.0,
)
