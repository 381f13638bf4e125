"""A service with several objectives at one variant, tick by tick; the loads at which each is missed are given."""

from dataclasses import dataclass, field

import build

from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory, ServiceMemory
from tightrope.domain.observation import Known, Observation, Outcomes
from tightrope.domain.plan import Decision
from tightrope.domain.spec import ErrorsObjective, LatencyObjective, Metric, Service

TICK = 15.0
TTFT = LatencyObjective(threshold_seconds=0.5, percent=95.0, metric=Metric.TTFT)
ITL = LatencyObjective(threshold_seconds=0.05, percent=95.0, metric=Metric.ITL)
ERRORS = ErrorsObjective(percent=99.9)


def service(*further: LatencyObjective | ErrorsObjective) -> Service:
    """One CPU variant, said to carry 25/s."""
    return build.service(variants=(build.variant("cpu"),), further_objectives=further)


@dataclass
class Play:
    """Ticks of one service. `edges` are the loads per replica from which on half of the requests miss that objective;
    `always` fail at any load. Replicas are ready at once."""

    service: Service
    edges: dict[Metric, float]
    always: float = 0.0
    replicas: int = 1
    now: float = 0.0
    memory: Memory = field(default_factory=Memory)

    def share(self, metric: Metric, load: float) -> float:
        missed = 0.5 if load > self.edges.get(metric, 1e9) else 0.0
        return max(missed, self.always) if metric is Metric.ERRORS else missed

    def outcomes(self, metric: Metric, demand: float) -> Outcomes:
        return build.outcomes(demand, demand * self.share(metric, demand / max(self.replicas, 1)))

    def seen(self, demand: float) -> Observation:
        known = {one.metric: self.outcomes(one.metric, demand) for one in self.service.objectives}
        leading = known.pop(self.service.objective.metric)
        state = build.state(
            self.replicas, serving_demand=Known(value=demand, at=self.now), outcomes=leading, further_outcomes=known
        )
        return build.observation(self.now, demand, {"cpu": state}, outcomes=leading, further_outcomes=known)

    def step(self, demand: float, seen: Observation | None = None) -> Decision:
        decisions, self.memory = decide(
            services=[self.service],
            pools=build.pools(),
            observations={self.service.key: seen or self.seen(demand)},
            memory=self.memory,
            now=self.now,
            tick_seconds=TICK,
            metrics_delay_seconds=TICK,
        )
        decision = decisions[self.service.key]
        for write in decision.writes:
            self.replicas = write.replicas
        self.now += TICK
        return decision

    def run(self, demand: float, *, minutes: float) -> Decision:
        decision = self.step(demand)
        for _ in range(int(minutes * 60 / TICK)):
            decision = self.step(demand)
        return decision

    @property
    def remembered(self) -> ServiceMemory:
        return self.memory.of(self.service.key)
