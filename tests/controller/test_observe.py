"""From samples and cluster facts to Known, Missing and Stale. Builders below; every time is seconds after START."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.controller.observe import (
    Freshness,
    HistoryRead,
    PodFacts,
    ServiceFacts,
    WorkloadFacts,
    observe,
)
from tightrope.domain.observation import Known, Missing, Observation, Outcomes, Stale
from tightrope.domain.spec import ErrorsObjective, LatencyObjective, Metric, ServiceKey
from tightrope.ports import MetricsSnapshot, PodHistory, PodKey, PodSample

NOW = 1_000_000.0
FRESHNESS = Freshness(rate_window_seconds=60.0, max_age_seconds=45.0)
METRICS = {
    "arrivals": "http_requests_total",
    "latency": "http_request_duration_seconds",
    "errors": "http_requests_total",
    "in_flight": "http_requests_in_flight",
    "newest_sample_at": "http_requests_total",
    "gpu_utilisation": "DCGM_FI_DEV_GPU_UTIL",
    "cpu_cores": "container_cpu_usage_seconds_total",
}
BUCKETS = ((0.1, 6.0), (0.3, 9.0), (0.5, 9.8), (math.inf, 10.0))
A, B, C = "sentiment-cpu-bcdfg-bbbbb", "sentiment-cpu-bcdfg-ccccc", "sentiment-cpu-bcdfg-ddddd"


def pod(name: str = A, **overrides: Any) -> PodFacts:
    """A CPU pod of nlp/sentiment that has been ready for ten minutes."""
    values: dict[str, Any] = {
        "namespace": "nlp",
        "name": name,
        "variant": "gpu" if "-gpu-" in name else "cpu",
        "ready": True,
        "available": True,
        "ready_since": NOW - 600,
        "created_at": NOW - 630,
        "cpu_request_cores": 2.0,
        "gpu": "-gpu-" in name,
    }
    return PodFacts(**(values | overrides))


def sample(arrivals: float | None = 10.0, **overrides: Any) -> PodSample:
    """What a healthy pod reports, five seconds old."""
    values: dict[str, Any] = {
        "arrivals": arrivals,
        "latency": BUCKETS,
        "errors": 0.0,
        "in_flight": 2.0,
        "cpu_cores": 1.0,
        "newest_sample_at": NOW - 5,
    }
    return PodSample(**(values | overrides))


def workload(variant: str = "cpu", **overrides: Any) -> WorkloadFacts:
    values: dict[str, Any] = {
        "variant": variant,
        "kind": "Deployment",
        "name": f"sentiment-{variant}",
        "wanted": 3,
        "ready": 3,
    }
    return WorkloadFacts(**(values | overrides))


def facts(*pods: PodFacts, **overrides: Any) -> ServiceFacts:
    values: dict[str, Any] = {
        "service": build.service(),
        "preset": "generic",
        "workloads": (workload("cpu"), workload("gpu", wanted=0, ready=0)),
        "pods": pods,
    }
    return ServiceFacts(**(values | overrides))


def snapshot(samples: Mapping[str, PodSample], **overrides: Any) -> MetricsSnapshot:
    """Samples by pod of namespace nlp, or by "namespace/pod"."""
    pods = {PodKey(*key.split("/")) if "/" in key else PodKey("nlp", key): one for key, one in samples.items()}
    values: dict[str, Any] = {
        "at": NOW,
        "pods": {"generic": pods},
        "metric_names": {("generic", signal): metric for signal, metric in METRICS.items()},
    }
    return MetricsSnapshot(**(values | overrides))


def seen(service: ServiceFacts, metrics: MetricsSnapshot, **overrides: Any) -> Observation:
    values: dict[str, Any] = {"now": NOW, "freshness": FRESHNESS}
    return observe([service], metrics, **(values | overrides))[service.service.key]


def reason(observation: Observation) -> str:
    assert isinstance(observation.demand, Missing)
    return observation.demand.reason


def test_demand_is_the_sum_over_pods() -> None:
    observation = seen(facts(pod(A), pod(B)), snapshot({A: sample(10), B: sample(12.5)}))
    assert observation.demand == Known(value=22.5, at=NOW - 5)
    assert observation.errors == Known(value=0.0, at=NOW - 5)
    assert observation.in_flight == Known(value=4.0, at=NOW - 5)


def test_no_request_is_a_known_zero() -> None:
    assert seen(facts(pod()), snapshot({A: sample(0.0)})).demand == Known(value=0.0, at=NOW - 5)


def test_a_pod_without_series_makes_demand_missing_and_the_others_its_lower_bound() -> None:
    observation = seen(facts(pod(A), pod(B), pod(C)), snapshot({A: sample(10)}))
    assert observation.demand == Missing(
        reason=f"metric http_requests_total has no series for 2 of 3 ready pods of nlp/sentiment (first: {B}): "
        "is the pod scraped, and is preset 'generic' right?",
        at_least=10.0,
    )


def test_a_target_gone_silent_is_missing_although_its_rate_lingers() -> None:
    observation = seen(facts(pod(A), pod(B)), snapshot({A: sample(10), B: sample(4, newest_sample_at=None)}))
    assert reason(observation).startswith("metric http_requests_total has no series for 1 of 2 ready pods")
    assert observation.demand == Missing(reason=reason(observation), at_least=14.0)


def test_nan_is_missing_and_says_so() -> None:
    observation = seen(facts(pod(A)), snapshot({A: sample(None, faults=("arrivals: is NaN",))}))
    assert (
        reason(observation) == f"metric http_requests_total is NaN for 1 of 1 ready pods of nlp/sentiment (first: {A})"
    )


def test_a_series_that_prometheus_has_only_just_begun_to_scrape_is_missing() -> None:
    fault = "arrivals: has been scraped for less than half of the rate window"
    observation = seen(facts(pod(A)), snapshot({A: sample(1.5, faults=(fault,))}))
    assert observation.demand == Missing(
        reason="metric http_requests_total has been scraped for less than half of the rate window "
        f"for 1 of 1 ready pods of nlp/sentiment (first: {A})",
        at_least=1.5,
    )


def test_a_rate_window_too_short_for_the_scrapes_is_named() -> None:
    observation = seen(facts(pod(A)), snapshot({A: sample(None)}))
    assert "has too few samples for a rate" in reason(observation)
    assert reason(observation).endswith("is the rate window at least two scrapes long?")


def test_samples_that_are_all_too_old_are_stale() -> None:
    old = {A: sample(newest_sample_at=NOW - 90), B: sample(newest_sample_at=NOW - 70)}
    observation = seen(facts(pod(A), pod(B)), snapshot(old))
    assert observation.demand == Stale(age_seconds=70.0)


def test_one_old_sample_among_fresh_ones_is_missing() -> None:
    mixed = {A: sample(10), B: sample(3, newest_sample_at=NOW - 70)}
    observation = seen(facts(pod(A), pod(B)), snapshot(mixed))
    assert f"has no fresh sample for 1 of 2 ready pods of nlp/sentiment (first: {B})" in reason(observation)
    assert "70s old" in reason(observation)


def test_age_is_measured_by_the_clock_of_prometheus() -> None:
    skewed = snapshot({A: sample(10, newest_sample_at=NOW - 3605)}, at=NOW - 3600)
    assert seen(facts(pod(A)), skewed).demand == Known(value=10.0, at=NOW - 3605)


def test_a_failed_query_says_nothing_of_any_pod() -> None:
    failed = snapshot({A: sample(None)}, failures={("generic", "arrivals"): "Prometheus at URL refused the connection"})
    observation = seen(facts(pod(A)), failed)
    assert observation.demand == Missing(reason="Prometheus at URL refused the connection")
    assert observation.outcomes is not None


def test_without_the_age_of_samples_nothing_is_known() -> None:
    failed = snapshot({A: sample(10)}, failures={("generic", "newest_sample_at"): "Prometheus at URL did not answer"})
    observation = seen(facts(pod(A)), failed)
    assert observation.demand == Missing(reason="Prometheus at URL did not answer", at_least=10.0)
    assert (observation.outcomes, observation.outcomes_missing) == (None, "Prometheus at URL did not answer")


def test_another_presets_failure_is_not_ours() -> None:
    failed = snapshot({A: sample(10)}, failures={("vllm", "arrivals"): "boom"})
    assert seen(facts(pod(A)), failed).demand == Known(value=10.0, at=NOW - 5)


def test_a_young_pod_may_still_be_without_samples() -> None:
    young = pod(B, ready_since=NOW - 100)
    assert seen(facts(pod(A), young), snapshot({A: sample(10)})).demand == Known(value=10.0, at=NOW - 5)
    grown = replace(young, ready_since=NOW - 120)
    assert isinstance(seen(facts(pod(A), grown), snapshot({A: sample(10)})).demand, Missing)


def test_a_young_pod_that_reports_counts() -> None:
    young = pod(B, ready_since=NOW - 30)
    assert seen(facts(pod(A), young), snapshot({A: sample(10), B: sample(3)})).demand == Known(value=13.0, at=NOW - 5)


def test_young_pods_alone_measure_nothing_yet() -> None:
    observation = seen(facts(pod(A, ready_since=NOW - 5)), snapshot({}))
    assert reason(observation) == (
        "the 1 ready pods of nlp/sentiment are too young to be measured: demand will be known after the next scrapes"
    )


def test_without_ready_pods_nothing_measures_demand() -> None:
    starting = pod(A, ready=False, available=False, ready_since=None)
    for service in (facts(), facts(starting)):
        observation = seen(service, snapshot({}))
        assert observation.demand == Missing(
            reason="nlp/sentiment has no ready pods, so nothing measures demand", at_least=None
        )
    assert seen(facts(), snapshot({})).variants["cpu"].serving_demand == Known(value=0.0, at=NOW)


@pytest.mark.parametrize(
    ("kind", "gone"),
    [
        ("Deployment", "sentiment-cpu-5d8f7c9b4-x2vqz"),
        ("StatefulSet", "sentiment-cpu-2"),
        ("LeaderWorkerSet", "sentiment-cpu-2"),
    ],
)
def test_what_a_deleted_pod_served_within_the_window_still_counts(kind: str, gone: str) -> None:
    service = facts(pod(A), workloads=(workload("cpu", kind=kind),))
    observation = seen(service, snapshot({A: sample(10), gone: sample(6, newest_sample_at=None)}))
    assert observation.demand == Known(value=16.0, at=NOW - 5)
    assert observation.variants["cpu"].serving_demand == Known(value=16.0, at=NOW - 5)
    assert observation.variants["gpu"].serving_demand == Known(value=0.0, at=NOW)


def test_the_pods_of_a_deployment_that_was_deleted_still_count() -> None:
    service = facts(pod("sentiment-gpu-bcdfg-bbbbb", gpu=True), workloads=(workload("cpu", wanted=None, ready=0),))
    observation = seen(service, snapshot({"sentiment-gpu-bcdfg-bbbbb": sample(10), A: sample(6)}))
    assert observation.demand == Known(value=16.0, at=NOW - 5)


def test_pods_of_a_foreign_object_of_our_name_do_not_count() -> None:
    taken = workload("cpu", wanted=None, ready=0, unavailable="Deployment sentiment-cpu exists already")
    service = facts(pod("sentiment-gpu-bcdfg-bbbbb", gpu=True), workloads=(taken, workload("gpu")))
    observation = seen(service, snapshot({"sentiment-gpu-bcdfg-bbbbb": sample(10), A: sample(6)}))
    assert observation.demand == Known(value=10.0, at=NOW - 5)


def test_a_long_name_that_kubernetes_cut_is_still_recognised() -> None:
    long = "a" * 52
    service = facts(pod(A), workloads=(workload("cpu", name=long),))
    cut = f"{long}-7d9f4bcdfg-"[:58] + "x2vqz"
    assert len(cut) == 63
    assert seen(service, snapshot({A: sample(10), cut: sample(6)})).demand == Known(value=16.0, at=NOW - 5)


@pytest.mark.parametrize(
    "stranger",
    [
        "sentiment-cpu-canary-5d8f7c9b4-x2vqz",  # another Deployment whose name starts with ours
        "sentiment-cpu-migrate-x2vqz",  # a Job
        "sentiment-cpu-foo-abcde",  # hashes hold no vowels
        "sentiment-cpu",
        "xsentiment-cpu-5d8f7c9b4-x2vqz",
        "other/sentiment-cpu-5d8f7c9b4-x2vqz",
    ],
)
def test_pods_of_others_do_not_count(stranger: str) -> None:
    observation = seen(facts(pod(A)), snapshot({A: sample(10), stranger: sample(1000)}))
    assert observation.demand == Known(value=10.0, at=NOW - 5)


def test_two_tenants_with_the_same_service_name_never_mix() -> None:
    theirs = replace(build.service(), key=ServiceKey(namespace="other", name="sentiment"))
    services = [facts(pod(A)), facts(pod(A, namespace="other"), service=theirs)]
    gone = "sentiment-cpu-5d8f7c9b4-x2vqz"
    metrics = snapshot({A: sample(10), gone: sample(1), f"other/{A}": sample(70), f"other/{gone}": sample(7)})
    observations = observe(services, metrics, now=NOW, freshness=FRESHNESS)
    assert observations[build.KEY].demand == Known(value=11.0, at=NOW - 5)
    assert observations[theirs.key].demand == Known(value=77.0, at=NOW - 5)


def test_only_the_services_own_preset_is_read() -> None:
    metrics = snapshot({A: sample(10)})
    both = replace(metrics, pods={**metrics.pods, "vllm": {PodKey("nlp", A): sample(99)}})
    assert seen(facts(pod(A)), both).demand == Known(value=10.0, at=NOW - 5)


def test_a_variant_that_is_no_longer_declared_still_counts_in_the_demand() -> None:
    leftover = pod("sentiment-old-bcdfg-bbbbb", variant="old")
    service = facts(pod(A), leftover, workloads=(workload("cpu"), workload("old")))
    observation = seen(service, snapshot({A: sample(10), leftover.name: sample(5)}))
    assert observation.demand == Known(value=15.0, at=NOW - 5)
    assert set(observation.variants) == {"cpu", "gpu"}


def test_outcomes_count_requests_at_or_under_a_bound_that_is_the_threshold() -> None:
    observation = seen(facts(pod(A), pod(B)), snapshot({A: sample(), B: sample()}))
    assert observation.outcomes == Outcomes(total=20.0, good_low=18.0, good_high=18.0)
    assert observation.variants["cpu"].outcomes == observation.outcomes
    assert (observation.threshold_note, observation.outcomes_missing) == (None, None)


def test_a_threshold_between_bounds_is_bounded_from_both_sides_and_said() -> None:
    service = replace(build.service(), objective=LatencyObjective(threshold_seconds=0.4, percent=99))
    observation = seen(facts(pod(A), service=service), snapshot({A: sample()}))
    assert observation.outcomes == Outcomes(total=10.0, good_low=9.0, good_high=9.8)
    assert observation.threshold_note == (
        "the threshold 0.4s lies between the histogram bounds 0.3s and 0.5s, so attainment is only known between two "
        "limits and the lower one counts: add a bucket at 0.4s"
    )


@pytest.mark.parametrize(("threshold", "low", "high"), [(0.05, 0.0, 6.0), (9.0, 9.8, 10.0), (0.1 + 0.2, 9.0, 9.0)])
def test_thresholds_outside_the_bounds_or_off_by_a_bit(threshold: float, low: float, high: float) -> None:
    service = replace(build.service(), objective=LatencyObjective(threshold_seconds=threshold, percent=99))
    observation = seen(facts(pod(A), service=service), snapshot({A: sample()}))
    assert observation.outcomes == Outcomes(total=10.0, good_low=low, good_high=high)


def test_outcomes_are_unknown_when_one_pod_has_no_histogram() -> None:
    observation = seen(facts(pod(A), pod(B)), snapshot({A: sample(), B: sample(latency=None)}))
    assert observation.outcomes is None
    assert observation.outcomes_missing == (
        f"metric http_request_duration_seconds has no series for 1 of 2 ready pods of nlp/sentiment (first: {B}): "
        "is the pod scraped, and is preset 'generic' right?"
    )
    assert observation.demand == Known(value=20.0, at=NOW - 5)
    assert isinstance(observation.p99_seconds, Missing)


def test_p99_is_interpolated_within_its_bucket() -> None:
    # 9.9 of 10 requests: halfway through the bucket from 0.5 to 1.0 s, which holds the last 0.2.
    latency = ((0.3, 9.0), (0.5, 9.8), (1.0, 10.0), (math.inf, 10.0))
    observation = seen(facts(pod(A)), snapshot({A: sample(latency=latency)}))
    assert isinstance(observation.p99_seconds, Known)
    assert observation.p99_seconds.value == pytest.approx(0.75)


def test_a_p99_above_the_last_bound_is_only_bounded_from_below() -> None:
    observation = seen(facts(pod(A)), snapshot({A: sample()}))
    assert observation.p99_seconds == Missing(
        reason="the p99 lies above the largest bucket of the histogram (0.5s)", at_least=0.5
    )
    idle = seen(facts(pod(A)), snapshot({A: sample(0.0, latency=((0.3, 0.0), (math.inf, 0.0)))}))
    assert idle.p99_seconds == Missing(reason="no request finished in the rate window")
    assert idle.outcomes == Outcomes(total=0.0, good_low=0.0, good_high=0.0)


def test_pods_with_different_buckets_are_merged() -> None:
    coarse = ((0.5, 9.8), (1.0, 10.0), (math.inf, 10.0))
    fine = ((0.3, 9.0), (0.5, 9.8), (1.0, 10.0), (math.inf, 10.0))
    observation = seen(facts(pod(A), pod(B)), snapshot({A: sample(latency=coarse), B: sample(latency=fine)}))
    assert isinstance(observation.p99_seconds, Known)
    assert observation.p99_seconds.value == pytest.approx(0.75)
    assert observation.outcomes == Outcomes(total=20.0, good_low=9.0, good_high=18.8)


def test_cpu_utilisation_is_of_what_the_pods_request() -> None:
    observation = seen(facts(pod(A), pod(B)), snapshot({A: sample(cpu_cores=1.5), B: sample(cpu_cores=0.5)}))
    assert observation.variants["cpu"].utilisation == Known(value=0.5, at=NOW - 5)


def test_gpu_utilisation_is_the_mean_of_the_pods_devices() -> None:
    one, two = "sentiment-gpu-bcdfg-bbbbb", "sentiment-gpu-bcdfg-ccccc"
    service = facts(pod(one), pod(two), workloads=(workload("gpu"),))
    metrics = snapshot({one: sample(gpu_utilisation=0.9), two: sample(gpu_utilisation=0.5)})
    assert seen(service, metrics).variants["gpu"].utilisation == Known(value=0.7, at=NOW - 5)


def test_utilisation_is_missing_with_a_lower_bound_when_a_pod_is_not_measured() -> None:
    observation = seen(facts(pod(A), pod(B)), snapshot({A: sample(cpu_cores=1.5), B: sample(cpu_cores=None)}))
    assert observation.variants["cpu"].utilisation == Missing(
        reason="metric container_cpu_usage_seconds_total has no series for 1 of 2 ready pods of variant cpu of "
        f"nlp/sentiment (first: nlp/{B}): is the kubelet's cAdvisor scraped?",
        at_least=0.375,
    )


def test_utilisation_needs_a_request_and_a_ready_pod() -> None:
    observation = seen(facts(pod(A, cpu_request_cores=0.0)), snapshot({A: sample()}))
    assert "request no CPU" in getattr(observation.variants["cpu"].utilisation, "reason", "")
    assert "has no ready pods" in getattr(observation.variants["gpu"].utilisation, "reason", "")
    failed = snapshot({A: sample(cpu_cores=None)}, failures={("generic", "cpu_cores"): "Prometheus at URL is down"})
    assert seen(facts(pod(A)), failed).variants["cpu"].utilisation == Missing(reason="Prometheus at URL is down")


def test_a_variants_state_is_what_the_cluster_shows() -> None:
    pods = [
        pod(A),
        pod(B, available=False, ready_since=NOW - 2, created_at=NOW - 14),
        pod(C, ready=False, available=False, ready_since=None, unschedulable=True, created_at=NOW - 50),
        pod("sentiment-cpu-bcdfg-fffff", terminating=True),
    ]
    cpu = workload(
        rolling_out=True,
        refused="exceeded quota",
        other_writer="kubectl",
        unavailable="no such pool",
        taken_back_at=NOW,
    )
    state = seen(facts(*pods, workloads=(cpu,)), snapshot({A: sample()})).variants["cpu"]
    assert (state.wanted, state.ready, state.pods) == (3, 1, 3)
    assert (state.unschedulable, state.unschedulable_since) == (1, NOW - 50)
    assert state.startup_seconds == (30.0, 12.0)
    assert (state.rolling_out, state.refused, state.other_writer) == (True, "exceeded quota", "kubectl")
    assert (state.unavailable, state.taken_back_at) == ("no such pool", NOW)


def test_a_pod_that_was_ready_before_it_was_created_says_nothing_of_the_time_to_ready() -> None:
    skewed = pod(A, created_at=NOW - 600, ready_since=NOW - 700)
    state = seen(facts(skewed, pod(B)), snapshot({A: sample(), B: sample()})).variants["cpu"]
    assert state.startup_seconds == (30.0,)


def test_ready_is_the_lower_of_what_the_workload_and_its_pods_say() -> None:
    metrics = snapshot({A: sample(), B: sample()})
    assert seen(facts(pod(A), pod(B), workloads=(workload(ready=1),)), metrics).variants["cpu"].ready == 1
    assert seen(facts(pod(A), workloads=(workload(ready=2),)), metrics).variants["cpu"].ready == 1


def test_history_is_summed_over_pods_that_are_and_pods_that_were() -> None:
    gone = "sentiment-cpu-5d8f7c9b4-x2vqz"
    pods = {
        PodKey("nlp", A): PodHistory(arrivals=((60.0, 4.0), (120.0, 5.0)), latency=((120.0, BUCKETS),)),
        PodKey("nlp", gone): PodHistory(arrivals=((60.0, 6.0),), latency=((60.0, BUCKETS), (120.0, BUCKETS))),
        PodKey("other", A): PodHistory(arrivals=((60.0, 600.0),)),
    }
    history = HistoryRead(step_seconds=60.0, pods={"generic": pods})
    observation = seen(facts(pod(A)), snapshot({A: sample()}), history=history)
    assert observation.demand_history == ((60.0, 10.0), (120.0, 5.0))
    assert observation.outcome_history == (
        (0.0, 60.0, Outcomes(total=10.0, good_low=9.0, good_high=9.0)),
        (60.0, 60.0, Outcomes(total=20.0, good_low=18.0, good_high=18.0)),
    )


finite = st.floats(0, 1e9)
counts = st.lists(finite, min_size=3, max_size=3).map(sorted)
latencies = counts.map(lambda c: ((0.1, c[0]), (0.5, c[1]), (math.inf, c[2])))
samples = st.builds(
    PodSample,
    arrivals=st.none() | finite,
    latency=st.none() | latencies,
    errors=st.none() | finite,
    in_flight=st.none() | finite,
    gpu_utilisation=st.none() | st.floats(0, 1),
    cpu_cores=st.none() | finite,
    newest_sample_at=st.none() | st.floats(NOW - 1e6, NOW + 10),
    faults=st.lists(st.sampled_from(["arrivals: is NaN", "latency: is NaN"]), max_size=1).map(tuple),
)
names = st.sampled_from([A, B, C, "sentiment-gpu-bcdfg-bbbbb", "sentiment-gpu-1", "stranger"])
pods = st.builds(
    PodFacts,
    namespace=st.just("nlp"),
    name=names,
    variant=st.sampled_from(["cpu", "gpu", "old"]),
    ready=st.booleans(),
    available=st.booleans(),
    created_at=st.floats(0, NOW),
    ready_since=st.none() | st.floats(0, NOW),
    terminating=st.booleans(),
    unschedulable=st.booleans(),
    cpu_request_cores=st.floats(0, 64),
    gpu=st.booleans(),
)
failures = st.dictionaries(st.tuples(st.just("generic"), st.sampled_from(list(METRICS))), st.just("down"), max_size=2)


@given(
    known=st.lists(pods, max_size=5, unique_by=lambda one: one.name),
    measured=st.dictionaries(names, samples, max_size=5),
    failed=failures,
    threshold=st.floats(0.01, 20),
)
def test_whatever_is_sampled_outcomes_are_bounded_and_numbers_finite(
    known: list[PodFacts], measured: dict[str, PodSample], failed: dict[Any, str], threshold: float
) -> None:
    service = replace(build.service(), objective=LatencyObjective(threshold_seconds=threshold, percent=99))
    observation = seen(facts(*known, service=service), snapshot(measured, failures=failed))
    for found in (observation.outcomes, *(state.outcomes for state in observation.variants.values())):
        assert found is None or 0 <= found.good_low <= found.good_high <= found.total
    for signal in (observation.demand, observation.errors, observation.in_flight, observation.p99_seconds):
        if isinstance(signal, Known):
            assert math.isfinite(signal.value)
            assert signal.value >= 0
    required = [one for one in known if one.serving and (one.ready_since is None or one.ready_since <= NOW - 120)]
    if any(measured.get(one.name, PodSample()).arrivals is None for one in required):
        assert not isinstance(observation.demand, Known)


def test_an_error_that_comes_fast_is_not_a_good_request_but_does_not_make_the_variant_slow() -> None:
    clean = seen(facts(pod()), snapshot({A: sample()}))
    failing = seen(facts(pod()), snapshot({A: sample(errors=2.0)}))

    assert clean.outcomes is not None and failing.outcomes is not None
    assert failing.outcomes.good_low == clean.outcomes.good_low - 2.0
    assert failing.outcomes.total == clean.outcomes.total
    assert failing.variants["cpu"].outcomes == clean.variants["cpu"].outcomes


TTFT = LatencyObjective(threshold_seconds=0.5, percent=95, metric=Metric.TTFT)
ITL = LatencyObjective(threshold_seconds=0.05, percent=95, metric=Metric.ITL)
FIRST = ((0.1, 2.0), (0.5, 8.0), (math.inf, 10.0))
GAPS = ((0.025, 500.0), (0.05, 900.0), (math.inf, 1000.0))


def several(*further: LatencyObjective | ErrorsObjective) -> ServiceFacts:
    return facts(pod(A), service=build.service(further_objectives=further))


def tokens(**overrides: Any) -> MetricsSnapshot:
    named = {("generic", signal): f"chat_{signal}_seconds" for signal in ("ttft", "itl")}
    plain = snapshot({A: sample(ttft=FIRST, itl=GAPS, **overrides)})
    return replace(plain, metric_names={**plain.metric_names, **named})


def test_each_objective_counts_in_its_own_histogram() -> None:
    observation = seen(several(TTFT, ITL), tokens())
    assert observation.further_outcomes == {
        Metric.TTFT: Outcomes(total=10.0, good_low=8.0, good_high=8.0),
        Metric.ITL: Outcomes(total=1000.0, good_low=900.0, good_high=900.0),
    }
    assert observation.variants["cpu"].further_outcomes == observation.further_outcomes


def test_a_service_may_have_no_objective_about_whole_answers() -> None:
    observation = seen(facts(pod(A), service=build.service(objective=TTFT)), tokens(latency=None))
    assert observation.outcomes == Outcomes(total=10.0, good_low=8.0, good_high=8.0)
    assert observation.outcomes_missing is None


def test_an_objective_that_the_preset_does_not_measure_is_missing_with_what_to_write() -> None:
    observation = seen(several(TTFT), snapshot({A: sample()}))
    assert observation.further_outcomes[Metric.TTFT] == Missing(
        reason="preset 'generic' has no metric for time to first token: run the operator with "
        "--generic-ttft-histogram, or leave the objective ttft out"
    )
    assert observation.outcomes is not None
    assert observation.variants["cpu"].further_outcomes == {}


def test_an_objective_of_errors_counts_arrivals_and_takes_the_errors_over() -> None:
    observation = seen(several(ErrorsObjective(percent=99.9)), snapshot({A: sample(10.0, errors=2.0)}))
    assert observation.further_outcomes[Metric.ERRORS] == Outcomes(total=10.0, good_low=8.0, good_high=8.0)
    # Nine of ten were within the threshold; the two that failed are supposed to be among them.
    assert observation.outcomes == Outcomes(total=8.0, good_low=7.0, good_high=7.0)


def test_failures_of_requests_that_came_before_the_window_never_make_less_than_nothing_good() -> None:
    observation = seen(several(ErrorsObjective(percent=99.9)), snapshot({A: sample(1.0, errors=2.0)}))
    assert observation.further_outcomes[Metric.ERRORS] == Outcomes(total=2.0, good_low=0.0, good_high=0.0)


def test_errors_are_unknown_where_arrivals_are() -> None:
    observation = seen(several(ErrorsObjective(percent=99.9)), snapshot({A: sample(None, errors=2.0)}))
    assert isinstance(observation.further_outcomes[Metric.ERRORS], Missing)


def test_every_threshold_between_two_bounds_is_named_with_its_objective() -> None:
    observation = seen(several(replace(TTFT, threshold_seconds=0.3)), tokens())
    assert observation.threshold_note is not None
    assert observation.threshold_note.startswith("ttft: the threshold 0.3s lies between the histogram bounds 0.1s")


def test_history_is_judged_by_every_objective() -> None:
    history = HistoryRead(
        step_seconds=60.0,
        pods={
            "generic": {
                PodKey("nlp", A): PodHistory(
                    arrivals=((60.0, 10.0), (120.0, 20.0)), errors=((60.0, 1.0),), ttft=((60.0, FIRST),)
                )
            }
        },
    )
    observation = seen(several(TTFT, ErrorsObjective(percent=99.9)), tokens(), history=history)
    assert observation.further_history == {
        Metric.TTFT: ((0.0, 60.0, Outcomes(total=10.0, good_low=8.0, good_high=8.0)),),
        Metric.ERRORS: ((0.0, 60.0, Outcomes(total=10.0, good_low=9.0, good_high=9.0)),),
    }
