"""NVIDIA Triton. Names: triton-inference-server/core, src/metrics.cc and src/metric_model_reporter.cc.

Triton counts a request when it is answered, so arrivals are answers plus growth of the pending queue. Its only latency
histogram measures the time to the first response, in milliseconds, and exists only for decoupled models on a server
started with `--metrics-config histogram_latencies=true`; docs/presets.md says how to switch it on. Its cumulative
durations give a mean and its summaries quantiles: neither can be turned into a count of requests under a threshold.
"""

from tightrope.adapters.prometheus.presets import (
    Preset,
    Signal,
    TargetLabels,
    Unit,
    arrivals,
    bucket_rates,
    gauge,
    rate,
)

NAME = "triton"
SUCCESS = "nv_inference_request_success"
FAILURE = "nv_inference_request_failure"
PENDING = "nv_inference_pending_request_count"
LATENCY = "nv_inference_first_response_histogram_ms"


def preset(labels: TargetLabels) -> Preset:
    """The preset. Models of one server are added: serve one model per service."""
    answered = f"{rate(labels, SUCCESS)} + {rate(labels, FAILURE)}"
    return Preset(
        name=NAME,
        arrivals=Signal(metric=SUCCESS, expression=arrivals(labels, answered, PENDING), unit=Unit.PER_SECOND),
        latency=Signal(metric=LATENCY, expression=bucket_rates(labels, LATENCY), unit=Unit.MILLISECONDS),
        errors=Signal(metric=FAILURE, expression=rate(labels, FAILURE), unit=Unit.PER_SECOND),
        in_flight=Signal(metric=PENDING, expression=gauge(labels, PENDING), unit=Unit.REQUESTS),
    )
