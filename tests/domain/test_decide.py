"""Whole episodes of the decision: what a user would see over time, with start-up, outages, full pools, restarts."""

import itertools
import math
from dataclasses import replace

import build
import numpy as np
import pytest
from build import KEY
from episode import Episode

from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory
from tightrope.domain.observation import Known, Missing
from tightrope.domain.plan import Decision, Reason
from tightrope.domain.spec import Behavior, BudgetPolicy, CapacityPrior, Mode, Pool, Resources, ServiceKey

CAPACITY = {"cpu": 25.0, "gpu": 300.0}
START = {"cpu": 20.0, "gpu": 60.0}


def episode(demand, **overrides) -> Episode:
    values = {
        "service": build.service(),
        "pools": build.pools(),
        "true_capacity": CAPACITY,
        "start_seconds": START,
        "demand": demand,
    }
    return Episode(**(values | overrides))


def once(
    *, demand, states, service=None, memory=None, at: float = 1000.0, pools=None, **seen
) -> tuple[Decision, Memory]:
    """One tick on given states."""
    service = service or build.service()
    decisions, after = decide(
        services=[service],
        pools=pools or build.pools(),
        observations={service.key: build.observation(at, demand, states, **seen)},
        memory=memory or Memory(),
        now=at,
        tick_seconds=15.0,
        metrics_delay_seconds=15.0,
    )
    return decisions[service.key], after


def hill(t: float) -> float:
    return 15.0 + 120.0 * max(0.0, math.sin(math.pi * (t - 900) / 5400)) if t > 900 else 15.0


def test_a_rise_and_fall_goes_cpu_then_gpu_then_cpu_and_holds_the_slo() -> None:
    done = episode(hill).run(9000)

    sets = [frozenset(k for k, n in row["plan"].items() if n) for row in done.rows]
    changes = [sets[0], *(b for a, b in itertools.pairwise(sets) if a != b)]
    assert changes == [{"cpu"}, {"gpu"}, {"cpu"}]
    after_start = [row for row in done.rows if row["at"] > 60]
    served = sum(r["demand"] * r["good"] for r in after_start) / sum(r["demand"] for r in after_start)
    assert served >= 0.99


def test_it_costs_less_than_a_fleet_fixed_at_the_peak() -> None:
    done = episode(hill).run(9000)

    fixed = min(math.ceil(135 / 25) * 0.2, math.ceil(135 / 300) * 0.8) * 9000 / 3600
    assert done.cost() < 0.85 * fixed


def test_ready_capacity_never_falls_under_the_demand_during_a_switch() -> None:
    done = episode(hill).run(9000)

    for row in done.rows:
        if row["at"] > 60 and row["decision"].switching:
            slowest = min(CAPACITY[name] for name, count in row["ready"].items() if count)
            assert sum(row["ready"].values()) * slowest >= row["demand"]


@pytest.mark.parametrize("killed_at", range(1200, 4800, 330))
def test_a_restart_at_any_moment_changes_neither_the_end_nor_the_capacity_in_between(killed_at: int) -> None:
    # With the default policy savings are spent by covering less than the present demand; here none are.
    done = episode(hill, service=replace(build.service(), budget_policy=BudgetPolicy.PROTECT)).run(killed_at)
    done.restart()
    done.run(9000 - killed_at, start=killed_at)

    assert done.rows[-1]["wanted"]["gpu"] == 0
    for row in done.rows:
        if row["at"] > 60:
            slowest = min(CAPACITY[name] for name, count in row["ready"].items() if count)
            assert sum(row["ready"].values()) * slowest >= row["demand"]


def test_nothing_descends_while_data_is_missing_nor_until_it_has_been_whole_again() -> None:
    blind = (2500.0, 3100.0)
    done = episode(lambda t: 100.0 if t < 2400 else 10.0, blind=lambda t: blind[0] < t < blind[1]).run(4500)

    wanted = [(row["at"], sum(row["wanted"].values())) for row in done.rows]
    held = [n for at, n in wanted if blind[0] < at < blind[1] + 300]
    assert min(held) == held[0]
    assert wanted[-1][1] == 1
    reasons = {row["decision"].reason for row in done.rows if blind[0] < row["at"] < blind[1]}
    assert Reason.HOLD_MISSING_DATA in reasons


def test_a_part_of_the_demand_that_is_seen_still_scales_up() -> None:
    states = {
        "cpu": build.state(2, serving_demand=Missing(reason="1 of 2 pods silent", at_least=90.0)),
        "gpu": build.state(0),
    }
    partly = Missing(reason="1 of 2 pods silent", at_least=90.0)

    decision, _ = once(demand=None, states=states)
    blind_plan = sum(decision.plan.values())
    seen = build.observation(1000.0, None, states)
    decisions, _ = decide(
        services=[build.service()],
        pools=build.pools(),
        observations={KEY: replace(seen, demand=partly)},
        memory=Memory(),
        now=1000.0,
        tick_seconds=15.0,
        metrics_delay_seconds=15.0,
    )

    assert blind_plan == 2
    assert decisions[KEY].writes and sum(decisions[KEY].plan.values()) > 2
    assert all(write.replicas > write.previous for write in decisions[KEY].writes)


def test_utilisation_takes_over_where_demand_is_missing() -> None:
    busy = build.state(4, utilisation=Known(value=0.97, at=1000.0))
    decision, _ = once(demand=None, states={"cpu": busy, "gpu": build.state(0)})

    assert decision.reason is Reason.UTILISATION_HIGH
    assert [(write.variant, write.replicas) for write in decision.writes] == [("cpu", 6)]


def test_a_busy_accelerator_is_no_reason_to_grow_while_its_capacity_is_known() -> None:
    busy = build.state(2, utilisation=Known(value=0.97, at=1000.0))
    decision, _ = once(demand=None, states={"cpu": build.state(0), "gpu": busy})

    assert not decision.writes


def test_zero_demand_is_known_and_descends_to_the_minimum() -> None:
    done = episode(lambda t: 100.0 if t < 1200 else 0.0).run(3000)

    assert sum(done.rows[-1]["wanted"].values()) == 1


@pytest.mark.parametrize("names", [("cpu", "gpu"), ("gpu", "cpu")], ids=["in order", "the other way round"])
def test_of_two_variants_that_may_both_grow_to_the_minimum_the_order_in_the_spec_says_nothing(names) -> None:
    service = build.service(
        min_replicas=3, max_replicas=3, variants=tuple(build.variant(name, capacity=None) for name in names)
    )
    decision, _ = once(demand=0.0, states={name: build.state(1, 0) for name in names}, service=service)

    assert [(write.variant, write.replicas) for write in decision.writes] == [("cpu", 2)]


def test_steady_demand_changes_nothing_after_the_first_minutes() -> None:
    done = episode(lambda t: 60.0).run(7200)

    late = [row for row in done.rows if row["at"] > 900]
    assert not any(row["decision"].writes for row in late)


def test_a_pool_without_room_is_left_and_tried_again_later() -> None:
    done = episode(lambda t: 110.0, room=lambda name, now: 0 if name == "gpu" and now < 1500 else 99).run(4000)

    waits = [row for row in done.rows if row["decision"].beliefs["gpu"].retry_at]
    assert waits and all(row["plan"] == {"cpu": row["plan"]["cpu"]} for row in waits)
    assert done.rows[-1]["ready"] == {"cpu": 0, "gpu": 1}
    assert all(sum(row["ready"].values()) > 0 for row in done.rows if row["at"] > 60)


def test_a_quota_that_refuses_pods_is_a_pool_without_room() -> None:
    states = {
        "cpu": build.state(4, serving_demand=Known(value=90.0, at=1000.0)),
        "gpu": build.state(1, 0, pods=0, refused="exceeded quota: gpus"),
    }
    decision, _ = once(demand=90.0, states=states)

    assert decision.beliefs["gpu"].retry_at == 1000.0 + 60.0
    assert set(decision.plan) == {"cpu"}


def test_a_new_switch_waits_for_its_dwell_and_for_what_it_saves() -> None:
    slow = Behavior(switch_min_dwell_seconds=3600.0)
    done = episode(lambda t: 110.0 if (t // 900) % 2 else 15.0, service=build.service(behavior=slow)).run(7200)

    sets = [frozenset(row["plan"]) for row in done.rows]
    switches = [row["at"] for row, a, b in zip(done.rows[1:], sets, sets[1:], strict=False) if a != b]
    assert all(later - earlier >= 3600.0 for earlier, later in itertools.pairwise(switches))


def test_the_plan_names_what_it_beat_with_prices() -> None:
    done = episode(lambda t: 60.0).run(1200)
    decision = done.rows[-1]["decision"]

    gpu = next(other for other in decision.alternatives if set(other.replicas) == {"gpu"})
    assert gpu.cost_per_hour == pytest.approx(0.8)
    assert "dearer by" in gpu.why_not


def test_a_variant_costs_what_the_nodes_of_all_its_wanted_replicas_cost() -> None:
    half = build.variant("cpu", requests=Resources(cpu_cores=4.0, memory_bytes=4 * build.GI))
    decision, _ = once(
        demand=20.0, states={"cpu": build.state(3)}, service=build.service(variants=(half,)), pools=build.pools("cpu")
    )

    assert decision.beliefs["cpu"].cost_per_hour == pytest.approx(2 * 0.20), "three replicas, two a node"


def test_a_variant_that_cannot_meet_the_threshold_is_never_chosen_and_named() -> None:
    slow = build.variant("cpu", capacity=CapacityPrior(rate_per_second=2.0, at_seconds=5.0))
    decision, _ = once(
        demand=None,
        states={"cpu": build.state(None), "gpu": build.state(None)},
        service=build.service(variants=(slow, build.variant("gpu"))),
    )

    assert decision.plan == {"gpu": 1}
    assert "leaves no capacity within 300ms" in (decision.beliefs["cpu"].infeasible or "")


def test_no_variant_at_all_that_can_meet_it_keeps_what_runs_and_says_so() -> None:
    slow = build.variant("cpu", capacity=CapacityPrior(rate_per_second=2.0, at_seconds=5.0))
    decision, _ = once(demand=5.0, states={"cpu": build.state(3)}, service=build.service(variants=(slow,)))

    assert decision.reason is Reason.NO_FEASIBLE_VARIANT
    assert not decision.writes
    assert decision.no_feasible_variant and "cpu" in decision.no_feasible_variant


@pytest.mark.parametrize("mode", [Mode.PAUSED, Mode.RECOMMEND])
def test_paused_and_recommend_show_a_plan_and_write_nothing(mode: Mode) -> None:
    decision, _ = once(
        demand=200.0, states={"cpu": build.state(1), "gpu": build.state(0)}, service=build.service(mode=mode)
    )

    assert not decision.writes
    assert sum(decision.plan.values()) > 0


def test_paused_descents_keep_what_runs_and_say_so() -> None:
    settled = episode(lambda t: 15.0).run(900).memory
    states = {"cpu": build.state(6, serving_demand=Known(value=15.0, at=900.0)), "gpu": build.state(0)}
    moved, _ = once(demand=15.0, states=states, memory=settled, at=900.0)
    held, _ = once(
        demand=15.0, states=states, memory=settled, at=900.0, service=build.service(descents_paused=True)
    )  # fmt: skip

    assert [write.variant for write in moved.writes] == ["cpu"], "without the pause it would shrink"
    assert not held.writes and held.reason is Reason.HOLD_DESCENTS_PAUSED
    assert held.message == "Hold: descents are paused."


def test_paused_descents_let_demand_scale_up_and_the_spec_command() -> None:
    states = {"cpu": build.state(1, serving_demand=Known(value=200.0, at=1000.0)), "gpu": build.state(0)}
    service = build.service(descents_paused=True, variants=(build.variant("cpu"),))
    grown, _ = once(demand=200.0, states={"cpu": states["cpu"]}, service=service)
    lowered, _ = once(demand=None, states={"cpu": build.state(8)}, service=replace(service, max_replicas=5))

    assert [write.variant for write in grown.writes if write.replicas > write.previous] == ["cpu"]
    assert [(write.variant, write.replicas) for write in lowered.writes] == [("cpu", 5)]


def test_no_switch_for_money_begins_while_descents_are_paused() -> None:
    free = episode(lambda t: 150.0 if t > 300 else 15.0).run(2400)
    held = episode(lambda t: 150.0 if t > 300 else 15.0, service=build.service(descents_paused=True)).run(2400)

    assert free.rows[-1]["plan"] == {"gpu": 1}
    assert held.rows[-1]["plan"].keys() == {"cpu"}


def test_a_lowered_max_acts_even_while_data_is_missing() -> None:
    decision, _ = once(
        demand=None, states={"cpu": build.state(8), "gpu": build.state(0)}, service=build.service(max_replicas=5)
    )

    assert [(write.variant, write.replicas) for write in decision.writes] == [("cpu", 5)]


def test_a_raised_min_acts_even_while_data_is_missing() -> None:
    decision, _ = once(
        demand=None, states={"cpu": build.state(2), "gpu": build.state(0)}, service=build.service(min_replicas=4)
    )

    assert [(write.variant, write.replicas) for write in decision.writes] == [("cpu", 4)]


def test_no_descent_and_no_switch_while_a_rollout_is_in_flight() -> None:
    done = episode(lambda t: 15.0).run(900)
    rolling = build.state(6, serving_demand=Known(value=15.0, at=900.0), rolling_out=True)
    decision, _ = once(demand=15.0, states={"cpu": rolling, "gpu": build.state(0)}, memory=done.memory, at=900.0)

    assert not decision.writes


def test_a_variant_that_another_writer_sets_is_left_alone() -> None:
    taken = build.state(9, other_writer="horizontal-pod-autoscaler", serving_demand=Known(value=10.0, at=1000.0))
    decision, _ = once(demand=10.0, states={"cpu": taken, "gpu": build.state(0)})

    assert decision.reason is Reason.HOLD_CONFLICT
    assert not decision.writes


def test_two_services_do_not_plan_the_same_node_twice() -> None:
    small = {"cpu": build.pool("cpu", max_nodes=5)}
    first, second = (
        build.service(key=ServiceKey(namespace="nlp", name=name), variants=(build.variant("cpu"),)) for name in "ab"
    )
    seen = {
        s.key: build.observation(1000.0, 100.0, {"cpu": build.state(1, serving_demand=Known(value=100.0, at=1000.0))})
        for s in (first, second)
    }

    decisions, _ = decide(
        services=[second, first],
        pools=small,
        observations=seen,
        memory=Memory(),
        now=1000.0,
        tick_seconds=15.0,
        metrics_delay_seconds=15.0,
    )

    assert sum(sum(d.plan.values()) for d in decisions.values()) <= 5
    assert any(d.reason is Reason.POOL_FULL for d in decisions.values())


def test_pods_that_the_demand_needs_may_not_be_evicted() -> None:
    done = episode(lambda t: 60.0).run(1200)

    assert done.rows[-1]["decision"].required_ready == 3


def test_latency_missing_under_traffic_is_blind_too() -> None:
    states = {"cpu": build.state(6, serving_demand=Known(value=20.0, at=1000.0)), "gpu": build.state(0)}
    decision, _ = once(demand=20.0, states=states, outcomes=None, outcomes_missing="metric x has no series")

    assert decision.blind == "latency is unknown: metric x has no series"
    assert not decision.writes


def test_pools_are_priced_by_name_and_unknown_ones_are_the_callers_error() -> None:
    with pytest.raises(KeyError):
        once(demand=1.0, states={"cpu": build.state(1), "gpu": build.state(0)}, pools={"cpu": build.pool("cpu")})


def test_the_same_input_gives_the_same_decision() -> None:
    def pools() -> dict[str, Pool]:
        return build.pools("gpu", "cpu")

    states = {"cpu": build.state(2, serving_demand=Known(value=70.0, at=1000.0)), "gpu": build.state(0)}
    turned = build.service(variants=(build.variant("gpu"), build.variant("cpu")))

    assert (
        once(demand=70.0, states=states)[0].plan
        == once(demand=70.0, states=states, service=turned, pools=pools())[0].plan
    )


def at_max(demand, seconds: float) -> Episode:
    """Twelve CPU replicas at a max of twelve."""
    done = episode(demand, service=build.service(max_replicas=12))
    done.scale("cpu", 12, -600.0)
    return done.run(seconds)


def test_a_switch_that_max_leaves_no_room_for_says_so() -> None:
    last = at_max(lambda t: 290.0, 1200).rows[-1]

    assert last["ready"] == {"cpu": 12, "gpu": 0}
    assert "raise replicas.max" in last["decision"].message


def test_a_fleet_at_max_gives_up_what_it_can_spare_for_a_switch() -> None:
    done = at_max(lambda t: 290.0 if t < 900 else 170.0, 3600)

    assert done.rows[-1]["ready"] == {"cpu": 0, "gpu": 1}
    assert all(sum(row["wanted"].values()) <= 12 for row in done.rows)
    assert all(row["good"] >= 0.99 for row in done.rows if row["demand"] == 170.0)


def test_a_steady_demand_that_scatters_keeps_its_plan() -> None:
    noise = np.random.default_rng(2).poisson(100.0 * 60.0, size=4000) / 60.0
    done = episode(lambda t: float(noise[int(t // 15)])).run(30_000)

    late = [row["decision"] for row in done.rows if row["at"] > 7200]
    assert sum(bool(decision.writes) for decision in late) <= 4


def test_a_variant_under_the_quality_floor_is_never_chosen_and_named() -> None:
    variants = (build.variant("cpu", quality=0.97), build.variant("gpu", quality=0.99))
    running = {"cpu": build.state(wanted=2), "gpu": build.state()}
    free, _ = once(demand=30.0, states=running, service=build.service(variants=variants))
    floored, _ = once(demand=30.0, states=running, service=build.service(variants=variants, min_quality=0.98))

    assert free.plan == {"cpu": 2}
    assert floored.plan == {"gpu": 1}
    assert floored.beliefs["cpu"].infeasible == "its quality 0.97 is under quality.min 0.98"
    # Make before break: what runs under the floor stays until a better one carries the demand.
    assert [(write.variant, write.replicas) for write in floored.writes] == [("gpu", 1)]
