"""What /metrics says of services: the last tick's figures, gaps where something is unknown, counters that add up."""

from typing import Any

import build
import pytest
from operation import operation
from prometheus_client import generate_latest

from tightrope.api.conditions import Finding
from tightrope.controller.self_metrics import ServiceFigures, TickSummary
from tightrope.controller.telemetry import Telemetry
from tightrope.domain.comparison import Comparison, Judged
from tightrope.domain.memory import Persisted
from tightrope.domain.observation import Observation, Outcomes
from tightrope.domain.plan import BudgetState, Decision, Reason, VariantBelief
from tightrope.domain.spec import ErrorsObjective, LatencyObjective, Metric

PERIOD = 15.0


def belief(**overrides: Any) -> VariantBelief:
    values = {"capacity": 30.0, "capacity_low": 25.0, "time_to_ready_seconds": 60.0, "cost_per_hour": 0.4}
    return VariantBelief(**{**values, **overrides})


def decision(**overrides: Any) -> Decision:
    values: dict[str, Any] = {
        "key": build.KEY, "plan": {"cpu": 3}, "writes": (), "reason": Reason.STEADY, "message": "-",
        "required_ready": 1, "covered_demand": 60.0, "cost_per_hour": 0.6, "persisted": Persisted(),
        "beliefs": {"cpu": belief(), "gpu": belief(cost_per_hour=0.0)},
        "budget": BudgetState(attainment=0.995, remaining=0.5, burn_rate=0.7, covered_seconds=3600.0),
    }  # fmt: skip
    return Decision(**{**values, **overrides})


def observation(demand: float | None = 50.0, **overrides: Any) -> Observation:
    states = {"cpu": build.state(3, 2), "gpu": build.state(0)}
    return build.observation(0.0, demand, states, **overrides)


def figures(seen: Observation | None = None, **overrides: Any) -> ServiceFigures:
    values: dict[str, Any] = {"service": build.service(), "currency": "USD", "decision": decision()}
    return ServiceFigures(observation=seen or observation(), **(values | overrides))


def tick(telemetry: Telemetry, at: float, *services: ServiceFigures, **overrides: Any) -> None:
    telemetry.ticked(TickSummary(at=at, period_seconds=PERIOD, services=services, **overrides), seconds=0.1)


def shown(telemetry: Telemetry) -> dict[str, float]:
    """Every sample by its name and the labels beside namespace and name: `tightrope_plan_replicas cpu`. An objective
    about latency goes without saying."""
    found = {}
    for family in telemetry.registry.collect():
        for sample in family.samples:
            unsaid = {"namespace": build.KEY.namespace, "name": build.KEY.name, "objective": "latency"}
            rest = [value for label, value in sample.labels.items() if unsaid.get(label) != value]
            found[" ".join([sample.name, *rest])] = sample.value
    return found


def after(*services: ServiceFigures) -> dict[str, float]:
    telemetry = Telemetry()
    tick(telemetry, 0.0, *services)
    return shown(telemetry)


def test_a_service_shows_its_plan_its_slo_and_its_price() -> None:
    seen = after(figures())
    assert (seen["tightrope_plan_replicas cpu"], seen["tightrope_plan_replicas gpu"]) == (3, 0)
    assert seen["tightrope_ready_replicas cpu"] == 2
    assert seen["tightrope_capacity_requests_per_second cpu"] == 25.0
    assert seen["tightrope_demand_requests_per_second"] == 50.0
    assert seen["tightrope_covered_demand_requests_per_second"] == 60.0
    assert seen["tightrope_slo_objective_ratio"] == pytest.approx(0.99)
    assert seen["tightrope_slo_attainment_ratio"] == 0.995
    assert seen["tightrope_slo_error_budget_remaining_ratio"] == 0.5
    assert seen["tightrope_slo_burn_rate"] == 0.7
    assert (seen["tightrope_cost_per_hour USD"], seen["tightrope_plan_cost_per_hour USD"]) == (0.4, 0.6)
    assert seen["tightrope_decision_reason Steady"] == 1
    assert seen["tightrope_services"] == 1


def test_what_is_unknown_has_no_sample_rather_than_a_zero() -> None:
    unknown = decision(
        budget=None, covered_demand=None, blind="demand is unknown",
        beliefs={"cpu": belief(capacity=None, capacity_low=None)},
    )  # fmt: skip
    seen = after(figures(observation(None), decision=unknown))
    absent = (
        "capacity",
        "demand",
        "covered",
        "slo_att",
        "slo_err",
        "slo_burn",
        "slo_cov",
        "finished",
        "missed",
        "data",
    )
    assert not [name for name in seen if name.startswith(tuple(f"tightrope_{part}" for part in absent))]
    assert seen["tightrope_plan_replicas cpu"] == 3


def test_a_budget_does_not_seem_to_burn_no_more_when_nobody_sees_it() -> None:
    state = BudgetState(attainment=0.9, remaining=-9.0, burn_rate=0.0, covered_seconds=60.0)
    seen = after(figures(decision=decision(blind="latency is unknown", budget=state)))
    assert seen["tightrope_slo_error_budget_remaining_ratio"] == -9.0
    assert "tightrope_slo_burn_rate" not in seen


def test_requests_add_up_by_their_rate_and_a_gap_counts_as_one_tick() -> None:
    telemetry = Telemetry()
    missing_some = figures(observation(outcomes=Outcomes(total=10.0, good_low=8.0, good_high=9.0)))
    counted = []
    for at in (0.0, 15.0, 45.0, 105.0, 95.0):
        tick(telemetry, at, missing_some)
        seen = shown(telemetry)
        counted.append((seen["tightrope_finished_requests_total"], seen["tightrope_missed_requests_total"]))
    assert counted == [(0.0, 0.0), (150.0, 30.0), (450.0, 90.0), (600.0, 120.0), (750.0, 150.0)]


def test_counters_stand_still_while_nothing_is_known() -> None:
    telemetry, dark = Telemetry(), figures(observation(outcomes=None), decision=decision(blind="latency is unknown"))
    for at, each in ((0.0, figures()), (15.0, figures()), (30.0, dark), (45.0, dark)):
        tick(telemetry, at, each)
    seen = shown(telemetry)
    assert seen["tightrope_finished_requests_total"] == 50.0 * 15.0
    assert seen["tightrope_data_timestamp_seconds"] == 15.0


def test_troubles_are_named_by_condition_and_reason_also_of_services_that_cannot_be_decided() -> None:
    telemetry = Telemetry()
    full = Finding(type="CapacityAvailable", status="False", reason="PoolFull", message="-")
    invalid = Finding(type="SpecValid", status="False", reason="SpecInvalid", message="-")
    tick(telemetry, 0.0, figures(troubles=[full]), refused={build.service().key: invalid})
    troubles = [name for name in shown(telemetry) if name.startswith("tightrope_service_trouble")]
    assert troubles == [
        "tightrope_service_trouble CapacityAvailable PoolFull", "tightrope_service_trouble SpecValid SpecInvalid",
    ]  # fmt: skip


def test_a_service_that_is_refused_for_a_while_counts_on_from_where_it_stood() -> None:
    telemetry = Telemetry()
    invalid = Finding(type="SpecValid", status="False", reason="SpecInvalid", message="-")
    tick(telemetry, 0.0, figures())
    tick(telemetry, 15.0, figures())
    tick(telemetry, 30.0, refused={build.KEY: invalid})
    assert "tightrope_finished_requests_total" not in shown(telemetry)
    tick(telemetry, 45.0, figures())
    assert shown(telemetry)["tightrope_finished_requests_total"] > 50.0 * 15.0


def test_a_service_that_is_gone_leaves_no_series() -> None:
    telemetry = Telemetry()
    tick(telemetry, 0.0, figures())
    tick(telemetry, 15.0)
    assert b"sentiment" not in generate_latest(telemetry.registry)
    assert shown(telemetry)["tightrope_services"] == 0


def test_a_process_that_does_not_lead_shows_no_services_not_even_that_there_are_none() -> None:
    telemetry = Telemetry()
    assert "tightrope_services" not in shown(telemetry)
    tick(telemetry, 0.0, figures())
    telemetry.stand_by()
    assert "tightrope_services" not in shown(telemetry)
    assert b"sentiment" not in generate_latest(telemetry.registry)


async def test_a_whole_tick_shows_the_service_and_its_troubles() -> None:
    op = operation(sentiment=10.0)
    await op.tick(4)
    assert shown(op.telemetry)["tightrope_ready_replicas cpu"] == 1
    assert not [name for name in shown(op.telemetry) if name.startswith("tightrope_service_trouble")]
    op.cluster.scaled_by("kubectl", "Deployment", "sentiment-cpu", 9)
    op.metrics.down = "Prometheus is down"
    await op.tick()
    seen = shown(op.telemetry)
    assert "tightrope_service_trouble Conflict OtherWriter" in seen
    assert "tightrope_service_trouble MetricsHealthy DataMissing" in seen
    assert seen["tightrope_tick_period_seconds"] == 15.0
    op.metrics.down = None
    op.cluster.objects.pop(("ComputePool", "", "cpu"))
    await op.tick()
    assert "tightrope_service_trouble SpecValid SpecInvalid" in shown(op.telemetry)


def test_known_zero_is_a_sample() -> None:
    assert after(figures(observation(0.0)))["tightrope_demand_requests_per_second"] == 0.0


def test_every_objective_has_its_own_series() -> None:
    first = LatencyObjective(threshold_seconds=0.5, percent=95.0, metric=Metric.TTFT)
    spent = BudgetState(attainment=0.9, remaining=-1.0, burn_rate=2.0, covered_seconds=60.0)
    each = figures(
        observation(further_outcomes={Metric.TTFT: Outcomes(total=10.0, good_low=9.0, good_high=9.0)}),
        service=build.service(further_objectives=(first, ErrorsObjective(percent=99.9))),
        decision=decision(further_budgets={Metric.TTFT: spent}),
    )
    telemetry = Telemetry()
    for at in (0.0, 15.0):
        tick(telemetry, at, each)
    seen = shown(telemetry)

    assert (seen["tightrope_slo_objective_ratio"], seen["tightrope_slo_objective_ratio ttft"]) == (0.99, 0.95)
    assert seen["tightrope_slo_error_budget_remaining_ratio"] == 0.5
    assert seen["tightrope_slo_error_budget_remaining_ratio ttft"] == -1.0
    assert seen["tightrope_missed_requests_total ttft"] == 15.0
    # Nobody has measured errors: they have an objective and nothing else.
    assert [name for name in seen if name.endswith(" errors")] == ["tightrope_slo_objective_ratio errors"]


def test_mode_recommend_shows_both_fleets_and_other_modes_show_none() -> None:
    telemetry = Telemetry()
    found = Comparison(
        since=0.0, currency="USD", seconds=3600.0, cost=2.0, plan_cost=0.8,
        objectives={Metric.LATENCY: Judged(finished=1000.0, missed=4.0, predicted=6.0)},
    )  # fmt: skip
    tick(telemetry, 0.0, figures(decision=decision(persisted=Persisted(comparison=found))))
    recommended = {name: value for name, value in shown(telemetry).items() if "recommendation" in name}
    assert recommended == {
        "tightrope_recommendation_compared_seconds": 3600.0,
        "tightrope_recommendation_cost actual USD": 2.0,
        "tightrope_recommendation_cost recommended USD": 0.8,
        "tightrope_recommendation_finished_requests": 1000.0,
        "tightrope_recommendation_missed_requests actual": 4.0,
        "tightrope_recommendation_missed_requests recommended": 6.0,
    }
    tick(telemetry, PERIOD, figures())
    assert not any("recommendation" in name for name in shown(telemetry))
