"""From wire objects to facts: what counts as ready, as stuck, as a rollout, and as a replica's size."""

from typing import Any

import wire

from tightrope.controller.facts import ClusterFacts, WorkloadRef, gather, index, selects
from tightrope.controller.store import KINDS, Snapshot, trimmed

NOW = 1_800_000_000.0
STARTED = "2027-01-15T07:59:00Z"  # a minute before NOW


def seen(*objects: dict[str, Any], now: float = NOW, **ref: Any) -> ClusterFacts:
    """What is gathered of a target called legacy among these objects."""
    kinds: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
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
