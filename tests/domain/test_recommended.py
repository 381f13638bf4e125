"""mode Recommend scores itself: what the recommended plans would have cost and missed, beside the fleet that ran."""

from dataclasses import replace

import build
import pytest
from build import KEY
from episode import Episode

from tightrope.domain.comparison import Comparison
from tightrope.domain.observation import Observation
from tightrope.domain.spec import ErrorsObjective, LatencyObjective, Metric, Mode, Service

SPAN = 1200.0
NODE = 0.20 * SPAN / 3600.0  # a node for one span
RECOMMEND = build.service(mode=Mode.RECOMMEND, variants=(build.variant("cpu"),), slo_window_seconds=86400.0)


class Watched(Episode):
    """A fleet that somebody else scales."""

    writer: str | None = None

    def observe(self, now: float) -> Observation:
        seen = super().observe(now)
        states = {name: replace(state, other_writer=self.writer) for name, state in seen.variants.items()}
        return replace(seen, variants=states)


def watched(demand, *, replicas: int, service: Service = RECOMMEND, writer: str | None = None, **overrides) -> Watched:
    values = {
        "service": service,
        "pools": build.pools("cpu"),
        "true_capacity": {"cpu": 25.0},
        "start_seconds": {"cpu": 20.0},
        "demand": demand,
    }
    done = Watched(**(values | overrides))
    done.writer = writer
    done.scale("cpu", replicas, -SPAN)
    return done


def compared(episode: Episode) -> Comparison:
    found = episode.memory.of(KEY).persisted.comparison
    assert found is not None
    return found


def test_a_fleet_that_is_too_large_is_seen_to_cost_more_and_the_real_one_is_left_alone() -> None:
    done = watched(lambda t: 40.0, replicas=10).run(2 * SPAN)
    said = compared(done)

    assert done.wanted == {"cpu": 10}
    assert said.seconds == pytest.approx(2 * SPAN, abs=15)
    assert said.cost == pytest.approx(10 * NODE * 2, rel=0.01)
    assert said.plan_cost < 0.5 * said.cost
    latency = said.objectives[Metric.LATENCY]
    assert latency.finished == pytest.approx(40 * 2 * SPAN, rel=0.01)
    assert latency.predicted < 0.01 * latency.finished, "what is recommended holds the objective"


def test_a_fleet_that_is_too_small_is_seen_to_miss_what_the_recommended_one_would_have_held() -> None:
    said = compared(watched(lambda t: 100.0, replicas=3).run(2 * SPAN))
    latency = said.objectives[Metric.LATENCY]

    assert said.plan_cost > said.cost
    assert latency.missed > 0.05 * latency.finished
    assert latency.predicted < 0.2 * latency.missed


def test_a_step_of_demand_is_missed_until_recommended_replicas_would_have_started() -> None:
    def missed(start: float) -> float:
        pools = {"cpu": build.pool("cpu", time_to_ready_seconds=start)}
        step = watched(lambda t: 20.0 if t < SPAN else 120.0, replicas=8, pools=pools, start_seconds={"cpu": start})
        return compared(step.run(2 * SPAN)).objectives[Metric.LATENCY].predicted

    assert missed(600.0) > 3 * missed(20.0) > 0


def test_a_fleet_that_somebody_else_scales_is_compared_like_any_other() -> None:
    alone = watched(lambda t: 40.0, replicas=10).run(SPAN)
    contested = watched(lambda t: 40.0, replicas=10, writer="HorizontalPodAutoscaler x").run(SPAN)

    assert compared(contested) == compared(alone)
    assert "another writer" not in contested.step(SPAN).message


def test_ticks_in_which_nothing_is_known_are_paid_for_and_not_judged() -> None:
    def finished(blind) -> Comparison:
        return compared(watched(lambda t: 40.0, replicas=4, blind=blind).run(SPAN))

    whole, half = finished(lambda t: False), finished(lambda t: t >= SPAN / 2)
    assert half.cost == pytest.approx(whole.cost)
    assert half.objectives[Metric.LATENCY].finished == pytest.approx(
        0.5 * whole.objectives[Metric.LATENCY].finished, rel=0.03
    )


def test_before_anything_was_seen_nothing_is_said_to_be_missed() -> None:
    said = compared(watched(lambda t: 40.0, replicas=4, blind=lambda t: True).run(SPAN))
    assert said.objectives == {} and said.cost > 0


def test_a_restart_goes_on_from_what_the_status_kept() -> None:
    episode = watched(lambda t: 40.0, replicas=10).run(SPAN)
    before = compared(episode)
    episode.restart()
    episode.run(SPAN, start=2 * SPAN)  # a span in which nobody looked
    after = compared(episode)

    assert after.since == before.since
    assert after.seconds == pytest.approx(before.seconds + SPAN, abs=30)
    assert after.cost == pytest.approx(2 * before.cost, rel=0.02)
    assert after.plan_cost - before.plan_cost == pytest.approx(before.plan_cost, rel=0.5)


def test_no_more_than_the_window_of_the_objective_is_compared() -> None:
    short = replace(RECOMMEND, slo_window_seconds=2 * SPAN)
    episode = watched(lambda t: 40.0, replicas=10, service=short).run(2 * SPAN)
    episode.restart()
    episode.scale("cpu", 4, 2 * SPAN)
    said = compared(episode.run(SPAN, start=2 * SPAN))
    assert said.seconds == pytest.approx(2 * SPAN, abs=30)
    assert said.cost == pytest.approx((10 + 4) * NODE, rel=0.03), "a span of each fleet"

    assert compared(episode.run(2 * SPAN, start=3 * SPAN)).cost == pytest.approx(4 * NODE * 2, rel=0.03)
    trial = episode.memory.of(KEY).trial
    assert trial is not None and len(trial.entries) < 250


@pytest.mark.parametrize(
    "changed",
    [
        replace(RECOMMEND, objective=LatencyObjective(threshold_seconds=0.5, percent=99.0)),
        replace(RECOMMEND, further_objectives=(ErrorsObjective(percent=99.9),)),
    ],
    ids=["another threshold", "another objective"],
)  # fmt: skip
def test_another_objective_begins_another_comparison(changed: Service) -> None:
    episode = watched(lambda t: 40.0, replicas=10).run(SPAN)
    episode.service = changed
    episode.run(SPAN, start=SPAN)
    assert compared(episode).since == SPAN
    assert compared(episode).seconds <= SPAN


def test_a_pause_neither_counts_nor_forgets_and_auto_ends_it() -> None:
    episode = watched(lambda t: 40.0, replicas=10).run(SPAN)
    before = compared(episode)
    episode.service = replace(RECOMMEND, mode=Mode.PAUSED)
    episode.run(SPAN, start=SPAN)
    assert compared(episode) == before

    episode.service = replace(RECOMMEND, mode=Mode.AUTO)
    episode.run(60, start=2 * SPAN)
    assert episode.memory.of(KEY).persisted.comparison is None


def test_a_switch_pays_for_both_fleets_until_the_new_one_would_be_ready() -> None:
    service = replace(RECOMMEND, variants=(build.variant("cpu"), build.variant("gpu")))
    pools = {"cpu": build.pool("cpu"), "gpu": build.pool("gpu", price_per_node_hour=0.3, time_to_ready_seconds=300.0)}
    episode = watched(
        lambda t: 200.0, replicas=10, service=service, pools=pools, true_capacity={"cpu": 25.0, "gpu": 300.0},
        start_seconds={"cpu": 20.0, "gpu": 300.0},
    )  # fmt: skip
    most, missed = 0.0, 0.0
    for index in range(80):
        episode.step(index * 15.0)
        trial = episode.memory.of(KEY).trial
        assert trial is not None
        asked = {name: fleet.asked for name, fleet in trial.fleet.items()}
        most = max(most, asked["cpu"] * 0.2 + asked["gpu"] * 0.3)
    missed = compared(episode).objectives[Metric.LATENCY].predicted
    assert asked == {"cpu": 0, "gpu": 1}
    assert most >= 0.3 + 9 * 0.2, "the old fleet stays until the new one is ready"
    assert missed < 0.01 * compared(episode).objectives[Metric.LATENCY].finished
