"""AIAD, additive increase and additive decrease: one replica more when too slow for long, one fewer when not.

Source: Faro's reactive baselines (commit b595c4a, 2024-09-04). Every 10 s the mean latency of the last 30 s is held
against the SLO's threshold (720 ms there, which is four times the service time): +1 after 30 s above it, -1 after
600 s at or under it. Knobs: the target as a share of the threshold, and the patience on the way up. A window without
answers says nothing: the count stands still.
"""

from collections.abc import Mapping

from tightrope.replay.policies.step_counter import (
    DOWN_AFTER_SECONDS,
    INTERVAL_SECONDS,
    UP_AFTER_SECONDS,
    WINDOW_SECONDS,
    StepCounter,
)
from tightrope.replay.seat import PolicyKind, Seat, Setting


class Aiad:
    """One replica at a time, by mean latency."""

    def __init__(self, setting: Setting) -> None:
        self._name = setting.variants[0].name
        self._target = setting.knobs["target_factor"] * setting.service.objective.threshold_seconds
        self._counter = StepCounter(
            up_after_seconds=setting.knobs["up_after_seconds"], down_after_seconds=DOWN_AFTER_SECONDS
        )

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        replicas = seat.variants[self._name].wanted
        latency = seat.metrics.mean_latency(WINDOW_SECONDS)
        if latency is None:
            return {self._name: replicas}
        return {self._name: max(1, replicas + self._counter.turn(latency > self._target))}


KIND = PolicyKind(
    name="aiad",
    title="AIAD",
    source="Faro b595c4a, reactive baseline",
    period_seconds=INTERVAL_SECONDS,
    build=Aiad,
    defaults={"target_factor": 1.0, "up_after_seconds": UP_AFTER_SECONDS},
    knobs={"target_factor": (0.25, 0.5, 0.75, 1.0), "up_after_seconds": (10.0, 30.0, 60.0)},
    sample_seconds=INTERVAL_SECONDS,
    memory_seconds=WINDOW_SECONDS + INTERVAL_SECONDS,
)
