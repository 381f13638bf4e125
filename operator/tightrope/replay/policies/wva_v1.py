"""llm-d's Workload Variant Autoscaler, saturation analysis V1: one replica more when the spare room gets thin.

Source: llm-d/llm-d-autoscaling (WVA before) 763b1bd, internal/saturationv1/analyzer.go. Every 60 s (15 s since 0.9): a
replica is saturated at 80 % of its KV cache or 5 waiting requests, each the largest of a minute. With the mean spare
room of the others under 10 % or 3 requests, the cheapest variant gets one more; if it would stay over both with one
replica fewer (N / (N - 1)), the dearest with more than one loses one. Nothing moves while replicas are starting. Only
variants with samples are seen. Knobs: the two spare triggers.

With language models the share is that of the cache in use: the newest scrape's, or the minute's largest sum over the
variant shared out, if larger. A request/response server has no KV cache: the share of the last minute in which a
replica worked stands for it (the same for all of a variant, behind an even split), and until two samples are there the
share of its places taken in the one. Waiting requests: those of the newest scrape, or the minute's largest sum over the
variant shared out, if larger.
Its wish is carried out at once; there an HPA does it, which can only be slower.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

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
        loads = {profile.name: loads_of(seat, profile) for profile in self._profiles}
        shown = [profile for profile in self._profiles if loads[profile.name]]
        replicas = {profile.name: seat.variants[profile.name].wanted for profile in shown}
        if not shown or any(seat.variants[name].starting for name in replicas):
            return replicas
        every = [load for profile in shown for load in loads[profile.name]]
        direction = turn(every, cache_spare=self._cache_spare, queue_spare=self._queue_spare)
        total = sum(seat.variants[profile.name].wanted for profile in self._profiles)
        if (direction > 0 and total >= self._most) or (direction < 0 and total <= self._least):
            return replicas
        return moved(replicas, shown, direction)


def loads_of(seat: Seat, profile: VariantProfile) -> list[Load]:
    """What each ready replica of a variant shows; empty without samples."""
    name = profile.name
    queues = seat.metrics.per_replica("queued", name).tolist()
    if not queues:
        return []
    shared_out = (seat.metrics.gauge_max("queued", WINDOW_SECONDS, name) or 0.0) / len(queues)
    if profile.llm is not None and math.isfinite(profile.llm.cache_tokens):
        used = seat.metrics.per_replica("cache_tokens", name)
        most = (seat.metrics.gauge_max("cache_tokens", WINDOW_SECONDS, name) or 0.0) / len(queues)
        shares = (np.maximum(used, most) / profile.llm.cache_tokens).tolist()
        return [(share, max(queue, shared_out)) for share, queue in zip(shares, queues, strict=True)]
    busy = seat.metrics.utilisation(WINDOW_SECONDS, name)
    if busy is not None:
        return [(busy, max(queue, shared_out)) for queue in queues]
    places = profile.slots * profile.batch_limit
    taken = (seat.metrics.per_replica("running", name) / places).tolist()
    return [(share, max(queue, shared_out)) for share, queue in zip(taken, queues, strict=True)]


def turn(loads: Sequence[Load], *, cache_spare: float, queue_spare: float) -> int:
    """1 for one replica more, -1 for one fewer, 0 for neither."""
    if not loads:
        return 0
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


def moved(replicas: Mapping[str, int], shown: Sequence[VariantProfile], direction: int) -> dict[str, int]:
    """One more of the cheapest, if its pool has room, or one fewer of the dearest that has several."""
    counts = dict(replicas)
    if direction > 0:
        cheapest = min(shown, key=lambda p: (p.price_per_hour, p.name))
        counts[cheapest.name] = min(counts[cheapest.name] + 1, max(cheapest.max_replicas, counts[cheapest.name]))
    elif direction < 0:
        several = [profile for profile in shown if counts[profile.name] > 1]
        for dearest in sorted(several, key=lambda p: (p.price_per_hour, p.name), reverse=True)[:1]:
            counts[dearest.name] -= 1
    return counts


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
