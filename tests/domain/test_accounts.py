"""Several objectives at once: the most binding decides, the hardest sets the price, and bugs are not chased."""

from dataclasses import replace

import build
import pytest
from several import ERRORS, ITL, TTFT, Play, service

from tightrope.domain.memory import Memory, ServiceMemory
from tightrope.domain.observation import Missing
from tightrope.domain.plan import Reason
from tightrope.domain.spec import LatencyObjective, Metric


def test_the_capacity_is_that_of_the_objective_that_gives_out_first() -> None:
    play = Play(service(TTFT), edges={Metric.TTFT: 8.0})
    decision = play.run(60.0, minutes=60)

    assert decision.beliefs["cpu"].bound_by is Metric.TTFT
    assert play.replicas >= 60.0 / 8.0
    assert play.remembered.accounts[Metric.LATENCY].capacities["cpu"].log_mean > (
        play.remembered.accounts[Metric.TTFT].capacities["cpu"].log_mean
    )


def test_the_sentence_names_the_objective_that_binds() -> None:
    assert "; bound by itl." in Play(service(ITL), edges={Metric.ITL: 8.0}).run(60.0, minutes=60).message


def test_with_one_objective_the_sentence_names_none() -> None:
    assert "bound by" not in Play(service(), edges={}).run(60.0, minutes=5).message


def test_further_objectives_that_hold_change_no_plan() -> None:
    alone, beside = Play(service(), edges={}), Play(service(TTFT, ITL), edges={})
    assert alone.run(60.0, minutes=60).plan == beside.run(60.0, minutes=60).plan


@pytest.mark.parametrize("objective", [TTFT, ITL, ERRORS], ids=lambda one: one.metric)
def test_a_fast_burn_of_any_objective_acts_within_one_tick(objective: LatencyObjective) -> None:
    play = Play(service(objective), edges={})
    play.run(60.0, minutes=30)
    before = play.replicas
    play.edges = {objective.metric: 1.0}
    decision = play.step(60.0)

    assert decision.reason is Reason.SLO_AT_RISK
    assert f"({objective.metric})" in decision.message
    assert play.replicas > before


def test_an_unknown_objective_takes_the_right_to_descend_and_says_which() -> None:
    play = Play(service(TTFT), edges={}, replicas=12)
    for _ in range(40):
        seen = play.seen(60.0)
        decision = play.step(60.0, replace(seen, further_outcomes={Metric.TTFT: Missing(reason="no such series")}))

    assert play.replicas == 12
    assert decision.blind == "ttft is unknown: no such series"
    assert decision.reason is Reason.HOLD_MISSING_DATA


def test_an_unknown_objective_still_lets_known_demand_scale_up() -> None:
    play = Play(service(TTFT), edges={}, replicas=1)
    play.step(200.0, replace(play.seen(200.0), further_outcomes={}))
    assert play.replicas > 1


def test_each_objective_has_its_own_budget() -> None:
    play = Play(service(TTFT, ERRORS), edges={}, always=0.0005)
    decision = play.run(60.0, minutes=10)

    assert decision.budget is not None and decision.budget.remaining == 1.0
    assert decision.further_budgets[Metric.TTFT].remaining == 1.0
    assert decision.further_budgets[Metric.ERRORS].remaining == pytest.approx(0.5, abs=0.01)


def test_a_restart_keeps_the_capacity_that_every_objective_holds() -> None:
    play = Play(service(TTFT), edges={Metric.TTFT: 8.0})
    low = play.run(60.0, minutes=60).beliefs["cpu"].capacity_low
    play.memory = Memory(services={build.KEY: ServiceMemory(persisted=play.remembered.persisted)})
    again = play.step(60.0).beliefs["cpu"].capacity_low

    assert low is not None and again == pytest.approx(low, rel=0.1)


def test_errors_at_any_load_are_named_and_never_chased() -> None:
    calm, buggy = Play(service(ERRORS), edges={}), Play(service(ERRORS), edges={}, always=0.05)
    calm.run(60.0, minutes=240)
    decision = buggy.run(60.0, minutes=240)

    assert buggy.replicas <= calm.replicas + 1
    assert decision.further_budgets[Metric.ERRORS].remaining < 0
    assert decision.beyond_replicas is not None
    assert "replicas do not mend" in decision.beyond_replicas and "on cpu" in decision.beyond_replicas


def test_errors_that_come_with_load_are_mended_with_replicas() -> None:
    play = Play(service(ERRORS), edges={Metric.LATENCY: 25.0, Metric.ERRORS: 18.0})
    decision = play.run(60.0, minutes=120)

    assert 60.0 / play.replicas <= 18.0
    assert decision.beliefs["cpu"].bound_by is Metric.ERRORS
    assert decision.beyond_replicas is None


def test_a_threshold_that_changes_moves_only_its_own_account() -> None:
    play = Play(service(TTFT), edges={})
    play.run(60.0, minutes=30)
    before = play.remembered.accounts
    play.service = service(replace(TTFT, threshold_seconds=0.2))
    play.step(60.0)
    after = play.remembered.accounts

    assert after[Metric.TTFT].capacities["cpu"].log_sd > 2 * before[Metric.TTFT].capacities["cpu"].log_sd
    assert after[Metric.LATENCY].capacities["cpu"].log_mean == pytest.approx(
        before[Metric.LATENCY].capacities["cpu"].log_mean, abs=0.02
    )


def test_a_variant_that_misses_first_tokens_at_any_load_is_infeasible_and_says_so() -> None:
    play = Play(service(TTFT), edges={Metric.TTFT: 0.0})
    decision = play.run(5.0, minutes=600)

    assert decision.beliefs["cpu"].infeasible == "even lone requests miss 500ms of ttft on cpu"
