"""NVIDIA Dynamo's load planner: one replica more when every engine would be too slow, one fewer when none would.

Source: ai-dynamo/dynamo 0c6da1e, components/src/dynamo/planner/core/load_scaling.py, optimization target `sla`. Every
5 s, with the load of each engine: up by one if the estimated latency is over the SLA on all engines; down by one if on
every engine, with its load times n / (n - 1), what is added to the latency of an empty engine stays under 80 % of what
the SLA leaves over that. It holds while replicas are starting or others report than there are. Its default target,
`throughput`, knows no SLA: it compares the tokens in the KV cache with 100 and 60 %, for which a server with few places
has nothing comparable. Its default budget of 8 GPUs is the pool's maximum here. Knobs: the sensitivity (80), and the
SLA as a share of the threshold.

There latency is the time to the first token, by regression over tokens that wait; here it is what the leading objective
is about, the whole answer or the first token, of a request behind all those that a replica has inside, from the
profile (gaps between tokens wait for nobody). With language models there is none fewer if
what the caches hold would not fit those that are left.
"""

import math
from collections.abc import Callable, Mapping, Sequence

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
        decided = self.decided(seat)
        return {self._profile.name: seat.variants[self._profile.name].wanted if decided is None else decided}

    def decided(self, seat: Seat) -> int | None:
        """Replicas from now on; None while nothing may be decided."""
        seen = seat.variants[self._profile.name]
        loads = seat.metrics.per_replica("in_flight", self._profile.name).tolist()
        if not loads or seen.starting or len(loads) != seen.wanted:
            return None
        change = turn(loads, self._seconds, sla_seconds=self._sla, sensitivity=self._sensitivity)
        if change < 0 and not self._fits(seat, len(loads) - 1):
            change = 0
        return min(max(seen.wanted + change, self._least), self._most)

    def _fits(self, seat: Seat, left: int) -> bool:
        """Whether the caches of those that are left hold what all of them do now."""
        llm = self._profile.llm
        used = seat.metrics.per_replica("cache_tokens", self._profile.name)
        return llm is None or all(one * (left + 1) / left < llm.cache_tokens for one in used.tolist())

    def _seconds(self, load: float) -> float:
        return seconds_behind(self._profile, load)


def turn(loads: Sequence[float], seconds: Callable[[float], float], *, sla_seconds: float, sensitivity: float) -> int:
    """1, 0 or -1 for these loads of the engines, of which each makes a latency; the sensitivity is 0..1."""
    if all(seconds(load) > sla_seconds for load in loads):
        return 1
    if len(loads) < 2:
        return 0
    more, empty = len(loads) / (len(loads) - 1), seconds(0.0)
    room = (sla_seconds - empty) * sensitivity
    # Whole loads only, as there: 1.5 requests make nobody wait for half a one.
    return -1 if all(seconds(math.floor(load * more)) - empty < room for load in loads) else 0


def seconds_behind(profile: VariantProfile, load: float) -> float:
    """What the leading objective is about, for a request that comes when so many are inside a replica."""
    together = profile.slots * profile.batch_limit
    rounds = load // together
    batch = max(1, min(profile.batch_limit, int(load % together) // profile.slots + 1))
    if not profile.judged_with_wait:
        return profile.judged_seconds(profile.batch_limit if rounds else batch)
    return rounds * profile.service_seconds(profile.batch_limit) + profile.judged_seconds(batch)


KIND = PolicyKind(
    name="dynamo-load",
    title="Dynamo (load)",
    source="NVIDIA Dynamo planner 0c6da1e, load loop",
    period_seconds=INTERVAL_SECONDS,
    build=DynamoLoad,
    defaults={"sensitivity": 80.0, "sla_factor": 1.0},
    knobs={"sensitivity": (10.0, 20.0, 40.0, 80.0), "sla_factor": (0.25, 0.5, 1.0)},
    sample_seconds=INTERVAL_SECONDS,
    memory_seconds=30.0,
)
