"""From wire objects to facts: what counts as ready, as stuck, as a rollout, and as a replica's size."""

from collections.abc import Sequence
from typing import Any

import pytest
import wire

from tightrope.controller.facts import ClusterFacts, WorkloadRef, gather, index, selects
from tightrope.controller.store import KINDS, OPTIONAL, Snapshot, Store, trimmed

NOW = 1_800_000_000.0
STARTED = "2027-01-15T07:59:00Z"  # a minute before NOW


def seen(
    *objects: dict[str, Any], now: float = NOW, watched: Sequence[str] = (*KINDS, *OPTIONAL), **ref: Any
) -> ClusterFacts:
    """What is gathered of a target called legacy among these objects."""
    kinds: dict[str, dict[str, Any]] = {kind: {} for kind in watched}
    for number, one in enumerate(objects):
        metadata = {"uid": f"u{number}", "resourceVersion": "1", "generation": 1, **one["metadata"]}
        kinds[one["kind"]][metadata["uid"]] = trimmed(one["kind"], {**one, "metadata": metadata})
    values = {"variant": "old", "kind": "Deployment", "name": "legacy", "accelerator": "nvidia.com/gpu", "owned": False}
    refs = [WorkloadRef(**{**values, **ref})]
    return gather(
        index(Snapshot(kinds)), namespace="nlp", uid="service", refs=refs, take_from=None, refused={}, now=now
    )


def target(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    settled = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    return {**wire.deployment(**spec), "status": {**settled, **(status or {})}}


def pod(name: str = "legacy-1", *, conditions: list[dict[str, Any]] | None = None, **parts: Any) -> dict[str, Any]:
    ready = [{"type": "Ready", "status": "True", "lastTransitionTime": "2027-01-15T07:59:30Z"}]
    metadata = {"name": name, "namespace": "nlp", "labels": {"app": "legacy"}, "creationTimestamp": STARTED}
    metadata |= parts.pop("metadata", {})
    spec = {"containers": [{"resources": {"requests": parts.pop("requests", {"cpu": "2", "memory": "1Gi"})}}]}
    status = {"phase": parts.pop("phase", "Running"), "conditions": ready if conditions is None else conditions}
    return {"kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def test_a_ready_pod_was_started_in_the_time_from_creation_to_ready() -> None:
    (found,) = seen(target(), pod()).pods
    assert found.ready and found.available
    assert found.ready_since - found.created_at == 30.0


def test_a_pod_is_available_only_after_min_ready_seconds() -> None:
    young = seen(target(minReadySeconds=45), pod()).pods[0]
    assert young.ready and not young.available
    assert seen(target(minReadySeconds=45), pod(), now=NOW + 20).pods[0].available


def test_a_pod_that_no_node_takes_is_unschedulable() -> None:
    stuck = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
    assert seen(target(), pod(conditions=stuck, phase="Pending")).pods[0].unschedulable


def test_pods_that_ended_or_belong_to_others_are_not_counted() -> None:
    others = pod("other-1", metadata={"labels": {"app": "other"}})
    elsewhere = pod(metadata={"namespace": "vision"})
    assert not seen(target(), pod(phase="Failed"), others, elsewhere).pods


def test_a_targets_pods_are_those_that_meet_the_whole_of_its_selector() -> None:
    labels = {"app": "legacy", "tier": "gpu"}
    both, one = pod("both", metadata={"labels": labels}), pod("one", metadata={"labels": {"tier": "gpu"}})
    by_labels = target(selector={"matchLabels": labels})
    by_expression = target(selector={"matchExpressions": [{"key": "tier", "operator": "Exists"}]})
    assert [found.name for found in seen(by_labels, both, one, pod("legacy")).pods] == ["both"]
    assert sorted(found.name for found in seen(by_expression, both, one, pod("legacy")).pods) == ["both", "one"]


def test_a_terminating_pod_is_marked() -> None:
    assert seen(target(), pod(metadata={"deletionTimestamp": STARTED})).pods[0].terminating


def test_live_pods_say_what_a_replica_requests_before_the_template_does() -> None:
    found = seen(target(), pod(requests={"cpu": "2", "memory": "3Gi", "nvidia.com/gpu": "1"}))
    requests = found.workloads["old"].requests
    assert (requests.cpu_cores, requests.memory_bytes, requests.accelerators) == (2.0, 3 * 2.0**30, 1)
    assert found.pods[0].gpu
    assert seen(target()).workloads["old"].requests.cpu_cores == 8.0


def test_two_templates_side_by_side_are_a_rollout_but_growth_is_none() -> None:
    assert seen(target({"replicas": 4, "updatedReplicas": 1})).workloads["old"].facts.rolling_out
    assert seen(target({"observedGeneration": 0})).workloads["old"].facts.rolling_out
    assert not seen(target({"observedGeneration": 0, "replicas": 9})).workloads["old"].facts.rolling_out
    assert (
        not seen(target({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}))
        .workloads["old"]
        .facts.rolling_out
    )


def test_a_stateful_set_with_two_revisions_rolls_out_unless_it_is_told_to_wait() -> None:
    status = {"replicas": 3, "observedGeneration": 1, "updateRevision": "b", "currentRevision": "a"}

    def rolling(strategy: dict[str, Any]) -> bool:
        one = {**wire.deployment(updateStrategy=strategy), "kind": "StatefulSet", "status": status}
        return seen(one, kind="StatefulSet").workloads["old"].facts.rolling_out

    assert rolling({"type": "RollingUpdate"})
    assert not rolling({"type": "OnDelete"})
    assert not rolling({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})


def test_a_quotas_refusal_is_quoted() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: compute"}
    assert seen(target({"conditions": [failure]})).workloads["old"].facts.refused == "exceeded quota: compute"


def test_a_missing_target_is_said_with_its_name() -> None:
    facts = seen().workloads["old"].facts
    assert facts.wanted is None and "there is no Deployment legacy in namespace nlp" in facts.unavailable


def test_what_we_own_is_known_by_its_controller_not_by_its_name() -> None:
    found = seen(target(), owned=True).workloads["old"]
    assert found.wire is None and "controlled by nobody" in found.name_taken


def test_deployments_of_ours_that_nothing_names_are_leftovers() -> None:
    left = target()
    left["metadata"]["name"] = "sentiment-old"
    left["metadata"]["ownerReferences"] = [{"controller": True, "uid": "service"}]
    assert [wire["metadata"]["name"] for wire in seen(left).leftovers] == ["sentiment-old"]


def test_selectors_select_as_the_api_server_does() -> None:
    labels = {"app": "a", "tier": "x"}
    assert selects({"matchLabels": {"app": "a"}}, labels)
    assert not selects({"matchLabels": {"app": "b"}}, labels)
    assert not selects({}, labels), "an empty selector would take every pod of the namespace"
    for operator, values, expected in (("In", ["x"], True), ("NotIn", ["x"], False), ("Exists", [], True)):
        expression = {"key": "tier", "operator": operator, "values": values}
        assert selects({"matchExpressions": [expression]}, labels) is expected
    assert selects({"matchExpressions": [{"key": "none", "operator": "DoesNotExist"}]}, labels)


def groups(status: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Two groups of two, as their controller reports them."""
    settled = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
    return {**wire.leader_worker_set(replicas=2, **changes), "status": {**settled, **(status or {})}}


def member(group: int, place: int, *, ready: str | None = "2027-01-15T07:59:30Z") -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ready}] if ready else []
    return {**wire.group_pod("legacy", group, place), "status": {"phase": "Running", "conditions": conditions}}


def of_groups(*objects: dict[str, Any], **ref: Any) -> ClusterFacts:
    return seen(*objects, kind="LeaderWorkerSet", **ref)


def test_a_group_is_one_replica_that_is_ready_since_its_last_pod_is() -> None:
    later = "2027-01-15T07:59:50Z"
    found = of_groups(groups(), member(0, 0), member(0, 1, ready=later), member(1, 0), member(1, 1, ready=None))
    facts = found.workloads["old"].facts
    assert (facts.wanted, facts.ready) == (2, 2), "as the set's controller says"
    first, second = sorted(found.pods, key=lambda pod: pod.name)
    assert [first.name, second.name] == ["legacy-0", "legacy-1"], "the workers are no replicas of their own"
    assert first.available and first.ready_since is not None and first.ready_since - first.created_at == 50.0
    assert not second.ready and not second.available


def test_a_group_is_not_ready_before_all_of_its_pods_are_there() -> None:
    found = of_groups(groups(), member(0, 0), member(1, 1))
    assert [(pod.name, pod.ready) for pod in found.pods] == [("legacy-0", False)], "a worker alone is no replica"
    assert of_groups(groups(size=1), member(0, 0)).pods[0].ready


def test_a_group_is_unschedulable_if_any_of_its_pods_is() -> None:
    stuck = member(0, 1, ready=None)
    stuck["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
    assert of_groups(groups(), member(0, 0), stuck).pods[0].unschedulable


def test_a_group_asks_for_nodes_as_if_each_of_its_pods_were_its_largest() -> None:
    for pods in ((), (member(0, 0), member(0, 1))):
        state = of_groups(groups(size=3), *pods).workloads["old"]
        assert (state.requests.cpu_cores, state.pods_per_replica) == (8.0, 3)
    without_leader = groups()
    del without_leader["spec"]["leaderWorkerTemplate"]["leaderTemplate"]
    assert of_groups(without_leader).workloads["old"].requests.cpu_cores == 4.0, "a leader is made like a worker"


def test_groups_of_another_set_or_namespace_are_not_counted() -> None:
    elsewhere = member(0, 0)
    elsewhere["metadata"]["namespace"] = "vision"
    other = {**wire.group_pod("other", 0, 0), "status": member(0, 0)["status"]}
    assert not of_groups(groups(), elsewhere, other).pods


def test_groups_roll_out_when_their_controller_says_so() -> None:
    def rolling(status: dict[str, Any], **spec: Any) -> bool:
        one = groups(status)
        one["spec"] |= spec
        return of_groups(one).workloads["old"].facts.rolling_out

    updating = {"conditions": [{"type": "UpdateInProgress", "status": "True"}]}
    assert rolling(updating) and not rolling({})
    assert not rolling(updating, rolloutStrategy={"rollingUpdateConfiguration": {"partition": 1}})
    assert rolling({"observedGeneration": 0}), "a template that nobody has seen yet"
    silent = groups()
    del silent["status"]["observedGeneration"]
    assert not of_groups(silent).workloads["old"].facts.rolling_out, "older controllers report no generation"


def test_an_operator_that_does_not_watch_groups_says_what_to_set() -> None:
    assert "leaderWorkerSets.enabled" in of_groups(watched=KINDS).workloads["old"].facts.unavailable
    assert "there is no LeaderWorkerSet legacy" in of_groups().workloads["old"].facts.unavailable


def going(reason: str, at: str = STARTED, status: str = "True") -> list[dict[str, Any]]:
    return [{"type": "DisruptionTarget", "status": status, "reason": reason, "lastTransitionTime": at}]


def taken_back_at(*pods: dict[str, Any]) -> float | None:
    return seen(target(), *pods).workloads["old"].facts.taken_back_at


@pytest.mark.parametrize(
    "reason", ["EvictionByEvictionAPI", "DeletionByTaintManager", "DeletionByPodGC", "TerminationByKubelet"]
)
def test_a_pod_whose_node_goes_says_when(reason: str) -> None:
    assert taken_back_at(pod(), pod("legacy-2", conditions=going(reason))) == NOW - 60


def test_a_pod_that_ended_with_its_machine_still_tells_of_it_and_counts_as_none() -> None:
    ended = pod(conditions=going("TerminationByKubelet"), phase="Failed")
    assert taken_back_at(ended) == NOW - 60
    assert not seen(target(), ended).pods


def test_a_preempted_pod_and_one_of_another_workload_lost_no_node_here() -> None:
    elsewhere = pod("other-1", conditions=going("DeletionByPodGC"), metadata={"labels": {"app": "other"}})
    assert taken_back_at(pod(conditions=going("PreemptionByScheduler")), elsewhere) is None
    assert taken_back_at(pod(conditions=going("DeletionByPodGC", status="False"))) is None


def test_a_pod_that_is_gone_already_is_remembered_with_the_node_it_lost() -> None:
    store = Store()
    for uid, wire_object in {"d": target(), "p": pod(conditions=going("DeletionByPodGC"))}.items():
        metadata = {"generation": 1, **wire_object["metadata"], "uid": uid, "resourceVersion": "1"}
        store.put(wire_object["kind"], {**wire_object, "metadata": metadata})
    store.remove("Pod", "p")
    ref = WorkloadRef(variant="old", kind="Deployment", name="legacy", accelerator="nvidia.com/gpu", owned=False)
    found = gather(
        index(store.snapshot()), namespace="nlp", uid="service", refs=[ref], take_from=None, refused={}, now=NOW
    )
    assert found.workloads["old"].facts.taken_back_at == NOW - 60
    assert not found.pods
