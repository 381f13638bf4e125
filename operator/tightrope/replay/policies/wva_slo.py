"""llm-d's Workload Variant Autoscaler, SLO mode: replicas that keep the *mean* latency of a queueing model in bounds.

Source: llm-d-incubation/workload-variant-autoscaler, docs/developer-guide/slo-queuemodel.md and
internal/queueing/analyzer/queueanalyzer.go. Every 15 s: lambda* is the highest rate at which an M/M(n)/1 queue with
K = max batch + 100 places meets the target as a mean; replicas = ceil(arrivals / lambda*), with no band around it. An
HPA carries it out, with a window of 300 s on the way down. Knob: the target as a share of the SLO's threshold.

There the service times are learned by a Kalman filter from TTFT and inter-token latency; here they are the profile's.
Arrivals are those of the last minute; without samples it holds.
"""

import math
from collections.abc import Mapping

from tightrope.replay.policies.hpa_behavior import Behavior
from tightrope.replay.policies.state_queue import largest_rate
from tightrope.replay.seat import PolicyKind, Seat, Setting

INTERVAL_SECONDS = 15.0
WINDOW_SECONDS = 60.0


class WvaSlo:
    """One variant, sized for its mean latency."""

    def __init__(self, setting: Setting) -> None:
        profile, service = setting.variants[0], setting.service
        self._name = profile.name
        self._rate = largest_rate(profile, setting.knobs["target_factor"] * service.objective.threshold_seconds)
        self._most = min(service.max_replicas, profile.max_replicas)
        self._hpa = Behavior(minimum=max(1, service.min_replicas), maximum=self._most)

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        replicas = seat.variants[self._name].wanted
        jump = self._hpa.gate(seat.now, replicas)
        arrivals = seat.metrics.rate("arrivals", WINDOW_SECONDS)
        if jump is not None or arrivals is None:
            return {self._name: replicas if jump is None else jump}
        # A target that no load meets asks for everything.
        proposal = math.ceil(arrivals / self._rate - 1e-9) if self._rate > 0 else self._most
        return {self._name: self._hpa.settle(seat.now, replicas, proposal)}


KIND = PolicyKind(
    name="wva-slo",
    title="WVA (SLO mode)",
    source="llm-d Workload Variant Autoscaler, queueing model",
    period_seconds=INTERVAL_SECONDS,
    build=WvaSlo,
    defaults={"target_factor": 1.0},
    knobs={"target_factor": (0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)},
    memory_seconds=120.0,
)
