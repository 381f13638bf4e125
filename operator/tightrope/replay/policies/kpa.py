"""Knative KPA on concurrency: a stable window, and a panic window in which it never shrinks.

Source: knative/serving, commit 98e5ef90aa (pkg/autoscaler). Tick 2 s, samples every 1 s, windows 60 s and 6 s, of
requests in flight over all replicas. Target per replica: 100 at 70 % utilisation, so 70; at most 1000 times up
and half down of what is ready per tick; panic from 200 % until 60 s after. No samples hold. With more
than one replica ready at its start it begins in panic, as after a restart. Never to zero here. Knob: the target,
before the 70 %; its default suits fast web handlers, and the search goes down to 0.5 for slow servers.
"""

import math
from collections.abc import Mapping

from tightrope.replay.seat import PolicyKind, Seat, Setting

PERIOD_SECONDS = 2.0
STABLE_SECONDS, PANIC_SECONDS = 60.0, 6.0
UTILISATION = 0.7
PANIC_THRESHOLD = 2.0
MAX_UP, MAX_DOWN = 1000.0, 2.0


class Kpa:
    """One decider; it remembers when it last panicked and the most it then asked for."""

    def __init__(self, setting: Setting) -> None:
        self._name = setting.variants[0].name
        self._target = max(0.01, setting.knobs["target"] * UTILISATION)
        self._panic_at: float | None = None
        self._panic_most = 0
        self._started = False

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        seen = seat.variants[self._name]
        self._start(seat.now, seen.ready)
        stable = seat.metrics.gauge_mean("in_flight", STABLE_SECONDS, self._name)
        panic = seat.metrics.gauge_mean("in_flight", PANIC_SECONDS, self._name)
        if stable is None or panic is None:
            return {self._name: seen.wanted}
        return {self._name: max(1, self._decide(seat.now, max(1, seen.ready), self._for(stable), self._for(panic)))}

    def _start(self, now: float, ready: int) -> None:
        if not self._started and ready > 1:
            self._panic_at, self._panic_most = now, ready
        self._started = True

    def _for(self, in_flight: float) -> int:
        # Rounded first: 7 / (10 * 0.7) must not come out as two replicas.
        return math.ceil(round(in_flight / self._target, 9))

    def _decide(self, now: float, ready: int, stable: int, panic: int) -> int:
        low, high = math.floor(ready / MAX_DOWN), math.ceil(ready * MAX_UP)
        calm, hasty = (min(max(count, low), high) for count in (stable, panic))
        if panic / ready >= PANIC_THRESHOLD:
            self._panic_at = now
        elif self._panic_at is not None and self._panic_at + STABLE_SECONDS < now:
            self._panic_at, self._panic_most = None, 0
        if self._panic_at is None:
            return calm
        self._panic_most = max(self._panic_most, calm, hasty)
        return self._panic_most


KIND = PolicyKind(
    name="kpa",
    title="Knative KPA",
    source="Knative Serving 98e5ef90aa, concurrency",
    period_seconds=PERIOD_SECONDS,
    build=Kpa,
    defaults={"target": 100.0},
    knobs={"target": (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)},
    sample_seconds=1.0,
    memory_seconds=STABLE_SECONDS + 10.0,
)
