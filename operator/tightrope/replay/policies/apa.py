"""AIBrix APA: the replica count times load over target, inside a tolerance band, at most doubled or halved.

Source: vllm-project/aibrix, commit e3e10f9. Every 10 s the mean over ready replicas of requests in flight is recorded;
r is the mean of the records of the last 180 s over the target. Above 1.1: min(ceil(n * r), 2n); below 0.9:
max(ceil(n * r), floor(n / 2)); else n. No replica to read holds. Its 300 s cool-down does not delay a scale-down at
this commit (it takes the least of the window), so none is applied here. AIBrix has no default
target: 100, as for KPA, stands for it. Knob: the target, from 0.5 in flight per replica.
"""

import math
from collections import deque
from collections.abc import Mapping

from tightrope.replay.seat import PolicyKind, Seat, Setting

PERIOD_SECONDS = 10.0
WINDOW_SECONDS = 180.0
TOLERANCE = 0.1
MAX_RATE = 2


class Apa:
    """One autoscaler with its own window of records."""

    def __init__(self, setting: Setting) -> None:
        self._name = setting.variants[0].name
        self._target = setting.knobs["target"]
        self._records: deque[tuple[float, float]] = deque()

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        replicas = seat.variants[self._name].wanted
        loads = seat.metrics.per_replica("in_flight", self._name)
        if loads.size == 0:
            return {self._name: replicas}
        self._records.append((seat.now, float(loads.mean())))
        while self._records[0][0] <= seat.now - WINDOW_SECONDS:
            self._records.popleft()
        mean = sum(load for _, load in self._records) / len(self._records)
        return {self._name: max(1, proposed(replicas, round(mean / self._target, 9)))}


def proposed(replicas: int, ratio: float) -> int:
    """Replicas for a load of `ratio` times the target on each of these."""
    needed = math.ceil(round(replicas * ratio, 9))
    if ratio > 1 + TOLERANCE:
        return min(needed, MAX_RATE * replicas)
    if ratio < 1 - TOLERANCE:
        return max(needed, replicas // MAX_RATE)
    return replicas


KIND = PolicyKind(
    name="apa",
    title="AIBrix APA",
    source="AIBrix e3e10f9, requests in flight",
    period_seconds=PERIOD_SECONDS,
    build=Apa,
    defaults={"target": 100.0},
    knobs={"target": (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)},
    sample_seconds=PERIOD_SECONDS,
    memory_seconds=60.0,
)
