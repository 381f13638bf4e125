"""The comparison of mode Recommend in the status: told in words, held still, and brought back after a restart."""

from dataclasses import replace
from typing import Any

import pytest
from customresources import service_wire

from tightrope.api.parse import parse_service
from tightrope.api.recommendation import comparison, recommendation_status
from tightrope.api.servicestatus import InferenceDeploymentStatus, RecommendationStatus
from tightrope.api.status import render_status
from tightrope.domain.comparison import Comparison, Judged
from tightrope.domain.memory import Persisted
from tightrope.domain.plan import Decision, Reason
from tightrope.domain.spec import Metric

NOW = 1_795_406_400.0
SERVICE = parse_service(service_wire()).service
FOUND = Comparison(
    since=NOW - 12.5 * 3600,
    currency="USD",
    seconds=12.5 * 3600,
    cost=12.345678,
    plan_cost=7.1,
    objectives={Metric.LATENCY: Judged(finished=120_000.0, missed=512.0, predicted=600.0)},
)


def said(found: Comparison = FOUND, old: RecommendationStatus | None = None) -> RecommendationStatus:
    status = recommendation_status(found, old)
    assert status is not None
    return status


def status_of(found: Comparison | None, previous: dict[str, Any] | None = None) -> dict[str, Any]:
    decision = Decision(
        key=SERVICE.key, plan={"cpu": 4}, writes=(), reason=Reason.RECOMMEND_ONLY, message="-", required_ready=4,
        covered_demand=84.0, cost_per_hour=0.34, beliefs={}, persisted=Persisted(comparison=found),
    )  # fmt: skip
    return render_status(
        previous=previous or {}, generation=1, now=NOW, findings=(), service=SERVICE, decision=decision, currency="USD"
    )


def test_both_fleets_are_told_with_what_they_cost_and_missed() -> None:
    assert status_of(FOUND)["recommendation"] == {
        "since": "2026-11-22T15:30:00Z",
        "hours": "12.50",
        "cost": "12.35",
        "planCost": "7.100",
        "currency": "USD",
        "slo": [{"metric": "latency", "finished": "120000", "missed": "512.0", "predictedMissed": "600.0"}],
    }
    InferenceDeploymentStatus.model_validate(status_of(FOUND))


def test_without_a_comparison_nothing_is_told_and_what_was_goes() -> None:
    assert "recommendation" not in status_of(None)
    assert "recommendation" not in status_of(None, previous=status_of(FOUND))
    assert recommendation_status(replace(FOUND, seconds=0.0, objectives={}), None) is None, "no tick is no zero"


def test_sums_that_have_hardly_grown_are_no_news() -> None:
    grown = replace(FOUND, cost=FOUND.cost * 1.005, seconds=FOUND.seconds * 1.005)
    assert said(grown, old=said()) == said()
    assert said(replace(FOUND, cost=FOUND.cost * 1.05), old=said()).cost == "12.96"


def test_another_beginning_keeps_no_old_figure() -> None:
    again = replace(FOUND, since=NOW, cost=FOUND.cost * 1.005)
    assert said(again, old=said()).cost == "12.41"


def test_a_restart_brings_it_back() -> None:
    restored = parse_service(service_wire(status=status_of(FOUND)), now=NOW).persisted.comparison
    assert restored is not None
    assert (restored.since, restored.currency) == (FOUND.since, "USD")
    assert restored.seconds == pytest.approx(FOUND.seconds, rel=0.01)
    assert restored.cost == pytest.approx(FOUND.cost, rel=0.01)
    assert restored.objectives[Metric.LATENCY].predicted == pytest.approx(600.0, rel=0.01)


def test_another_objective_brings_nothing_back() -> None:
    status = status_of(FOUND)
    status["slo"][0]["objective"] = "99% < 200ms"
    assert parse_service(service_wire(status=status), now=NOW).persisted.comparison is None


@pytest.mark.parametrize(
    "forged",
    [
        {"since": "2099-01-01T00:00:00Z"},
        {"hours": "-1"},
        {"cost": "inf"},
        {"planCost": "cheap"},
        {"slo": [{"metric": "joy", "finished": "1", "missed": "0", "predictedMissed": "0"}]},
        {"slo": [{"metric": "latency", "finished": "1", "missed": "9", "predictedMissed": "0"}]},
    ],
    ids=lambda forged: next(iter(forged)),
)
def test_what_is_not_plausible_is_forgotten(forged: dict[str, Any]) -> None:
    wire = said().model_dump(by_alias=True) | forged
    assert comparison(RecommendationStatus.model_validate(wire), now=NOW) is None


def test_no_more_hours_come_back_than_have_passed() -> None:
    wire = said().model_dump(by_alias=True) | {"hours": "1000"}
    found = comparison(RecommendationStatus.model_validate(wire), now=NOW)
    assert found is not None and found.seconds == 12.5 * 3600
