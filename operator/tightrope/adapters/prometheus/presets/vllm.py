"""vLLM, engine V1. Names: vllm/v1/metrics/loggers.py.

vLLM has no counter of arrivals. A request is counted in the time-to-first-token histogram as soon as it produces one,
also when the client leaves it later (`vllm:request_success_total` misses those), so arrivals are first tokens plus
growth of the waiting queue. Latency is end to end: from arrival to the last token. Each gap between two tokens of an
answer is counted; older releases do so under another name.
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

NAME = "vllm"
TTFT = "vllm:time_to_first_token_seconds"
FIRST_TOKENS = f"{TTFT}_count"
ITL = "vllm:inter_token_latency_seconds"
OLDER_ITL = "vllm:time_per_output_token_seconds"
LATENCY = "vllm:e2e_request_latency_seconds"
ENDED = "vllm:request_success_total"
RUNNING = "vllm:num_requests_running"
WAITING = "vllm:num_requests_waiting"


def preset(labels: TargetLabels) -> Preset:
    """The preset. Engines of one pod (data parallelism) are added."""
    first_tokens = rate(labels, FIRST_TOKENS)
    failed = rate(labels, f"{ENDED}{{finished_reason=~'abort|error'}}")
    return Preset(
        name=NAME,
        arrivals=Signal(metric=FIRST_TOKENS, expression=arrivals(labels, first_tokens, WAITING), unit=Unit.PER_SECOND),
        latency=Signal(metric=LATENCY, expression=bucket_rates(labels, LATENCY), unit=Unit.SECONDS),
        errors=Signal(metric=ENDED, expression=failed, unit=Unit.PER_SECOND),
        in_flight=Signal(metric=RUNNING, expression=gauge(labels, RUNNING, WAITING), unit=Unit.REQUESTS),
        ttft=Signal(metric=TTFT, expression=bucket_rates(labels, TTFT), unit=Unit.SECONDS),
        itl=Signal(
            metric=ITL,
            expression=f"{bucket_rates(labels, ITL)} or {bucket_rates(labels, OLDER_ITL)}",
            unit=Unit.SECONDS,
        ),
    )
