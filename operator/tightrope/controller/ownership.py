"""Whose object is this, and who may write its replicas? Pure questions that `facts`, `actuate` and the status ask.

The API server keeps the answer in managedFields: every writer of spec.replicas has an entry there. We write by
server-side apply on /scale, never by force, except where nobody is overruled: nobody owns the field, it is ours, a
target is adopted for the first time, or a person has handed over that one write.

Entries of writes through /scale carry no time, so a write is named by its manager and the workload's generation, which
moves with every later write: a hand-over is good for one write and can't turn into a fight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tightrope.controller import groups

FIELD_MANAGER: Final = "tightrope"
TAKE_REPLICAS_FROM: Final = "tightrope.dev/take-replicas-from"
_SCALE = "scale"
_UNRECORDED = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """One entry of managedFields that owns spec.replicas."""

    manager: str
    subresource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicasRight:
    """May spec.replicas of this workload be written, and how.

    `force` overrules the recorded owner. `hand_over` says that our main entry still owns the field from creation: it
    must move to the /scale entry before the next apply without replicas, which would reset it to 1 otherwise.
    `contested_by` is the manager to whom the field is left, None when it may be written.
    """

    force: bool = False
    hand_over: bool = False
    contested_by: str | None = None


def replicas_writers(managed_fields: Sequence[Mapping[str, Any]]) -> tuple[Writer, ...]:
    """Every manager whose entry holds f:spec.f:replicas."""
    return tuple(
        Writer(manager=entry.get("manager", ""), subresource=entry.get("subresource", ""))
        for entry in managed_fields
        if "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    )


def ticket(manager: str, generation: int) -> str:
    """What to put into the take-replicas-from annotation: it names one write and no later one."""
    return f"{manager}@{generation}"


def replicas_right(workload: Mapping[str, Any], *, had_before: bool, take_from: str | None) -> ReplicasRight:
    """The right over one workload as the store holds it. `had_before`: we created it, or the status says that we
    adopted exactly it. `take_from` is the annotation's value."""
    writers: Sequence[Writer] = workload["replicasWriters"]
    ours = [writer for writer in writers if writer.manager == FIELD_MANAGER]
    others = sorted(writer.manager for writer in writers if writer.manager != FIELD_MANAGER)
    hand_over = any(writer.subresource != _SCALE for writer in ours)
    applied = workload["kind"] != groups.KIND
    if applied and not writers and had_before and workload["spec"].get("replicas", 1) == 0:
        # Our own zeros keep an owner. A zero that another client writes through /scale leaves none, nor its name. On a
        # custom resource nobody's zero keeps one, ours included.
        others = [_UNRECORDED]
    if not others:
        return ReplicasRight(force=not ours, hand_over=hand_over)
    generation = workload["metadata"].get("generation", 0)
    if not had_before or take_from in {ticket(manager, generation) for manager in others}:
        return ReplicasRight(force=True, hand_over=hand_over)
    return ReplicasRight(hand_over=hand_over, contested_by=others[0])


def hand_back(manager: str, workload: Mapping[str, Any], *, service: str) -> str:
    """One sentence for the Conflict condition: who wrote, and the command that gives the replicas back to us."""
    metadata = workload["metadata"]
    claim = ticket(manager, metadata.get("generation", 0))
    replicas = workload["spec"].get("replicas", 1)
    who = "a writer that left no name" if manager == _UNRECORDED else manager
    return (
        f"{who} set spec.replicas of {workload['kind']} {metadata['name']} to {replicas}, so Tightrope leaves it "
        f"alone. Stop that writer, then hand the replicas back: kubectl annotate infd {service} "
        f"-n {metadata['namespace']} --overwrite {TAKE_REPLICAS_FROM}={claim}"
    )


def controller_uid(wire: Mapping[str, Any]) -> str | None:
    """The uid of the object's controlling owner, or None if nobody controls it."""
    for reference in wire["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            uid: str = reference["uid"]
            return uid
    return None


def owner_in_words(wire: Mapping[str, Any]) -> str:
    """Who controls the object, for a sentence."""
    for reference in wire["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return f"{reference.get('kind', 'something')} {reference.get('name', '')}".strip()
    return "nobody"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Claimant:
    """A service that wants a name or a target; the oldest wins, then the smallest uid."""

    created_at: str
    uid: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObjectKey:
    """An object by kind and name."""

    kind: str
    namespace: str
    name: str


def winners(wanted: Mapping[Claimant, Sequence[ObjectKey]]) -> Mapping[ObjectKey, Claimant]:
    """Who gets each object when two services want the same one: independent of order, and stable over time."""
    won: dict[ObjectKey, Claimant] = {}
    for claimant in sorted(wanted):
        for key in wanted[claimant]:
            won.setdefault(key, claimant)
    return won
