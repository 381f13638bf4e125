"""`tightrope check`: what Prometheus lacks, and what to change."""

import json
from typing import Any

import pytest
import wire
from cli.clusters import Cluster
from cli.conftest import Type
from cli.fleet import running
from cli.prometheus import Prometheus


@pytest.fixture
def fleet(here: Cluster, asked: Prometheus) -> Cluster:
    """nlp/sentiment on two CPU replicas, both scraped."""
    running(here, asked, wire.inference_deployment(), cpu=2)
    return here


def checked(typed: Type, asked: Prometheus, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and what is said of each signal of the only service."""
    done = typed("check", "--prometheus-url", asked.url, "-o", "json", *arguments)
    (service,) = json.loads(done.stdout)["services"]
    return done.exit_code, {one["about"]: one for one in service["findings"]}


def test_a_service_that_is_whole_is_said_to_be_so(fleet: Cluster, asked: Prometheus, typed: Type) -> None:
    code, said = checked(typed, asked)
    assert code == 0
    assert said["demand"] == {"about": "demand", "verdict": "ok", "says": "20/s"}
    assert said["buckets"]["verdict"] == "ok"


def test_a_threshold_between_two_buckets_is_advice_and_names_the_bucket(
    fleet: Cluster, asked: Prometheus, typed: Type
) -> None:
    asked.pods["nlp", "sentiment-cpu-1"].bounds = ("0.1", "0.5", "+Inf")
    code, said = checked(typed, asked)
    assert code == 0 and said["buckets"]["verdict"] == "advice"
    assert "add a bucket at 0.3s" in said["buckets"]["says"]


def test_a_pod_that_is_not_scraped_asks_for_a_monitor(fleet: Cluster, asked: Prometheus, typed: Type) -> None:
    asked.pods["nlp", "sentiment-cpu-1"].up = None
    code, said = checked(typed, asked)
    assert code == 1 and said["demand"]["verdict"] == said["latency"]["verdict"] == "missing"
    assert "does not scrape pod sentiment-cpu-1: add a PodMonitor" in said["demand"]["do"]


def test_a_target_that_is_down_asks_after_its_port(fleet: Cluster, asked: Prometheus, typed: Type) -> None:
    pod = asked.pods["nlp", "sentiment-cpu-0"]
    pod.up, pod.lacks = False, {"http_requests_total", "http_request_duration_seconds_bucket"}
    _, said = checked(typed, asked)
    assert "the scrape of pod sentiment-cpu-0 fails" in said["demand"]["do"]


def test_a_pod_named_by_another_label_asks_for_relabelling(fleet: Cluster, asked: Prometheus, typed: Type) -> None:
    for pod in asked.pods.values():
        pod.pod_label = "kubernetes_pod_name"
    code, said = checked(typed, asked)
    assert code == 1
    assert "stands in the label kubernetes_pod_name and not in pod" in said["demand"]["do"]


def test_a_metric_of_almost_the_right_name_is_found_and_the_flag_named(
    fleet: Cluster, asked: Prometheus, typed: Type
) -> None:
    pod = asked.pods["nlp", "sentiment-cpu-0"]
    pod.lacks, pod.also = {"http_request_duration_seconds_bucket"}, {"http_requests_duration_seconds_bucket"}
    code, said = checked(typed, asked)
    assert code == 1 and said["demand"]["verdict"] == "ok"
    flag = "--generic-latency-histogram http_requests_duration_seconds"
    assert said["latency"]["do"].endswith(f"run the operator with {flag}")


def test_the_metrics_of_another_preset_are_recognised(fleet: Cluster, asked: Prometheus, typed: Type) -> None:
    for pod in asked.pods.values():
        pod.lacks = {"http_requests_total", "http_request_duration_seconds_bucket"}
        pod.also = {"vllm:time_to_first_token_seconds_count", "vllm:e2e_request_latency_seconds_bucket"}
    _, said = checked(typed, asked)
    assert said["demand"]["do"].endswith("write spec.metrics.preset: vllm")


def test_a_native_histogram_is_told_from_none(fleet: Cluster, asked: Prometheus, typed: Type) -> None:
    for pod in asked.pods.values():
        pod.lacks, pod.also = {"http_request_duration_seconds_bucket"}, {"http_request_duration_seconds"}
    _, said = checked(typed, asked)
    assert "is a native histogram, which is not read" in said["latency"]["do"]


def test_a_sample_that_is_too_old_is_missing(fleet: Cluster, asked: Prometheus, typed: Type) -> None:
    for pod in asked.pods.values():
        pod.age = 300.0
    code, said = checked(typed, asked)
    assert code == 1 and "300s old" in said["demand"]["says"]


def test_the_rate_window_and_the_names_of_the_operator_are_taken_from_the_environment(
    fleet: Cluster, asked: Prometheus, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIGHTROPE_GENERIC_REQUESTS_TOTAL", "answers_total")
    checked(typed, asked)
    assert any("answers_total" in query for query in asked.queries)


def test_without_a_replica_nothing_is_measured_and_a_bad_spec_is_named(
    here: Cluster, asked: Prometheus, typed: Type
) -> None:
    running(here, asked, wire.inference_deployment("idle"))
    here.add(wire.inference_deployment("wrong", variants=[wire.variant("cpu", pool="nope")]))
    done = typed("check", "--prometheus-url", asked.url)
    assert done.exit_code == 1
    assert "to do for demand, latency: start a replica first" in done.stdout
    assert "spec.variants[0].pool: 'nope' is not a ComputePool" in done.stdout


def test_one_service_can_be_checked_alone(fleet: Cluster, asked: Prometheus, typed: Type) -> None:
    running(fleet, asked, wire.inference_deployment("idle"))
    assert checked(typed, asked, "sentiment")[0] == 0
    unknown = typed("check", "nobody", "--prometheus-url", asked.url)
    assert unknown.exit_code == 1 and "there is no InferenceDeployment nobody" in unknown.stderr


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("http://127.0.0.1:9", 3, "refused the connection: is --prometheus-url right? From outside the cluster"),
        ("prom:9090", 2, "--prometheus-url is 'prom:9090': write a base URL"),
    ],
)
def test_a_prometheus_that_is_not_there_is_told_from_one_that_was_written_wrong(
    fleet: Cluster, typed: Type, url: str, code: int, words: str
) -> None:
    done = typed("check", "--prometheus-url", url)
    assert done.exit_code == code and words in done.stderr and not done.stdout


def test_a_prometheus_that_answers_errors_is_not_reachable(fleet: Cluster, asked: Prometheus, typed: Type) -> None:
    asked.broken = (401, {"status": "error"})
    done = typed("check", "--prometheus-url", asked.url)
    assert done.exit_code == 3 and "is the bearer token right?" in done.stderr


def test_a_tenant_who_may_not_list_namespaces_can_check_all_the_same(
    fleet: Cluster, asked: Prometheus, typed: Type
) -> None:
    fleet.forbidden.add("Namespace")
    assert checked(typed, asked)[0] == 0
    fleet.forbidden.add("Pod")
    done = typed("check", "--prometheus-url", asked.url)
    assert done.exit_code == 3 and "the right to read Pods" in done.stderr


def test_who_may_use_a_pool_is_not_judged_without_the_labels_of_namespaces(
    fleet: Cluster, asked: Prometheus, typed: Type
) -> None:
    fleet.get("ComputePool", "cpu", "")["spec"]["allowedNamespaces"] = {"matchLabels": {"team": "vision"}}
    done = typed("check", "--prometheus-url", asked.url)
    assert done.exit_code == 1 and "allowedNamespaces leave out nlp" in done.stdout
    fleet.forbidden.add("Namespace")
    assert checked(typed, asked)[0] == 0


def test_checking_writes_nothing(fleet: Cluster, asked: Prometheus, typed: Type) -> None:
    checked(typed, asked)
    assert {method for method, _, _ in fleet.asked} == {"GET"}
