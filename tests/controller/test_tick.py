"""Timelines of the whole controller over a fake API server and a fake Prometheus: what a user would see happen."""

import asyncio
import copy
import threading
from collections.abc import Sequence
from typing import Any

import pytest
import wire
from fakes import FakeClock, FakeMetrics
from operation import Operation, operation
from prometheus_client import generate_latest

from tightrope.api.pause import Pause
from tightrope.controller import tick as tick_module
from tightrope.controller.ownership import TAKE_REPLICAS_FROM
from tightrope.controller.store import KINDS, OPTIONAL
from tightrope.domain.decide import decide
from tightrope.ports import MetricsSnapshot, MetricsUnavailable, PodHistory, PodKey


async def quiet(op: Operation, *, within: int = 200) -> None:
    """Tick until 20 ticks in a row wrote nothing."""
    still = 0
    for _ in range(within):
        op.writes()
        await op.tick()
        still = 0 if op.writes() else still + 1
        if still == 20:
            return
    raise AssertionError("still writing")


def replica_writes(op: Operation) -> list[tuple[Any, ...]]:
    return [write for write in op.writes() if write[0] == "scale"]


async def test_a_new_service_gets_its_objects_and_then_silence() -> None:
    op = operation(sentiment=10.0)
    await op.tick()
    assert op.cluster.replicas() == {"sentiment-cpu": 1, "sentiment-gpu": 0}
    assert op.writes()[0][:2] == ("status", "InferenceDeployment"), "the plan is in the status before the first write"
    assert op.cluster.get("Service", "sentiment") and op.cluster.get("PodDisruptionBudget", "sentiment")
    for name in ("sentiment-cpu", "sentiment-gpu"):
        assert op.cluster.writers(op.cluster.get("Deployment", name)) == [("tightrope", "scale")]
    await quiet(op)


def carried(op: Operation) -> float:
    """Requests per second that the fleet carries: it may have switched to fewer, larger replicas."""
    capacities = {"sentiment-cpu": 25.0, "sentiment-gpu": 300.0}
    return sum(count * capacities[name] for name, count in op.cluster.replicas().items())


async def test_replicas_follow_demand_up_at_once_and_down_later() -> None:
    op = operation(sentiment=10.0)
    await op.tick(4)
    op.demand["sentiment"] = 200.0
    await op.tick()
    grown = carried(op)
    assert grown > 50.0
    await op.tick(4)
    op.demand["sentiment"] = 10.0
    await op.tick(2)
    assert carried(op) >= grown
    await op.tick(160)
    assert sum(op.cluster.replicas().values()) == 1


async def test_without_data_nothing_descends_and_the_condition_says_why() -> None:
    op = operation(sentiment=200.0)
    await op.tick(40)
    before = op.cluster.replicas()
    op.demand["sentiment"], op.metrics.down = 1.0, "Prometheus at http://p did not answer in time"
    op.writes()
    await op.tick(60)
    assert op.cluster.replicas() == before
    assert not replica_writes(op)
    assert op.reason("MetricsHealthy") == "DataMissing"
    assert "did not answer in time" in op.condition("MetricsHealthy")["message"]


async def test_history_is_read_at_start_and_again_when_data_returns() -> None:
    op = operation(sentiment=10.0)
    await op.tick(3)
    assert op.metrics.histories == 1
    op.metrics.down = "down"
    await op.tick(10)
    op.metrics.down = None
    await op.tick(3)
    assert op.metrics.histories == 2


def overspent_pods(op: Operation) -> dict[PodKey, PodHistory]:
    """Ten minutes in which one request of ten was late, as Prometheus keeps them."""
    steps = [op.clock.at - 15.0 * step for step in range(40, 0, -1)]
    return {
        pod: PodHistory(
            arrivals=tuple((at, 10.0) for at in steps),
            latency=tuple((at, ((0.3, 9.0), (float("inf"), 10.0))) for at in steps),
        )
        for pod in op.serving("sentiment")
    }


def first_objective(op: Operation) -> dict[str, Any]:
    return dict(op.cluster.get("InferenceDeployment", "sentiment")["status"]["slo"][0])


async def test_a_new_process_says_nothing_of_the_window_before_it_has_read_it() -> None:
    op = operation(sentiment=10.0)
    await op.tick()
    assert first_objective(op).keys() == {"metric", "objective"}, "of a service that nobody knew: nothing"
    await op.tick(40)
    assert first_objective(op)["attainment"] == "100.00"
    op.metrics.earlier = {"generic": overspent_pods(op)}
    op.cluster.get("InferenceDeployment", "sentiment")["status"]["slo"][0] |= {"attainment": "90.00"}
    op.cluster.touch("InferenceDeployment", "sentiment")
    op.start()
    await op.tick()
    assert first_objective(op)["attainment"] == "90.00", "as it was left, not as one tick without a miss would have it"
    assert b"tightrope_slo_attainment_ratio{" not in generate_latest(op.telemetry.registry)
    await op.tick(3)
    assert first_objective(op)["attainment"].startswith("90.")
    assert b"tightrope_slo_attainment_ratio{" in generate_latest(op.telemetry.registry)


async def test_where_history_cannot_be_read_what_is_seen_since_counts_alone() -> None:
    op = operation(sentiment=10.0)

    async def refuse(*_: Any, **__: Any) -> None:
        raise MetricsUnavailable("query_range is not allowed here")

    op.metrics.history = refuse  # type: ignore[assignment]
    await op.tick(5)
    assert first_objective(op)["attainment"] == "100.00"
    assert first_objective(op)["covered"] == "0s", "and it is said how little that is"


async def test_another_writer_is_named_not_fought_and_can_hand_back() -> None:
    op = operation(sentiment=10.0)
    await op.tick(4)
    op.cluster.scaled_by("kubectl", "Deployment", "sentiment-cpu", 9)
    op.writes()
    await op.tick(10)
    assert op.cluster.replicas()["sentiment-cpu"] == 9
    assert not replica_writes(op)
    assert op.condition("Conflict")["status"] == "True"
    claim = op.condition("Conflict")["message"].rsplit("=", 1)[1]
    infd = op.cluster.get("InferenceDeployment", "sentiment")
    infd["metadata"]["annotations"] = {TAKE_REPLICAS_FROM: claim}
    op.cluster.touch("InferenceDeployment", "sentiment")
    await op.tick(100)
    assert op.condition("Conflict") is None
    assert op.cluster.replicas()["sentiment-cpu"] == 1
    op.cluster.scaled_by("kubectl", "Deployment", "sentiment-cpu", 5)
    await op.tick(5)
    assert op.cluster.replicas()["sentiment-cpu"] == 5, "the ticket was good for one write"


def annotate(op: Operation, **annotations: str) -> None:
    infd = op.cluster.get("InferenceDeployment", "sentiment")
    infd["metadata"]["annotations"] = {f"tightrope.dev/{key}": value for key, value in annotations.items()}
    op.cluster.touch("InferenceDeployment", "sentiment")


async def test_a_service_paused_by_annotation_changes_nothing_until_it_is_resumed() -> None:
    op = operation(sentiment=10.0)
    await op.tick(4)
    annotate(op, paused="all")
    op.demand["sentiment"] = 200.0
    op.writes()
    await op.tick(10)
    assert not replica_writes(op)
    annotate(op)
    await op.tick(2)
    assert replica_writes(op)


async def test_with_descents_paused_a_variant_taken_out_of_the_spec_keeps_its_replicas() -> None:
    op = operation(sentiment=10.0)
    await op.tick(10)
    annotate(op, paused="descents")
    op.cluster.edit_spec("InferenceDeployment", "sentiment", variants=[wire.variant("gpu")])
    await op.tick(40)
    assert op.cluster.replicas() == {"sentiment-cpu": 1, "sentiment-gpu": 1}
    annotate(op)
    await op.tick(40)
    assert op.cluster.replicas() == {"sentiment-gpu": 1}


async def test_a_deleted_deployment_is_back_at_the_next_tick() -> None:
    op = operation(sentiment=10.0)
    await op.tick(4)
    del op.cluster.objects["Deployment", "nlp", "sentiment-cpu"]
    await op.tick()
    assert op.cluster.replicas()["sentiment-cpu"] >= 1


async def test_groups_are_scaled_as_replicas_and_paid_for_as_the_nodes_they_take() -> None:
    groups = wire.leader_worker_set("legacy", replicas=1, size=2)
    service = wire.inference_deployment(template=None, variants=[wire.target_variant(kind="LeaderWorkerSet")])
    op = operation(wire.compute_pool("cpu", maxNodes=6), service, groups, sentiment=None)
    op.kinds = (*KINDS, *OPTIONAL)
    op.start()
    op.demand["legacy"] = 20.0
    await op.tick(4)
    op.demand["legacy"] = 400.0
    await op.tick(20)
    held = op.cluster.get("LeaderWorkerSet", "legacy")
    assert held["spec"]["replicas"] == 3, "three groups of two fill six nodes"
    assert held["spec"]["leaderWorkerTemplate"] == groups["spec"]["leaderWorkerTemplate"]
    status = op.cluster.get("InferenceDeployment", "sentiment")["status"]
    (variant,) = status["variants"]
    assert (variant["wanted"], variant["ready"], variant["perHour"]) == (3, 3, "1.20")
    assert status["cost"]["perHour"] == "1.20"
    assert variant["targetUID"] == held["metadata"]["uid"]
    assert "no more room" in status["decision"]["message"]


async def test_a_second_writer_of_groups_is_named_not_fought() -> None:
    service = wire.inference_deployment(template=None, variants=[wire.target_variant(kind="LeaderWorkerSet")])
    op = operation(wire.compute_pool("cpu"), service, wire.leader_worker_set("legacy", replicas=1), sentiment=None)
    op.kinds = (*KINDS, *OPTIONAL)
    op.start()
    op.demand["legacy"] = 60.0
    await op.tick(4)
    op.cluster.scaled_by("horizontal-pod-autoscaler", "LeaderWorkerSet", "legacy", 9)
    await op.tick(5)
    assert op.cluster.get("LeaderWorkerSet", "legacy")["spec"]["replicas"] == 9
    assert "horizontal-pod-autoscaler" in op.condition("Conflict")["message"]


async def test_an_operator_without_groups_says_which_value_to_set() -> None:
    service = wire.inference_deployment(template=None, variants=[wire.target_variant(kind="LeaderWorkerSet")])
    op = operation(wire.compute_pool("cpu"), service, wire.leader_worker_set(), sentiment=None)
    await op.tick(2)
    (variant,) = op.cluster.get("InferenceDeployment", "sentiment")["status"]["variants"]
    assert "leaderWorkerSets.enabled" in variant["note"]
    assert not replica_writes(op)


async def test_a_target_is_adopted_once_by_force_and_its_manifest_never_touched() -> None:
    legacy = wire.deployment("legacy", replicas=1)
    op = operation(wire.compute_pool(), wire.inference_deployment(template=None, variants=[wire.target_variant()]))
    op.cluster.add(legacy, writers=[("helm", "")])
    op.demand = {"legacy": 200.0}
    await op.tick(3)
    grown = op.cluster.replicas()["legacy"]
    assert grown > 1
    held = op.cluster.get("Deployment", "legacy")
    assert held["spec"]["template"] == legacy["spec"]["template"]
    status = op.cluster.get("InferenceDeployment", "sentiment")["status"]
    assert status["variants"][0]["targetUID"] == held["metadata"]["uid"]
    assert {write[0] for write in op.writes()} <= {"status", "scale"}
    op.cluster.scaled_by("kube-controller-manager", "Deployment", "legacy", 2)
    await op.tick(5)
    assert op.cluster.replicas()["legacy"] == 2
    assert "kube-controller-manager" in op.condition("Conflict")["message"]


async def test_a_missing_target_is_said_and_found_when_it_comes() -> None:
    op = operation(wire.compute_pool(), wire.inference_deployment(template=None, variants=[wire.target_variant()]))
    await op.tick(2)
    assert op.reason("TargetFound") == "TargetNotFound"
    op.cluster.add(wire.deployment("legacy", replicas=2))
    op.demand = {"legacy": 10.0}
    await op.tick(2)
    assert op.condition("TargetFound") is None


async def test_of_two_services_on_one_target_the_older_scales_it() -> None:
    spec = {"template": None, "variants": [wire.target_variant()]}
    op = operation(wire.compute_pool())
    old = wire.inference_deployment("old", **spec)
    old["metadata"]["creationTimestamp"] = "2027-01-01T00:00:00Z"
    young = wire.inference_deployment("young", **spec)
    young["metadata"]["creationTimestamp"] = "2027-01-02T00:00:00Z"
    for one in (young, old, wire.deployment("legacy", replicas=1)):
        op.cluster.add(one)
    op.demand = {"legacy": 100.0}
    await op.tick(5)
    assert op.condition("Conflict", "old") is None
    assert op.reason("Conflict", "young") == "TargetTaken"
    assert op.cluster.replicas()["legacy"] > 1


async def test_a_deployment_of_somebody_else_is_never_touched() -> None:
    op = operation(sentiment=10.0)
    theirs = op.cluster.add(wire.deployment("sentiment-cpu", replicas=2))
    before = copy.deepcopy(theirs["spec"])
    await op.tick(5)
    assert op.cluster.get("Deployment", "sentiment-cpu")["spec"] == before
    assert op.reason("NameTaken") == "NameTaken"
    assert op.reason("Ready") == "NameTaken"


async def test_names_that_collide_are_settled_by_age_not_by_theft() -> None:
    older = wire.inference_deployment("a", variants=[wire.variant("b-cpu", pool="cpu")])
    older["metadata"]["creationTimestamp"] = "2027-01-01T00:00:00Z"
    younger = wire.inference_deployment("a-b", variants=[wire.variant("cpu")])
    younger["metadata"]["creationTimestamp"] = "2027-01-02T00:00:00Z"
    op = operation(wire.compute_pool(), younger, older)
    await op.tick(3)
    owner = op.cluster.get("Deployment", "a-b-cpu")["metadata"]["ownerReferences"]
    assert [reference["name"] for reference in owner] == ["a"]
    assert op.reason("NameTaken", "a-b") == "NameTaken"


async def test_a_refused_template_is_quoted_and_what_runs_stays() -> None:
    op = operation(sentiment=10.0)
    await op.tick(4)
    running = copy.deepcopy(op.cluster.get("Deployment", "sentiment-cpu")["spec"])
    infd = op.cluster.get("InferenceDeployment", "sentiment")
    template = copy.deepcopy(infd["spec"]["template"])
    template["spec"]["containers"][0]["imagee"] = "typo"
    op.cluster.refuse["imagee"] = ".spec.template.spec.containers[0].imagee: field not declared in schema"
    op.cluster.edit_spec("InferenceDeployment", "sentiment", template=template)
    op.writes()
    await op.tick(3)
    assert op.cluster.get("Deployment", "sentiment-cpu")["spec"] == running
    assert "field not declared in schema" in op.condition("TemplateValid")["message"]
    tried = op.cluster.dry_runs
    await op.tick(4)
    assert op.cluster.dry_runs - tried <= 6, "a refused template is not tried at every tick"
    op.demand["sentiment"] = 300.0
    await op.tick(2)
    assert sum(op.cluster.replicas().values()) > 1, "replicas are still scaled"
    template["spec"]["containers"][0].pop("imagee")
    template["spec"]["containers"][0]["image"] = "registry.example/sentiment:2"
    op.cluster.edit_spec("InferenceDeployment", "sentiment", template=template)
    await op.tick(2)
    assert op.condition("TemplateValid") is None
    applied = op.cluster.get("Deployment", "sentiment-cpu")["spec"]["template"]
    assert applied["spec"]["containers"][0]["image"].endswith(":2")


async def test_an_unknown_pool_is_said_and_nothing_else_changes() -> None:
    op = operation(sentiment=10.0)
    await op.tick(4)
    op.cluster.edit_spec("InferenceDeployment", "sentiment", variants=[wire.variant("cpu", pool="nowhere")])
    op.demand["sentiment"] = 500.0
    before = op.cluster.replicas()
    await op.tick(10)
    assert op.cluster.replicas() == before
    assert (
        "'nowhere' is not a ComputePool: write one that exists (now: cpu, gpu)" in op.condition("SpecValid")["message"]
    )
    assert op.cluster.get("InferenceDeployment", "sentiment")["status"]["plan"], "the last plan still shows"


async def test_a_pool_that_is_closed_to_the_namespace_is_said_and_what_runs_stays() -> None:
    op = operation(sentiment=10.0)
    await op.tick(4)
    before = op.cluster.replicas()
    op.cluster.edit_spec("ComputePool", "gpu", "", allowedNamespaces={"matchLabels": {"team": "vision"}})
    op.demand["sentiment"] = 500.0
    op.writes()
    await op.tick(10)
    assert op.cluster.replicas() == before
    assert {write[0] for write in op.writes()} == {"status"}
    condition = op.condition("SpecValid")
    assert (condition["status"], condition["reason"]) == ("False", "PoolNotAllowed")
    assert "spec.variants[1].pool: 'gpu' is a ComputePool whose allowedNamespaces leave out nlp" in condition["message"]
    assert "write one that may be used here (now: cpu)" in condition["message"]
    op.cluster.get("Namespace", "nlp", "")["metadata"]["labels"] = {"team": "vision"}
    op.cluster.touch("Namespace", "nlp", "")
    await op.tick(10)
    assert op.condition("SpecValid")["status"] == "True"
    assert carried(op) >= 500.0, "allowed again, it follows demand again"


async def test_a_pool_for_some_namespaces_is_for_none_whose_labels_are_unknown() -> None:
    gpu = wire.compute_pool("gpu", allowedNamespaces={"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]})
    op = operation(wire.compute_pool("cpu"), gpu, wire.inference_deployment())
    del op.cluster.objects["Namespace", "", "nlp"]
    await op.tick(3)
    assert op.cluster.replicas() == {}
    assert op.condition("SpecValid")["reason"] == "PoolNotAllowed"


async def test_a_pool_for_others_is_not_named_to_those_who_guess() -> None:
    gpu = wire.compute_pool("gpu", allowedNamespaces={"matchLabels": {"team": "vision"}})
    guess = wire.inference_deployment(variants=[wire.variant("cpu", pool="nowhere")])
    op = operation(wire.compute_pool("cpu"), gpu, guess)
    await op.tick()
    assert "write one that exists (now: cpu)" in op.condition("SpecValid")["message"]


@pytest.mark.parametrize("mode", ["Recommend", "Paused"])
async def test_a_service_that_is_not_auto_has_only_its_status_written(mode: str) -> None:
    op = operation(wire.compute_pool("cpu"), wire.compute_pool("gpu"), wire.inference_deployment(mode=mode))
    await op.tick(10)
    assert op.cluster.replicas() == {}
    assert {write[0] for write in op.writes()} == {"status"}


async def test_a_pause_of_all_services_leaves_each_as_it_is_until_it_ends() -> None:
    op = operation(sentiment=10.0)
    await op.tick(4)
    before = op.cluster.replicas()
    op.paused = Pause.ALL
    op.start()
    op.writes()
    op.demand["sentiment"] = 500.0
    await op.tick(5)
    assert op.cluster.replicas() == before and {write[0] for write in op.writes()} == {"status"}
    op.paused = None
    op.start()
    await op.tick(5)
    assert op.cluster.replicas() != before


async def test_who_looks_after_some_namespaces_writes_nothing_on_the_clusters_pools() -> None:
    op = operation(sentiment=10.0)
    op.pools = False
    op.start()
    await op.tick(4)
    assert op.cluster.replicas()
    assert not [write for write in op.writes() if write[1] == "ComputePool"]


async def test_a_terminating_namespace_and_a_service_on_its_way_out_get_no_writes() -> None:
    op = operation(sentiment=10.0)
    await op.tick(4)
    op.writes()
    op.cluster.get("Namespace", "nlp", "")["status"]["phase"] = "Terminating"
    op.cluster.touch("Namespace", "nlp", "")
    op.demand["sentiment"] = 500.0
    await op.tick(5)
    assert not op.writes()
    op.cluster.get("Namespace", "nlp", "")["status"]["phase"] = "Active"
    op.cluster.touch("Namespace", "nlp", "")
    op.cluster.get("InferenceDeployment", "sentiment")["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    op.cluster.touch("InferenceDeployment", "sentiment")
    await op.tick(5)
    assert not op.writes()


async def test_a_removed_variant_stays_until_all_that_is_planned_instead_is_ready() -> None:
    op = operation(
        wire.compute_pool("cpu"), wire.compute_pool("gpu"), wire.inference_deployment(variants=[wire.variant("cpu")]),
        sentiment=60.0,
    )  # fmt: skip
    await op.tick(6)
    assert op.cluster.replicas()["sentiment-cpu"] >= 2
    op.settles = lambda now: False
    op.cluster.edit_spec("InferenceDeployment", "sentiment", variants=[wire.variant("gpu")])
    await op.tick(3)
    assert op.cluster.replicas()["sentiment-cpu"] >= 2
    op.settles = lambda now: True
    await op.tick(6)
    assert "sentiment-cpu" not in op.cluster.replicas()
    assert op.cluster.replicas()["sentiment-gpu"] >= 1


async def test_the_disruption_budget_is_lowered_before_a_descent_and_raised_after_growth() -> None:
    op = operation(sentiment=300.0)
    await op.tick(12)
    raised = op.cluster.get("PodDisruptionBudget", "sentiment")["spec"]["minAvailable"]
    assert 0 < raised < sum(op.cluster.replicas().values())
    op.demand["sentiment"], lowered = 10.0, 0
    for _ in range(160):
        op.writes()
        await op.tick()
        acts = [write[0] for write in op.writes() if write[0] != "status"]
        if "apply" in acts:
            lowered += 1
            assert acts == ["apply", "scale"], "the budget goes down in the tick of a descent, just before it"
    assert lowered > 0
    assert op.cluster.get("PodDisruptionBudget", "sentiment")["spec"]["minAvailable"] == 0


async def test_a_quota_that_refuses_pods_is_a_lack_of_capacity() -> None:
    op = operation(sentiment=10.0)
    await op.tick(3)
    held = op.cluster.get("Deployment", "sentiment-cpu")
    message = "pods is forbidden: exceeded quota: compute"
    failure = {"type": "ReplicaFailure", "status": "True", "message": message}
    op.cluster.settle = lambda **_: None  # the controllers stand still from here on
    held["status"]["conditions"] = [failure]
    op.cluster.touch("Deployment", "sentiment-cpu")
    await op.tick()
    assert op.reason("CapacityAvailable") == "Refused"
    assert message in op.condition("CapacityAvailable")["message"]


async def test_while_the_api_server_is_away_ticks_go_on_and_then_catch_up() -> None:
    op = operation(sentiment=10.0)
    await op.tick(4)
    op.demand["sentiment"], op.cluster.down = 300.0, True
    before = op.cluster.replicas()
    await op.tick(3)
    assert op.cluster.replicas() == before
    op.cluster.down = False
    await op.tick()
    assert sum(op.cluster.replicas().values()) > sum(before.values())
    assert op.telemetry.tick_failures._value.get() == 0


@pytest.mark.parametrize("room", ["decide", "observe"])
async def test_a_service_that_poisons_what_all_share_is_found_and_the_others_go_on(
    room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy, poison = wire.inference_deployment("healthy"), wire.inference_deployment("poison")
    op = operation(wire.compute_pool("cpu"), wire.compute_pool("gpu"), healthy, poison, healthy=200.0, poison=10.0)
    original = getattr(tick_module, room)

    def poisoned(*args: Any, **rest: Any) -> Any:
        if "name='poison'" in repr(args[0] if args else rest["services"]):
            raise ZeroDivisionError("poison")
        return original(*args, **rest)

    monkeypatch.setattr(tick_module, room, poisoned)
    await op.tick(3)
    assert op.cluster.replicas()["healthy-cpu"] + op.cluster.replicas()["healthy-gpu"] > 1
    assert not any(name.startswith("poison") for name in op.cluster.replicas())
    assert op.reason("SpecValid", "poison") == "InternalError"


async def test_a_namesake_created_anew_inherits_nothing() -> None:
    op = operation(sentiment=300.0)
    await op.tick(8)
    for key in [key for key in op.cluster.objects if key[1] == "nlp"]:
        del op.cluster.objects[key]
    op.cluster.add(wire.inference_deployment())
    op.demand["sentiment"] = 1.0
    await op.tick(3)
    assert sum(op.cluster.replicas().values()) <= 2


async def test_a_decision_is_an_event_once() -> None:
    op = operation(sentiment=10.0)
    await op.tick(60)
    assert len(op.cluster.events) == len(set(op.cluster.events))
    assert op.cluster.events[0][0] == "FirstPlan"


def test_one_outage_is_one_line() -> None:
    failing = {("generic", "arrivals"): "down", ("generic", "latency"): "down", ("vllm", "arrivals"): "refused"}
    known = {("vllm", "arrivals"): "refused"}
    assert tick_module.new_failures(failing, known) == {"down": ["generic/arrivals", "generic/latency"]}


async def test_an_error_of_the_operator_is_logged_once_for_as_long_as_it_lasts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    op = operation(sentiment=10.0)
    monkeypatch.setattr(tick_module, "gather", lambda *_, **__: 1 / 0)
    await op.tick(5)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    assert op.reason("SpecValid") == "InternalError"


class SlowMetrics(FakeMetrics):
    """A Prometheus whose answers take so many seconds of the test's clock."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds

    async def snapshot(self, presets: Sequence[str]) -> MetricsSnapshot:
        seen = await super().snapshot(presets)
        self.clock.at += self.seconds
        return seen


async def slowed(seconds: float) -> Operation:
    """An operation whose ticks have lasted so long from the fourth on, and then four of them."""
    op = operation(sentiment=10.0)
    op.metrics = slow = SlowMetrics(op.clock, 0.0)
    op.start()
    await op.tick(3)
    slow.seconds = seconds
    await op.tick()
    return op


def finished(op: Operation) -> float:
    """Requests that the operator says it has seen finish."""
    lines = generate_latest(op.telemetry.registry).decode().splitlines()
    (line,) = (line for line in lines if line.startswith("tightrope_finished_requests_total{"))
    return float(line.rsplit(" ", 1)[1])


async def test_ticks_slower_than_their_period_count_all_the_time_that_passes() -> None:
    op = await slowed(50.0)
    before, since = finished(op), op.clock.at
    await op.tick(4)
    assert finished(op) - before == pytest.approx(10.0 * (op.clock.at - since), rel=0.01)


async def test_ticks_slower_than_their_period_are_said_once_and_so_is_their_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    op = await slowed(50.0)
    await op.tick(4)
    op.metrics.seconds = 0.0  # type: ignore[attr-defined]
    await op.tick(2)
    assert [record.getMessage() for record in caplog.records if "period" in record.getMessage()] == [
        "ticks take longer than their period: each begins when the one before has ended",
        "ticks keep their period again",
    ]


async def test_the_event_loop_goes_on_while_services_are_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    op, asked, answered = operation(sentiment=10.0), threading.Event(), threading.Event()

    def patient(**everything: Any) -> Any:
        asked.set()
        assert answered.wait(10.0), "the event loop stood still while it was decided"
        return decide(**everything)

    monkeypatch.setattr(tick_module, "decide", patient)
    ticking = asyncio.create_task(op.tick())
    assert await asyncio.to_thread(asked.wait, 10.0)
    answered.set()
    await ticking
    assert op.cluster.replicas()["sentiment-cpu"] == 1
