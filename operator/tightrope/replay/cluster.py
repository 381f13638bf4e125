"""Pods, nodes, start-ups and the bill of one replay. `run` scales it and moves its clock; the pods work in a Fleet."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tightrope.dataplane.fleet import Fleet
from tightrope.dataplane.outcomes import Outcomes
from tightrope.domain.spec import Pools, Service
from tightrope.replay.assumptions import Assumptions
from tightrope.replay.seat import VariantSeen

DRAIN_STEP_SECONDS = 1.0  # how often a pod that drains is looked at


@dataclass(slots=True, kw_only=True)
class Node:
    """One node of a pool, requested at `since`; `pods` are on it."""

    pool: str
    since: float
    pods: int = 0


@dataclass(slots=True, kw_only=True)
class Pod:
    """One replica. `node` is None while no node can take it; `stopped` is when it was told to go."""

    name: str
    variant: str
    created: float
    ready_at: float = math.inf
    node: Node | None = None
    stopped: float | None = None


class Cluster:
    """The replicas of one service. Times are seconds since the replay began and never fall."""

    def __init__(self, service: Service, pools: Pools, assumptions: Assumptions, *, seed: int) -> None:
        self.fleet = Fleet(seed=seed)
        self._service, self._pools, self._assumptions = service, pools, assumptions
        self._random = np.random.default_rng([seed, 1])
        self._seed, self._born = seed, 0
        self._pods: list[Pod] = []
        self._nodes: list[Node] = []
        self._billed = 0.0
        self._per_node = {v.name: pools[v.pool].replicas_per_node(v.requests) for v in service.variants}

    def start(self, replicas: Mapping[str, int]) -> None:
        """What runs already when the replay begins, ready at once."""
        self.scale(replicas, 0.0)
        for pod in self._pods:
            if pod.node is not None:
                pod.ready_at = 0.0
        self.move(0.0)

    @property
    def wanted(self) -> dict[str, int]:
        """Replicas asked for, per variant."""
        return {v.name: len(self._staying(v.name)) for v in self._service.variants}

    @property
    def ready(self) -> dict[str, int]:
        """Replicas that take requests, per variant."""
        counts = dict.fromkeys(self._per_node, 0)
        for pod in self._pods:
            counts[pod.variant] += pod.name in self.fleet.servers and pod.stopped is None
        return counts

    @property
    def price_per_hour(self) -> float:
        """What the nodes cost now."""
        return sum(self._pools[node.pool].price_per_node_hour for node in self._nodes)

    def cost(self, now: float) -> float:
        """What all nodes have cost until now."""
        return self._billed + sum(self._bill(node, now) for node in self._nodes)

    def seen(self, now: float) -> dict[str, VariantSeen]:
        """What the cluster shows of each variant."""
        found = {}
        for variant in self._service.variants:
            pods = self._staying(variant.name)
            ready = [pod for pod in pods if pod.ready_at <= now]
            pending = [pod.created for pod in pods if pod.node is None]
            found[variant.name] = VariantSeen(
                wanted=len(pods),
                ready=len(ready),
                starting=len(pods) - len(ready),
                pending=len(pending),
                pending_since=min(pending, default=None),
                startup_seconds=tuple(pod.ready_at - pod.created for pod in ready if pod.ready_at > 0),
            )
        return found

    def scale(self, replicas: Mapping[str, int], now: float) -> None:
        """Ask for so many replicas per variant; variants left out keep theirs."""
        for name, count in replicas.items():
            staying = self._staying(name)
            for pod in to_stop(staying, len(staying) - count, now):
                pod.stopped = now
            for _ in range(count - len(staying)):
                self._born += 1
                self._pods.append(Pod(name=f"{name}-{self._born}", variant=name, created=now))
        self.move(now)

    def next_change(self, now: float) -> float:
        """When a pod becomes ready or one that drains is looked at again; inf if neither."""
        times = [pod.ready_at for pod in self._pods if pod.stopped is None and pod.ready_at > now]
        if any(pod.stopped is not None for pod in self._pods):
            times.append(now + DRAIN_STEP_SECONDS)
        return min(times, default=math.inf)

    def move(self, now: float) -> list[Outcomes]:
        """Let everything happen that is due by now; returns what was lost with pods that did not drain in time."""
        lost = []
        for pod in [pod for pod in self._pods if pod.stopped is not None]:
            server = self.fleet.servers.get(pod.name)
            assert pod.stopped is not None
            if server is None or server.idle or now >= pod.stopped + self._assumptions.drain_seconds:
                if server is not None:
                    lost.append(self.fleet.remove(pod.name))
                self._remove(pod, now)
        for pod in self._pods:
            if pod.stopped is None and pod.node is None:
                self._place(pod, now)
            if pod.stopped is None and pod.ready_at <= now and pod.name not in self.fleet.servers:
                model = self._assumptions.servers[pod.variant]
                self.fleet.add(pod.name, model, seed=_mixed(self._seed, pod.name))
        self.fleet.set_ready([pod.name for pod in self._pods if pod.stopped is None and pod.name in self.fleet.servers])
        return lost

    def _staying(self, variant: str) -> list[Pod]:
        return [pod for pod in self._pods if pod.variant == variant and pod.stopped is None]

    def _place(self, pod: Pod, now: float) -> None:
        """On a node with room, else on a new one, else nowhere yet."""
        pool = next(v.pool for v in self._service.variants if v.name == pod.variant)
        nodes = [node for node in self._nodes if node.pool == pool]
        node = next((node for node in nodes if node.pods < self._per_node[pod.variant]), None)
        if node is None and len(nodes) < self._pools[pool].max_nodes:
            node = Node(pool=pool, since=now)
            self._nodes.append(node)
        if node is None:
            return
        node.pods += 1
        pod.node, pod.ready_at = node, now + self._startup(pool)

    def _startup(self, pool: str) -> float:
        """Lognormal with this mean and coefficient of variation: sigma^2 = ln(1 + cv^2)."""
        variance = math.log1p(self._assumptions.startup_cv**2)
        factor = float(self._random.lognormal(-variance / 2, math.sqrt(variance)))
        return self._pools[pool].time_to_ready_seconds * factor

    def _remove(self, pod: Pod, now: float) -> None:
        self._pods.remove(pod)
        if pod.node is None:
            return
        pod.node.pods -= 1
        if pod.node.pods == 0:
            self._nodes.remove(pod.node)
            self._billed += self._bill(pod.node, now)

    def _bill(self, node: Node, now: float) -> float:
        seconds = max(now - node.since, self._assumptions.billing_minimum)
        return self._pools[node.pool].price_per_node_hour * seconds / 3600.0


def to_stop(pods: list[Pod], count: int, now: float) -> list[Pod]:
    """As a ReplicaSet chooses: not ready first, then those with most siblings on their node, then the youngest
    (Kubernetes' ActivePodsWithRanks)."""

    def rank(pod: Pod) -> tuple[bool, int, float]:
        return (pod.ready_at <= now, -(pod.node.pods if pod.node else 0), -pod.created)

    return sorted(pods, key=rank)[: max(count, 0)]


def _mixed(seed: int, name: str) -> int:
    """A seed of its own for each pod, the same in every process."""
    return int.from_bytes(f"{seed}/{name}".encode()[-8:], "little")
