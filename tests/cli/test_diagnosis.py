"""What a real Prometheus says of pods that lack something, and the sentence that is made of it."""

import time
from collections.abc import Callable, Iterator

import pytest
from prometheus_server import FakePod, RealPrometheus, Scraped, prometheus_program, real_prometheus

from tightrope.adapters.prometheus import Connection
from tightrope.cli.diagnosis import Evidence, Prober, diagnosed, presets, series_name
from tightrope.controller.settings import GenericMetrics
from tightrope.lab.exporters import PodCounters, generic, vllm
from tightrope.ports import PodKey

pytestmark = pytest.mark.lab

KNOWN = presets(GenericMetrics())
WHOLE = FakePod(name="whole-0", render=generic.render)
VLLM = FakePod(name="vllm-0", render=vllm.render)
SILENT = FakePod(name="silent-0", render=generic.render)


def renamed(counters: PodCounters) -> str:
    return generic.render(counters).replace("http_request_duration_seconds", "http_server_request_duration_seconds")


RENAMED = FakePod(name="renamed-0", render=renamed)


@pytest.fixture(scope="module")
def prober(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prober]:
    program = prometheus_program()
    if program is None:
        pytest.skip("no prometheus yet: python -m tightrope.lab.programs builds it")
    scraped = Scraped([WHOLE, VLLM, SILENT, RENAMED])
    scraped.silent.add((SILENT.namespace, SILENT.name))
    with real_prometheus(program, tmp_path_factory.mktemp("prometheus"), scraped) as prometheus:
        yield made(prometheus)


def made(prometheus: RealPrometheus) -> Prober:
    return Prober(Connection(url=prometheus.url), monotonic=time.monotonic)


def remedy(prober: Prober, pod: FakePod, signal: str, holds: Callable[[Evidence], bool]) -> str:
    """What is said once Prometheus has scraped so much that this holds."""
    preset, deadline = KNOWN["generic"], time.monotonic() + 30.0
    while True:
        evidence = prober.evidence(PodKey(pod.namespace, pod.name), series_name(preset, signal))
        if holds(evidence):
            return diagnosed(evidence, preset, signal, KNOWN)
        assert time.monotonic() < deadline, evidence
        time.sleep(0.2)


def test_a_pod_that_has_it_is_told_so(prober: Prober) -> None:
    said = remedy(prober, WHOLE, "latency", lambda seen: bool(seen.up))
    assert "has http_request_duration_seconds_bucket by now" in said


def test_another_servers_metrics_name_its_preset(prober: Prober) -> None:
    assert "spec.metrics.preset: vllm" in remedy(prober, VLLM, "arrivals", lambda seen: bool(seen.up))


def test_a_failing_target_is_told_from_none(prober: Prober) -> None:
    assert "the scrape of pod silent-0 fails" in remedy(prober, SILENT, "arrivals", lambda seen: seen.up is False)
    nobody = FakePod(name="nobody-0", render=generic.render)
    assert "does not scrape pod nobody-0" in remedy(prober, nobody, "arrivals", lambda seen: seen.up is None)


def test_a_renamed_histogram_is_found(prober: Prober) -> None:
    said = remedy(prober, RENAMED, "latency", lambda seen: bool(seen.up))
    assert said.endswith("--generic-latency-histogram http_server_request_duration_seconds")
