"""AIBrix's GPU optimizer: the cheapest mix of hardware for the present load, solved anew every ten seconds.

Source: vllm-project/aibrix, python/aibrix/aibrix/gpu_optimizer, with Melange's integer programme (Griggs et al.,
Melange: Cost Efficient Large Language Model Serving by Exploiting GPU Heterogeneity, 2024; melange/solver.py). Load is
the larger of the mean over 240 s and the present rate, cut into slices (slice_factor 4); each slice goes to one kind of
hardware, which needs load / throughput of it, in hundredths; cost is price x hardware. There is no price on a change
and no limit on it, and without data the minimum stands. Knobs: the share of a replica's capacity that is counted on.

Requests here are all of one size, so that the programme has one bucket with four equal slices: it is solved by looking
at every way to hand them out. The real one needs a router that knows sizes; here the Service splits evenly.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from tightrope.replay.seat import PolicyKind, Seat, Setting, VariantProfile

INTERVAL_SECONDS = 10.0
WINDOW_SECONDS = 240.0
NOW_SECONDS = 60.0
SLICES = 4
FRACTIONS = 100  # of one piece of hardware


class AibrixOptimizer:
    """The programme's answer at every turn."""

    def __init__(self, setting: Setting) -> None:
        self._profiles, self._service = setting.variants, setting.service
        self._share = setting.knobs["share"]
        self._solved: tuple[float, dict[str, int]] | None = None

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        known = [seat.metrics.rate("arrivals", window) for window in (WINDOW_SECONDS, NOW_SECONDS)]
        rates = [rate for rate in known if rate is not None]
        rate = max(rates, default=0.0)
        if self._solved is None or self._solved[0] != rate:
            self._solved = (rate, solved(self._profiles, rate, share=self._share))
        counts = dict(self._solved[1])
        missing = self._service.min_replicas - sum(counts.values())
        if missing > 0:
            counts[min(self._profiles, key=lambda p: (p.price_per_hour, p.name)).name] += missing
        return counts


def solved(profiles: Sequence[VariantProfile], rate: float, *, share: float) -> dict[str, int]:
    """Replicas of each variant for so many requests per second."""
    best: tuple[float, dict[str, int]] | None = None
    for slices in handed_out(SLICES, len(profiles)):
        hundredths = [
            math.ceil(FRACTIONS * rate * count / SLICES / (share * profile.capacity) - 1e-9)
            for count, profile in zip(slices, profiles, strict=True)
        ]
        cost = sum(y * profile.price_per_hour / FRACTIONS for y, profile in zip(hundredths, profiles, strict=True))
        counts = {p.name: math.ceil(y / FRACTIONS) for y, p in zip(hundredths, profiles, strict=True)}
        if best is None or cost < best[0] - 1e-12:
            best = (cost, counts)
    assert best is not None
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
