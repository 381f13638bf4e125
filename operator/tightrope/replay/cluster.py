"""Pods, nodes, start-ups and the bill of one replay. `run` scales it and moves its clock; the pods work in a Fleet."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tightrope.dataplane.fleet import Fleet, Step
from tightrope.dataplane.llm_fleet import LlmFleet, LlmStep
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.llm_outcomes import LlmOutcomes
from tightrope.dataplane.outcomes import Floats, Outcomes
from tightrope.dataplane.server_model import ServerModel
from tightrope.domain.spec import Pools, Service
from tightrope.replay.assumptions import Assumptions
from tightrope.replay.events import Reclaim, Room
from tightrope.replay.seat import VariantSeen

DRAIN_STEP_SECONDS = 1.0  # how often a pod that drains is looked at


@dataclass(slots=True, kw_only=True)
class Node:
    """One node of a pool, requested at `since`; `pods` are on it. One that is taken back is gone at `gone_at` and takes
    no pod any more."""

    pool: str
    since: float
    pods: int = 0
    gone_at: float = math.inf


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
        kind = LlmFleet if assumptions.with_tokens else Fleet
        self.fleet: Fleet | LlmFleet = kind(seed=seed, routing=assumptions.routing)
        self._tokens = None if assumptions.lengths is None else assumptions.lengths.stream(seed=seed)
        self._service, self._pools, self._assumptions = service, pools, assumptions
        self._random = np.random.default_rng([seed, 1])
        self._seed, self._born = seed, 0
        self._pods: list[Pod] = []
        self._nodes: list[Node] = []
        self._billed = 0.0
        self._now, self._begun = -math.inf, False
        self._refused: set[str] = set()
        self._taken_back: dict[str, float] = {}
        self._reclaims = np.random.default_rng([seed, 2])
        self._finishes = {name: assumptions.saturation(name) for name in assumptions.servers}
        self._per_node = {v.name: pools[v.pool].replicas_per_node(v.requests) for v in service.variants}

    def start(self, replicas: Mapping[str, int]) -> None:
        """What runs already when the replay begins, ready at once."""
        self.scale(replicas, 0.0)
        for pod in self._pods:
            if pod.node is not None:
                pod.ready_at = 0.0
        self._begun = True
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
        prices = self.prices
        return sum(prices[node.pool] for node in self._nodes)

    @property
    def prices(self) -> dict[str, float]:
        """What a node of each pool costs an hour now."""
        events = self._assumptions.events
        return {name: events.price(name, self._now, pool.price_per_node_hour) for name, pool in self._pools.items()}

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
                taken_back_at=self._taken_back.get(variant.name),
            )
        return found

    def scale(self, replicas: Mapping[str, int], now: float) -> None:
        """Ask for so many replicas per variant; variants left out keep theirs."""
        for name, count in replicas.items():
            staying = self._staying(name)
            for pod in to_stop(staying, len(staying) - count, now):
                pod.stopped = now
            for _ in range(count - len(staying)):
                self._create(name, now)
        self.move(now)

    def next_change(self, now: float) -> float:
        """When something befalls the pools, a pod becomes ready, a node that was refused is asked for again, or a pod
        that drains is looked at again; inf if nothing does."""
        events = self._assumptions.events
        times = [pod.ready_at for pod in self._pods if pod.stopped is None and pod.ready_at > now]
        times += [events.next_try(pool, now) for pool in self._refused]
        if any(pod.stopped is not None for pod in self._pods):
            times.append(now + DRAIN_STEP_SECONDS)
        return min([events.after(now), *times])

    def serve(self, arrivals: Floats, until: float) -> Step | LlmStep:
        """The ready replicas work until then, with these arrivals; each takes its lengths as it comes."""
        if isinstance(self.fleet, Fleet):
            return self.fleet.advance(arrivals, until)
        assert self._tokens is not None  # no language model without them
        return self.fleet.advance(self._tokens.of(arrivals), until)

    def move(self, now: float) -> list[Outcomes | LlmOutcomes]:
        """Let everything happen that is due by now; returns what was lost with pods that did not drain in time."""
        for event in self._assumptions.events.taken(self._now, now):
            self._take_back(event)
        self._now = now
        lost = self._let_go(now)
        self._refused.clear()
        for pod in self._pods:
            if pod.stopped is None and pod.node is None:
                self._place(pod, now)
            if pod.stopped is None and pod.ready_at <= now and pod.name not in self.fleet.servers:
                self._admit(pod)
        serving = [pod for pod in self._pods if pod.stopped is None and pod.name in self.fleet.servers]
        weights = {pod.name: self._finishes[pod.variant] for pod in serving}
        self.fleet.set_ready(list(weights), weights)
        return lost

    def _admit(self, pod: Pod) -> None:
        """The pod is ready: it joins the fleet."""
        match self.fleet, self._assumptions.servers[pod.variant]:
            case Fleet() as fleet, ServerModel() as server:
                fleet.add(pod.name, server)
            case LlmFleet() as fleet, LlmModel() as server:
                fleet.add(pod.name, server)

    def _let_go(self, now: float) -> list[Outcomes | LlmOutcomes]:
        """Remove the stopped pods that are done, or whose time is up; returns what those still had inside."""
        lost: list[Outcomes | LlmOutcomes] = []
        for pod in [pod for pod in self._pods if pod.stopped is not None]:
            server = self.fleet.servers.get(pod.name)
            assert pod.stopped is not None
            deadline = pod.stopped + self._assumptions.drain_seconds
            if pod.node is not None:
                deadline = min(deadline, pod.node.gone_at)
            if server is None or server.idle or now >= deadline:
                if server is not None:
                    lost.append(self.fleet.remove(pod.name))
                self._remove(pod, now)
        return lost

    def _take_back(self, event: Reclaim | Room) -> None:
        """Tell some nodes of the pool that they go. Their pods drain, and others are created in their place at once, as
        an eviction does."""
        nodes = [node for node in self._nodes if node.pool == event.pool and math.isinf(node.gone_at)]
        for index in self._reclaims.permutation(len(nodes))[: nodes_taken(event, len(nodes))].tolist():
            nodes[index].gone_at = event.at + event.notice_seconds
        for pod in [pod for pod in self._pods if pod.node is not None and math.isfinite(pod.node.gone_at)]:
            if pod.stopped is None:
                pod.stopped = event.at
                self._taken_back[pod.variant] = event.at
                self._create(pod.variant, event.at)

    def _create(self, variant: str, now: float) -> None:
        self._born += 1
        self._pods.append(Pod(name=f"{variant}-{self._born}", variant=variant, created=now))

    def _staying(self, variant: str) -> list[Pod]:
        return [pod for pod in self._pods if pod.variant == variant and pod.stopped is None]

    def _place(self, pod: Pod, now: float) -> None:
        """On a node with room, else on a new one, else nowhere yet."""
        pool = next(v.pool for v in self._service.variants if v.name == pod.variant)
        nodes = [node for node in self._nodes if node.pool == pool]
        open_nodes = (node for node in nodes if math.isinf(node.gone_at))
        node = next((node for node in open_nodes if node.pods < self._per_node[pod.variant]), None)
        if node is None and self._gives(pool, len(nodes), now):
            node = Node(pool=pool, since=now)
            self._nodes.append(node)
        if node is None:
            return
        node.pods += 1
        pod.node, pod.ready_at = node, now + self._startup(pool)

    def _gives(self, pool: str, there: int, now: float) -> bool:
        """Whether the pool gives a new node beside those that are there. What runs already when the replay begins was
        given before."""
        events = self._assumptions.events
        if there >= min(self._pools[pool].max_nodes, events.room(pool, now)):
            return False
        if self._begun and events.refuses(pool, now, seed=self._seed):
            self._refused.add(pool)
            return False
        return True

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
        until = node.since + self._assumptions.billed_seconds(now - node.since)
        usual = self._pools[node.pool].price_per_node_hour
        return self._assumptions.events.cost(node.pool, node.since, until, usual)


def to_stop(pods: list[Pod], count: int, now: float) -> list[Pod]:
    """As a ReplicaSet chooses: not ready first, then those with most siblings on their node, then the youngest
    (Kubernetes' ActivePodsWithRanks)."""

    def rank(pod: Pod) -> tuple[bool, int, float]:
        return (pod.ready_at <= now, -(pod.node.pods if pod.node else 0), -pod.created)

    return sorted(pods, key=rank)[: max(count, 0)]


def nodes_taken(event: Reclaim | Room, there: int) -> int:
    """How many of the nodes that are there go; half a node is a whole one."""
    if isinstance(event, Room):
        return max(there - event.count, 0)
    if event.count is not None:
        return min(event.count, there)
    return math.floor((event.share or 0.0) * there + 0.5)
