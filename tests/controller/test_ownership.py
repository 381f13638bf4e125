"""Who may write replicas: never a fight, and always a way back."""

import random
from typing import Any

from tightrope.controller.ownership import (
    Claimant,
    ObjectKey,
    Writer,
    hand_back,
    replicas_right,
    replicas_writers,
    ticket,
    winners,
)

OURS = Writer(manager="tightrope", subresource="scale")
OURS_FROM_CREATION = Writer(manager="tightrope")
KUBECTL = Writer(manager="kubectl", subresource="scale")


def workload(*writers: Writer, replicas: int = 3, generation: int = 7) -> dict[str, Any]:
    metadata = {"name": "legacy", "namespace": "nlp", "generation": generation}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}, "replicasWriters": writers}


def test_what_we_own_is_written_without_force() -> None:
    right = replicas_right(workload(OURS), had_before=True, take_from=None)
    assert (right.force, right.hand_over, right.contested_by) == (False, False, None)


def test_what_nobody_owns_is_taken() -> None:
    assert replicas_right(workload(), had_before=True, take_from=None).force


def test_a_size_still_in_our_main_entry_must_be_handed_over() -> None:
    assert replicas_right(workload(OURS_FROM_CREATION), had_before=True, take_from=None).hand_over


def test_a_target_seen_for_the_first_time_is_taken_from_its_writer() -> None:
    right = replicas_right(workload(KUBECTL), had_before=False, take_from=None)
    assert right.force and right.contested_by is None


def test_a_writer_after_us_is_left_alone_and_named() -> None:
    right = replicas_right(workload(KUBECTL), had_before=True, take_from=None)
    assert right.contested_by == "kubectl" and not right.force


def test_a_zero_without_owner_is_somebody_elses_since_our_own_zeros_keep_one() -> None:
    assert replicas_right(workload(replicas=0), had_before=True, take_from=None).contested_by == "unknown"
    assert replicas_right(workload(replicas=0), had_before=False, take_from=None).force


def test_the_command_in_the_message_gives_the_replicas_back_once() -> None:
    message = hand_back("kubectl", workload(KUBECTL), service="sentiment")
    claim = message.rsplit("=", 1)[1]
    assert replicas_right(workload(KUBECTL), had_before=True, take_from=claim).force
    later = workload(KUBECTL, generation=8)
    assert replicas_right(later, had_before=True, take_from=claim).contested_by == "kubectl"


def test_a_ticket_for_one_writer_is_none_for_another() -> None:
    claim = ticket("kubectl", 7)
    hpa = Writer(manager="kube-controller-manager", subresource="scale")
    assert replicas_right(workload(hpa), had_before=True, take_from=claim).contested_by == "kube-controller-manager"


def test_writers_are_read_from_managed_fields() -> None:
    entries = [
        {"manager": "a", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "b", "fieldsV1": {"f:metadata": {}}},
        {"manager": "c"},
    ]
    assert replicas_writers(entries) == (Writer(manager="a"),)


def test_the_older_service_wins_whatever_the_order() -> None:
    key = ObjectKey(kind="Deployment", namespace="nlp", name="a-b-c")
    old = Claimant(created_at="2027-01-01T00:00:00Z", uid="2", name="a")
    young = Claimant(created_at="2027-01-02T00:00:00Z", uid="1", name="a-b")
    claims = [(old, [key]), (young, [key])]
    for _ in range(5):
        random.shuffle(claims)
        assert winners(dict(claims))[key] is old


def test_a_zero_of_a_group_is_not_contested_since_none_keeps_its_owner() -> None:
    empty = {"kind": "LeaderWorkerSet", "metadata": {"generation": 4}, "spec": {"replicas": 0}, "replicasWriters": ()}
    assert replicas_right(empty, had_before=True, take_from=None).contested_by is None
    assert replicas_right({**empty, "kind": "StatefulSet"}, had_before=True, take_from=None).contested_by is not None
