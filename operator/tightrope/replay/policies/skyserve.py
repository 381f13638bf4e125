"""SkyServe's request-rate autoscaler: requests per second of the last minute over a target per replica.

Source: SkyPilot 0.14.1, sky/serve/autoscalers.py and constants.py. Every 20 s: target = ceil(QPS / target_qps), with
the load balancer's count of the last 60 s, which it sends every 20 s. A new target is taken after 300 s of consecutive
turns above the present one (15 turns) or 1200 s below it (60 turns); at once from zero. target_qps_per_replica has no
default there and every user must set it: 80 % of the measured capacity of one replica here. A minute without a sample
holds. Knobs: that share, and upscale_delay_seconds.
"""

import math
from collections.abc import Mapping

from tightrope.replay.seat import PolicyKind, Seat, Setting

INTERVAL_SECONDS = 20.0
QPS_WINDOW_SECONDS = 60.0
DOWNSCALE_DELAY_SECONDS = 1200.0


class SkyServe:
    """Follows the request rate, late by the delay of its direction."""

    def __init__(self, setting: Setting) -> None:
        variant, service = setting.variants[0], setting.service
        self._name = variant.name
        self._min, self._max = service.min_replicas, min(service.max_replicas, variant.max_replicas)
        self._target_qps = setting.knobs["capacity_share"] * variant.capacity
        self._turns = {
            1: int(setting.knobs["upscale_delay_seconds"] / INTERVAL_SECONDS),
            -1: int(DOWNSCALE_DELAY_SECONDS / INTERVAL_SECONDS),
        }
        self._direction, self._count = 0, 0

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        replicas = seat.variants[self._name].wanted
        qps = seat.metrics.rate("arrivals", QPS_WINDOW_SECONDS)
        if qps is None:
            return {self._name: replicas}
        # Rounded first: 0.7 * 11 is a hair under 7.7, and 7.7 requests/s must not buy a second replica.
        needed = math.ceil(round(qps / self._target_qps, 9))
        target = min(max(needed, self._min), self._max)
        return {self._name: target if replicas == 0 or self._due(target, replicas) else replicas}

    def _due(self, target: int, replicas: int) -> bool:
        direction = (target > replicas) - (target < replicas)
        self._count = self._count + 1 if direction == self._direction else 1
        self._direction = direction
        if direction == 0 or self._count < self._turns[direction]:
            return False
        self._count = 0
        return True


KIND = PolicyKind(
    name="skyserve",
    title="SkyServe",
    source="SkyPilot 0.14.1, request-rate autoscaler",
    period_seconds=INTERVAL_SECONDS,
    build=SkyServe,
    defaults={"capacity_share": 0.8, "upscale_delay_seconds": 300.0},
    knobs={"capacity_share": (0.4, 0.5, 0.6, 0.7, 0.8, 0.9), "upscale_delay_seconds": (60.0, 300.0)},
    sample_seconds=INTERVAL_SECONDS,
    memory_seconds=QPS_WINDOW_SECONDS + INTERVAL_SECONDS,
)
