"""The cloud that the pools' nodes come from: it orders nodes for pods without room, removes idle ones, takes spot nodes
back, and runs out of them when a scenario says so. `Lab.cloud()` hands it out.

One thread looks twice a second at what a second thread has watched; both survive an API server that is away.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tightrope.lab.api_client import ApiClient, Refused, Unreachable
from tightrope.lab.errors import LabError
from tightrope.lab.nodes import POOL_LABEL, NodePool, PodView, Taint, node_manifest, nodes_wanted, occupies, pod_view

_LOOK_SECONDS = 0.5
_RETRY_SECONDS = 0.5
_TAKEN_BACK = Taint(key="lab.tightrope.dev/taken-back")
# A cluster autoscaler's way with an idle node: no new pods first, and gone once the scheduler must have seen that.
# A pod bound to a node that has just gone would wait for the pod garbage collector for a minute.
_LEAVING = Taint(key="lab.tightrope.dev/leaving")
_LEAVING_SECONDS = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    pool: str
    ready_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notice:
    node: str
    gone_at: float


class Cloud:
    """All pools of one lab. Methods raise LabError for a pool or node that does not exist."""

    def __init__(self, pools: Sequence[NodePool], connect: Callable[[], ApiClient]) -> None:
        self._pools = {pool.name: pool for pool in pools}
        self._connect = connect
        self._api = connect()
        # The first guards the connection, orders and notices, and is held during requests; the second guards what a
        # scenario sets and the watch sees, and is never held for long, also while the API server does not answer.
        self._lock = threading.RLock()
        self._facts = threading.Lock()
        self._stopping = threading.Event()
        self._left: dict[str, int | None] = dict.fromkeys(self._pools)
        self._made = dict.fromkeys(self._pools, 0)
        self._orders: list[_Order] = []
        self._notices: list[_Notice] = []
        self._idle_since: dict[str, float] = {}
        self._pods: dict[str, PodView] = {}
        self._seen = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch_pods, name="lab-cloud-watch", daemon=True),
            threading.Thread(target=self._run, name="lab-cloud", daemon=True),
        ]

    def start(self) -> None:
        """Create the initial nodes, then look after them."""
        for pool in self._pools.values():
            for _ in range(pool.initial_nodes):
                self._create(pool)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Look no further; what is there stays. The threads are daemons and may be inside a request."""
        self._stopping.set()

    def nodes(self, pool: str) -> list[str]:
        """Names of the nodes of this pool that exist now, sorted."""
        return sorted(node["metadata"]["name"] for node in self._list(self._pool(pool).name))

    def nodes_left(self, pool: str) -> int | None:
        """How many more nodes the cloud has for this pool; None if it never runs out."""
        with self._facts:
            return self._left[self._pool(pool).name]

    def set_nodes_left(self, pool: str, nodes: int | None) -> None:
        """From now on the cloud gives this pool so many more nodes. A node that is given back goes to somebody else."""
        with self._facts:
            self._left[self._pool(pool).name] = nodes

    def add_node(self, pool: str) -> str:
        """One more node at once, whatever the limits; returns its name."""
        return self._create(self._pool(pool))

    def taint(self, node: str, taint: Taint) -> None:
        """Put a taint on a node, or replace the one with the same key and effect."""
        self._set_taint(node, taint, wanted=True)

    def _set_taint(self, node: str, taint: Taint, *, wanted: bool) -> None:
        path = f"/api/v1/nodes/{node}"
        with self._lock:
            found = self._api.get(path)
            others = [t for t in found["spec"].get("taints", ()) if not _same(t, taint)]
            # The version makes this fail rather than undo what the node lifecycle controller changed meanwhile.
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            taints = [*others, taint.as_dict()] if wanted else others
            self._api.patch(path, {"metadata": version, "spec": {"taints": taints}})

    def remove_node(self, node: str) -> None:
        """The machine is gone, and its pods with it, at once and without a word."""
        with self._lock:
            self._api.delete(f"/api/v1/nodes/{node}")
            for key in self._pods_on(node):
                self._delete_pod(key, gracePeriodSeconds=0)

    def take_back(self, pool: str, nodes: int = 1, *, notice_seconds: float = 0.0) -> list[str]:
        """Take spot nodes back, the newest first, and return their names. With notice their pods are told to go now,
        as a termination handler would, and the machines go when it ends."""
        names = [node["metadata"]["name"] for node in self._list(self._pool(pool).name)]
        taken = sorted(names, key=_number, reverse=True)[:nodes]
        for name in taken:
            if notice_seconds <= 0:
                self.remove_node(name)
                continue
            self.taint(name, _TAKEN_BACK)
            with self._lock:
                for key in self._pods_on(name):
                    self._delete_pod(key)
                self._notices.append(_Notice(node=name, gone_at=time.monotonic() + notice_seconds))
        return taken

    def _pool(self, name: str) -> NodePool:
        if name not in self._pools:
            raise LabError(f"pool is {name!r}; the lab has {', '.join(sorted(self._pools)) or 'none'}")
        return self._pools[name]

    def _create(self, pool: NodePool) -> str:
        with self._lock:
            name = f"{pool.name}-{self._made[pool.name] + 1}"
            try:
                self._api.post("/api/v1/nodes", node_manifest(pool, name))
            except Refused as error:
                # An earlier try got through although its answer did not.
                if error.code != HTTPStatus.CONFLICT:
                    raise
            self._made[pool.name] += 1
        return name

    def _list(self, pool: str) -> list[dict[str, Any]]:
        with self._lock:
            items: list[dict[str, Any]] = self._api.get("/api/v1/nodes", labelSelector=f"{POOL_LABEL}={pool}")["items"]
        return items

    def _pods_on(self, node: str) -> list[str]:
        with self._lock:
            items = self._api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")["items"]
        return [f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in items]

    def _delete_pod(self, key: str, **options: int) -> None:
        namespace, name = key.split("/")
        self._api.delete(f"/api/v1/namespaces/{namespace}/pods/{name}", **options)

    def _run(self) -> None:
        # Nothing is known to be idle before the first listing of pods.
        self._seen.wait()
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                self._look(time.monotonic())
            except (Unreachable, Refused):
                continue  # an API server that is away, or a write somebody else was quicker with: look again

    def _look(self, now: float) -> None:
        with self._facts:
            pods = list(self._pods.values())
        with self._lock:
            for notice in [notice for notice in self._notices if notice.gone_at <= now]:
                self.remove_node(notice.node)
                self._notices.remove(notice)
            for order in [order for order in self._orders if order.ready_at <= now]:
                self._create(self._pools[order.pool])
                self._orders.remove(order)
            for pool in self._pools.values():
                nodes = self._list(pool.name)
                self._order(pool, nodes, pods, now)
                self._remove_idle(pool, nodes, pods, now)

    def _order(self, pool: NodePool, nodes: Sequence[Mapping[str, Any]], pods: Sequence[PodView], now: float) -> None:
        ordered = sum(order.pool == pool.name for order in self._orders)
        taken_back = {notice.node for notice in self._notices}
        names = [str(node["metadata"]["name"]) for node in nodes]
        open_nodes = [
            name
            for name, node in zip(names, nodes, strict=True)
            if name not in taken_back and not node["spec"].get("unschedulable") and not _leaves(node)
        ]
        wanted = nodes_wanted(pool, pods=pods, open_nodes=open_nodes, ordered=ordered)
        allowed = pool.max_nodes - len(nodes) - ordered
        with self._facts:
            left = self._left[pool.name]
            granted = max(0, min(wanted, allowed if left is None else min(allowed, left)))
            if left is not None:
                self._left[pool.name] = left - granted
        self._orders += [_Order(pool=pool.name, ready_at=now + pool.provision_seconds)] * granted

    def _remove_idle(
        self, pool: NodePool, nodes: Sequence[Mapping[str, Any]], pods: Sequence[PodView], now: float
    ) -> None:
        if pool.idle_seconds is None:
            return
        busy = {pod.node for pod in pods}
        for node in nodes:
            name = node["metadata"]["name"]
            idle = now - self._idle_since.setdefault(name, now)
            if name in busy:
                self._idle_since.pop(name, None)
                if _leaves(node):
                    self._set_taint(name, _LEAVING, wanted=False)
            elif idle >= pool.idle_seconds and not _leaves(node):
                self._set_taint(name, _LEAVING, wanted=True)
            elif idle >= pool.idle_seconds + _LEAVING_SECONDS and not self._pods_on(name):
                self._api.delete(f"/api/v1/nodes/{name}")
                self._idle_since.pop(name, None)

    def _watch_pods(self) -> None:
        api = self._connect()
        while not self._stopping.is_set():
            try:
                self._follow(api)
            except (Unreachable, Refused):
                self._stopping.wait(_RETRY_SECONDS)
        api.close()

    def _follow(self, api: ApiClient) -> None:
        """List all pods, then follow their changes until the watch ends."""
        listing = api.get("/api/v1/pods")
        with self._facts:
            self._pods = {pod["metadata"]["uid"]: pod_view(pod) for pod in listing["items"] if occupies(pod)}
        self._seen.set()
        for event in api.watch("/api/v1/pods", listing["metadata"]["resourceVersion"]):
            if self._stopping.is_set():
                return
            pod = event["object"]
            with self._facts:
                if event["type"] == "DELETED" or not occupies(pod):
                    self._pods.pop(pod["metadata"]["uid"], None)
                else:
                    self._pods[pod["metadata"]["uid"]] = pod_view(pod)


def _same(found: Mapping[str, str], taint: Taint) -> bool:
    return (found["key"], found["effect"]) == (taint.key, taint.effect)


def _leaves(node: Mapping[str, Any]) -> bool:
    return any(_same(taint, _LEAVING) for taint in node["spec"].get("taints", ()))


def _number(name: str) -> int:
    """The running number at the end of a node's name."""
    return int(name.rpartition("-")[2])
