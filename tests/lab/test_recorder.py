"""What the recorder makes of what the API server says, without one."""

from collections.abc import Mapping
from typing import Any

import pytest

from tightrope.lab import recorder, scenario
from tightrope.lab.drive import empty_record
from tightrope.lab.record import FaultSpan, Record, Second, read_json, write_json
from tightrope.lab.recorder import DEPLOYMENTS, PODS, SERVICES, Recorder

NAME = "nlp/sentiment"


def no_connection() -> Any:
    raise AssertionError("nothing is asked of an API server here")


@pytest.fixture(scope="module")
def demo() -> scenario.Scenario:
    return scenario.load(scenario.SCENARIOS / "demo.yaml")


@pytest.fixture(scope="module")
def empty(demo: scenario.Scenario) -> Record:
    return empty_record(demo)


@pytest.fixture
def seeing(demo: scenario.Scenario, empty: Record) -> "Seeing":
    return Seeing(demo, empty)


class Seeing:
    """A recorder whose watches are played by hand."""

    def __init__(self, demo: scenario.Scenario, empty: Record) -> None:
        self.recorder = Recorder(
            empty,
            parsed={plan.key: plan.parsed for plan in demo.services},
            prices={"c7i": 0.1785, "l4": 0.526},
            connect=no_connection,
        )
        self.objects: dict[tuple[str, str], Mapping[str, Any]] = {}

    def see(self, path: str, name: str, body: Mapping[str, Any] | None, at: float, namespace: str = "nlp") -> None:
        before = self.objects.get((path, name))
        after = None if body is None else {**body, "metadata": {"name": name, "namespace": namespace, "uid": name}}
        if after is not None:
            after["metadata"] |= body.get("metadata", {}) if body else {}
            self.objects[path, name] = after
        self.recorder.changed(path, before, after, at)

    def deployment(self, name: str, replicas: int | None, at: float, namespace: str = "nlp") -> None:
        body = None if replicas is None else {"spec": {"replicas": replicas}}
        self.see(DEPLOYMENTS, name, body, at, namespace)

    def pod(
        self, name: str, *, node: str | None = None, ready: bool = False, going: bool = False, at: float = 0
    ) -> None:
        spec = {"nodeName": node} if node else {}
        metadata = {"deletionTimestamp": "now"} if going else {}
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
        self.see(PODS, name, {"spec": spec, "status": status, "metadata": metadata}, 0.0)

    def status(self, at: float, **status: Any) -> None:
        self.see(SERVICES, "sentiment", {"status": status}, at)

    def sample(self, at: float, *rows: Second) -> None:
        self.recorder.sample(at, {NAME: rows})

    @property
    def service(self) -> Any:
        return self.recorder.record().services[0]


def second(at: float) -> Second:
    return Second(at=at, arrivals=10, good=9, finished=10, dropped=0, p50=0.05, p99=0.2, serving={"cpu": 1})


def test_each_change_of_replicas_is_one_write_and_others_are_none(seeing: Seeing) -> None:
    seeing.deployment("sentiment-cpu", 1, 10.0)
    seeing.deployment("sentiment-cpu", 1, 11.0)
    seeing.deployment("sentiment-cpu", 3, 12.0)
    seeing.deployment("sentiment-cpu", None, 13.0)
    writes = [(write.at, write.variant, write.before, write.after) for write in seeing.service.writes]
    assert writes == [(10.0, "cpu", None, 1), (12.0, "cpu", 1, 3), (13.0, "cpu", 3, None)]


def test_other_workloads_and_namespaces_are_none_of_its_business(seeing: Seeing) -> None:
    seeing.deployment("other-cpu", 5, 10.0)
    seeing.deployment("sentiment-cpu", 5, 10.0, namespace="shop")
    assert seeing.service.writes == ()


def test_a_sample_counts_wanted_ready_and_all_pods(seeing: Seeing) -> None:
    seeing.deployment("sentiment-cpu", 3, 10.0)
    seeing.pod("sentiment-cpu-7d4b9c-x2x8q", node="c7i-1", ready=True)
    seeing.pod("sentiment-cpu-7d4b9c-b7k2m", node="c7i-2", ready=True, going=True)
    seeing.pod("sentiment-cpu-7d4b9c-zzzzz")
    seeing.sample(11.0)
    count = seeing.service.samples[0].variants["cpu"]
    assert (count.wanted, count.ready, count.pods) == (3, 1, 3)
    assert seeing.service.samples[0].variants["gpu"].wanted is None


def test_cost_counts_nodes_in_use_and_nodes_waited_for(seeing: Seeing) -> None:
    seeing.pod("sentiment-cpu-7d4b9c-x2x8q", node="c7i-1", ready=True)
    seeing.pod("sentiment-cpu-7d4b9c-b7k2m", node="c7i-1", ready=True)
    seeing.pod("sentiment-gpu-5f5f5-aaaaa")
    seeing.sample(11.0)
    assert seeing.service.samples[0].cost_per_hour == pytest.approx(0.1785 + 0.526)
    seeing.recorder.prices["l4"] = 1.0
    seeing.sample(12.0)
    assert seeing.service.samples[1].cost_per_hour == pytest.approx(0.1785 + 1.0)


def test_a_service_is_ready_when_all_that_is_wanted_is(seeing: Seeing) -> None:
    assert not seeing.recorder.ready(NAME)
    seeing.deployment("sentiment-cpu", 1, 1.0)
    assert not seeing.recorder.ready(NAME)
    seeing.pod("sentiment-cpu-7d4b9c-x2x8q", node="c7i-1", ready=True)
    assert seeing.recorder.ready(NAME)


def decision(message: str) -> dict[str, Any]:
    return {"time": "t", "reason": "DemandRose", "message": message, "coveredDemand": "61.5/s"}


def test_a_decision_is_kept_once_with_its_plan_and_what_it_covers(seeing: Seeing) -> None:
    seeing.status(5.0, decision=decision("a"), plan="cpu:2 gpu:0", slo=[{"budgetRemaining": "0.61"}])
    seeing.status(6.0, decision=decision("a"), plan="cpu:2 gpu:0", slo=[{"budgetRemaining": "0.60"}])
    seeing.status(7.0, decision=decision("b"), plan="cpu:3 gpu:0", slo=[{"budgetRemaining": "-0.1"}])
    seeing.sample(8.0)
    kept = [(seen.at, seen.message, seen.plan, seen.covered) for seen in seeing.service.decisions]
    assert kept == [(5.0, "a", "cpu:2 gpu:0", 61.5), (7.0, "b", "cpu:3 gpu:0", 61.5)]
    assert seeing.service.samples[0].budget_remaining == -0.1


def test_a_service_without_a_status_yet_is_no_trouble(seeing: Seeing) -> None:
    seeing.see(SERVICES, "sentiment", {}, 1.0)
    assert seeing.service.decisions == ()


def test_seconds_that_are_told_twice_count_once(seeing: Seeing) -> None:
    seeing.sample(3.0, second(1.0), second(2.0))
    seeing.sample(4.0, second(1.0), second(2.0), second(3.0))
    assert [row.at for row in seeing.service.seconds] == [1.0, 2.0, 3.0]


def test_what_was_before_the_traffic_stays_out_of_the_record(seeing: Seeing) -> None:
    seeing.deployment("sentiment-cpu", 1, 1.0)
    seeing.status(2.0, decision=decision("a"), plan="cpu:1")
    seeing.status(3.0, decision=decision("b"), plan="cpu:1")
    seeing.sample(4.0)
    seeing.recorder.begin(100.0)
    service = seeing.service
    assert service.writes == () and service.samples == ()
    assert [(seen.at, seen.message) for seen in service.decisions] == [(100.0, "b")]


def test_faults_have_a_beginning_and_an_end(seeing: Seeing) -> None:
    fault = FaultSpan(label="Prometheus down", start=5.0, end=None, blinding=True, services=(NAME,))
    number = seeing.recorder.fault_began(fault)
    assert seeing.recorder.record().faults[0].end is None
    seeing.recorder.fault_ended(number, 9.0)
    assert seeing.recorder.record().faults[0].end == 9.0


@pytest.mark.parametrize(
    ("pod", "variant"),
    [
        ("sentiment-cpu-7d4b9c8f6d-x2x8q", "cpu"),
        ("sentiment-cpu-0", "cpu"),
        ("sentiment-cpu-int8-7d4b9c8f6d-x2x8q", "int8"),
        ("sentiment-7d4b9c8f6d-x2x8q", None),
        ("sentiment-cpux-7d4b9c8f6d-x2x8q", None),
        ("sentiment-cpu", None),
    ],
)
def test_a_pod_belongs_to_the_workload_that_made_it(pod: str, variant: str | None) -> None:
    assert recorder.variant_of(pod, {"sentiment-cpu": "cpu", "sentiment-cpu-int8": "int8"}) == variant


@pytest.mark.parametrize(("text", "value"), [("41.2/s", 41.2), ("-0.1", -0.1), ("0", 0.0), ("-", None), (None, None)])
def test_figures_of_the_status_are_read_as_numbers(text: str | None, value: float | None) -> None:
    assert recorder.number(text) == value


def test_a_record_survives_its_file(seeing: Seeing, tmp_path: Any) -> None:
    seeing.deployment("sentiment-cpu", 1, 1.0)
    seeing.status(2.0, decision=decision("a"), plan="cpu:1")
    seeing.sample(4.0, second(3.0))
    seeing.recorder.fault_began(FaultSpan(label="x", start=5.0, end=None, blinding=True, services=(NAME,)))
    record = seeing.recorder.record()
    write_json(record, tmp_path / "run.json")
    assert read_json(tmp_path / "run.json") == record
