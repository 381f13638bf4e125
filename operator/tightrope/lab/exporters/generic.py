"""A web server instrumented the common way: a request counter by status code, a duration histogram, a gauge.

Names follow the Prometheus naming guide (https://prometheus.io/docs/practices/naming/) and are the defaults of the
preset `generic`. The counter exists from the start for codes 200 and 500, as the instrumentation guide asks, so that
an idle server exports a zero and not nothing.
"""

from tightrope.lab.exporters import PodCounters
from tightrope.lab.exporters.exposition import family, histogram_family

LATENCY_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)


def render(counters: PodCounters) -> str:
    """What this pod answers on /metrics."""
    requests = [({"code": "200"}, counters.finished), ({"code": "500"}, counters.failed)]
    return "".join(
        [
            family("http_requests_total", "counter", "Requests answered, by status code.", requests),
            histogram_family("http_request_duration_seconds", "Time to answer a request.", {}, counters.latency),
            family("http_requests_in_flight", "gauge", "Requests being answered.", [({}, counters.in_flight)]),
        ]
    )
