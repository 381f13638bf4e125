from dataclasses import replace
from typing import Any

import build
import pytest
from customresources import service_wire

from tightrope.api.conditions import Finding
from tightrope.api.parse import parse_service
from tightrope.api.servicestatus import InferenceDeploymentStatus
from tightrope.api.status import render_status, status_patch
from tightrope.domain.memory import BackOff, LearnedCapacity, Persisted
from tightrope.domain.observation import Known, Observation
from tightrope.domain.plan import Alternative, BudgetState, Decision, Pace, Reason, VariantBelief
from tightrope.domain.spec import Metric

NOW = 1_795_406_400.0
SERVICE = parse_service(service_wire()).service
PERSISTED = Persisted(
    plan={"cpu": 4, "gpu": 0},
    last_switch_at=NOW - 3600,
    capacities={"cpu": LearnedCapacity(log_mean=3.2, log_sd=0.07)},
    time_to_ready_seconds={"cpu": 38.2},
    back_offs={"gpu": BackOff(retry_at=NOW + 300, wait_seconds=240, taken_back=True)},
)
BELIEFS = {
    "cpu": VariantBelief(capacity=24.5, capacity_low=22.0, time_to_ready_seconds=38.2, cost_per_hour=0.085),
    "gpu": VariantBelief(capacity=95.0, capacity_low=70.0, time_to_ready_seconds=180.0, cost_per_hour=0.8048),
}
HEALTHY = [Finding(type="MetricsHealthy", status="True", reason="Complete", message="demand and latency are known")]


def decision(**overrides: Any) -> Decision:
    values: dict[str, Any] = {
        "key": SERVICE.key,
        "plan": {"cpu": 4, "gpu": 0},
        "writes": (),
        "reason": Reason.DEMAND_ROSE,
        "message": "demand rose to 80.4/s",
        "required_ready": 4,
        "covered_demand": 84.31,
        "cost_per_hour": 0.34,
        "beliefs": BELIEFS,
        "persisted": PERSISTED,
        "alternatives": (Alternative(replicas={"gpu": 1}, cost_per_hour=0.8048, why_not="dearer by 137%"),),
        "budget": BudgetState(attainment=0.99421, remaining=0.421, burn_rate=0.58, covered_seconds=9 * 86_400.0),
    }
    return Decision(**(values | overrides))


def observation(ready: int = 4) -> Observation:
    return Observation(
        at=NOW, demand=Known(value=80.4, at=NOW), variants={"cpu": build.state(4, ready), "gpu": build.state(None, 0)}
    )


def render(previous: dict[str, Any] | None = None, now: float = NOW, **overrides: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "generation": 3,
        "findings": HEALTHY,
        "service": SERVICE,
        "decision": decision(),
        "observation": observation(),
        "currency": "USD",
    }
    return render_status(previous=previous or {}, now=now, **(given | overrides))


def test_the_status_says_what_is_seen_planned_and_known() -> None:
    status = render()
    assert status["slo"] == [
        {
            "metric": "latency",
            "objective": "99% < 300ms",
            "attainment": "99.42",
            "budgetRemaining": "0.42",
            "burnRate": "0.6",
            "covered": "9d",
        }
    ]
    cpu, gpu = status["variants"]
    assert cpu == {
        "name": "cpu",
        "wanted": 4,
        "ready": 4,
        "planned": 4,
        "capacity": "24.5/s ± 1.7",
        "capacityLogMean": "3.200",
        "capacityLogSd": "0.070",
        "timeToReady": "38s",
        "perHour": "0.085",
    }
    assert gpu["capacity"] == "95.0/s"
    assert "wanted" not in gpu
    assert "timeToReady" not in gpu, "a guess must not come back as a measurement after a restart"
    assert (gpu["retryAt"], gpu["backOff"]) == ("2026-11-23T04:05:00Z", "4m")
    assert (status["ready"], status["plan"], status["observedGeneration"]) == ("4/4", "cpu:4 gpu:0", 3)
    assert status["cost"] == {"perHour": "0.34", "currency": "USD"}
    assert status["decision"] == {
        "time": "2026-11-23T04:00:00Z",
        "reason": "DemandRose",
        "message": "demand rose to 80.4/s",
        "coveredDemand": "84.3/s",
        "alternatives": [{"plan": "cpu:0 gpu:1", "perHour": "0.8048", "whyNot": "dearer by 137%"}],
    }
    assert [condition["type"] for condition in status["conditions"]] == ["Ready", "MetricsHealthy"]


def test_what_is_rendered_fits_the_schema_of_the_status() -> None:
    InferenceDeploymentStatus.model_validate(render())


def test_what_is_rendered_brings_the_memory_back_after_a_restart() -> None:
    memory = parse_service(service_wire(status=render()), now=NOW + 1).persisted
    assert memory == replace(PERSISTED, time_to_ready_seconds={"cpu": 38})


def test_nothing_new_is_nothing_to_write() -> None:
    first = render()
    drifted = decision(
        reason=Reason.STEADY,
        message="steady at 79.8/s",
        covered_demand=83.2,
        budget=BudgetState(attainment=0.994249, remaining=0.428, burn_rate=0.66, covered_seconds=9.3 * 86_400.0),
        persisted=replace(
            PERSISTED,
            capacities={"cpu": LearnedCapacity(log_mean=3.215, log_sd=0.066)},
            time_to_ready_seconds={"cpu": 40.9},
        ),
    )
    assert status_patch(first, render(first, now=NOW + 15, decision=drifted)) is None


@pytest.mark.parametrize(("log_mean", "moved"), [(3.24, False), (3.26, True)])
def test_a_capacity_that_is_hardly_known_is_told_again_once_it_moves_by_a_part_of_that(
    log_mean: float, moved: bool
) -> None:
    vague = replace(PERSISTED, capacities={"cpu": LearnedCapacity(log_mean=3.2, log_sd=0.2)})
    first = render(decision=decision(persisted=vague))
    drifted = replace(PERSISTED, capacities={"cpu": LearnedCapacity(log_mean=log_mean, log_sd=0.2)})
    assert (status_patch(first, render(first, decision=decision(persisted=drifted))) is not None) is moved


@pytest.mark.parametrize(
    ("news", "part"),
    [
        ({"decision": decision(plan={"cpu": 5, "gpu": 0})}, "plan"),
        ({"decision": decision(reason=Reason.HOLD_MISSING_DATA, message="no data")}, "decision"),
        ({"decision": decision(cost_per_hour=0.5)}, "cost"),
        ({"observation": observation(ready=3)}, "ready"),
        ({"generation": 4}, "observedGeneration"),
        ({"findings": []}, "conditions"),
        (
            {"decision": decision(budget=BudgetState(attainment=0.98, remaining=-1, burn_rate=9, covered_seconds=0))},
            "slo",
        ),
    ],
)
def test_something_new_is_written(news: dict[str, Any], part: str) -> None:
    first = render()
    patch = status_patch(first, render(first, now=NOW + 15, **news))
    assert patch is not None
    assert part in patch


def test_the_history_keeps_the_five_latest_decisions_newest_first() -> None:
    status: dict[str, Any] = {}
    for tick in range(7):
        status = render(status, now=NOW + tick, decision=decision(plan={"cpu": tick, "gpu": 0}, message=f"{tick}"))
        status = render(status, now=NOW + tick + 0.5, decision=decision(plan={"cpu": tick, "gpu": 0}, message="again"))
    assert [entry["message"] for entry in status["history"]] == ["6", "5", "4", "3", "2"]
    assert status["decision"]["message"] == "6"


def test_a_spec_that_cannot_be_acted_on_changes_the_conditions_alone() -> None:
    first = render()
    refused = [Finding(type="SpecValid", status="False", reason="SpecInvalid", message="spec.slo: is missing")]
    status = render_status(previous=first, generation=4, now=NOW + 15, findings=refused)
    patch = status_patch(first, status)
    assert patch is not None
    assert set(patch) == {"observedGeneration", "conditions"}
    ready = patch["conditions"][0]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "False", "SpecInvalid")


def test_figures_of_another_objective_are_not_carried_over() -> None:
    first = render()
    tighter = replace(SERVICE, objective=replace(SERVICE.objective, threshold_seconds=0.1))
    status = render(first, service=tighter, decision=decision(budget=None))
    assert status["slo"] == [{"metric": "latency", "objective": "99% < 100ms"}]


def test_a_variant_that_left_the_spec_leaves_the_status() -> None:
    only = replace(SERVICE, variants=SERVICE.variants[:1])
    assert [variant["name"] for variant in render(render(), service=only)["variants"]] == ["cpu"]


def test_what_hinders_a_variant_is_noted_and_the_note_goes_with_it() -> None:
    hindered = replace(observation(), variants={"cpu": build.state(4, 4, refused="exceeded quota: gpus")})
    first = render(observation=hindered)
    assert first["variants"][0]["note"] == "exceeded quota: gpus"
    assert "note" not in render(first)["variants"][0]


def test_texts_are_cut_to_what_the_schema_allows() -> None:
    long = decision(message="m" * 5000, alternatives=(Alternative(replicas={}, cost_per_hour=1, why_not="w" * 5000),))
    InferenceDeploymentStatus.model_validate(render(decision=long, findings=[replace(HEALTHY[0], message="f" * 9999)]))


@pytest.mark.parametrize("previous", [{"slo": "forged"}, {"history": [1]}, {"decision": {"time": 5}}])
def test_a_status_of_another_shape_is_replaced(previous: dict[str, Any]) -> None:
    assert render(previous) == render()


def test_the_patch_removes_what_is_gone_and_keeps_what_is_equal() -> None:
    before = {"plan": "a:1", "cost": {"perHour": "1.00", "currency": "USD"}, "old": 1, "slo": []}
    after = {"plan": "a:1", "cost": {"perHour": "2.00"}, "slo": [], "ready": "1/1"}
    assert status_patch(before, after) == {"cost": {"perHour": "2.00", "currency": None}, "old": None, "ready": "1/1"}


def test_a_paused_service_that_stays_paused_says_so_once() -> None:
    first = render(decision=decision(reason=Reason.PAUSED, message="paused"))
    again = render(first, now=NOW + 60, decision=decision(reason=Reason.PAUSED, message="paused, demand 3/s"))
    assert status_patch(first, again) is None


SEVERAL = [
    {"metric": "errors", "percent": 99.9},
    {"metric": "ttft", "threshold": "500ms", "percent": 95},
    {"metric": "latency", "threshold": "10s", "percent": 99},
]


def test_every_objective_has_an_entry_and_a_variant_says_which_one_binds_it() -> None:
    service = parse_service(service_wire(spec__slo__objectives=SEVERAL)).service
    budgets = {Metric.ERRORS: BudgetState(attainment=0.9995, remaining=0.5, burn_rate=0.5, covered_seconds=60.0)}
    bound = {name: replace(belief, bound_by=Metric.TTFT) for name, belief in BELIEFS.items()}
    status = render(service=service, decision=decision(further_budgets=budgets, beliefs=bound))

    assert [(slo["metric"], slo["objective"]) for slo in status["slo"]] == [
        ("ttft", "95% < 500ms"), ("errors", "99.9% without errors"), ("latency", "99% < 10s"),
    ]  # fmt: skip
    assert [slo.get("attainment") for slo in status["slo"]] == ["99.42", "99.95", None]
    assert [variant["boundBy"] for variant in status["variants"]] == ["ttft", "ttft"]


def test_with_one_objective_nothing_is_said_of_what_binds() -> None:
    bound = {name: replace(belief, bound_by=Metric.LATENCY) for name, belief in BELIEFS.items()}
    assert all("boundBy" not in variant for variant in render(decision=decision(beliefs=bound))["variants"])


def test_capacities_come_back_only_for_the_same_objectives() -> None:
    wire = service_wire(spec__slo__objectives=SEVERAL)
    wire["status"] = render(service=parse_service(wire).service)
    assert parse_service(wire).persisted.capacities
    wire["spec"]["slo"]["objectives"] = [*SEVERAL[:1], {**SEVERAL[1], "threshold": "400ms"}, SEVERAL[2]]
    assert not parse_service(wire).persisted.capacities


def burning(rate: float, pace: Pace | None = None) -> Decision:
    state = BudgetState(
        attainment=0.99421, remaining=0.421, burn_rate=rate, covered_seconds=86_400.0,
        burn_rates={300.0: 99.0, 1800.0: 50.0, 3600.0: rate, 21_600.0: 2.0}, burning=pace,
    )  # fmt: skip
    return decision(budget=state)


def test_burn_rates_of_an_hour_and_more_are_told_and_hold_still_while_they_hardly_move() -> None:
    first = render(decision=burning(1.0))
    assert first["slo"][0]["burnRates"] == "1h 1.0, 6h 2.0"
    assert "burning" not in first["slo"][0]
    assert render(first, decision=burning(1.2))["slo"] == first["slo"]
    fast = render(first, decision=burning(20.0, Pace.FAST))["slo"][0]
    assert (fast["burnRates"], fast["burning"]) == ("1h 20.0, 6h 2.0", "Fast")
