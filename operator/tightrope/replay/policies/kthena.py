"""Kthena's heterogeneous target: a total by one metric, split over hardware by packages of growing size and price.

Source: volcano-sh/kthena, pkg/autoscaler and its webhook's defaults. Every 15 s: ratio = p95 of the last 60 s over the
target; within 10 % it holds, else total = ceil(ratio x replicas). Up by the larger of 4 and 100 % a minute, at once;
down to the largest total of the last 5 minutes, by 100 % a minute. Each variant has its minimum; what lies between it
and its maximum is cut into packages of 1, r, r^2... (costExpansionRatePercent 200: r = 2), each at price x size, and
the total is filled in order of price. A replica counts as a replica whatever its hardware. Knob: the target as a share
of the threshold.

A minute without answers holds.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence

from tightrope.replay.seat import PolicyKind, Seat, Setting, VariantProfile

INTERVAL_SECONDS = 15.0
WINDOW_SECONDS = 60.0
TOLERANCE = 0.10
EXPANSION = 2.0
UP_INSTANCES, UP_FACTOR, UP_PERIOD_SECONDS = 4, 2, 60.0
DOWN_WINDOW_SECONDS = 300.0


class Kthena:
    """A total, then a split."""

    def __init__(self, setting: Setting) -> None:
        self._profiles, self._service = setting.variants, setting.service
        self._target = setting.knobs["target_factor"] * setting.service.objective.threshold_seconds
        self._proposals: deque[tuple[float, int]] = deque()
        self._sizes: deque[tuple[float, int]] = deque()

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        replicas = {profile.name: seat.variants[profile.name].wanted for profile in self._profiles}
        latency = seat.metrics.quantile(0.95, WINDOW_SECONDS)
        if latency is None:
            return replicas
        total = self._settled(seat.now, sum(replicas.values()), latency / self._target)
        return split(self._profiles, total, least=0)

    def _settled(self, now: float, current: int, ratio: float) -> int:
        proposal = current if abs(ratio - 1.0) <= TOLERANCE + 1e-9 else math.ceil(ratio * current - 1e-9)
        for events, age in ((self._proposals, DOWN_WINDOW_SECONDS), (self._sizes, UP_PERIOD_SECONDS)):
            while events and events[0][0] <= now - age:
                events.popleft()
        self._proposals.append((now, proposal))
        self._sizes.append((now, current))
        if proposal < current:
            proposal = min(max(size for _, size in self._proposals), current)
        past = self._sizes[0][1]
        proposal = min(proposal, max(past + UP_INSTANCES, past * UP_FACTOR))
        return min(max(proposal, self._service.min_replicas, 1), self._service.max_replicas)


def split(profiles: Sequence[VariantProfile], total: int, *, least: int) -> dict[str, int]:
    """So many replicas in all, `least` of each variant, the rest by packages in order of their price; equal prices in
    the order of the spec."""
    counts = {profile.name: min(least, profile.max_replicas) for profile in profiles}
    packages = []
    for place, profile in enumerate(profiles):
        left, size = profile.max_replicas - counts[profile.name], 1
        while left > 0:
            taken = min(size, left)
            packages.append((profile.price_per_hour * taken, place, profile.name, taken))
            left, size = left - taken, math.ceil(size * EXPANSION)
    for _, _, name, size in sorted(packages, key=lambda package: package[:2]):
        counts[name] += min(size, max(total - sum(counts.values()), 0))
    return counts


KIND = PolicyKind(
    name="kthena",
    title="Kthena (heterogeneous)",
    source="volcano-sh/kthena, heterogeneous target",
    period_seconds=INTERVAL_SECONDS,
    build=Kthena,
    defaults={"target_factor": 1.0},
    knobs={"target_factor": (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)},
    reach="all pools",
    memory_seconds=120.0,
)
