"""What becomes of a tick's samples when Prometheus, a target or a metric fails: on the real Prometheus."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_asking import WINDOW, client, sample, settled, until
from prometheus_server import FakePod, RealPrometheus, Scraped

from tightrope.adapters.prometheus import PrometheusMetrics
from tightrope.lab.exporters import generic
from tightrope.ports import MetricsSnapshot, MetricsUnavailable

pytestmark = pytest.mark.lab

SIGNALS = {"arrivals", "latency", "errors", "in_flight", "newest_sample_at", "gpu_utilisation", "cpu_cores"}


@pytest.fixture(scope="module")
def prometheus(start_prometheus: Any) -> Iterator[RealPrometheus]:
    names = ["silent", "nan", "reset", "renamed", "steady", "leaving", "outage"]
    with start_prometheus(Scraped([FakePod(render=generic.render, name=name) for name in names])) as running:
        yield running


async def pod_settled(prometheus: RealPrometheus, metrics: PrometheusMetrics, name: str) -> FakePod:
    pod = prometheus.scraped.pods["nlp", name]
    await until(metrics, "generic", settled("generic", pod), seconds=40)
    return pod


async def test_a_silent_target_has_no_current_sample(prometheus: RealPrometheus) -> None:
    async with client(prometheus) as metrics:
        pod = await pod_settled(prometheus, metrics, "silent")
        prometheus.scraped.silent.add(("nlp", "silent"))
        snapshot = await until(metrics, "generic", lambda s: sample(s, "generic", pod).newest_sample_at is None)
        assert snapshot.failures == {}
        gone = await until(metrics, "generic", lambda s: sample(s, "generic", pod).arrivals is None)

    assert sample(gone, "generic", pod).latency is None


async def test_nan_is_no_number_and_is_named(prometheus: RealPrometheus) -> None:
    async with client(prometheus) as metrics:
        pod = await pod_settled(prometheus, metrics, "nan")
        prometheus.scraped.instead["nlp", "nan"] = lambda text: "".join(
            line.rsplit(" ", 1)[0] + " NaN\n" if not line.startswith("#") else line + "\n" for line in text.splitlines()
        )
        snapshot = await until(metrics, "generic", lambda s: sample(s, "generic", pod).arrivals is None)

    seen = sample(snapshot, "generic", pod)
    assert "arrivals: is NaN" in seen.faults
    assert seen.newest_sample_at is not None


async def test_a_counter_that_starts_again_makes_no_spike_and_no_negative_rate(prometheus: RealPrometheus) -> None:
    async with client(prometheus) as metrics:
        pod = await pod_settled(prometheus, metrics, "reset")
        pod.since = time.monotonic()
        rates: list[float] = []
        deadline = time.monotonic() + WINDOW + 1
        while time.monotonic() < deadline:
            seen = sample(await metrics.snapshot(["generic"]), "generic", pod)
            assert seen.arrivals is not None
            rates.append(seen.arrivals)

    assert min(rates) > 30.0
    assert max(rates) < 44.0


async def test_a_renamed_metric_is_missing_and_not_zero(prometheus: RealPrometheus) -> None:
    async with client(prometheus) as metrics:
        pod = await pod_settled(prometheus, metrics, "renamed")
        prometheus.scraped.instead["nlp", "renamed"] = lambda text: text.replace(
            "http_requests_total", "requests_total"
        )
        snapshot = await until(metrics, "generic", lambda s: sample(s, "generic", pod).arrivals is None)

    seen = sample(snapshot, "generic", pod)
    assert (seen.arrivals, seen.newest_sample_at) == (None, None)
    assert seen.in_flight == 3.0


async def test_a_pod_that_has_gone_counts_what_it_served_within_the_window(prometheus: RealPrometheus) -> None:
    async with client(prometheus) as metrics:
        pod = await pod_settled(prometheus, metrics, "leaving")
        prometheus.scraped.silent.add(("nlp", "leaving"))
        gone = await until(metrics, "generic", lambda s: sample(s, "generic", pod).newest_sample_at is None)

    arrivals = sample(gone, "generic", pod).arrivals
    assert arrivals is not None
    assert 20.0 < arrivals < 41.0


async def test_a_hanging_prometheus_costs_one_time_out_and_no_more(prometheus: RealPrometheus) -> None:
    async with client(prometheus, timeout_seconds=1.0, history_timeout_seconds=1.0) as metrics:
        await pod_settled(prometheus, metrics, "steady")
        prometheus.freeze()
        try:
            started = time.monotonic()
            snapshot = await metrics.snapshot(["generic"])
            took = time.monotonic() - started
            with pytest.raises(MetricsUnavailable, match="did not answer in time"):
                await metrics.history(["generic"], start=0, end=60, step_seconds=60)
        finally:
            prometheus.thaw()

    assert took < 1.5
    failed_everywhere(snapshot, f"Prometheus at {prometheus.url} did not answer in time")


async def test_after_an_outage_a_series_too_short_for_a_rate_is_faulty(prometheus: RealPrometheus) -> None:
    async with client(prometheus) as metrics:
        pod = await pod_settled(prometheus, metrics, "outage")
        prometheus.stop()
        started = time.monotonic()
        snapshot = await metrics.snapshot(["generic"])
        took = time.monotonic() - started
        failed_everywhere(snapshot, f"Prometheus at {prometheus.url} refused the connection")
        while time.monotonic() - started < WINDOW:
            await metrics.snapshot(["generic"])
        prometheus.start()
        back = await until(metrics, "generic", lambda s: sample(s, "generic", pod).arrivals is not None)
        whole = await until(metrics, "generic", settled("generic", pod))

    # The rate divides by the whole window, so the first ones are far below the 40 per second that arrive.
    seen = sample(back, "generic", pod)
    assert seen.arrivals is not None
    assert seen.arrivals < 30.0
    assert seen.faults == ("arrivals: has been scraped for less than half of the rate window",)
    assert sample(whole, "generic", pod).arrivals == pytest.approx(40.0, rel=0.05)
    assert took < 2.0


def failed_everywhere(snapshot: MetricsSnapshot, sentence: str) -> None:
    assert snapshot.pods == {"generic": {}}
    assert dict(snapshot.failures) == {("generic", signal): sentence for signal in SIGNALS}
