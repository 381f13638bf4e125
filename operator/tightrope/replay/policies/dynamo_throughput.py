"""NVIDIA Dynamo's throughput planner: replicas for the load to come at the best throughput that meets the SLA.

Source: ai-dynamo/dynamo, planner core/throughput_scaling.py. Every 180 s: n = max(ceil(predicted rate / engine rate),
minimum); the engine's rate is the best over up to 128 batch sizes whose time meets the SLA, else of the one that
misses it least. Of its predictors this is the constant one: the next interval is as the last was. Knob: the share of
the engine's rate that is counted on (1: all of it).

An interval without samples holds.
"""

import math
from collections.abc import Mapping

from tightrope.replay.seat import PolicyKind, Seat, Setting, VariantProfile

INTERVAL_SECONDS = 180.0
LARGEST_BATCH = 128


class DynamoThroughput:
    """Sized once an interval."""

    def __init__(self, setting: Setting) -> None:
        profile, service = setting.variants[0], setting.service
        self._name = profile.name
        self._engine = setting.knobs["share"] * engine_rate(profile, service.objective.threshold_seconds)
        self._least, self._most = max(1, service.min_replicas), min(service.max_replicas, profile.max_replicas)

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        arrivals = seat.metrics.rate("arrivals", INTERVAL_SECONDS)
        if arrivals is None:
            return {self._name: seat.variants[self._name].wanted}
        return {self._name: min(max(math.ceil(arrivals / self._engine - 1e-9), self._least), self._most)}


def engine_rate(profile: VariantProfile, sla_seconds: float) -> float:
    """Requests per second of one replica at the best batch size."""
    sizes = range(1, min(profile.batch_limit, LARGEST_BATCH) + 1)
    within = [size for size in sizes if profile.service_seconds(size) <= sla_seconds]
    chosen = within or [min(sizes, key=profile.service_seconds)]
    return max(profile.slots * size / profile.service_seconds(size) for size in chosen)


KIND = PolicyKind(
    name="dynamo-throughput",
    title="Dynamo (throughput)",
    source="NVIDIA Dynamo planner, throughput loop",
    period_seconds=INTERVAL_SECONDS,
    build=DynamoThroughput,
    defaults={"share": 1.0},
    knobs={"share": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)},
    memory_seconds=2 * INTERVAL_SECONDS,
)
