"""Seats made by hand, for tests of policies."""

from collections.abc import Mapping
from typing import Any

import build
import numpy as np

from tightrope.replay.seat import Seat, Setting, VariantProfile, VariantSeen


class FakeMetrics:
    """Answers from a table: `values["rate:arrivals"]`, `["rate:arrivals:gpu"]`, `["gauge:queued"]`,
    `["gauge_mean:in_flight"]`, `["gauge_max:queued"]`, `["per_replica:queued"]`, `["quantile:0.99"]`,
    `["mean_latency"]`, `["utilisation"]`, `["series:arrivals"]`. A value may be a function of the window (seconds).
    What is not in the table is not there: None. `asked` records every question."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)
        self.asked: list[tuple[str, float | None]] = []

    def _find(self, key: str, variant: str | None, window: float | None) -> Any:
        self.asked.append((key, window))
        found = self.values.get(f"{key}:{variant}" if variant else key, None)
        if found is None and variant is not None:
            found = self.values.get(key)
        return found(window) if callable(found) else found

    def rate(self, counter, window_seconds, variant=None):
        return self._find(f"rate:{counter}", variant, window_seconds)

    def gauge(self, name, variant=None):
        return self._find(f"gauge:{name}", variant, None)

    def gauge_mean(self, name, window_seconds, variant=None):
        return self._find(f"gauge_mean:{name}", variant, window_seconds)

    def gauge_max(self, name, window_seconds, variant=None):
        return self._find(f"gauge_max:{name}", variant, window_seconds)

    def per_replica(self, name, variant=None):
        found = self._find(f"per_replica:{name}", variant, None)
        return np.empty(0) if found is None else np.asarray(found, dtype=float)

    def quantile(self, q, window_seconds, variant=None):
        return self._find(f"quantile:{q:g}", variant, window_seconds)

    def mean_latency(self, window_seconds, variant=None):
        return self._find("mean_latency", variant, window_seconds)

    def utilisation(self, window_seconds, variant=None):
        return self._find("utilisation", variant, window_seconds)

    def series(self, counter, step_seconds, count):
        found = self._find(f"series:{counter}", None, step_seconds)
        return np.full(count, np.nan) if found is None else np.asarray(found, dtype=float)[-count:]


def seen(wanted: int, ready: int | None = None, starting: int | None = None, pending: int = 0) -> VariantSeen:
    """Replicas of one variant; what is wanted and not ready is starting unless said otherwise."""
    ready = wanted if ready is None else ready
    return VariantSeen(
        wanted=wanted, ready=ready, starting=wanted - ready if starting is None else starting, pending=pending
    )


def seat(now: float, variants: Mapping[str, VariantSeen] | VariantSeen, **values: Any) -> Seat:
    """A turn; metric names as in FakeMetrics with `_of_` for the colon: `rate_of_arrivals=80`."""
    table = {name.replace("_of_", ":"): value for name, value in values.items()}
    found = {"cpu": variants} if isinstance(variants, VariantSeen) else dict(variants)
    return Seat(now=now, variants=found, metrics=FakeMetrics(table))


def profile(name: str = "cpu", **changes: Any) -> VariantProfile:
    """10 requests/s a replica, 80 ms each, 0.20 an hour, ready after 60 s."""
    known: dict[str, Any] = {
        "name": name,
        "pool": name,
        "capacity": 10.0,
        "saturation": 12.5,
        "service_seconds": lambda batch: 0.08 * batch,
        "batch_limit": 1,
        "slots": 1,
        "price_per_hour": 0.2,
        "time_to_ready_seconds": 60.0,
        "accelerated": False,
        "max_replicas": 100,
    }
    return VariantProfile(**(known | changes))


def setting(*profiles: VariantProfile, knobs: Mapping[str, float] | None = None, **changes: Any) -> Setting:
    """A service with these variants; spec.replicas 1 to 100."""
    chosen = profiles or (profile(),)
    known: dict[str, Any] = {
        "service": build.service(
            variants=tuple(build.variant(p.name, pool=p.pool) for p in chosen), min_replicas=1, max_replicas=100
        ),
        "pools": {p.pool: build.pool(p.pool) for p in chosen},
        "variants": chosen,
        "knobs": knobs or {},
        "ahead": np.empty(0),
    }
    return Setting(**(known | changes))
