"""What the cluster looks like, as far as the operator was told: watched objects by kind and uid, trimmed.

`handlers` feeds it from watches, `process` reconciles it against listings, `tick` reads snapshots. Watches start late,
fall silent and lose deletions in a re-list, so they are never trusted alone: nothing is planned before every kind was
listed once, and each listing puts right whatever the watch had missed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tightrope.controller import groups
from tightrope.controller.ownership import replicas_writers
from tightrope.controller.takebacks import taken_back

Wire: TypeAlias = Mapping[str, Any]

KINDS: Final = (
    "Namespace",
    "ComputePool",
    "InferenceDeployment",
    "Deployment",
    "StatefulSet",
    "Pod",
    "Service",
    "PodDisruptionBudget",
)
# Kinds that not every cluster has, each watched only by an operator that was told to.
OPTIONAL: Final = (groups.KIND,)
_OURS = "tightrope.dev/"
_METADATA = (
    "name", "namespace", "uid", "resourceVersion", "generation", "labels",
    "ownerReferences", "creationTimestamp", "deletionTimestamp",
)  # fmt: skip
_WORKLOAD_SPEC = ("replicas", "selector", "minReadySeconds", "updateStrategy", "rolloutStrategy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """What a listing put right: objects the watch had not delivered, and deletions it had lost."""

    late: int
    lost: int


class Snapshot:
    """The store at one instant: later events do not change it. `lost_pods` are gone, and were told before that their
    node goes."""

    def __init__(self, kinds: Mapping[str, Mapping[str, Wire]], lost_pods: Sequence[Wire] = ()) -> None:
        self._by_uid = kinds
        self.lost_pods: Final = tuple(lost_pods)
        self._by_name = {
            kind: {
                (wire["metadata"].get("namespace") or "", wire["metadata"]["name"]): wire for wire in objects.values()
            }
            for kind, objects in kinds.items()
        }

    def all(self, kind: str) -> Iterable[Wire]:
        return self._by_uid[kind].values()

    def get(self, kind: str, namespace: str, name: str) -> Wire | None:
        """The object of that name; "" is the namespace of cluster-scoped kinds. None too for a kind that is not
        watched: see `holds`."""
        return self._by_name.get(kind, {}).get((namespace, name))

    def holds(self, kind: str) -> bool:
        """Whether objects of this kind are watched at all."""
        return kind in self._by_uid


class Store:
    """Mutable, used from one event loop. An older object never replaces a newer one; a deleted uid never returns."""

    def __init__(self, kinds: Sequence[str] = KINDS) -> None:
        self.kinds: Final = tuple(kinds)
        self._objects: dict[str, dict[str, Wire]] = {kind: {} for kind in kinds}
        self._gone: dict[str, set[str]] = {kind: set() for kind in kinds}
        self._gone_before: dict[str, set[str]] = {kind: set() for kind in kinds}
        self._listed: set[str] = set()
        self._lost_pods: list[Wire] = []
        self._lost_before: list[Wire] = []

    def put(self, kind: str, wire: Wire) -> bool:
        """Take an object as watched, listed or returned by a write; False if nothing newer was in it."""
        uid = wire["metadata"]["uid"]
        held = self._objects[kind].get(uid)
        if uid in self._gone[kind] or uid in self._gone_before[kind] or (held is not None and not _newer(wire, held)):
            return False
        self._objects[kind][uid] = trimmed(kind, wire)
        return True

    def remove(self, kind: str, uid: str) -> None:
        """Take a deletion. Uids are never used again, so a late event cannot bring the object back."""
        self._gone[kind].add(uid)
        held = self._objects[kind].pop(uid, None)
        if kind == "Pod" and held is not None and taken_back(held) is not None:
            self._lost_pods.append(held)  # it may be gone before any tick has seen it go

    def get(self, kind: str, uid: str) -> Wire | None:
        return self._objects[kind].get(uid)

    def uids(self, kind: str) -> frozenset[str]:
        return frozenset(self._objects[kind])

    def reconcile(self, kind: str, listed: Sequence[Wire], *, held_before: frozenset[str]) -> Repairs:
        """Put right whatever the watch missed. `held_before` are the uids held when the listing was asked for: only
        those can be missing from it for being deleted; what appeared since may be too young to be in it."""
        late = sum(self.put(kind, wire) for wire in listed)
        lost = held_before & self.uids(kind) - {wire["metadata"]["uid"] for wire in listed}
        for uid in lost:
            self.remove(kind, uid)
        # Two listings are longer than any event is on its way: older deletions need not be remembered.
        self._gone_before[kind] = self._gone[kind]
        self._gone[kind] = set()
        if kind == "Pod":
            self._lost_before, self._lost_pods = self._lost_pods, []
        self._listed.add(kind)
        return Repairs(late=late, lost=len(lost))

    @property
    def unlisted(self) -> tuple[str, ...]:
        """Kinds that were never listed whole: until there are none, nothing may be planned."""
        return tuple(kind for kind in self.kinds if kind not in self._listed)

    def snapshot(self) -> Snapshot:
        lost = (*self._lost_before, *self._lost_pods)
        return Snapshot({kind: dict(objects) for kind, objects in self._objects.items()}, lost)


def _newer(wire: Wire, held: Wire) -> bool:
    return _version(wire) > _version(held)


def _version(wire: Wire) -> int:
    # Comparable as integers by the API's own promise since Kubernetes 1.35, and in fact ever since etcd 3.
    return int(wire["metadata"]["resourceVersion"])


def trimmed(kind: str, wire: Wire) -> Wire:
    """The parts of the object that the operator reads. managedFields become `replicasWriters`, at a tenth of the size.

    Our own kinds keep spec and status whole."""
    kept: dict[str, Any] = {"apiVersion": wire.get("apiVersion", ""), "kind": kind, "metadata": _metadata(wire)}
    match kind:
        case "InferenceDeployment" | "ComputePool":
            kept |= {part: wire[part] for part in ("spec", "status") if part in wire}
        case "Deployment" | "StatefulSet" | groups.KIND:
            spec = wire.get("spec") or {}
            kept["spec"] = {key: spec[key] for key in _WORKLOAD_SPEC if key in spec}
            # What the pods of a replica would request if none lives to be asked.
            grouped = kind == groups.KIND
            templates = groups.templates(spec) if grouped else [(spec.get("template") or {}).get("spec") or {}]
            kept["podSpecs"] = [_pod_spec(one) for one in templates]
            kept["podsPerReplica"] = groups.size_of(spec) if grouped else 1
            kept["status"] = wire.get("status") or {}
            kept["replicasWriters"] = replicas_writers(wire["metadata"].get("managedFields") or ())
        case "Pod":
            kept |= _pod(wire)
        case "PodDisruptionBudget":
            kept["spec"] = {"minAvailable": (wire.get("spec") or {}).get("minAvailable", 0)}
        case _:
            kept["status"] = {"phase": (wire.get("status") or {}).get("phase", "")}
    return kept


def _metadata(wire: Wire) -> dict[str, Any]:
    metadata = wire["metadata"]
    kept = {key: metadata[key] for key in _METADATA if key in metadata}
    annotations = metadata.get("annotations") or {}
    kept["annotations"] = {key: value for key, value in annotations.items() if key.startswith(_OURS)}
    return kept


def _pod(wire: Wire) -> dict[str, Any]:
    status = wire.get("status") or {}
    kept = {key: status[key] for key in ("phase", "conditions") if key in status}
    return {"podSpec": _pod_spec(wire.get("spec") or {}), "status": kept}


def _pod_spec(spec: Wire) -> dict[str, Any]:
    """What its containers request, and nothing else of a pod's spec."""
    kept: dict[str, Any] = {"overhead": spec.get("overhead") or {}, "resources": spec.get("resources") or {}}
    for group in ("containers", "initContainers"):
        kept[group] = [
            {"resources": container.get("resources") or {}, "restartPolicy": container.get("restartPolicy")}
            for container in spec.get(group) or ()
        ]
    return kept
