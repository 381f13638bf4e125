"""What the conditions say of several objectives: which one is spent, and which errors no plan mends."""

from dataclasses import replace
from typing import Any

import build

from tightrope.controller.findings import capacity_available, metrics_healthy, slo_met
from tightrope.domain.memory import Persisted
from tightrope.domain.plan import BudgetState, Decision, Reason, VariantBelief
from tightrope.domain.spec import ErrorsObjective, LatencyObjective, Metric

TTFT = LatencyObjective(threshold_seconds=0.5, percent=95.0, metric=Metric.TTFT)
SERVICE = build.service(further_objectives=(TTFT, ErrorsObjective(percent=99.9)))


def left(remaining: float, attainment: float = 0.995) -> BudgetState:
    return BudgetState(attainment=attainment, remaining=remaining, burn_rate=1.0, covered_seconds=3600.0)


def decision(
    latency: BudgetState | None, ttft: BudgetState | None, errors: BudgetState | None, **more: Any
) -> Decision:
    further = {Metric.TTFT: ttft, Metric.ERRORS: errors}
    return Decision(
        key=build.KEY, plan={"cpu": 1}, writes=(), reason=Reason.STEADY, message="-", required_ready=1,
        covered_demand=1.0, cost_per_hour=0.2, beliefs={}, persisted=Persisted(), budget=latency,
        further_budgets={metric: state for metric, state in further.items() if state is not None}, **more,
    )  # fmt: skip


def test_the_objective_whose_budget_is_spent_is_named_alone() -> None:
    found = slo_met(SERVICE, decision(left(0.5), left(-0.2, 0.94), left(0.9)))
    assert (found.status, found.reason) == ("False", "BudgetSpent")
    assert found.message == (
        "ttft: 94.00% of requests within 500 ms, the objective is 95%; -20% of the error budget is left"
    )


def test_all_objectives_are_told_while_all_hold() -> None:
    found = slo_met(SERVICE, decision(left(0.5), left(0.4), left(0.9)))
    assert found.status == "True"
    assert [part.split(":")[0] for part in found.message.split("; ") if ": " in part] == ["latency", "ttft", "errors"]
    assert "without errors" in found.message


def test_an_objective_of_which_nothing_was_counted_is_not_met() -> None:
    found = slo_met(SERVICE, decision(left(0.5), None, left(0.9)))
    assert (found.status, found.reason) == ("Unknown", "NotMeasured")
    assert found.message == "no finished request has been counted yet for ttft"


def test_errors_that_no_plan_mends_are_named() -> None:
    found = slo_met(
        SERVICE, decision(left(0.5), left(0.4), left(-1.0), beyond_replicas="errors that replicas do not mend: x")
    )
    assert found.status == "False"
    assert found.message.endswith("; errors that replicas do not mend: x")


def test_one_objective_needs_no_name() -> None:
    alone = slo_met(build.service(), decision(left(0.5), None, None))
    assert alone.message == "99.50% of requests within 300 ms, the objective is 99%; 50% of the error budget is left"


def test_an_objective_that_is_unknown_is_said_by_metrics_healthy() -> None:
    blind = "ttft is unknown: preset 'generic' has no metric for time to first token"
    seen = build.observation(0.0, 10.0, {})
    found = metrics_healthy(SERVICE, seen, decision(left(0.5), None, left(0.9), blind=blind))
    assert (found.status, found.reason, found.message) == ("False", "DataMissing", blind)


def test_a_spot_pool_whose_nodes_were_taken_back_is_told_from_one_that_is_full() -> None:
    belief = VariantBelief(
        capacity=25.0, capacity_low=20.0, time_to_ready_seconds=20.0, cost_per_hour=0.2, retry_at=900.0
    )
    seen = build.observation(600.0, 10.0, {"cpu": build.state(1), "gpu": build.state(0)})
    calm = decision(left(0.5), None, None)
    found = {
        back: capacity_available(seen, replace(calm, beliefs={"cpu": replace(belief, taken_back=back)}))
        for back in (False, True)
    }
    assert (found[False].reason, found[True].reason) == ("PoolFull", "TakenBack")
    assert found[True].status == "False"
    assert "nodes of the spot pool of variant cpu were taken back" in found[True].message
