"""KubeAI: the mean of ten minutes of active requests over a target per replica.

Source: KubeAI, autoscaler and internal/modelclient/scale.go. Every 10 s the active requests of all replicas enter a
window of 60 samples (10 min); replicas = ceil(mean / targetRequests), held inside the bounds. More is applied at once;
fewer only after ceil(scaleDownDelaySeconds / 10) turns in a row have asked for fewer, and then at every turn until one
does not. Defaults: targetRequests 100, scaleDownDelaySeconds 30. A turn without a sample holds.

The window starts full of the first sample, as after a restart with saved averages: a model that has just been created
would start from zeros and shrink to its minimum under load. Knobs: targetRequests and scaleDownDelaySeconds.
"""

import math
from collections import deque
from collections.abc import Mapping

from tightrope.replay.seat import PolicyKind, Seat, Setting

INTERVAL_SECONDS = 10.0
SAMPLES = 60


class KubeAi:
    """A slow mean, fast to follow it up."""

    def __init__(self, setting: Setting) -> None:
        variant, service = setting.variants[0], setting.service
        self._name = variant.name
        self._min, self._max = service.min_replicas, min(service.max_replicas, variant.max_replicas)
        self._target = setting.knobs["target_requests"]
        self._patience = math.ceil(setting.knobs["scale_down_delay_seconds"] / INTERVAL_SECONDS)
        self._window: deque[float] = deque(maxlen=SAMPLES)
        self._fewer = 0

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        replicas = seat.variants[self._name].wanted
        active = seat.metrics.gauge("in_flight")
        if active is None:
            return {self._name: replicas}
        self._window.extend([active] * (1 if self._window else SAMPLES))
        mean = sum(self._window) / SAMPLES
        desired = min(max(math.ceil(mean / self._target), self._min), self._max)
        if desired >= replicas:
            self._fewer = 0
        elif self._fewer < self._patience:
            self._fewer += 1
            return {self._name: replicas}
        return {self._name: desired}


KIND = PolicyKind(
    name="kubeai",
    title="KubeAI",
    source="KubeAI, 10 min mean of active requests",
    period_seconds=INTERVAL_SECONDS,
    build=KubeAi,
    defaults={"target_requests": 100.0, "scale_down_delay_seconds": 30.0},
    knobs={
        "target_requests": (0.5, 1.0, 2.0, 5.0, 20.0, 100.0),
        "scale_down_delay_seconds": (30.0, 300.0),
    },
    sample_seconds=INTERVAL_SECONDS,
    memory_seconds=2 * INTERVAL_SECONDS,
)
