"""AIBrix's GPU optimizer: the cheapest mix of hardware for the present load, solved anew every ten seconds.

Source: vllm-project/aibrix, python/aibrix/aibrix/gpu_optimizer (load_monitor/monitor.py, optimizer/optimizer.py), with
Melange's integer programme (Griggs et al., Melange: Cost Efficient Large Language Model Serving by Exploiting GPU
Heterogeneity, 2024; melange/solver.py). Load is the larger of the mean over 240 s and the present rate, in buckets by
size, each cut into four slices; each slice goes to one kind of hardware and needs rate / throughput of it, counted in
whole hundredths; the cost is their price. There is no price on a change and no limit on it, and without data the
minimum stands. Knob: the share of a replica's capacity that is counted on.

Requests here are all of one size: one bucket. Slices of a bucket are alike, so that looking at every way to hand them
out solves the programme exactly (five ways for two kinds of hardware). The real one needs a router that knows sizes;
here the Service splits evenly.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from tightrope.replay.seat import PolicyKind, Seat, Setting

INTERVAL_SECONDS = 10.0
WINDOW_SECONDS = 240.0
NOW_SECONDS = 60.0
SLICES = 4
FRACTIONS = 100  # of one piece of hardware


class AibrixOptimizer:
    """The programme's answer at every turn."""

    def __init__(self, setting: Setting) -> None:
        self._profiles, self._service = setting.variants, setting.service
        self._carries = [setting.knobs["share"] * profile.capacity for profile in setting.variants]
        self._prices = [profile.price_per_hour / FRACTIONS for profile in setting.variants]
        self._solved: tuple[float, dict[str, int]] | None = None

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        known = [seat.metrics.rate("arrivals", window) for window in (WINDOW_SECONDS, NOW_SECONDS)]
        rate = max([found for found in known if found is not None], default=0.0)
        if self._solved is None or self._solved[0] != rate:
            self._solved = (rate, self._mix(rate))
        counts = dict(self._solved[1])
        missing = self._service.min_replicas - sum(counts.values())
        if missing > 0:
            counts[min(self._profiles, key=lambda p: (p.price_per_hour, p.name)).name] += missing
        return counts

    def _mix(self, rate: float) -> dict[str, int]:
        bucket = [FRACTIONS * rate / carries for carries in self._carries]
        parts = solved([bucket], self._prices, slices=SLICES)
        return {p.name: math.ceil(count / FRACTIONS) for p, count in zip(self._profiles, parts, strict=True)}


def solved(buckets: Sequence[Sequence[float]], prices: Sequence[float], *, slices: int) -> list[int]:
    """Pieces of each kind of hardware that carry all buckets for the least money; of several, the first kinds get more.

    `buckets[b][k]` is how many pieces of kind k all of bucket b needs; `prices[k]` is what one piece costs.
    """
    best: tuple[float, list[int]] = (math.inf, [])
    for ways in itertools.product(handed_out(slices, len(prices)), repeat=len(buckets)):
        pieces = [
            math.ceil(sum(way[k] / slices * bucket[k] for way, bucket in zip(ways, buckets, strict=True)) - 1e-9)
            for k in range(len(prices))
        ]
        cost = sum(count * price for count, price in zip(pieces, prices, strict=True))
        if cost < best[0] - 1e-12:
            best = (cost, pieces)
    return best[1]


def handed_out(slices: int, ways: int) -> Iterator[tuple[int, ...]]:
    """Every way to hand out so many equal slices."""
    if ways == 1:
        yield (slices,)
        return
    for first in range(slices, -1, -1):
        for rest in handed_out(slices - first, ways - 1):
            yield (first, *rest)


KIND = PolicyKind(
    name="aibrix-optimizer",
    title="AIBrix optimizer (Melange)",
    source="AIBrix GPU optimizer with Melange's programme",
    period_seconds=INTERVAL_SECONDS,
    build=AibrixOptimizer,
    defaults={"share": 1.0},
    knobs={"share": (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)},
    reach="all pools",
    sample_seconds=INTERVAL_SECONDS,
    memory_seconds=300.0,
)
