"""The emulated data plane of a cluster, driven by hand: the clock is a number, the cluster a value."""

import math
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tightrope.lab.emulation import Emulation
from tightrope.lab.emulation_cluster import Pod, PodName, Snapshot
from tightrope.lab.emulation_faults import parse_faults
from tightrope.lab.emulation_spec import ServiceSpec, SpecInvalid, parse_services

BEGAN = 1_800_000_000.0
STEP = 0.15


def pod(
    variant: str | None = "cpu", *, uid: str = "1", cpu: float = 2.0, gpus: int = 0, terminating: bool = False
) -> Pod:
    return Pod(uid=uid, node="node-1", variant=variant, cpu_cores=cpu, accelerators=gpus, terminating=terminating)


def cluster(pods: Mapping[str, Pod], *, ready: set[str] | None = None, service: str = "nlp/sentiment") -> Snapshot:
    """Pods of one namespace, all behind one Service; all are ready if nothing else is said."""
    namespace = service.split("/")[0]
    names = {name: PodName(namespace, name) for name in pods}
    return Snapshot(
        pods={names[name]: known for name, known in pods.items()},
        endpoints={service: {names[name]: ready is None or name in ready for name in pods}},
    )


def spec(rate: float = 50.0, **over: Any) -> dict[str, ServiceSpec]:
    raw = {
        "traffic": {"curve": [[0, rate]]},
        "servers": {"*": {"base_seconds": 0.02}},
        "threshold_seconds": 0.3,
        **over,
    }
    return parse_services({"nlp/sentiment": raw})


class World:
    """An emulation and its clock."""

    def __init__(self, specs: dict[str, ServiceSpec], seen: Snapshot) -> None:
        self.now = BEGAN
        self.emulation = Emulation(began=BEGAN)
        self.emulation.see(seen)
        self.emulation.serve(specs, self.now)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now = min(self.now + STEP, end)
            self.emulation.advance(self.now)

    def truth(self, since: float = 0.0) -> Any:
        return self.emulation.truth(since)["nlp/sentiment"]

    def metrics(self, pod: str) -> str:
        text = self.emulation.metrics("nlp", pod)
        assert text is not None
        return text

    def value(self, pod: str, series: str) -> float:
        return value_of(self.metrics(pod), series)

    def node_value(self, series: str) -> float:
        return value_of(self.emulation.node_metrics(), series)


def value_of(text: str, series: str) -> float:
    """The value of the first line that matches this pattern."""
    found = re.search(rf"^{series} (\S+)$", text, flags=re.MULTILINE)
    assert found, f"no {series} in:\n{text}"
    return float(found[1])


def test_a_cluster_counts_what_its_clients_saw() -> None:
    world = World(spec(), cluster({"a": pod(), "b": pod()}))
    world.run(60.0)
    totals = world.truth()["totals"]
    served = sum(world.value(name, r'http_requests_total\{code="200"\}') for name in "ab")
    assert totals["arrivals"] == pytest.approx(50 * 60, rel=0.1)
    assert totals["finished"] == totals["good"] == served
    inside = sum(world.value(name, "http_requests_in_flight") for name in "ab")
    assert totals["arrivals"] == totals["finished"] + totals["dropped"] + inside


def test_the_account_has_a_row_for_every_second_that_is_over() -> None:
    world = World(spec(), cluster({"a": pod(), "b": pod("gpu")}))
    world.run(10.5)
    rows = world.truth()["seconds"]
    assert [row["at"] for row in rows] == [BEGAN + second for second in range(10)]
    assert all(row["ready"] == {"cpu": 1, "gpu": 1} for row in rows)
    assert all(0.02 - 1e-6 <= row["p50"] <= row["p99"] < 0.3 for row in rows)
    assert sum(row["arrivals"] for row in rows) <= world.truth()["totals"]["arrivals"]
    assert [row["at"] for row in world.truth(BEGAN + 7)["seconds"]] == [BEGAN + 7, BEGAN + 8, BEGAN + 9]


def test_rows_and_totals_agree_once_everything_is_over() -> None:
    world = World(spec(traffic={"curve": [[0, 80], [5, 80], [5, 0]]}), cluster({"a": pod()}))
    world.run(60.0)
    shown = world.truth()
    for name, total in shown["totals"].items():
        assert sum(row[name] for row in shown["seconds"]) == total
    assert shown["totals"]["arrivals"] > 300
    assert shown["totals"]["good"] < shown["totals"]["finished"]


def test_a_silent_second_is_a_row_of_zeros_without_latencies() -> None:
    world = World(spec(rate=0.0), cluster({"a": pod()}))
    world.run(2.0)
    row = world.truth()["seconds"][0]
    assert (row["arrivals"], row["finished"], row["dropped"]) == (0, 0, 0)
    assert row["p50"] is row["p99"] is None


def test_without_a_ready_pod_every_request_is_dropped() -> None:
    world = World(spec(), cluster({"a": pod()}, ready=set()))
    world.run(5.0)
    totals = world.truth()["totals"]
    assert totals["dropped"] == totals["arrivals"] > 0
    assert world.value("a", r'http_requests_total\{code="200"\}') == 0


def test_a_pod_joins_when_it_is_ready_and_drains_when_it_is_terminating() -> None:
    world = World(spec(), cluster({"a": pod(), "b": pod()}, ready={"a"}))
    world.run(5.0)
    assert world.value("b", r'http_requests_total\{code="200"\}') == 0
    world.emulation.see(cluster({"a": pod(), "b": pod()}))
    world.run(5.0)
    served = world.value("b", r'http_requests_total\{code="200"\}')
    assert served > 50
    # Its EndpointSlice may still call it ready: the pod's own deletion decides.
    world.emulation.see(cluster({"a": pod(), "b": pod(terminating=True)}))
    world.run(5.0)
    assert world.value("b", r'http_requests_total\{code="200"\}') - served <= 20
    assert world.value("b", "http_requests_in_flight") == 0
    assert world.truth()["seconds"][-1]["ready"] == {"cpu": 1}


def test_a_pod_that_is_gone_is_no_target_and_loses_what_it_had() -> None:
    world = World(spec(rate=200.0), cluster({"a": pod(), "b": pod()}))
    world.run(5.0)
    inside = world.value("b", "http_requests_in_flight")
    assert inside > 10
    world.emulation.see(cluster({"a": pod()}))
    assert [target["labels"]["pod"] for target in world.emulation.targets("h:1")] == ["a"]
    assert world.truth()["totals"]["dropped"] == inside
    with pytest.raises(KeyError):
        world.emulation.metrics("nlp", "b")


def test_a_pod_of_the_same_name_starts_from_zero() -> None:
    world = World(spec(), cluster({"a": pod()}))
    world.run(5.0)
    world.emulation.see(cluster({"a": pod(uid="2")}))
    assert world.value("a", r'http_requests_total\{code="200"\}') == 0


def test_targets_say_where_each_pod_is() -> None:
    world = World(spec(), cluster({"a": pod()}))
    assert world.emulation.targets("127.0.0.1:9") == [
        {
            "targets": ["127.0.0.1:9"],
            "labels": {
                "__metrics_path__": "/metrics/nlp/a",
                "namespace": "nlp",
                "pod": "a",
                "node": "node-1",
            },
        }
    ]


def test_each_variant_has_its_server_and_the_star_is_for_any_other() -> None:
    servers = {"gpu": {"base_seconds": 0.004}, "*": {"base_seconds": 0.03}}
    world = World(spec(rate=5.0, servers=servers), cluster({"a": pod("gpu"), "b": pod(None)}))
    world.run(60.0)
    mean = {
        name: world.value(name, "http_request_duration_seconds_sum")
        / world.value(name, "http_request_duration_seconds_count")
        for name in "ab"
    }
    assert mean == {"a": pytest.approx(0.004, rel=0.1), "b": pytest.approx(0.03, rel=0.1)}


def test_a_pod_without_a_server_for_its_variant_is_left_alone() -> None:
    world = World(spec(servers={"gpu": {"base_seconds": 0.01}}), cluster({"a": pod("cpu")}))
    world.run(1.0)
    assert world.emulation.targets("h:1") == []


def test_a_cpu_pod_uses_its_request_in_the_share_of_time_that_its_slots_work() -> None:
    servers = {"*": {"base_seconds": 0.1, "slots": 4}}
    world = World(spec(rate=20.0, servers=servers), cluster({"a": pod(cpu=2.0)}))
    world.run(100.0)
    used = world.node_value(r'container_cpu_usage_seconds_total\{container="server".*\}')
    # 20/s x 0.1 s on 4 slots is half of the time: 1 of 2 cores.
    assert used / 100.0 == pytest.approx(1.0, rel=0.1)


def test_a_gpu_pod_shows_how_busy_it_was_in_the_last_two_seconds() -> None:
    traffic = {"curve": [[0, 30], [30, 30], [30, 0]]}
    world = World(spec(traffic=traffic), cluster({"a": pod("gpu", gpus=1), "b": pod()}))
    world.run(29.0)
    assert world.node_value("DCGM_FI_DEV_GPU_UTIL.*") == pytest.approx(30.0, abs=18.0)
    assert world.emulation.node_metrics().count("DCGM_FI_DEV_GPU_UTIL{") == 1
    world.run(5.0)
    assert world.node_value("DCGM_FI_DEV_GPU_UTIL.*") == 0.0


def test_an_overloaded_gpu_is_busy_all_the_time() -> None:
    world = World(spec(rate=100.0), cluster({"a": pod("gpu", gpus=1)}))
    world.run(10.0)
    assert world.node_value("DCGM_FI_DEV_GPU_UTIL.*") == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("preset", "series"),
    [
        ("generic", r'http_requests_total\{code="200"\}'),
        ("vllm", r"vllm:request_success_total\{.*stop.*\}"),
        ("triton", r"nv_inference_request_success\{.*\}"),
    ],
)
def test_each_preset_exports_the_names_of_its_server(preset: str, series: str) -> None:
    world = World(spec(preset=preset), cluster({"a": pod()}))
    world.run(10.0)
    assert world.value("a", series) == world.truth()["totals"]["finished"]


def test_the_same_traffic_goes_on_and_another_begins_now() -> None:
    curve = [[0, 100], [10, 100], [10, 0]]
    world = World(spec(traffic={"curve": curve}), cluster({"a": pod()}))
    world.run(20.0)
    sent = world.truth()["totals"]["arrivals"]
    world.emulation.serve(spec(traffic={"curve": curve}), world.now)
    world.run(5.0)
    assert world.truth()["totals"]["arrivals"] == sent
    world.emulation.serve(spec(traffic={"curve": [*curve, [99, 0]]}), world.now)
    world.run(5.0)
    assert world.truth()["totals"]["arrivals"] == pytest.approx(sent + 500, rel=0.1)


def test_a_service_without_clients_keeps_its_pods_until_they_are_gone() -> None:
    world = World(spec(), cluster({"a": pod()}))
    world.run(3.0)
    world.emulation.serve({}, world.now)
    sent = world.truth()["totals"]["arrivals"]
    world.run(3.0)
    assert world.truth()["totals"]["arrivals"] == sent
    assert len(world.emulation.targets("h:1")) == 1
    world.emulation.see(cluster({}))
    assert world.emulation.truth(0.0) == {}


def test_the_same_names_in_two_namespaces_never_mix() -> None:
    specs = spec(rate=50.0) | {"cv/sentiment": spec(rate=5.0)["nlp/sentiment"]}
    one, two = cluster({"a": pod()}), cluster({"a": pod()}, service="cv/sentiment")
    both = Snapshot(pods={**one.pods, **two.pods}, endpoints={**one.endpoints, **two.endpoints})
    world = World(specs, both)
    world.run(30.0)
    assert world.value("a", r'http_requests_total\{code="200"\}') == world.truth()["totals"]["finished"]
    assert world.emulation.truth(0.0)["cv/sentiment"]["totals"]["finished"] == pytest.approx(150, rel=0.3)


def test_two_runs_of_the_same_scenario_see_the_same_requests() -> None:
    seen = []
    for _ in range(2):
        world = World(spec(traffic={"curve": [[0, 90]], "dispersion": 5.0}), cluster({"a": pod(), "b": pod()}))
        world.run(20.0)
        seen.append(world.truth())
    assert seen[0] == seen[1]


# Faults


def test_a_silent_pod_does_not_answer_and_others_do() -> None:
    world = World(spec(), cluster({"cpu-a": pod(), "gpu-b": pod()}))
    world.emulation.fail(parse_faults({"silent": ["nlp/cpu-*"]}), world.now)
    assert world.emulation.metrics("nlp", "cpu-a") is None
    assert world.emulation.metrics("nlp", "gpu-b") is not None
    world.emulation.fail(parse_faults({}), world.now)
    assert world.emulation.metrics("nlp", "cpu-a") is not None


@pytest.mark.parametrize("preset", ["generic", "vllm", "triton"])
def test_a_nan_pod_has_no_number_left(preset: str) -> None:
    world = World(spec(preset=preset), cluster({"a": pod()}))
    world.run(3.0)
    world.emulation.fail(parse_faults({"nan": ["nlp/a"]}), world.now)
    values = [float(line.rsplit(" ", 1)[1]) for line in world.metrics("a").splitlines() if not line.startswith("#")]
    # Counters that are zero by their nature (reasons that never occur here) stay so.
    assert sum(math.isnan(value) for value in values) >= len(values) - 6
    assert not any(value > 0 for value in values)


@pytest.mark.parametrize("preset", ["generic", "vllm", "triton"])
def test_a_renamed_pod_shows_requests_and_latency_under_another_name(preset: str) -> None:
    world = World(spec(preset=preset), cluster({"a": pod()}))
    world.run(3.0)
    before = {line.split("{")[0].split(" ")[0] for line in world.metrics("a").splitlines() if line[0] != "#"}
    world.emulation.fail(parse_faults({"rename": {"nlp/a": True, "nlp/*": False}}), world.now)
    after = {line.split("{")[0].split(" ")[0] for line in world.metrics("a").splitlines() if line[0] != "#"}
    kept = before & after
    assert len(after) == len(before)
    assert after - kept == {f"renamed_{name}" for name in before - kept}
    assert not any(name.endswith(("_total", "_bucket", "_sum", "_us")) for name in kept)


def test_counters_are_reset_once_when_the_fault_begins_and_go_on_from_zero() -> None:
    world = World(spec(), cluster({"a": pod()}))
    world.run(10.0)
    series = r'http_requests_total\{code="200"\}'
    cpu = r'container_cpu_usage_seconds_total\{container="server".*\}'
    before, cpu_before = world.value("a", series), world.node_value(cpu)
    reset = parse_faults({"reset": ["nlp/*"]})
    world.emulation.fail(reset, world.now)
    assert (world.value("a", series), world.node_value(cpu)) == (0, 0)
    world.run(2.0)
    world.emulation.fail(reset, world.now)
    assert 0 < world.value("a", series) < before
    assert 0 < world.node_value(cpu) < cpu_before


# What it is told


@pytest.mark.parametrize(
    ("over", "sentence"),
    [
        ({"traffic": {}}, "nlp/sentiment.traffic: write either curve or trace."),
        ({"traffic": {"curve": [[0, 1]], "trace": "x.csv"}}, "write either curve or trace"),
        ({"traffic": {"curve": [[5, 1], [4, 1]]}}, "point 1 is at 4 s, before the one it follows"),
        ({"traffic": {"curve": [[0, 1]], "dispersion": 0}}, "dispersion is 0: write 1 for Poisson"),
        ({"traffic": {"trace": "/no/such.csv"}}, "/no/such.csv: No such file or directory: write the path"),
        ({"servers": {}}, "nlp/sentiment.servers is {}"),
        ({"servers": {"cpu": {"base_seconds": 0}}}, "servers.cpu: base_seconds and per_request_seconds are both 0"),
        ({"servers": {"cpu": {"base_seconds": 1, "slot": 2}}}, "servers.cpu.slot is not a field"),
        ({"servers": {"cpu": {"base_seconds": 1, "distribution": "normal"}}}, "distribution is 'normal'"),
        ({"threshold_seconds": 0}, "threshold_seconds is 0"),
        ({"preset": "tgi"}, "preset is 'tgi': input should be 'generic', 'vllm' or 'triton'"),
    ],
)
def test_a_bad_service_is_refused_in_a_sentence(over: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        spec(**over)
    assert sentence in str(refused.value)


def test_a_service_without_its_namespace_is_refused() -> None:
    with pytest.raises(SpecInvalid, match="'sentiment' does not name a service: write namespace/name"):
        parse_services({"sentiment": {}})


@pytest.mark.parametrize("raw", [[], {"silence": ["x"]}, {"silent": "nlp/a"}, {"rename": ["nlp/a"]}])
def test_bad_faults_are_refused_in_a_sentence(raw: Any) -> None:
    with pytest.raises(SpecInvalid, match="write lists of namespace/pod patterns"):
        parse_faults(raw)
