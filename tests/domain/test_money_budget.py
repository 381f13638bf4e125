"""The budget in money, as whole episodes and decisions show it."""

import build
import pytest
from episode import Episode

from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory
from tightrope.domain.plan import Reason

BUSY = 3600.0


def episode(budget: float, *, demand: float = 100.0, least: int = 1) -> Episode:
    service = build.service(variants=(build.variant("cpu"),), budget_per_hour=budget, min_replicas=least)
    return Episode(
        service=service,
        pools=build.pools("cpu"),
        true_capacity={"cpu": 25.0},
        start_seconds={"cpu": 30.0},
        demand=lambda now: demand if now < BUSY else 5.0,
    )


def test_growth_stops_at_the_budget_and_the_decision_says_what_that_costs() -> None:
    # A replica costs 0.20 an hour and 100/s need four or more: 0.65 pays for three.
    played = episode(0.65).run(1800.0)
    decision = played.rows[-1]["decision"]

    assert max(row["cost"] for row in played.rows) == pytest.approx(0.6)
    assert decision.reason is Reason.MONEY_BUDGET
    assert "budget.perHour allows 0.65 USD/h, and 0.0% would be good at" in decision.message
    assert decision.money_budget is not None and "cpu:3 carries" in decision.money_budget


def test_the_minimum_wins_over_the_budget() -> None:
    played = episode(0.3, least=3).run(900.0)
    assert played.rows[-1]["ready"] == {"cpu": 3}


def test_a_fleet_within_its_budget_is_told_nothing_of_it_and_still_descends() -> None:
    played = episode(5.0).run(2 * BUSY)
    busy = next(row for row in played.rows if row["at"] >= BUSY - 15.0)["decision"]

    assert busy.money_budget is None and "budget" not in busy.message
    assert played.rows[-1]["ready"]["cpu"] < 3


def test_a_lower_budget_takes_nothing_away_that_demand_still_needs() -> None:
    played = episode(5.0).run(1800.0)
    before = played.rows[-1]["ready"]["cpu"]
    lower = episode(0.3)
    lower.memory, lower.pods, lower.wanted = played.memory, played.pods, played.wanted
    lower.run(1500.0, start=1800.0)

    assert lower.rows[-1]["ready"]["cpu"] >= min(before, 4)


def test_growth_by_utilisation_alone_stops_there_too() -> None:
    service = build.service(variants=(build.variant("cpu"),), budget_per_hour=0.65)
    busy = build.state(wanted=2, ready=2, utilisation=build.Known(value=1.0, at=0.0))
    seen = build.observation(0.0, None, {"cpu": busy})
    decisions, _ = decide(
        services=[service], pools=build.pools("cpu"), observations={service.key: seen}, memory=Memory(), now=0.0,
        tick_seconds=15.0, metrics_delay_seconds=30.0,
    )  # fmt: skip

    assert decisions[service.key].plan == {"cpu": 3}
