"""The adapter on a real API server: the facts of server-side apply that the controller is built on."""

import copy
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import wire

from tightrope.adapters.kubernetes import ApiServer, KubernetesCluster
from tightrope.controller.ownership import Writer, replicas_writers
from tightrope.lab.lab import CRDS, Lab
from tightrope.ports import WriteConflict, WriteRefused

pytestmark = pytest.mark.lab
NAMES = itertools.count(1)
OURS = Writer(manager="tightrope", subresource="scale")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab.start(pools=[], directory=tmp_path_factory.mktemp("lab"), progress=lambda _: None) as started:
        yield started


@pytest.fixture
async def cluster(lab: Lab) -> AsyncIterator[KubernetesCluster]:
    """With the rights of the operator and no others."""
    server = ApiServer(kubeconfig=str(rights(lab)))
    yield KubernetesCluster(server=server, instance="test", now=time.time)
    await server.close()


def rights(lab: Lab) -> Path:
    return lab.operator_kubeconfig()


def manifest(*, replicas: int | None = None, uid: str | None = None, name: str | None = None) -> dict[str, Any]:
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "server", "image": "i"}]}}
    metadata = {"name": name or f"d{next(NAMES)}", "namespace": "default"} | ({"uid": uid} if uid else {})
    spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "template": template}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


async def stored(cluster: KubernetesCluster, name: str) -> Any:
    return next(d for d in await cluster.list_objects("Deployment") if d["metadata"]["name"] == name)


def ours(wire: Any) -> tuple[Any, ...]:
    """What we can change of an object; its status is the controllers'."""
    fields = [entry for entry in wire["metadata"]["managedFields"] if entry["manager"] == "tightrope"]
    return wire["spec"], wire["metadata"]["generation"], fields


async def scale(cluster: KubernetesCluster, name: str, replicas: int, *, force: bool = False) -> None:
    await cluster.set_replicas(kind="Deployment", namespace="default", name=name, replicas=replicas, force=force)


async def created(cluster: KubernetesCluster, replicas: int) -> tuple[str, str]:
    """A Deployment made as the controller makes it: with its size, handed over to /scale, then without."""
    made = await cluster.apply(manifest(replicas=replicas))
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    await scale(cluster, name, replicas, force=replicas == 0)
    await cluster.apply(manifest(uid=uid, name=name))
    return name, uid


@pytest.mark.parametrize("replicas", [0, 3])
async def test_the_size_survives_the_hand_over_and_later_applies(cluster: KubernetesCluster, replicas: int) -> None:
    name, uid = await created(cluster, replicas)
    await cluster.apply(manifest(uid=uid, name=name))
    found = await stored(cluster, name)
    assert found["spec"]["replicas"] == replicas
    assert replicas_writers(found["metadata"]["managedFields"]) == (OURS,)


async def test_without_the_hand_over_the_size_would_be_reset(cluster: KubernetesCluster) -> None:
    made = await cluster.apply(manifest(replicas=3))
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    await cluster.apply(manifest(uid=uid, name=name))
    assert (await stored(cluster, name))["spec"]["replicas"] == 1


async def test_a_human_at_scale_shows_up_as_a_conflict_with_a_name(lab: Lab, cluster: KubernetesCluster) -> None:
    name, _ = await created(cluster, 2)
    lab.kubectl("scale", "deployment", name, "--replicas=5")
    with pytest.raises(WriteConflict) as caught:
        await scale(cluster, name, 3)
    assert caught.value.other_writer == "kubectl"
    await scale(cluster, name, 3, force=True)
    assert replicas_writers((await stored(cluster, name))["metadata"]["managedFields"]) == (OURS,)


async def test_a_human_who_scales_to_zero_leaves_no_owner_but_we_do(lab: Lab, cluster: KubernetesCluster) -> None:
    theirs, _ = await created(cluster, 2)
    lab.kubectl("scale", "deployment", theirs, "--replicas=0")
    assert replicas_writers((await stored(cluster, theirs))["metadata"]["managedFields"]) == ()
    ours, _ = await created(cluster, 2)
    await scale(cluster, ours, 0)
    assert replicas_writers((await stored(cluster, ours))["metadata"]["managedFields"]) == (OURS,)


async def test_every_write_of_a_size_moves_the_generation(lab: Lab, cluster: KubernetesCluster) -> None:
    name, _ = await created(cluster, 2)
    before = (await stored(cluster, name))["metadata"]["generation"]
    lab.kubectl("scale", "deployment", name, "--replicas=4")
    assert (await stored(cluster, name))["metadata"]["generation"] == before + 1


async def test_creating_over_an_object_of_another_writer_is_a_conflict(lab: Lab, cluster: KubernetesCluster) -> None:
    name = f"theirs{next(NAMES)}"
    lab.kubectl("create", "deployment", name, "--image=other", "--replicas=2")
    for dry_run in (True, False):
        with pytest.raises((WriteConflict, WriteRefused)):
            await cluster.apply(manifest(replicas=0, name=name), dry_run=dry_run)
    assert (await stored(cluster, name))["spec"]["replicas"] == 2


async def test_an_update_never_creates_and_never_hits_another_object(cluster: KubernetesCluster) -> None:
    name, uid = await created(cluster, 1)
    other = "00000000-0000-0000-0000-000000000000"
    with pytest.raises((WriteConflict, WriteRefused)):
        await cluster.apply(manifest(uid=other, name=name))
    with pytest.raises(WriteConflict):
        await cluster.delete(kind="Deployment", namespace="default", name=name, uid=other)
    await cluster.delete(kind="Deployment", namespace="default", name=name, uid=uid)
    with pytest.raises((WriteConflict, WriteRefused)):
        await cluster.apply(manifest(uid=uid, name=name))


async def test_a_dry_run_finds_what_is_wrong_in_the_servers_words_and_changes_nothing(
    cluster: KubernetesCluster,
) -> None:
    name, uid = await created(cluster, 1)
    before = ours(await stored(cluster, name))
    for field, value, words in (("imagee", "x", "imagee"), ("image", "", "image: Required value")):
        bad = copy.deepcopy(manifest(uid=uid, name=name))
        bad["spec"]["template"]["spec"]["containers"][0][field] = value
        with pytest.raises(WriteRefused, match=words):
            await cluster.apply(bad, dry_run=True)
    assert ours(await stored(cluster, name)) == before


async def test_writing_the_same_again_changes_nothing(cluster: KubernetesCluster) -> None:
    name, uid = await created(cluster, 2)
    before = ours(await stored(cluster, name))
    await scale(cluster, name, 2)
    await cluster.apply(manifest(uid=uid, name=name))
    assert ours(await stored(cluster, name)) == before


async def test_events_are_shown_by_describe(lab: Lab, cluster: KubernetesCluster) -> None:
    name, _ = await created(cluster, 1)
    for _ in range(2):
        await cluster.record_event(regarding=await stored(cluster, name), reason="DemandRose", message="to 3")
    assert "DemandRose" in lab.kubectl("describe", "deployment", name).stdout


async def test_what_the_operator_may_not_do_is_refused_with_the_reason(cluster: KubernetesCluster) -> None:
    with pytest.raises(WriteRefused, match="forbidden"):
        await cluster.delete(kind="Namespace", namespace="", name="default", uid="u")


async def test_a_status_over_an_older_version_is_a_conflict_and_without_one_it_is_merged(
    lab: Lab, cluster: KubernetesCluster
) -> None:
    lab.apply(CRDS)
    lab.kubectl("apply", "-f", "-", input=json.dumps(wire.compute_pool(name := f"pool{next(NAMES)}")))
    ready = {"type": "Ready", "status": "True", "reason": "Usable", "message": "-"}
    status = {"conditions": [{**ready, "lastTransitionTime": "2027-01-15T08:00:00Z"}]}

    async def write(version: str | None) -> None:
        await cluster.patch_status(
            kind="ComputePool", namespace=None, name=name, status=status, resource_version=version
        )

    with pytest.raises(WriteConflict):
        await write("1")
    await write(None)
    assert lab.kubectl("get", "computepool", name, "-o", "jsonpath={.status.conditions[0].reason}").stdout == "Usable"


def leader_worker_sets() -> dict[str, Any]:
    """The kind as its users know it: what is read and scaled of it, the rest as it comes."""
    loose = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    count = {"type": "integer", "format": "int32"}
    spec = {**loose, "properties": {"replicas": {**count, "default": 1}}}
    status = {**loose, "properties": {"replicas": count, "readyReplicas": count, "hpaPodSelector": {"type": "string"}}}
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.hpaPodSelector",
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
        "subresources": {"status": {}, "scale": scale},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "leaderworkersets.leaderworkerset.x-k8s.io"},
        "spec": {
            "group": "leaderworkerset.x-k8s.io",
            "scope": "Namespaced",
            "names": {"kind": "LeaderWorkerSet", "plural": "leaderworkersets", "singular": "leaderworkerset"},
            "versions": [version],
        },
    }


async def test_groups_are_scaled_by_compare_and_swap_and_a_second_writer_is_named(lab: Lab) -> None:
    server = ApiServer(kubeconfig=str(lab.kubeconfig))
    cluster = KubernetesCluster(server=server, instance="test", now=time.time)

    async def scaled(before: Any, replicas: int) -> Any:
        version = before["metadata"]["resourceVersion"]
        await cluster.set_replicas(
            kind="LeaderWorkerSet", namespace="default", name="groups", replicas=replicas, version=version
        )
        (found,) = await cluster.list_objects("LeaderWorkerSet")
        return found

    try:
        assert await cluster.list_objects("LeaderWorkerSet") == [], "where the kind is not installed there are none"
        lab_apply(lab, leader_worker_sets())
        lab.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=30s")
        lab_apply(lab, wire.leader_worker_set("groups", "default", replicas=2))
        before = (await cluster.list_objects("LeaderWorkerSet"))[0]
        after = await scaled(before, 3)
        assert after["spec"] == before["spec"] | {"replicas": 3}, "its templates are not touched"
        assert replicas_writers(after["metadata"]["managedFields"]) == (OURS,)
        with pytest.raises(WriteConflict):
            await scaled(before, 4)
        lab.kubectl("scale", "leaderworkersets/groups", "--replicas=5")
        theirs = (await cluster.list_objects("LeaderWorkerSet"))[0]
        assert [writer.manager for writer in replicas_writers(theirs["metadata"]["managedFields"])] == ["kubectl"]
        none = await scaled(theirs, 0)
        assert none["spec"]["replicas"] == 0
        assert not replicas_writers(none["metadata"]["managedFields"]), "a zero has no owner, whoever wrote it"
        assert (await scaled(none, 1))["spec"]["replicas"] == 1
    finally:
        lab.kubectl("delete", "crd", "leaderworkersets.leaderworkerset.x-k8s.io", "--ignore-not-found")
        await server.close()


def lab_apply(lab: Lab, manifest: Any) -> None:
    done = lab.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifest))
    assert done.returncode == 0, done.stderr
