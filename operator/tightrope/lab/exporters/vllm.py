"""vLLM's metrics (engine V1), as its PrometheusStatLogger registers them.

Source of names, labels and buckets: vllm/v1/metrics/loggers.py and vllm/v1/engine (FinishReason) of vLLM. Every series
carries `model_name` and `engine`; `vllm:request_success_total` exists for every reason from the start. vLLM counts a
request when it ends and has no counter of arrivals or of rejected requests.
"""

import math

from tightrope.lab.exporters import Histogram, PodCounters
from tightrope.lab.exporters.exposition import family, histogram_family

LATENCY_BUCKETS_SECONDS = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip
FIRST_TOKEN_BUCKETS_SECONDS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
)  # fmt: skip
BETWEEN_TOKENS_BUCKETS_SECONDS = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
FINISHED_REASONS = ("stop", "length", "abort", "error", "repetition")


def render(counters: PodCounters) -> str:
    """What this pod answers on /metrics. A server that does not stream has its first token at the end, and no gaps."""
    labels = {"engine": "0", "model_name": counters.model}
    ended = {"stop": counters.finished, "error": counters.failed}
    successes = [
        ({"engine": "0", "finished_reason": reason, "model_name": counters.model}, ended.get(reason, 0.0))
        for reason in FINISHED_REASONS
    ]
    first_token = counters.first_token or counters.latency
    between = counters.between_tokens or no_gaps(counters)
    running, waiting = [(labels, counters.running)], [(labels, counters.queued)]
    return "".join(
        [
            family("vllm:num_requests_running", "gauge", "Requests in model execution batches.", running),
            family("vllm:num_requests_waiting", "gauge", "Requests waiting to be processed.", waiting),
            family("vllm:request_success_total", "counter", "Requests that ended, by reason.", successes),
            histogram_family("vllm:time_to_first_token_seconds", "Time to first token.", labels, first_token),
            histogram_family("vllm:inter_token_latency_seconds", "Gaps between tokens.", labels, between),
            histogram_family("vllm:e2e_request_latency_seconds", "End-to-end latency.", labels, counters.latency),
        ]
    )


def no_gaps(counters: PodCounters) -> Histogram:
    """The histogram of a server that does not stream: empty, or NaN like every other number of a pod that is broken."""
    count = math.nan if math.isnan(counters.finished) else 0.0
    bounds = (*BETWEEN_TOKENS_BUCKETS_SECONDS, math.inf)
    return Histogram(buckets=tuple((bound, count) for bound in bounds), sum=count)
