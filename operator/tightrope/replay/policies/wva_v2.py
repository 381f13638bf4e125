"""llm-d's Workload Variant Autoscaler, saturation analysis V2: demand in what a replica can hold, against supply.

Source: llm-d-incubation/workload-variant-autoscaler, internal/engines/analyzers/saturation_v2 and
pipeline/cost_aware_optimizer.go; the default since v0.9. Every 15 s: required = demand / 0.85 - what is there or
starting; with some, the variant with the least price per capacity gets as many as it takes. Else spare = supply -
demand / 0.70 is taken from the dearest variants, keeping one replica of the cheapest. An HPA carries it out, with a
window of 300 s on the way down. Knobs: the two thresholds.

There capacity is KV tokens; here it is requests inside: a replica holds 80 % of its slots and batches (k1), or, once 5
requests have waited, the mean of what it then worked on (k2, ten observations), whichever is less. Demand is the
largest number of requests inside during the last minute. Without samples it holds.
"""

import math
from collections import deque
from collections.abc import Mapping

from tightrope.replay.policies.hpa_behavior import Behavior
from tightrope.replay.seat import PolicyKind, Seat, Setting

INTERVAL_SECONDS = 15.0
WINDOW_SECONDS = 60.0
HOLDS, CROWDED, OBSERVATIONS = 0.80, 5.0, 10


class WvaV2:
    """All variants of one model together."""

    def __init__(self, setting: Setting) -> None:
        self._profiles, self._service = setting.variants, setting.service
        self._up, self._down = setting.knobs["scale_up"], setting.knobs["scale_down"]
        self._observed: dict[str, deque[float]] = {p.name: deque(maxlen=OBSERVATIONS) for p in setting.variants}
        self._hpa = {p.name: Behavior(minimum=0, maximum=p.max_replicas) for p in setting.variants}

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        replicas = {profile.name: seat.variants[profile.name].wanted for profile in self._profiles}
        inside = seat.metrics.gauge_max("in_flight", WINDOW_SECONDS)
        if inside is None:
            return replicas
        capacities = {profile.name: self._capacity(seat, profile.name) for profile in self._profiles}
        there = sum(replicas[name] * capacity for name, capacity in capacities.items())
        ready = sum(seat.variants[name].ready * capacity for name, capacity in capacities.items())
        required, spare = inside / self._up - there, ready - inside / self._down
        change, amount = (self._grown, required) if required > 0 else (self._shrunk, spare)
        target = change(replicas, capacities, amount)
        settled = {}
        for name, count in target.items():
            self._hpa[name].gate(seat.now, replicas[name])
            settled[name] = self._hpa[name].settle(seat.now, replicas[name], count)
        return settled

    def _capacity(self, seat: Seat, name: str) -> float:
        """Requests that one replica holds."""
        profile = next(p for p in self._profiles if p.name == name)
        waiting = seat.metrics.gauge("queued", name)
        running = seat.metrics.gauge("running", name)
        ready = seat.variants[name].ready
        if waiting is not None and running and ready and waiting / ready >= CROWDED:
            self._observed[name].append(running / ready)
        seen = self._observed[name]
        holds = HOLDS * profile.slots * profile.batch_limit
        return min(holds, sum(seen) / len(seen)) if seen else holds

    def _grown(self, replicas: Mapping[str, int], capacities: Mapping[str, float], required: float) -> dict[str, int]:
        target = dict(replicas)
        for profile in sorted(self._profiles, key=lambda p: (p.price_per_hour / capacities[p.name], p.name)):
            room = min(profile.max_replicas - target[profile.name], self._service.max_replicas - sum(target.values()))
            added = max(min(math.ceil(required / capacities[profile.name] - 1e-9), room), 0)
            target[profile.name] += added
            required -= added * capacities[profile.name]
            if required <= 0:
                break
        return target

    def _shrunk(self, replicas: Mapping[str, int], capacities: Mapping[str, float], spare: float) -> dict[str, int]:
        target = dict(replicas)
        cheapest = min(self._profiles, key=lambda p: (p.price_per_hour / capacities[p.name], p.name)).name
        for profile in sorted(self._profiles, key=lambda p: (-p.price_per_hour, capacities[p.name], p.name)):
            others = sum(count for name, count in target.items() if name != profile.name)
            least = max(self._service.min_replicas - others, 1 if profile.name == cheapest and others == 0 else 0)
            spared = math.floor(max(spare, 0.0) / capacities[profile.name] + 1e-9)
            gone = max(min(spared, target[profile.name] - least), 0)
            target[profile.name] -= gone
            spare -= gone * capacities[profile.name]
        return target


KIND = PolicyKind(
    name="wva-v2",
    title="WVA (saturation V2)",
    source="llm-d Workload Variant Autoscaler 0.9, saturation V2",
    period_seconds=INTERVAL_SECONDS,
    build=WvaV2,
    defaults={"scale_up": 0.85, "scale_down": 0.70},
    knobs={"scale_up": (0.3, 0.5, 0.7, 0.85, 1.0), "scale_down": (0.25, 0.4, 0.55, 0.70)},
    reach="all pools",
    memory_seconds=120.0,
)
