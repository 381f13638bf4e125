"""The store believes nothing twice: older versions, lost deletions and late events leave it right."""

import pytest

from tightrope.controller.store import KINDS, Store


def pod(uid: str = "u1", version: int = 5, name: str = "p", **extra: object) -> dict[str, object]:
    metadata = {"name": name, "namespace": "nlp", "uid": uid, "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}, "status": {}, **extra}


@pytest.fixture
def store() -> Store:
    return Store()


def test_an_older_version_never_replaces_a_newer_one(store: Store) -> None:
    assert store.put("Pod", pod(version=10, status={"phase": "Running"}))
    assert not store.put("Pod", pod(version=9, status={"phase": "Pending"}))
    assert store.get("Pod", "u1")["status"]["phase"] == "Running"


def test_versions_compare_as_numbers_not_as_text(store: Store) -> None:
    store.put("Pod", pod(version=9))
    assert store.put("Pod", pod(version=10))


def test_a_deleted_object_does_not_come_back_with_a_late_event(store: Store) -> None:
    store.put("Pod", pod(version=5))
    store.remove("Pod", "u1")
    assert not store.put("Pod", pod(version=6))
    assert store.snapshot().get("Pod", "nlp", "p") is None


def test_a_listing_asked_for_before_a_deletion_does_not_bring_the_object_back(store: Store) -> None:
    store.put("Pod", pod())
    held, listed = store.uids("Pod"), [pod()]
    store.remove("Pod", "u1")
    store.reconcile("Pod", listed, held_before=held)
    store.reconcile("Pod", [], held_before=frozenset())
    assert store.uids("Pod") == frozenset()


def test_a_listing_brings_what_the_watch_missed_and_drops_what_it_lost(store: Store) -> None:
    store.put("Pod", pod(uid="ghost", name="ghost"))
    store.put("Pod", pod(uid="old", name="old", version=5))
    repairs = store.reconcile(
        "Pod", [pod(uid="old", name="old", version=8), pod(uid="new", name="new")], held_before=store.uids("Pod")
    )
    assert (repairs.late, repairs.lost) == (2, 1)
    assert store.uids("Pod") == {"old", "new"}


def test_an_object_younger_than_the_listing_stays(store: Store) -> None:
    held = store.uids("Pod")
    store.put("Pod", pod())  # its event arrives while the listing is on its way
    store.reconcile("Pod", [], held_before=held)
    assert store.uids("Pod") == {"u1"}


def test_nothing_is_complete_before_every_kind_was_listed(store: Store) -> None:
    for kind in KINDS[1:]:
        store.reconcile(kind, [], held_before=frozenset())
    assert store.unlisted == (KINDS[0],)
    store.reconcile(KINDS[0], [], held_before=frozenset())
    assert store.unlisted == ()


def test_a_snapshot_does_not_change_under_its_reader(store: Store) -> None:
    store.put("Pod", pod())
    snapshot = store.snapshot()
    store.remove("Pod", "u1")
    assert snapshot.get("Pod", "nlp", "p") is not None
    assert len(list(snapshot.all("Pod"))) == 1


def test_of_managed_fields_only_the_writers_of_replicas_are_kept(store: Store) -> None:
    fields = [
        {"manager": "kubectl", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "helm", "fieldsV1": {"f:spec": {"f:template": {}}}},
    ]
    wire = pod(uid="d", spec={"replicas": 2, "template": {"spec": {"containers": [{"image": "x"}]}}})
    wire["metadata"]["managedFields"] = fields
    store.put("Deployment", wire)
    held = store.get("Deployment", "d")
    assert [writer.manager for writer in held["replicasWriters"]] == ["kubectl"]
    assert "managedFields" not in held["metadata"]
    assert "image" not in str(held)


def test_only_our_own_annotations_are_kept(store: Store) -> None:
    wire = pod()
    wire["metadata"]["annotations"] = {"tightrope.dev/applied": "1", "kubectl.kubernetes.io/last-applied": "x" * 9999}
    store.put("Pod", wire)
    assert store.get("Pod", "u1")["metadata"]["annotations"] == {"tightrope.dev/applied": "1"}


def test_a_pod_whose_node_went_is_kept_for_two_listings_and_others_are_not(store: Store) -> None:
    going = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}
    going["lastTransitionTime"] = "2027-01-15T07:59:00Z"
    store.put("Pod", pod(uid="u1", status={"conditions": [going]}))
    store.put("Pod", pod(uid="u2", name="q"))
    for uid in ("u1", "u2"):
        store.remove("Pod", uid)
    for lost in (["u1"], ["u1"], []):
        assert [one["metadata"]["uid"] for one in store.snapshot().lost_pods] == lost
        store.reconcile("Pod", [], held_before=frozenset())
