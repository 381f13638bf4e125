"""Ray Serve: as many replicas as hold two requests each, once the direction has held long enough.

Source: Ray 2.60.0, serve/autoscaling_policy.py. desired = ceil(requests in flight, mean of 30 s, /
target_ongoing_requests), where in flight is running plus queued; applied when it has asked for the same direction for
upscale_delay_s 30 or downscale_delay_s 600. Defaults as there: target 2, both scaling factors 1.0 (which leave desired
as it is). The maximum is the spec's, since Ray's own default of 1 means no scaling. Handles push metrics every 10 s;
the control loop of 0.1 s turns every 2 s here, as nothing new could be read in between. While no replica runs it keeps
its target, which is at least 1 as soon as requests wait. Knobs: the target and downscale_delay_s.
"""

import math
from collections.abc import Mapping

from tightrope.replay.seat import PolicyKind, Seat, Setting

LOOP_SECONDS = 2.0
PUSH_SECONDS = 10.0
LOOK_BACK_SECONDS = 30.0
UPSCALE_DELAY_SECONDS = 30.0


class RayServe:
    """Follows requests in flight, with a delay for each direction."""

    def __init__(self, setting: Setting) -> None:
        variant, service = setting.variants[0], setting.service
        self._name = variant.name
        self._min, self._max = service.min_replicas, min(service.max_replicas, variant.max_replicas)
        self._target = setting.knobs["target_ongoing_requests"]
        self._delay = {1: UPSCALE_DELAY_SECONDS, -1: setting.knobs["downscale_delay_s"]}
        self._direction, self._since = 0, 0.0

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        seen = seat.variants[self._name]
        in_flight = seat.metrics.gauge_mean("in_flight", LOOK_BACK_SECONDS)
        if in_flight is None:
            return {self._name: seen.wanted}
        if seen.ready == 0:
            return {self._name: max(seen.wanted, 1 if in_flight > 0 else 0)}
        return {self._name: self._delayed(seat.now, seen.wanted, self._desired(in_flight, seen.wanted))}

    def _desired(self, in_flight: float, replicas: int) -> int:
        desired = min(max(math.ceil(in_flight / self._target), self._min), self._max)
        return max(desired, 1) if replicas > 1 else desired  # only the last replica may leave for zero

    def _delayed(self, now: float, replicas: int, desired: int) -> int:
        """Desired, if that direction has been asked for since its delay or longer; else what there is."""
        direction = (desired > replicas) - (desired < replicas)
        if direction != self._direction:
            self._direction, self._since = direction, now
        if direction == 0 or now - self._since < self._delay[direction]:
            return replicas
        self._direction = 0
        return desired


KIND = PolicyKind(
    name="ray-serve",
    title="Ray Serve",
    source="Ray 2.60.0, serve/autoscaling_policy.py",
    period_seconds=LOOP_SECONDS,
    build=RayServe,
    defaults={"target_ongoing_requests": 2.0, "downscale_delay_s": 600.0},
    knobs={"target_ongoing_requests": (0.5, 1.0, 2.0, 5.0, 10.0, 20.0), "downscale_delay_s": (120.0, 600.0)},
    sample_seconds=PUSH_SECONDS,
    memory_seconds=LOOK_BACK_SECONDS + PUSH_SECONDS,
)
