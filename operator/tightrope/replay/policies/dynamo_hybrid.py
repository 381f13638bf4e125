"""NVIDIA Dynamo's planner with both of its loops on: the throughput loop sets a floor, the load loop works above it.

Source: ai-dynamo/dynamo, components/src/dynamo/planner/core; see `dynamo_throughput` (every 180 s, the first after
180 s) and `dynamo_load` (every 5 s). The floor acts through the decisions of the load loop: while that may not decide,
because replicas are starting or do not report, nothing changes. Knobs: the sensitivity of the load loop, and the share
of the engine's rate that the floor counts on.
"""

from collections.abc import Mapping

from tightrope.replay.policies.dynamo_load import INTERVAL_SECONDS, DynamoLoad
from tightrope.replay.policies.dynamo_throughput import INTERVAL_SECONDS as FLOOR_SECONDS
from tightrope.replay.policies.dynamo_throughput import DynamoThroughput
from tightrope.replay.seat import PolicyKind, Seat, Setting


class DynamoHybrid:
    """The load loop over a floor."""

    def __init__(self, setting: Setting) -> None:
        self._name = setting.variants[0].name
        self._load, self._throughput = DynamoLoad(setting), DynamoThroughput(setting)
        self._floor, self._due = 0, FLOOR_SECONDS

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        if seat.now >= self._due:
            self._due += FLOOR_SECONDS
            floor = self._throughput.decided(seat)
            self._floor = self._floor if floor is None else floor
        decided = self._load.decided(seat)
        replicas = seat.variants[self._name].wanted if decided is None else max(decided, self._floor)
        return {self._name: replicas}


KIND = PolicyKind(
    name="dynamo-hybrid",
    title="Dynamo (hybrid)",
    source="NVIDIA Dynamo planner, both loops",
    period_seconds=INTERVAL_SECONDS,
    build=DynamoHybrid,
    defaults={"sensitivity": 80.0, "sla_factor": 1.0, "share": 1.0, "kalman": 0.0},
    knobs={"sensitivity": (20.0, 80.0), "share": (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)},
    sample_seconds=INTERVAL_SECONDS,
    memory_seconds=2 * FLOOR_SECONDS,
)
