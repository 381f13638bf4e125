"""A closed loop for the decision alone: a small fluid cluster that does what it is told, with start-up times.

Used by tests of whole episodes. Pods start after a fixed time, behind an even split; the fraction of good requests
follows from the load per pod against each variant's true capacity. Time is virtual.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import build

from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory, ServiceMemory
from tightrope.domain.observation import Known, Missing, Observation, Outcomes, VariantState
from tightrope.domain.plan import Decision
from tightrope.domain.spec import Pool, Service


@dataclass
class Pod:
    created: float
    ready_at: float


@dataclass
class Episode:
    """Runs `decide` every tick against the fluid cluster; `rows` records what a user would see."""

    service: Service
    pools: Mapping[str, Pool]
    true_capacity: Mapping[str, float]
    start_seconds: Mapping[str, float]
    demand: Callable[[float], float]
    tick: float = 15.0
    room: Callable[[str, float], int] = lambda name, now: 10_000
    blind: Callable[[float], bool] = lambda now: False
    utilisation: bool = True
    memory: Memory = field(default_factory=Memory)
    pods: dict[str, list[Pod]] = field(default_factory=dict)
    wanted: dict[str, int] = field(default_factory=dict)
    rows: list[dict] = field(default_factory=list)

    def run(self, seconds: float, start: float = 0.0) -> "Episode":
        now = start
        while now < start + seconds:
            self.step(now)
            now += self.tick
        return self

    def step(self, now: float) -> Decision:
        seen = self.observe(now)
        decisions, self.memory = decide(
            services=[self.service],
            pools=self.pools,
            observations={self.service.key: seen},
            memory=self.memory,
            now=now,
            tick_seconds=self.tick,
            metrics_delay_seconds=self.tick,
        )
        decision = decisions[self.service.key]
        ready_before = {variant.name: self.ready(variant.name, now) for variant in self.service.variants}
        for write in decision.writes:
            self.scale(write.variant, write.replicas, now)
        self.rows.append(self.row(now, decision) | {"ready_before": ready_before})
        return decision

    def restart(self) -> None:
        """The operator is killed: only what the status keeps comes back."""
        key = self.service.key
        self.memory = Memory(services={key: ServiceMemory(persisted=self.memory.of(key).persisted)})

    def scale(self, name: str, replicas: int, now: float) -> None:
        pods = self.pods.setdefault(name, [])
        self.wanted[name] = replicas
        while len(pods) > replicas:
            pods.remove(max(pods, key=lambda pod: (pod.ready_at, pod.created)))
        while len(pods) < replicas:
            placed = sum(pod.ready_at < math.inf for pod in pods)
            ready_at = now + self.start_seconds[name] if placed < self.room(name, now) else math.inf
            pods.append(Pod(created=now, ready_at=ready_at))

    def ready(self, name: str, now: float) -> int:
        return sum(pod.ready_at <= now for pod in self.pods.get(name, []))

    def observe(self, now: float) -> Observation:
        rate = self.demand(now)
        for name, pods in self.pods.items():
            for pod in pods:
                if pod.ready_at == math.inf and self.room(name, now) > sum(p.ready_at < math.inf for p in pods):
                    pod.ready_at = now + self.start_seconds[name]
        fleet = {v.name: self.ready(v.name, now) for v in self.service.variants}
        total = sum(fleet.values())
        blind = self.blind(now) or total == 0
        states = {v.name: self.state(v.name, now, rate / total if total else 0.0, blind) for v in self.service.variants}
        good = sum(state.outcomes.good_low for state in states.values() if state.outcomes is not None)
        whole = None if blind or rate <= 0 else Outcomes(total=rate, good_low=good, good_high=good)
        demand = Missing(reason="no samples") if blind else Known(value=rate, at=now)
        return Observation(at=now, demand=demand, variants=states, outcomes=whole, outcomes_missing="no samples")

    def state(self, name: str, now: float, load: float, blind: bool) -> VariantState:
        ready, pods = self.ready(name, now), self.pods.get(name, [])
        stuck = [pod for pod in pods if pod.ready_at == math.inf]
        good = self.good_fraction(name, load)
        served = build.outcomes(load * ready, load * ready * (1 - good)) if ready and load > 0 and not blind else None
        busy = min(load / (self.true_capacity[name] * 1.6), 1.0)
        return VariantState(
            wanted=self.wanted.get(name, 0),
            ready=ready,
            pods=len(pods),
            serving_demand=Missing(reason="no samples") if blind else Known(value=load * ready, at=now),
            outcomes=served,
            utilisation=Known(value=busy, at=now) if self.utilisation and ready and not blind else Missing(reason="-"),
            unschedulable=len(stuck),
            unschedulable_since=min((pod.created for pod in stuck), default=None),
            startup_seconds=tuple(pod.ready_at - pod.created for pod in pods if pod.ready_at <= now),
        )

    def good_fraction(self, name: str, load: float) -> float:
        objective = self.service.objective
        over = (load - self.true_capacity[name]) * objective.threshold_seconds
        return 1.0 - min(1.0, objective.allowed_miss_fraction * math.exp(min(over, 50.0)))

    def row(self, now: float, decision: Decision) -> dict:
        rate = self.demand(now)
        fleet = {v.name: self.ready(v.name, now) for v in self.service.variants}
        total = sum(fleet.values())
        load = rate / total if total else math.inf
        good = sum(n * self.good_fraction(name, load) for name, n in fleet.items() if n) / total if total else 0.0
        return {
            "at": now,
            "demand": rate,
            "ready": fleet,
            "wanted": dict(self.wanted),
            "plan": dict(decision.plan),
            "good": good,
            "decision": decision,
            "cost": sum(
                math.ceil(count / self.pools[v.pool].replicas_per_node(v.requests))
                * self.pools[v.pool].price_per_node_hour
                for v in self.service.variants
                if (count := self.wanted.get(v.name, 0))
            ),
        }

    def attainment(self) -> float:
        total = sum(row["demand"] for row in self.rows)
        return sum(row["demand"] * row["good"] for row in self.rows) / total if total else 1.0

    def cost(self) -> float:
        return sum(row["cost"] for row in self.rows) * self.tick / 3600.0
