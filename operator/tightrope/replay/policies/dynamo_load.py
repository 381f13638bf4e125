"""NVIDIA Dynamo's load planner: one replica more when every engine would be too slow, one fewer when none would.

Source: ai-dynamo/dynamo, planner core/load_scaling.py, SLA mode. Every 5 s, with the load of each engine: up by one if
the estimated latency is over the SLA on all engines; down by one if on every engine, with its load times n / (n - 1),
the estimate stays within 80 % of what the SLA leaves over an empty engine. It holds while replicas are starting or
fewer report than there are. Knobs: the sensitivity (80), and the SLA as a share of the threshold.

There latency is TTFT and inter-token latency by regression; here it is the time that a request would take behind the
requests that a replica has inside.
"""

from collections.abc import Mapping, Sequence

from tightrope.replay.seat import PolicyKind, Seat, Setting, VariantProfile

INTERVAL_SECONDS = 5.0


class DynamoLoad:
    """One replica at a time, by the load of every engine."""

    def __init__(self, setting: Setting) -> None:
        self._profile, service = setting.variants[0], setting.service
        self._sla = setting.knobs["sla_factor"] * service.objective.threshold_seconds
        self._sensitivity = setting.knobs["sensitivity"] / 100.0
        self._least, self._most = max(1, service.min_replicas), min(service.max_replicas, self._profile.max_replicas)

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        seen = seat.variants[self._profile.name]
        loads = seat.metrics.per_replica("in_flight", self._profile.name).tolist()
        if not loads or seen.starting or len(loads) != seen.wanted:
            return {self._profile.name: seen.wanted}
        asked = seen.wanted + self.turn(loads)
        return {self._profile.name: min(max(asked, self._least), self._most)}

    def turn(self, loads: Sequence[float]) -> int:
        """1, 0 or -1 for these requests inside each replica."""
        if all(self._seconds(load) > self._sla for load in loads):
            return 1
        if len(loads) < 2:
            return 0
        more, empty = len(loads) / (len(loads) - 1), self._seconds(0.0)
        room = (self._sla - empty) * self._sensitivity
        return -1 if all(self._seconds(load * more) - empty < room for load in loads) else 0

    def _seconds(self, load: float) -> float:
        return seconds_behind(self._profile, load)


def seconds_behind(profile: VariantProfile, load: float) -> float:
    """How long a request would take that comes when so many are inside a replica."""
    together = profile.slots * profile.batch_limit
    rounds = load // together
    batch = max(1, min(profile.batch_limit, int(load % together) // profile.slots + 1))
    return rounds * profile.service_seconds(profile.batch_limit) + profile.service_seconds(batch)


KIND = PolicyKind(
    name="dynamo-load",
    title="Dynamo (load)",
    source="NVIDIA Dynamo planner, load loop",
    period_seconds=INTERVAL_SECONDS,
    build=DynamoLoad,
    defaults={"sensitivity": 80.0, "sla_factor": 1.0},
    knobs={"sensitivity": (10.0, 20.0, 40.0, 80.0), "sla_factor": (0.25, 0.5, 1.0)},
    sample_seconds=INTERVAL_SECONDS,
    memory_seconds=30.0,
)
