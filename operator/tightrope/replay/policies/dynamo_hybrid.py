"""NVIDIA Dynamo's planner as it is set up by default: the throughput loop sets a floor, the load loop works above it.

Source: ai-dynamo/dynamo, planner; see `dynamo_throughput` (every 180 s) and `dynamo_load` (every 5 s). Knobs: the
sensitivity of the load loop, and the share of the engine's rate that the floor counts on.
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
            self._floor, self._due = self._throughput.wanted(seat)[self._name], seat.now + FLOOR_SECONDS
        return {self._name: max(self._load.wanted(seat)[self._name], self._floor)}


KIND = PolicyKind(
    name="dynamo-hybrid",
    title="Dynamo (hybrid)",
    source="NVIDIA Dynamo planner, default shape",
    period_seconds=INTERVAL_SECONDS,
    build=DynamoHybrid,
    defaults={"sensitivity": 80.0, "sla_factor": 1.0, "share": 1.0},
    knobs={"sensitivity": (20.0, 80.0), "share": (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)},
    sample_seconds=INTERVAL_SECONDS,
    memory_seconds=2 * FLOOR_SECONDS,
)
