import copy
from typing import Any

import pytest
from customresources import adopting_wire, pool_wire, service_wire

from tightrope.api.parse import parse_pool, parse_service
from tightrope.controller import manifests

PARSED = parse_service(service_wire())
POOL = parse_pool(pool_wire())
UID = PARSED.uid
OWNER = {
    "apiVersion": "tightrope.dev/v1alpha1",
    "kind": "InferenceDeployment",
    "name": "sentiment",
    "uid": UID,
    "controller": True,
    "blockOwnerDeletion": False,
}


def gpu(**options: Any) -> dict[str, Any]:
    return manifests.deployment(PARSED, "gpu", POOL, **options)


def test_a_deployment_is_named_labelled_and_owned_by_its_service() -> None:
    made = gpu()
    labels = {
        "app.kubernetes.io/name": "sentiment",
        "app.kubernetes.io/managed-by": "tightrope",
        "tightrope.dev/service": "sentiment",
        "tightrope.dev/service-uid": UID,
        "tightrope.dev/variant": "gpu",
    }
    assert (made["apiVersion"], made["kind"]) == ("apps/v1", "Deployment")
    assert made["metadata"] == {
        "name": "sentiment-gpu",
        "namespace": "nlp",
        "labels": labels,
        "ownerReferences": [OWNER],
    }
    assert made["spec"]["template"]["metadata"] == {
        "labels": {"team": "nlp", **labels},
        "annotations": {"note": "kept"},
    }


def test_replicas_and_uid_are_there_only_when_they_are_given() -> None:
    assert "replicas" not in gpu()["spec"]
    assert "uid" not in gpu()["metadata"]
    assert gpu(replicas=0)["spec"]["replicas"] == 0
    assert gpu(uid="abc")["metadata"]["uid"] == "abc"


def test_the_selector_finds_no_pod_of_another_service_variant_or_time() -> None:
    assert gpu()["spec"]["selector"]["matchLabels"] == {
        "tightrope.dev/service": "sentiment",
        "tightrope.dev/service-uid": UID,
        "tightrope.dev/variant": "gpu",
    }


def test_the_patch_of_the_variant_and_the_placement_of_its_pool_are_in_the_pods() -> None:
    pod = gpu()["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.example/sentiment:1-cuda"
    assert pod["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": 1}
    assert pod["nodeSelector"] == {"tightrope.dev/pool": "l4"}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_the_pods_own_placement_is_kept_and_the_pool_has_the_last_word() -> None:
    own = {"key": "team", "operator": "Equal", "value": "nlp"}
    base = service_wire()
    base["spec"]["template"]["spec"] |= {
        "nodeSelector": {"zone": "a", "tightrope.dev/pool": "mine"},
        "tolerations": [own, dict(POOL.tolerations[0])],
    }
    pod = manifests.deployment(parse_service(base), "gpu", POOL)["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"zone": "a", "tightrope.dev/pool": "l4"}
    assert pod["tolerations"] == [own, POOL.tolerations[0]]


def test_the_rollout_is_as_declared() -> None:
    parsed = parse_service(service_wire(spec__rollout={"maxSurge": 0, "maxUnavailable": 1, "minReadySeconds": 9}))
    spec = manifests.deployment(parsed, "cpu", POOL)["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert spec["minReadySeconds"] == 9


def test_a_label_of_the_template_cannot_pretend_to_be_another_service() -> None:
    base = service_wire()
    base["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] = "other"
    labels = manifests.deployment(parse_service(base), "cpu", POOL)["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "sentiment"


def test_building_changes_nothing_of_what_was_parsed() -> None:
    before = copy.deepcopy(PARSED)
    gpu(replicas=3)
    manifests.service(PARSED)
    assert before == PARSED


def test_a_variant_that_scales_what_exists_has_no_deployment_of_ours() -> None:
    with pytest.raises(KeyError):
        manifests.deployment(parse_service(adopting_wire()), "gpu", POOL)


def test_the_service_offers_each_port_of_the_template_once_under_a_name() -> None:
    base = service_wire()
    base["spec"]["template"]["spec"]["containers"][0]["ports"] = [
        {"name": "http", "containerPort": 8000},
        {"containerPort": 8001},
        {"containerPort": 8001, "protocol": "UDP"},
    ]
    base["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "ports": [{"containerPort": 8001}]})
    made = manifests.service(parse_service(base))
    assert made["metadata"]["name"] == "sentiment"
    assert made["metadata"]["ownerReferences"] == [OWNER]
    assert made["spec"]["selector"] == {"tightrope.dev/service": "sentiment", "tightrope.dev/service-uid": UID}
    assert made["spec"]["ports"] == [
        {"name": "http", "port": 8000, "targetPort": "http", "protocol": "TCP"},
        {"name": "tcp-8001", "port": 8001, "targetPort": 8001, "protocol": "TCP"},
        {"name": "udp-8001", "port": 8001, "targetPort": 8001, "protocol": "UDP"},
    ]


def test_the_disruption_budget_counts_ready_pods_and_lets_broken_ones_go() -> None:
    made = manifests.pdb(PARSED, 3, uid="abc")
    assert (made["apiVersion"], made["kind"]) == ("policy/v1", "PodDisruptionBudget")
    assert made["metadata"]["uid"] == "abc"
    assert made["spec"] == {
        "minAvailable": 3,
        "selector": {"matchLabels": {"tightrope.dev/service": "sentiment", "tightrope.dev/service-uid": UID}},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
