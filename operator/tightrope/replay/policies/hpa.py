"""Kubernetes HPA v2 on CPU utilisation, the autoscaler that most teams run today.

Source: kubernetes/kubernetes, pkg/controller/podautoscaler (horizontal.go of about v1.31, replica_calculator.go,
v1alpha1 and autoscaling/v2 defaults). Every 15 s: utilisation of the ready replicas in whole percent, cut off; ratio
to the target (80 % by default, the one knob); tolerance 10 %, both ends inclusive; else ceil(ratio * ready). Replicas
not ready yet are left out when the ratio says down, and count as idle when it says up; if that turns the direction
round, it holds.
So with half of its pods cold it may propose fewer than it has. No sample holds. Here utilisation is
replica-seconds at work over replica-seconds ready, and a replica's CPU request is all it can use.
Stabilisation and scaling policies: `hpa_behavior`.
"""

import math
from collections.abc import Mapping
from fractions import Fraction

from tightrope.replay.policies.hpa_behavior import Behavior, exact, within_tolerance
from tightrope.replay.seat import PolicyKind, Seat, Setting

PERIOD_SECONDS = 15.0
WINDOW_SECONDS = 15.0  # the metrics server's usual resolution


class Hpa:
    """One HPA with one metric, CPU utilisation."""

    def __init__(self, setting: Setting) -> None:
        self._name = setting.variants[0].name
        self._target = exact(setting.knobs["target"])
        service = setting.service
        self._behavior = Behavior(minimum=max(1, service.min_replicas), maximum=service.max_replicas)

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        seen = seat.variants[self._name]
        jump = self._behavior.gate(seat.now, seen.wanted)
        if jump is not None:
            return {self._name: jump}
        used = seat.metrics.utilisation(WINDOW_SECONDS, self._name)
        if used is None or seen.ready == 0 or seen.wanted == 0:
            return {self._name: seen.wanted}
        proposal = proposed(exact(used), self._target, seen.wanted, seen.ready, seen.starting)
        return {self._name: self._behavior.settle(seat.now, seen.wanted, proposal)}


def proposed(used: Fraction, target: Fraction, current: int, ready: int, starting: int) -> int:
    """Replicas for a mean utilisation (0..1) of the ready ones and a target in percent."""
    ratio = math.floor(100 * used) / target
    if starting == 0 or ratio <= 1:
        return current if within_tolerance(ratio) else math.ceil(ratio * ready)
    count = ready + starting
    diluted = math.floor(100 * used * ready / count) / target
    if within_tolerance(diluted) or diluted < 1:
        return current
    return max(current, math.ceil(diluted * count))


KIND = PolicyKind(
    name="hpa",
    title="HPA (CPU)",
    source="Kubernetes HPA v2, utilisation target",
    period_seconds=PERIOD_SECONDS,
    build=Hpa,
    defaults={"target": 80.0},
    knobs={"target": (30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0)},
    sample_seconds=15.0,
    memory_seconds=60.0,
)
