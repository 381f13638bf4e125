"""A LeaderWorkerSet as one sees it from outside: a replica is a group of pods, and its leader stands for it.

`store` keeps of such an object what `whole_set` returns, `facts` asks the rest. Names and fields as in the API of
kubernetes-sigs/lws (leaderworkerset.x-k8s.io/v1): the pods of a set carry its name in one label and their place in
the group in another, 0 for the leader; `status.readyReplicas` counts groups of which every pod is ready.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Wire: TypeAlias = Mapping[str, Any]

KIND: Final = "LeaderWorkerSet"
SET_NAME: Final = "leaderworkerset.sigs.k8s.io/name"
_GROUP: Final = "leaderworkerset.sigs.k8s.io/group-index"
_PLACE: Final = "leaderworkerset.sigs.k8s.io/worker-index"
_LEADER: Final = "0"
_UPDATING: Final = "UpdateInProgress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One replica: its leader and the workers that are there. `whole` says that none of them is still to be made."""

    leader: Wire
    workers: Sequence[Wire]
    whole: bool

    @property
    def pods(self) -> Sequence[Wire]:
        return (self.leader, *self.workers)


def templates(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The pod specs of a set's leader and, where a group has any, of a worker. Without a template of its own the
    leader is made like a worker."""
    template = spec.get("leaderWorkerTemplate") or {}
    worker = template.get("workerTemplate") or {}
    leader = template.get("leaderTemplate") or worker
    found = [leader, worker] if size_of(spec) > 1 else [leader]
    return [one.get("spec") or {} for one in found]


def size_of(spec: Mapping[str, Any]) -> int:
    """Pods in a group, the leader among them."""
    return int((spec.get("leaderWorkerTemplate") or {}).get("size", 1))


def groups(pods: Iterable[Wire], size: int) -> Iterator[Group]:
    """The groups that have a leader: pods without one are no replica, and on their way out or not yet in."""
    leaders: dict[str, Wire] = {}
    workers: dict[str, list[Wire]] = {}
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        group = labels.get(_GROUP, "")
        if labels.get(_PLACE) == _LEADER:
            leaders[group] = pod
        else:
            workers.setdefault(group, []).append(pod)
    for group, leader in leaders.items():
        members = workers.get(group, [])
        yield Group(leader=leader, workers=members, whole=len(members) >= size - 1)


def rolling_out(wire: Wire) -> bool:
    """Groups of two templates side by side. Held by a partition, they may live so for good."""
    rollout = wire["spec"].get("rolloutStrategy") or {}
    if (rollout.get("rollingUpdateConfiguration") or {}).get("partition"):
        return False
    conditions = wire["status"].get("conditions") or ()
    return any(one["type"] == _UPDATING and one["status"] == "True" for one in conditions)
