"""Pools of emulated nodes, and which pods want how many more of them. Pure; `cloud` acts on it.

The arithmetic is a cluster autoscaler's: pods that the scheduler could not place are packed, first fit in order of
creation, into the room that is there or ordered already; what is left needs new nodes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tightrope.lab.errors import LabError

POOL_LABEL: Final = "tightrope.dev/pool"
GPU: Final = "nvidia.com/gpu"
PODS_PER_NODE: Final = 110
DISK: Final = "100Gi"

Resources = Mapping[str, Decimal]
_SUFFIXES: Final = {
    "": Decimal(1),
    **{letter: Decimal(1000) ** -power for power, letter in enumerate("mun", start=1)},
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    key: str
    value: str = ""
    effect: str = "NoSchedule"

    def as_dict(self) -> dict[str, str]:
        return {"key": self.key, "value": self.value, "effect": self.effect}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePool:
    """One kind of emulated node. Every node carries the label `tightrope.dev/pool: <name>`, and with accelerators the
    taint `nvidia.com/gpu=present:NoSchedule`.

    `cpu` (cores), `memory` (quantity) and `accelerators` are one node's. A pod that finds no room has a node ordered,
    which is there `provision_seconds` later, while there are fewer than `max_nodes`. A node without pods goes after
    `idle_seconds`; None keeps it for ever.
    """

    name: str
    cpu: str = "8"
    memory: str = "32Gi"
    accelerators: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Taint] = ()
    initial_nodes: int = 1
    max_nodes: int = 1
    provision_seconds: float = 10.0
    idle_seconds: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.initial_nodes <= self.max_nodes:
            raise LabError(
                f"pool {self.name}: initial_nodes is {self.initial_nodes}, max_nodes {self.max_nodes}; "
                "write 0 <= initial_nodes <= max_nodes"
            )

    def node_labels(self) -> dict[str, str]:
        return {**self.labels, POOL_LABEL: self.name}

    def node_taints(self) -> tuple[Taint, ...]:
        gpu = (Taint(key=GPU, value="present"),) if self.accelerators else ()
        return (*gpu, *self.taints)

    def capacity(self) -> dict[str, str]:
        offered = {"cpu": self.cpu, "memory": self.memory, "ephemeral-storage": DISK, "pods": str(PODS_PER_NODE)}
        return {**offered, GPU: str(self.accelerators)} if self.accelerators else offered


def node_manifest(pool: NodePool, name: str) -> dict[str, Any]:
    """A node as its kubelet would register it: not ready yet, with what it has to offer."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**pool.node_labels(), "kubernetes.io/hostname": name}},
        "spec": {"taints": [taint.as_dict() for taint in pool.node_taints()]},
        "status": {"capacity": pool.capacity(), "allocatable": pool.capacity()},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """What the cloud needs to know of a pod. `wants_room` is true while the scheduler finds no place for it."""

    key: str
    created: str
    node: str | None
    wants_room: bool
    requests: Resources
    selector: Mapping[str, str]
    tolerations: Sequence[Mapping[str, str]]


def pod_view(pod: Mapping[str, Any]) -> PodView:
    """From the wire format."""
    spec, status, metadata = pod["spec"], pod.get("status", {}), pod["metadata"]
    refused = any(
        condition["type"] == "PodScheduled"
        and condition["status"] == "False"
        and condition.get("reason") == "Unschedulable"
        for condition in status.get("conditions", ())
    )
    return PodView(
        key=f"{metadata['namespace']}/{metadata['name']}",
        created=metadata.get("creationTimestamp") or "",
        node=spec.get("nodeName"),
        wants_room=refused and not spec.get("nodeName") and not metadata.get("deletionTimestamp"),
        requests=_requests(spec),
        selector=spec.get("nodeSelector") or {},
        tolerations=spec.get("tolerations") or (),
    )


def occupies(pod: Mapping[str, Any]) -> bool:
    """Whether the pod takes room on its node; one that ended does not."""
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _requests(spec: Mapping[str, Any]) -> Resources:
    total: dict[str, Decimal] = {"pods": Decimal(1)}
    for container in spec.get("containers", ()):
        resources = container.get("resources") or {}
        # A limit without a request is the request, as the API server defaults it.
        for name, amount in {**(resources.get("limits") or {}), **(resources.get("requests") or {})}.items():
            total[name] = total.get(name, Decimal(0)) + quantity(str(amount))
    return total


def quantity(text: str) -> Decimal:
    """A Kubernetes quantity as a number: "1500m" is 1.5, "2Gi" is 2147483648. Raises LabError."""
    digits = text.rstrip("numkKMGTPEi")
    try:
        return Decimal(digits) * _SUFFIXES[text[len(digits) :]]
    except (ArithmeticError, KeyError) as error:
        raise LabError(
            f"quantity is {text!r}; write a number, with a suffix such as m, k, Mi or Gi if need be"
        ) from error


def nodes_wanted(pool: NodePool, *, pods: Iterable[PodView], open_nodes: Iterable[str], ordered: int) -> int:
    """How many more nodes of this pool the waiting pods need, beside the open nodes (those that take new pods) and the
    ordered ones that are still on their way. A pod that no empty node could hold is nobody's wish."""
    pods = list(pods)
    waiting = sorted((pod for pod in pods if pod.wants_room and _may_use(pod, pool)), key=lambda pod: pod.created)
    if not waiting:
        return 0
    whole = {name: quantity(amount) for name, amount in pool.capacity().items()}
    room = [_left(whole, [pod for pod in pods if pod.node == name]) for name in open_nodes]
    room += [dict(whole) for _ in range(ordered)]
    before = len(room)
    for pod in waiting:
        if not _fits(pod.requests, whole):
            continue
        place = next((free for free in room if _fits(pod.requests, free)), None)
        if place is None:
            place = dict(whole)
            room.append(place)
        for name, amount in pod.requests.items():
            place[name] = place.get(name, Decimal(0)) - amount
    return len(room) - before


def _left(whole: Resources, pods: Sequence[PodView]) -> dict[str, Decimal]:
    left = dict(whole)
    for pod in pods:
        for name, amount in pod.requests.items():
            left[name] = left.get(name, Decimal(0)) - amount
    return left


def _fits(requests: Resources, free: Resources) -> bool:
    return all(amount <= free.get(name, Decimal(0)) for name, amount in requests.items() if amount > 0)


def _may_use(pod: PodView, pool: NodePool) -> bool:
    """Whether the pod asks for this pool by name and tolerates its taints. Pods that name no pool get no new nodes:
    a choice among pools is the operator's, not the cloud's."""
    labels = pool.node_labels()
    if POOL_LABEL not in pod.selector or any(labels.get(name) != value for name, value in pod.selector.items()):
        return False
    return all(any(_tolerates(t, taint) for t in pod.tolerations) for taint in pool.node_taints())


def _tolerates(toleration: Mapping[str, str], taint: Taint) -> bool:
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint.key)
    return toleration.get("key") == taint.key and toleration.get("value", "") == taint.value
