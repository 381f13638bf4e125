"""To zero and back, as whole episodes show it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import build
import pytest
from episode import Episode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tightrope.domain.observation import Known, Missing, Observation
from tightrope.domain.plan import Reason
from tightrope.domain.spec import Behavior, Schedule, Service

TICK = 15.0
IDLE = 300.0


@dataclass
class Fronted(Episode):
    """With a gateway that counts requests, as long as `counts` says so."""

    counts: Callable[[float], bool] = lambda now: True

    def observe(self, now: float) -> Observation:
        seen = super().observe(now)
        if not self.counts(now):
            return replace(seen, gateway_demand=Missing(reason="the gateway is not scraped"))
        gateway = Known(value=self.demand(now), at=now)
        nobody = not any(state.ready for state in seen.variants.values())
        return replace(seen, gateway_demand=gateway, demand=gateway if nobody else seen.demand)


def sleeper(**overrides) -> Service:
    values = {"variants": (build.variant("cpu"),), "min_replicas": 0, "behavior": Behavior(idle_window_seconds=IDLE)}
    return build.service(**(values | overrides))


def episode(demand: Callable[[float], float], service: Service | None = None, **overrides) -> Fronted:
    return Fronted(
        service=service or sleeper(),
        pools=build.pools("cpu"),
        true_capacity={"cpu": 25.0},
        start_seconds={"cpu": 60.0},
        demand=demand,
        **overrides,
    )


def bursts(*stretches: tuple[float, float]) -> Callable[[float], float]:
    """10/s within these stretches, else nothing."""
    return lambda now: 10.0 if any(begin <= now < end for begin, end in stretches) else 0.0


def wanted(played: Episode, at: float) -> int:
    return sum(next(row for row in reversed(played.rows) if row["at"] <= at)["wanted"].values())


def test_the_last_replica_goes_after_the_idle_window_and_not_before() -> None:
    played = episode(bursts((0, 600))).run(1800.0)

    assert all(wanted(played, at) >= 1 for at in range(0, 600 + int(IDLE) - 15, 15))
    assert wanted(played, 600 + IDLE + 60) == 0
    assert played.rows[-1]["decision"].reason is Reason.IDLE
    assert "no replica runs until one does, for 0.00 USD/h" in played.rows[-1]["decision"].message
    assert played.rows[-1]["decision"].required_ready == 0


def test_the_first_request_brings_a_replica_at_that_very_tick() -> None:
    played = episode(bursts((0, 600), (3000, 4000))).run(3300.0)
    first = next(row for row in played.rows if row["at"] >= 3000)

    assert wanted(played, 2985) == 0
    assert sum(first["wanted"].values()) >= 1
    assert first["decision"].reason is Reason.FROM_ZERO
    assert wanted(played, 3200) >= 1


def test_a_single_request_keeps_the_replica_for_a_whole_idle_window() -> None:
    played = episode(bursts((0, 300), (2000, 2015))).run(3600.0)
    up = [row["at"] for row in played.rows if row["at"] >= 1800 and sum(row["wanted"].values())]

    assert up and up[-1] - up[0] >= IDLE
    assert wanted(played, 3500) == 0


def test_where_nothing_would_see_demand_return_one_replica_stays_and_the_decision_says_why() -> None:
    played = episode(bursts((0, 300)), counts=lambda now: False).run(2400.0)
    decision = played.rows[-1]["decision"]

    assert wanted(played, 2390) == 1
    assert decision.reason is Reason.HOLD_AWAKE
    assert "with no replica nothing would see demand return, since the gateway is not scraped" in decision.message


def test_a_gateway_that_falls_silent_for_a_moment_changes_nothing_and_for_longer_starts_a_replica() -> None:
    moment = episode(bursts((0, 300)), counts=lambda now: not 2000 <= now < 2030).run(2400.0)
    longer = episode(bursts((0, 300)), counts=lambda now: not 2000 <= now < 2200).run(2400.0)

    assert wanted(moment, 2390) == 0 and wanted(moment, 2025) == 0
    assert wanted(longer, 2025) == 0
    assert wanted(longer, 2190) == 1


def test_a_new_service_starts_a_replica_before_it_may_rest() -> None:
    played = episode(bursts()).run(120.0)
    assert wanted(played, 0) == 1


def test_a_restart_neither_wakes_what_rests_nor_lays_down_what_runs_too_soon() -> None:
    resting = episode(bursts((0, 300))).run(1500.0)
    assert wanted(resting, 1490) == 0
    resting.restart()
    resting.run(300.0, start=1500.0)
    assert wanted(resting, 1790) == 0

    running = episode(bursts((0, 300))).run(540.0)
    running.restart()
    running.run(IDLE, start=540.0)
    assert wanted(running, 540 + IDLE - 15) == 1


def test_a_request_that_is_being_answered_is_not_idleness() -> None:
    @dataclass
    class Slow(Fronted):
        def observe(self, now: float) -> Observation:
            return replace(super().observe(now), in_flight=Known(value=1.0, at=now))

    played = Slow(
        service=sleeper(), pools=build.pools("cpu"), true_capacity={"cpu": 25.0}, start_seconds={"cpu": 60.0},
        demand=bursts((0, 300)),
    ).run(2400.0)  # fmt: skip
    decision = played.rows[-1]["decision"]
    assert wanted(played, 2390) == 1
    assert decision.reason is Reason.HOLD_AWAKE and "1 are still in flight" in decision.message


class At3000:
    """Begins once."""

    def latest(self, until: float) -> float | None:
        return 3000.0 if until >= 3000.0 else None


def test_a_schedule_brings_replicas_in_time_and_lets_them_go_afterwards() -> None:
    schedule = Schedule(begins=At3000(), duration_seconds=600.0, min_replicas=2)
    played = episode(bursts((0, 60)), sleeper(schedules=(schedule,))).run(4800.0)

    assert wanted(played, 2400) == 0
    assert sum(next(row for row in played.rows if row["at"] >= 3000)["ready"].values()) == 2
    assert wanted(played, 4700) == 0


@pytest.mark.parametrize("paused", [True, False])
def test_paused_descents_keep_the_last_replica(paused: bool) -> None:
    played = episode(bursts((0, 300)), sleeper(descents_paused=paused)).run(2400.0)
    assert wanted(played, 2390) == int(paused)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    busy=st.lists(st.tuples(st.integers(0, 5000), st.integers(15, 600)), max_size=4),
    silent=st.tuples(st.integers(0, 5000), st.integers(0, 900)),
    restart=st.integers(0, 5400),
)
def test_nothing_rests_within_the_idle_window_and_nobody_waits_longer_than_a_tick(
    busy: list[tuple[int, int]], silent: tuple[int, int], restart: int
) -> None:
    counts = lambda now: not silent[0] <= now < sum(silent)  # noqa: E731
    played = episode(bursts(*((begin, begin + length) for begin, length in busy)), counts=counts)
    played.run(restart // TICK * TICK)
    played.restart()
    played.run(5400.0 - restart // TICK * TICK, start=restart // TICK * TICK)

    for row in played.rows:
        recent = [one for one in played.rows if row["at"] - IDLE + TICK <= one["at"] <= row["at"]]
        if sum(row["wanted"].values()) == 0:
            assert not (row["demand"] > 0 and counts(row["at"]))
        if any(write.replicas == 0 and write.previous > 0 for write in row["decision"].writes):
            assert all(one["demand"] == 0 for one in recent)
            assert counts(row["at"])
