"""What the operator exports: every metric with its labels, from a registry in which everything has happened once."""

import re
from collections.abc import Iterable, Iterator

import build
from prometheus_client.metrics_core import Metric as Exported

from tightrope.api.conditions import Finding
from tightrope.controller.self_metrics import ServiceFigures, TickSummary
from tightrope.controller.telemetry import Telemetry
from tightrope.domain.comparison import Comparison, Judged
from tightrope.domain.memory import Persisted
from tightrope.domain.observation import Outcomes
from tightrope.domain.plan import BudgetState, Decision, Reason, VariantBelief
from tightrope.domain.spec import Metric

_NAME = re.compile(r"(?<![\w:])(?:service:)?(?:tightrope|process)_\w+(?::\w+)?")


def full() -> Telemetry:
    """One service with everything known of it and something wrong with it; a write, a failed query and a repair."""
    telemetry = Telemetry()
    telemetry.show_lead(lambda: 1.0)
    telemetry.listed_at.set(0.0)
    comparison = Comparison(
        since=0.0, currency="USD", seconds=3600.0, cost=1.0, plan_cost=0.5,
        objectives={Metric.LATENCY: Judged(finished=1000.0, missed=4.0, predicted=6.0)},
    )  # fmt: skip
    belief = VariantBelief(capacity=30.0, capacity_low=25.0, time_to_ready_seconds=60.0, cost_per_hour=0.4)
    decision = Decision(
        key=build.KEY, plan={"cpu": 1}, writes=(), reason=Reason.POOL_FULL, message="-", required_ready=1,
        covered_demand=60.0, cost_per_hour=0.6, beliefs={"cpu": belief}, persisted=Persisted(comparison=comparison),
        budget=BudgetState(
            attainment=0.9, remaining=-9.0, burn_rate=10.0, covered_seconds=3600.0,
            burn_rates={300.0: 12.0, 3600.0: 10.0},
        ),
    )  # fmt: skip
    figures = ServiceFigures(
        service=build.service(),
        currency="USD",
        observation=build.observation(
            0.0, 50.0, {"cpu": build.state(1)}, outcomes=Outcomes(total=50.0, good_low=45.0, good_high=45.0)
        ),
        decision=decision,
        troubles=[Finding(type="CapacityAvailable", status="False", reason="PoolFull", message="-")],
    )
    telemetry.ticked(
        TickSummary(at=0.0, period_seconds=15.0, services=[figures], prices_read_at={"cpu": 0.0}), seconds=0.2
    )
    telemetry.queried([("generic", "arrivals")])
    telemetry.writes.labels("apply", "Deployment", "done").inc()
    telemetry.repairs.labels("Pod", "late").inc()
    return telemetry


def families(telemetry: Telemetry) -> Iterator[tuple[str, Exported]]:
    """Metrics by the name that people know: with `_total` and `_info`."""
    suffix = {"counter": "_total", "info": "_info"}
    for metric in telemetry.registry.collect():
        yield metric.name + suffix.get(metric.type, ""), metric


def sample_names(telemetry: Telemetry) -> set[str]:
    """What can be asked for: for a histogram its buckets, sum and count."""
    return {sample.name for _, metric in families(telemetry) for sample in metric.samples}


def asked_for(expressions: Iterable[str]) -> set[str]:
    """Every metric of ours that these expressions name."""
    return {name for expression in expressions for name in _NAME.findall(expression)}
