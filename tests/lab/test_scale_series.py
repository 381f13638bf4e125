"""The pods that are only series: what Prometheus would scrape of them is what a real pod would say."""

import math

from prometheus_client.parser import text_string_to_metric_families

from tightrope.lab.scale_objects import places
from tightrope.lab.scale_series import SHARD_PODS, app, counters, demand_of, node_counters, page

PODS = list(enumerate(places(8)))


def read(seconds: float) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The samples of a page by name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(page(PODS, seconds, counters).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_every_pod_has_every_series_once() -> None:
    seen = read(60.0)
    assert set(seen) == {
        "http_requests_total", "http_request_duration_seconds_bucket", "http_request_duration_seconds_count",
        "http_request_duration_seconds_sum", "http_requests_in_flight",
    }  # fmt: skip
    for samples in seen.values():
        named = [tuple(sorted(labels.items())) for labels, _ in samples]
        assert len(named) == len(set(named))
        assert {(labels["namespace"], labels["pod"]) for labels, _ in samples} == {
            (place.namespace, place.pod) for _, place in PODS
        }


def test_counters_rise_by_the_demand_and_nearly_all_requests_are_fast() -> None:
    before, after = counters(demand_of(0), 60.0), counters(demand_of(0), 75.0)
    assert after['http_requests_total{code="200"'] - before['http_requests_total{code="200"'] == 15.0 * demand_of(0)
    fast = after['http_request_duration_seconds_bucket{le="0.3"']
    assert 0.999 < fast / after['http_request_duration_seconds_bucket{le="+Inf"'] < 1.0
    assert math.isclose(node_counters(demand_of(0), 10.0)['container_cpu_usage_seconds_total{container="server"'], 0.2)


async def test_every_pod_is_on_one_shard() -> None:
    made = app(list(places(2 * SHARD_PODS + 1)), clock=lambda: 0.0)
    paths = {str(route.resource) for route in made.router.routes() if route.resource is not None}
    assert any("/sd" in path for path in paths) and any("/shards/{number}" in path for path in paths)
