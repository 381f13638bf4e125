"""KEDA: an HPA on a Prometheus query, here the request rate, as AverageValue per replica.

Source: kedacore/keda, commit 8b4f083ca, and the HPA it writes. The HPA asks every 15 s and each time KEDA queries
afresh. Ratio = rate / (threshold * replicas); tolerance 10 %; else ceil(rate / threshold), whatever is ready. A query
without a result reads as 0 (ignoreNullValues, on by default), which the 300 s window of the HPA softens. At least one
replica, so activation and idling never act. KEDA has no default threshold: 80 % of the measured capacity of one
replica stands for it. Knobs: that share, and the window of the rate (60 s). Policies: `hpa_behavior`.
"""

import math
from collections.abc import Mapping
from fractions import Fraction

from tightrope.replay.policies.hpa_behavior import Behavior, exact, within_tolerance
from tightrope.replay.seat import PolicyKind, Seat, Setting

PERIOD_SECONDS = 15.0


class Keda:
    """One scaled object with one request-rate trigger."""

    def __init__(self, setting: Setting) -> None:
        variant, service = setting.variants[0], setting.service
        self._name = variant.name
        self._threshold = exact(setting.knobs["target"] * variant.capacity)
        self._window = setting.knobs["window"]
        self._behavior = Behavior(minimum=max(1, service.min_replicas), maximum=service.max_replicas)

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        seen = seat.variants[self._name]
        jump = self._behavior.gate(seat.now, seen.wanted)
        if jump is not None or seen.wanted == 0:
            return {self._name: jump or 0}
        rate = exact(seat.metrics.rate("arrivals", self._window) or 0.0)
        proposal = proposed(rate, self._threshold, seen.ready + seen.starting)
        return {self._name: self._behavior.settle(seat.now, seen.wanted, proposal)}


def proposed(rate: Fraction, threshold: Fraction, replicas: int) -> int:
    """Replicas for a rate and a threshold per replica, both in requests per second."""
    if replicas and within_tolerance(rate / (threshold * replicas)):
        return replicas
    return math.ceil(rate / threshold)


KIND = PolicyKind(
    name="keda",
    title="KEDA (request rate)",
    source="KEDA 8b4f083ca on HPA v2, AverageValue",
    period_seconds=PERIOD_SECONDS,
    build=Keda,
    defaults={"target": 0.8, "window": 60.0},
    knobs={"target": (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), "window": (30.0, 60.0, 120.0)},
    memory_seconds=150.0,
)
