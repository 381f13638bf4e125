"""Watch events reach the store, and only a user's change wakes the tick."""

from typing import Any

import pytest

from tightrope.adapters.kubernetes.resources import RESOURCES
from tightrope.controller import handlers
from tightrope.controller.store import KINDS, Store


class Bell:
    def __init__(self) -> None:
        self.rings = 0

    def __call__(self) -> None:
        self.rings += 1


def infd(version: int, *, generation: int = 1, **metadata: Any) -> dict[str, Any]:
    head = {"name": "s", "namespace": "nlp", "uid": "u", "resourceVersion": str(version), "generation": generation}
    return {"kind": "InferenceDeployment", "metadata": {**head, **metadata}, "spec": {}}


@pytest.fixture
def store() -> Store:
    return Store()


def take(store: Store, bell: Bell, kind: str, wire: dict[str, Any], change: str | None = "MODIFIED") -> None:
    handlers.take(kind, {"type": change, "object": wire}, store, bell)


def test_a_change_of_the_spec_wakes_the_tick(store: Store) -> None:
    bell = Bell()
    take(store, bell, "InferenceDeployment", infd(1), None)
    take(store, bell, "InferenceDeployment", infd(2, generation=2))
    assert bell.rings == 2


def test_our_own_status_write_does_not(store: Store) -> None:
    bell = Bell()
    take(store, bell, "InferenceDeployment", infd(1), None)
    take(store, bell, "InferenceDeployment", {**infd(2), "status": {"plan": "cpu:1"}})
    assert bell.rings == 1


def test_handing_replicas_back_does(store: Store) -> None:
    bell = Bell()
    take(store, bell, "InferenceDeployment", infd(1), None)
    take(store, bell, "InferenceDeployment", infd(2, annotations={"tightrope.dev/take-replicas-from": "kubectl@2"}))
    take(store, bell, "InferenceDeployment", infd(3, annotations={"team": "nlp"}))
    assert bell.rings == 3  # the annotation coming, and going


def test_pods_never_do(store: Store) -> None:
    bell = Bell()
    take(store, bell, "Pod", infd(1), "ADDED")
    assert bell.rings == 0 and store.uids("Pod") == {"u"}


def test_a_deletion_removes_and_wakes(store: Store) -> None:
    bell = Bell()
    take(store, bell, "InferenceDeployment", infd(1), None)
    take(store, bell, "InferenceDeployment", infd(2), "DELETED")
    assert bell.rings == 2 and not store.uids("InferenceDeployment")


def test_kopf_is_given_event_handlers_only_and_nothing_that_writes(store: Store) -> None:
    registry = handlers.registry(store, addresses=RESOURCES, wake=lambda: None)
    assert len(list(registry._watching.get_all_handlers())) == len(KINDS)
    assert not list(registry._changing.get_all_handlers())
    assert not list(registry._spawning.get_all_handlers())
    assert not list(registry._indexing.get_all_handlers())
    settings = handlers.kopf_settings(RESOURCES)
    assert settings.scanning.disabled and not settings.posting.enabled


def test_who_looks_after_some_namespaces_watches_all_kinds_but_namespaces(store: Store) -> None:
    assert handlers.watched(()) == KINDS
    some = handlers.watched(["nlp"])
    assert set(KINDS) - set(some) == {"Namespace"}
    registry = handlers.registry(store, addresses=RESOURCES, wake=lambda: None, kinds=some)
    assert len(list(registry._watching.get_all_handlers())) == len(some)
