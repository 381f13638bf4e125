"""llm-d's Workload Variant Autoscaler, saturation analysis V1: one replica more when the spare room gets thin.

Source: llm-d-incubation/workload-variant-autoscaler, internal/saturationv1/analyzer.go. Every 60 s: a replica is
saturated at 80 % of its KV cache or 5 waiting requests. With the mean spare room of the others under 10 % or 3
requests, the cheapest variant gets one more; if it would stay over both with one replica fewer (N / (N - 1)), the
dearest with more than one loses one. Nothing moves while replicas are starting. Knobs: the two spare triggers.

Here a replica's KV cache is the share of the last minute in which it worked (the same for all of a variant, behind an
even split), and its waiting requests are those of the newest scrape. A variant without samples is left out.
"""

from collections.abc import Mapping, Sequence

from tightrope.replay.seat import PolicyKind, Seat, Setting, VariantProfile

INTERVAL_SECONDS = 60.0
WINDOW_SECONDS = 60.0
CACHE_THRESHOLD, QUEUE_THRESHOLD = 0.80, 5.0

Load = tuple[float, float]  # cache share 0..1, requests waiting


class WvaV1:
    """All variants of one model together."""

    def __init__(self, setting: Setting) -> None:
        self._profiles, self._least = setting.variants, setting.service.min_replicas
        self._most = setting.service.max_replicas
        self._cache_spare, self._queue_spare = setting.knobs["cache_spare"], setting.knobs["queue_spare"]

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        replicas = {profile.name: seat.variants[profile.name].wanted for profile in self._profiles}
        loads = [load for profile in self._profiles for load in loads_of(seat, profile)]
        if not loads or any(seat.variants[name].starting for name in replicas):
            return replicas
        direction = turn(loads, cache_spare=self._cache_spare, queue_spare=self._queue_spare)
        total = sum(replicas.values())
        if direction > 0 and total < self._most:
            open_ones = [p for p in self._profiles if replicas[p.name] < p.max_replicas]
            for cheapest in sorted(open_ones, key=lambda p: (p.price_per_hour, p.name))[:1]:
                replicas[cheapest.name] += 1
        elif direction < 0 and total > self._least:
            several = [p for p in self._profiles if replicas[p.name] > 1]
            for dearest in sorted(several, key=lambda p: (p.price_per_hour, p.name), reverse=True)[:1]:
                replicas[dearest.name] -= 1
        return replicas


def loads_of(seat: Seat, profile: VariantProfile) -> list[Load]:
    """What each ready replica of a variant shows; empty without samples."""
    busy = seat.metrics.utilisation(WINDOW_SECONDS, profile.name)
    queues = seat.metrics.per_replica("queued", profile.name).tolist()
    return [] if busy is None else [(busy, queue) for queue in queues]


def turn(loads: Sequence[Load], *, cache_spare: float, queue_spare: float) -> int:
    """1 for one replica more, -1 for one fewer, 0 for neither."""
    calm = [load for load in loads if load[0] < CACHE_THRESHOLD and load[1] < QUEUE_THRESHOLD]
    count = len(calm)
    spare_cache = sum(CACHE_THRESHOLD - cache for cache, _ in calm) / count if count else 0.0
    spare_queue = sum(QUEUE_THRESHOLD - queue for _, queue in calm) / count if count else 0.0
    if spare_cache < cache_spare or spare_queue < queue_spare:
        return 1
    if count < 2:
        return 0
    more = count / (count - 1)
    cache_left = CACHE_THRESHOLD - (CACHE_THRESHOLD - spare_cache) * more
    queue_left = QUEUE_THRESHOLD - (QUEUE_THRESHOLD - spare_queue) * more
    return -1 if cache_left >= cache_spare and queue_left >= queue_spare else 0


KIND = PolicyKind(
    name="wva-v1",
    title="WVA (saturation V1)",
    source="llm-d Workload Variant Autoscaler, saturation V1",
    period_seconds=INTERVAL_SECONDS,
    build=WvaV1,
    defaults={"cache_spare": 0.10, "queue_spare": 3.0},
    knobs={"cache_spare": (0.05, 0.10, 0.2, 0.3, 0.4, 0.5), "queue_spare": (1.0, 3.0, 4.5)},
    reach="all pools",
    memory_seconds=120.0,
)
