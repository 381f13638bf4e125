"""The floor under quality and what may bridge under it, as whole episodes and as a property."""

from collections.abc import Callable
from dataclasses import replace

import build
import pytest
from episode import Episode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tightrope.domain.observation import Known, Observation
from tightrope.domain.plan import Reason
from tightrope.domain.spec import Service

SOON, LATE = 30.0, 300.0


def service(**overrides) -> Service:
    """A better variant on GPUs that takes five minutes to start, and a worse one on CPUs that takes half a minute."""
    values = {
        "variants": (build.variant("cpu", quality=0.97), build.variant("gpu", quality=0.99)),
        "min_quality": 0.98,
        "bridge_quality": 0.95,
    }
    return build.service(**(values | overrides))


class Fronted(Episode):
    """Demand is known from the start, although nobody serves yet."""

    def observe(self, now: float) -> Observation:
        return replace(super().observe(now), demand=Known(value=self.demand(now), at=now))


def episode(
    demand: Callable[[float], float], of: Service | None = None, *, kind: type[Episode] = Fronted, **overrides
) -> Episode:
    values = {
        "service": of or service(),
        "pools": {"cpu": build.pool("cpu"), "gpu": build.pool("gpu", time_to_ready_seconds=LATE)},
        "true_capacity": {"cpu": 25.0, "gpu": 300.0},
        "start_seconds": {"cpu": SOON, "gpu": LATE},
        "demand": demand,
    }
    return kind(**(values | overrides))


def steady(rate: float) -> Callable[[float], float]:
    return lambda now: rate


def row(played: Episode, at: float) -> dict:
    return next(row for row in reversed(played.rows) if row["at"] <= at)


def test_a_worse_variant_carries_until_the_better_one_is_ready_and_then_goes() -> None:
    played = episode(steady(60.0))
    played.run(1200.0)
    started = row(played, 0.0)

    assert started["wanted"]["cpu"] >= 3 and started["wanted"]["gpu"] >= 1
    assert set(started["plan"]) == {"gpu"}, "it is in no plan"
    assert started["decision"].reason is Reason.QUALITY_BRIDGE
    assert "of quality 0.97 until gpu is ready. First plan" in started["decision"].message
    assert row(played, 60.0)["ready"]["cpu"] >= 3
    assert row(played, LATE + 60.0)["wanted"]["cpu"] == 0
    assert all(one["good"] > 0.9 for one in played.rows if one["at"] > SOON + 15.0)


def test_without_leave_to_bridge_it_never_runs() -> None:
    played = episode(steady(60.0), service(bridge_quality=None))
    played.run(900.0)
    assert all(one["wanted"].get("cpu", 0) == 0 for one in played.rows)


def test_a_variant_under_the_bridges_floor_never_runs() -> None:
    played = episode(steady(60.0), service(bridge_quality=0.975))
    played.run(900.0)
    assert all(one["wanted"].get("cpu", 0) == 0 for one in played.rows)


def test_where_nothing_better_starts_nothing_worse_comes() -> None:
    played = episode(lambda now: 60.0 if now < 900 else 250.0)
    played.run(2400.0)
    assert all(one["wanted"].get("cpu", 0) == 0 for one in played.rows if one["ready"]["gpu"] == one["plan"].get("gpu"))


def test_slow_pods_do_not_join_fast_ones_behind_an_even_split() -> None:
    roomy = {"cpu": build.pool("cpu", max_nodes=60), "gpu": build.pool("gpu", time_to_ready_seconds=LATE)}
    many = service(max_replicas=60)
    played = episode(lambda now: 100.0 if now < 1800 else 500.0, many, pools=roomy)
    played.run(1800.0)
    before = row(played, 1790.0)
    played.run(200.0, start=1800.0)
    assert before["ready"]["gpu"] >= 1 and before["wanted"]["cpu"] == 0
    assert row(played, 1990.0)["plan"]["gpu"] > before["ready"]["gpu"]
    assert row(played, 1990.0)["wanted"]["cpu"] == 0


@pytest.mark.parametrize(
    ("limited", "most"),
    [({"max_replicas": 3}, 3), ({"budget_per_hour": 1.0}, 1), ({}, 40)],
)
def test_a_bridge_keeps_max_and_the_budget(limited: dict, most: int) -> None:
    played = episode(steady(60.0), service(**limited))
    played.run(600.0)
    assert all(sum(one["wanted"].values()) <= most for one in played.rows)
    assert any(one["wanted"].get("cpu", 0) for one in played.rows) is (most == 40)


def test_what_only_bridges_is_said_in_its_note() -> None:
    played = episode(steady(60.0)).run(30.0)
    note = played.rows[-1]["decision"].beliefs["cpu"].infeasible
    assert note == "its quality 0.97 is under quality.min 0.98, so that it only bridges"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    levels=st.lists(st.floats(0.0, 700.0), min_size=2, max_size=6),
    qualities=st.tuples(st.sampled_from([0.93, 0.96, 0.99]), st.sampled_from([0.96, 0.99])),
    start=st.tuples(st.integers(15, 300), st.integers(15, 300)),
    blind=st.tuples(st.integers(0, 3000), st.integers(0, 600)),
)
def test_what_is_not_good_enough_is_in_no_plan_and_grows_only_while_a_better_one_starts(
    levels: list[float], qualities: tuple[float, float], start: tuple[int, int], blind: tuple[int, int]
) -> None:
    variants = (build.variant("cpu", quality=qualities[0]), build.variant("gpu", quality=max(qualities[1], 0.96)))
    good = {"cpu": qualities[0] >= 0.98, "gpu": qualities[1] >= 0.98}
    if not any(good.values()):
        return
    span = 3600.0 / len(levels)
    played = episode(
        lambda now: levels[min(int(now / span), len(levels) - 1)],
        service(variants=variants, max_replicas=60),
        start_seconds={"cpu": float(start[0]), "gpu": float(start[1])},
        blind=lambda now: blind[0] < now < sum(blind),
        kind=Episode,
    ).run(3600.0)

    for one in played.rows:
        assert all(good[name] for name in one["plan"])
        assert sum(one["wanted"].values()) <= 60
        for write in one["decision"].writes:
            if not good[write.variant] and write.replicas > write.previous:
                assert dict(zip(("cpu", "gpu"), qualities, strict=True))[write.variant] >= 0.95
                assert any(one["ready_before"][name] < count for name, count in one["plan"].items())
