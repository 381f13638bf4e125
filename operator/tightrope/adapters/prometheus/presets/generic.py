"""Any server with a request counter and a duration histogram, under names that the admin may set.

The defaults are what most web instrumentation exports. The counter must exist from the start for at least one code:
a server that exports it only after its first request is not idle but unknown until then.
"""

from dataclasses import dataclass

from tightrope.adapters.prometheus.presets import (
    Preset,
    Signal,
    TargetLabels,
    Unit,
    arrivals,
    bucket_rates,
    gauge,
    label_name,
    metric_name,
    rate,
)

NAME = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericNames:
    """Metric and label names. Histograms are named without `_bucket` and are in seconds; `in_flight`, `ttft_histogram`
    and `itl_histogram` are None for servers that do not expose them; a request failed when `status_label` starts with
    5."""

    requests_total: str = "http_requests_total"
    latency_histogram: str = "http_request_duration_seconds"
    in_flight: str | None = "http_requests_in_flight"
    status_label: str = "code"
    ttft_histogram: str | None = None
    itl_histogram: str | None = None

    def __post_init__(self) -> None:
        metric_name("generic requests_total", self.requests_total)
        metric_name("generic latency_histogram", self.latency_histogram)
        for name in ("in_flight", "ttft_histogram", "itl_histogram"):
            if getattr(self, name) is not None:
                metric_name(f"generic {name}", getattr(self, name))
        label_name("generic status_label", self.status_label)


def preset(labels: TargetLabels, names: GenericNames) -> Preset:
    """The preset under these names."""
    requests, duration, in_flight = names.requests_total, names.latency_histogram, names.in_flight
    counted = rate(labels, requests)
    # No series of a failed request means that none failed, as long as the counter is there at all.
    failed = rate(labels, f"{requests}{{{names.status_label}=~'5..'}}")
    waiting = [in_flight] if in_flight else []
    return Preset(
        name=NAME,
        arrivals=Signal(metric=requests, expression=arrivals(labels, counted, *waiting), unit=Unit.PER_SECOND),
        latency=Signal(metric=duration, expression=bucket_rates(labels, duration), unit=Unit.SECONDS),
        errors=Signal(metric=requests, expression=f"{failed} or 0 * {counted}", unit=Unit.PER_SECOND),
        in_flight=Signal(metric=in_flight, expression=gauge(labels, in_flight), unit=Unit.REQUESTS)
        if in_flight
        else None,
        ttft=histogram(labels, names.ttft_histogram),
        itl=histogram(labels, names.itl_histogram),
    )


def histogram(labels: TargetLabels, name: str | None) -> Signal | None:
    """The buckets of a histogram in seconds; None without a name."""
    return Signal(metric=name, expression=bucket_rates(labels, name), unit=Unit.SECONDS) if name else None
