"""One-shot: the replica count times latency over target, in one step, once the direction has held long enough.

Source: Faro's reactive baselines (commit b595c4a, 2024-09-04), there the stand-in for proportional autoscalers. Every
10 s the mean latency of the last 30 s is held against the SLO's threshold: after 30 s above it, or 600 s at or under
it, the count becomes ceil(count * latency / target). Knobs: the target as a share of the threshold, and the patience
on the way down. A window without answers says nothing: the count stands still.
"""

import math
from collections.abc import Mapping

from tightrope.replay.policies.step_counter import (
    DOWN_AFTER_SECONDS,
    INTERVAL_SECONDS,
    UP_AFTER_SECONDS,
    WINDOW_SECONDS,
    StepCounter,
)
from tightrope.replay.seat import PolicyKind, Seat, Setting


class OneShot:
    """Proportional to mean latency, both ways."""

    def __init__(self, setting: Setting) -> None:
        self._name = setting.variants[0].name
        self._target = setting.knobs["target_factor"] * setting.service.objective.threshold_seconds
        self._counter = StepCounter(
            up_after_seconds=UP_AFTER_SECONDS, down_after_seconds=setting.knobs["down_after_seconds"]
        )

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        replicas = seat.variants[self._name].wanted
        latency = seat.metrics.mean_latency(WINDOW_SECONDS)
        if latency is None or self._counter.turn(latency > self._target) == 0:
            return {self._name: replicas}
        # Rounded first, so that 3 * (0.3 / 0.3) can never come out as 4.
        return {self._name: max(1, math.ceil(round(replicas * latency / self._target, 9)))}


KIND = PolicyKind(
    name="one-shot",
    title="One-shot",
    source="Faro b595c4a, reactive baseline",
    period_seconds=INTERVAL_SECONDS,
    build=OneShot,
    defaults={"target_factor": 1.0, "down_after_seconds": DOWN_AFTER_SECONDS},
    knobs={"target_factor": (0.25, 0.5, 0.75, 1.0), "down_after_seconds": (120.0, 300.0, 600.0)},
    sample_seconds=INTERVAL_SECONDS,
    memory_seconds=WINDOW_SECONDS + INTERVAL_SECONDS,
)
