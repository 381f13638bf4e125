from typing import Any

import pytest

from tightrope.api.conditions import Finding, conditions, pool_status, ready_finding
from tightrope.api.schema import Condition
from tightrope.domain.memory import Persisted
from tightrope.domain.plan import Decision, Reason
from tightrope.domain.spec import ServiceKey


def found(kind: str, status: Any, reason: str = "Because", message: str = "because") -> Finding:
    return Finding(type=kind, status=status, reason=reason, message=message)


def decision(**overrides: Any) -> Decision:
    values: dict[str, Any] = {
        "key": ServiceKey(namespace="nlp", name="sentiment"),
        "plan": {"cpu": 2},
        "writes": (),
        "reason": Reason.STEADY,
        "message": "steady",
        "required_ready": 2,
        "covered_demand": 10.0,
        "cost_per_hour": 1.0,
        "beliefs": {},
        "persisted": Persisted(),
    }
    return Decision(**(values | overrides))


@pytest.mark.parametrize(
    ("finding", "hinders"),
    [
        (found("SpecValid", "False"), True),
        (found("MetricsHealthy", "False"), True),
        (found("MetricsHealthy", "Unknown"), False),
        (found("Conflict", "True"), True),
        (found("Conflict", "False"), False),
        (found("NameTaken", "True"), True),
        (found("SLOMet", "False"), False),
    ],
)
def test_a_service_is_ready_unless_a_finding_hinders_it(finding: Finding, hinders: bool) -> None:
    ready = ready_finding([finding], decision(), ready=2)
    assert ready.status == ("False" if hinders else "True")
    assert (ready.reason == "Because") is hinders


def test_the_first_finding_that_hinders_gives_the_reason() -> None:
    findings = [
        found("SpecValid", "True"),
        found("NameTaken", "True", "Taken"),
        found("MetricsHealthy", "False", "Down"),
    ]
    assert ready_finding(findings, decision(), ready=0).reason == "Taken"


def test_without_a_decision_nobody_knows() -> None:
    assert ready_finding([], None, ready=0).status == "Unknown"


def test_a_service_is_ready_when_as_many_replicas_are_ready_as_the_plan_needs_now() -> None:
    assert ready_finding([], decision(), ready=1).message == "1 of the 2 replicas that the plan needs now are ready"
    assert ready_finding([], decision(), ready=2).status == "True"


def test_a_service_that_no_variant_can_serve_is_not_ready() -> None:
    ready = ready_finding([], decision(no_feasible_variant="no variant keeps 5ms"), ready=2)
    assert (ready.status, ready.reason, ready.message) == ("False", "NoFeasibleVariant", "no variant keeps 5ms")


def written(finding: Finding, previous: list[Condition], now: float) -> Condition:
    return conditions([finding], previous=previous, generation=1, now=now)[0]


def test_the_time_of_transition_moves_only_with_the_status() -> None:
    first = written(found("MetricsHealthy", "True"), [], 0.0)
    second = written(found("MetricsHealthy", "True", "Other", "other words"), [first], 60.0)
    third = written(found("MetricsHealthy", "False"), [second], 120.0)
    times = [condition.last_transition_time for condition in (first, second, third)]
    assert times == ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:02:00Z"]
    assert second.message == "other words"


def test_a_message_whose_numbers_hardly_move_stays() -> None:
    first = written(found("MetricsHealthy", "False", "Stale", "40s old"), [], 0.0)
    assert written(found("MetricsHealthy", "False", "Stale", "41s old"), [first], 60.0) == first
    assert written(found("MetricsHealthy", "False", "Stale", "90s old"), [first], 60.0).message == "90s old"


def test_a_condition_that_nobody_speaks_of_any_more_is_dropped() -> None:
    first = written(found("Conflict", "True"), [], 0.0)
    assert conditions([found("SLOMet", "True")], previous=[first], generation=1, now=1.0)[0].type == "SLOMet"


@pytest.mark.parametrize("previous", [{}, {"conditions": None}, {"conditions": [{"type": 1}]}])
def test_a_pool_says_whether_it_is_ready_whatever_stood_there_before(previous: dict[str, Any]) -> None:
    status = pool_status([found("Ready", "True", "Usable", "usable")], previous=previous, generation=2, now=0.0)
    assert status["conditions"] == [
        {
            "type": "Ready",
            "status": "True",
            "observedGeneration": 2,
            "lastTransitionTime": "1970-01-01T00:00:00Z",
            "reason": "Usable",
            "message": "usable",
        }
    ]
