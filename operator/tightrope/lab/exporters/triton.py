"""NVIDIA Triton's metrics, as its core registers them.

Source of names, labels and units: triton-inference-server/core, src/metrics.cc and src/metric_model_reporter.cc, and
docs/user_guide/metrics.md of the server. Labels are `model` and `version` (`reason` on failures, all four from the
start); durations are cumulative microseconds. The histogram exists only when the server runs with
`--metrics-config histogram_latencies=true` and the model is decoupled: this exporter plays such a server, whose models
answer each request once, so that the time to the first response is the whole of it.
"""

from tightrope.lab.exporters import PodCounters
from tightrope.lab.exporters.exposition import family, histogram_family

LATENCY_BUCKETS_SECONDS = (0.1, 0.5, 2.0, 5.0)  # the server's default; config.pbtxt may override it
FAILURE_REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")


def render(counters: PodCounters) -> str:
    """What this pod answers on /metrics (Triton's port 8002)."""
    labels = {"model": counters.model, "version": "1"}
    failures = [
        (
            {"model": counters.model, "reason": reason, "version": "1"},
            counters.failed if reason == "REJECTED" else 0.0,
        )
        for reason in FAILURE_REASONS
    ]
    success, pending = [(labels, counters.finished)], [(labels, counters.queued)]
    duration = [(labels, counters.latency.sum * 1e6)]
    return "".join(
        [
            family("nv_inference_request_success", "counter", "Successful inference requests.", success),
            family("nv_inference_request_failure", "counter", "Failed inference requests.", failures),
            family("nv_inference_request_duration_us", "counter", "Cumulative request duration.", duration),
            family("nv_inference_pending_request_count", "gauge", "Requests awaiting execution.", pending),
            histogram_family(
                "nv_inference_first_response_histogram_ms",
                "Duration from request to first response in milliseconds.",
                labels,
                counters.latency,
                units_per_second=1000.0,
            ),
        ]
    )
