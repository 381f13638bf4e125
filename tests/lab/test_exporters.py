"""The exporters speak the servers' own names, types, labels and units, in text that a Prometheus parser accepts."""

import math
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tightrope.lab.exporters import Histogram, PodCounters, cadvisor, dcgm, generic, triton, vllm
from tightrope.lab.exporters.exposition import family

LATENCY = Histogram(buckets=((0.07, 5.0), (0.3, 9.0), (math.inf, 10.0)), sum=1.25)
COUNTERS = PodCounters(
    namespace="nlp",
    pod="a",
    node="node-1",
    model='say "hi"\\\n',
    received=17.0,
    finished=10.0,
    failed=2.0,
    in_flight=5.0,
    queued=3.0,
    running=2.0,
    latency=LATENCY,
    cpu_seconds=12.345678901,
    first_token=Histogram(buckets=((0.1, 11.0), (math.inf, 11.0)), sum=0.5),
    gpu_utilisation=0.42,
)


def parsed(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Values by sample name and sorted labels. The parser adds `_total` to counters, which Triton's do not have."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for found_family in text_string_to_metric_families(text):
        for sample in found_family.samples:
            key = tuple(sorted(sample.labels.items()))
            name = sample.name if f"\n{sample.name}" in text else sample.name.removesuffix("_total")
            assert key not in found.setdefault(name, {}), f"{name} twice"
            found[name][key] = sample.value
    return found


def types(text: str) -> dict[str, str]:
    lines = (line.split() for line in text.splitlines() if line.startswith("# TYPE "))
    return {name: kind for _, _, name, kind in lines}


def test_generic() -> None:
    text = generic.render(COUNTERS)
    found = parsed(text)
    assert types(text) == {
        "http_requests_total": "counter",
        "http_request_duration_seconds": "histogram",
        "http_requests_in_flight": "gauge",
    }
    assert found["http_requests_total"] == {(("code", "200"),): 10.0, (("code", "500"),): 2.0}
    assert found["http_requests_in_flight"] == {(): 5.0}
    assert found["http_request_duration_seconds_bucket"] == {
        (("le", "0.07"),): 5.0,
        (("le", "0.3"),): 9.0,
        (("le", "+Inf"),): 10.0,
    }
    assert found["http_request_duration_seconds_count"] == {(): 10.0}
    assert found["http_request_duration_seconds_sum"] == {(): 1.25}


def test_vllm() -> None:
    text = vllm.render(COUNTERS)
    found = parsed(text)
    labels = (("engine", "0"), ("model_name", COUNTERS.model))
    assert types(text)["vllm:num_requests_running"] == "gauge"
    assert types(text)["vllm:request_success_total"] == "counter"
    assert types(text)["vllm:e2e_request_latency_seconds"] == "histogram"
    assert found["vllm:num_requests_running"] == {labels: 2.0}
    assert found["vllm:num_requests_waiting"] == {labels: 3.0}
    assert found["vllm:time_to_first_token_seconds_count"] == {labels: 11.0}
    assert found["vllm:e2e_request_latency_seconds_count"] == {labels: 10.0}
    by_reason = {dict(key)["finished_reason"]: value for key, value in found["vllm:request_success_total"].items()}
    assert by_reason == {"stop": 10.0, "length": 0.0, "abort": 0.0, "error": 2.0, "repetition": 0.0}


def test_triton_counts_in_its_own_units() -> None:
    text = triton.render(COUNTERS)
    found = parsed(text)
    labels = (("model", COUNTERS.model), ("version", "1"))
    assert types(text)["nv_inference_pending_request_count"] == "gauge"
    assert types(text)["nv_inference_first_response_histogram_ms"] == "histogram"
    assert found["nv_inference_request_success"] == {labels: 10.0}
    assert found["nv_inference_pending_request_count"] == {labels: 3.0}
    assert found["nv_inference_request_duration_us"] == {labels: 1_250_000.0}
    by_reason = {dict(key)["reason"]: value for key, value in found["nv_inference_request_failure"].items()}
    assert by_reason == {"REJECTED": 2.0, "CANCELED": 0.0, "BACKEND": 0.0, "OTHER": 0.0}
    by_bound = {
        dict(key)["le"]: value for key, value in found["nv_inference_first_response_histogram_ms_bucket"].items()
    }
    assert by_bound == {"70": 5.0, "300": 9.0, "+Inf": 10.0}
    assert found["nv_inference_first_response_histogram_ms_sum"] == {labels: 1250.0}


@pytest.mark.parametrize(("honoured", "prefix"), [(True, ""), (False, "exported_")])
def test_dcgm_names_the_pod_that_holds_the_device(honoured: bool, prefix: str) -> None:
    (key, value), *others = parsed(dcgm.render([COUNTERS], honour_labels=honoured))["DCGM_FI_DEV_GPU_UTIL"].items()
    labels = dict(key)
    assert value == 42.0
    assert others == []
    assert (labels[f"{prefix}namespace"], labels[f"{prefix}pod"]) == ("nlp", "a")
    assert {"gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname", f"{prefix}container"} < set(labels)


def test_dcgm_is_silent_about_pods_without_a_device() -> None:
    without = PodCounters(**{name: getattr(COUNTERS, name) for name in COUNTERS.__slots__} | {"gpu_utilisation": None})
    assert "DCGM_FI_DEV_GPU_UTIL" not in parsed(dcgm.render([without]))


def test_cadvisor_counts_the_container_its_pause_and_the_whole_pod() -> None:
    found = parsed(cadvisor.render([COUNTERS]))["container_cpu_usage_seconds_total"]
    by_container = {dict(key)["container"]: value for key, value in found.items()}
    assert by_container["server"] == pytest.approx(12.345678901)
    assert by_container[""] == pytest.approx(by_container["server"] + by_container["POD"])
    assert {(dict(key)["namespace"], dict(key)["pod"]) for key in found} == {("nlp", "a")}


@pytest.mark.parametrize("render", [generic.render, vllm.render, triton.render])
def test_a_server_that_has_answered_nothing_exports_zeros(render: Callable[[PodCounters], str]) -> None:
    fresh = PodCounters(
        namespace="nlp",
        pod="a",
        node="n",
        model="m",
        received=0.0,
        finished=0.0,
        failed=0.0,
        in_flight=0.0,
        queued=0.0,
        running=0.0,
        latency=Histogram(buckets=(), sum=0.0),
        cpu_seconds=0.0,
    )
    found = parsed(render(fresh))
    assert found
    assert {value for series in found.values() for value in series.values()} == {0.0}
    assert any(dict(key).get("le") == "+Inf" for series in found.values() for key in series)


def test_large_counters_lose_no_digit() -> None:
    assert family("x_total", "counter", "x", [({}, 12345678901234.0)]).splitlines()[-1] == "x_total 12345678901234"
