"""Reserved nodes are paid for whether they are used or not: what that changes in a plan, and what it does not."""

from dataclasses import replace

import build
import pytest
from episode import Episode
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.allocate import Bounds, Option, candidates
from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory
from tightrope.domain.plan import Decision
from tightrope.domain.spec import CapacityType, Pool, Service


def reserved(name: str = "gpu", **overrides: float) -> Pool:
    return build.pool(name, capacity_type=CapacityType.RESERVED, **overrides)


def option(name: str, pool: Pool, **overrides: float) -> Option:
    values = {"capacity": 25.0, "demand": 60.0, "limit": 20, "per_node": 1}
    return Option(name=name, pool=pool, **{**values, **overrides})


def decided(gpu: Pool, demand: float = 20.0, **service: object) -> Decision:
    """The first decision, with a CPU node at 0.20 and a GPU node at 0.80 that carries twelve times as much."""
    one: Service = build.service(**service)
    seen = build.observation(1000.0, demand, {"cpu": build.state(None), "gpu": build.state(None)})
    decisions, _ = decide(
        services=[one], pools={"cpu": build.pool("cpu"), "gpu": gpu}, observations={one.key: seen},
        memory=Memory(), now=1000.0, tick_seconds=15.0, metrics_delay_seconds=15.0,
    )  # fmt: skip
    return decisions[one.key]


def test_reserved_nodes_are_used_before_cheaper_ones_that_would_be_bought() -> None:
    assert set(decided(build.pool("gpu")).plan) == {"cpu"}
    assert set(decided(reserved()).plan) == {"gpu"}


def test_the_plan_still_shows_what_reserved_nodes_cost_and_says_that_they_are_paid() -> None:
    decision = decided(reserved())
    assert decision.cost_per_hour == pytest.approx(0.80)
    assert "for 0.80 USD/h (0.80 USD/h of it for reserved nodes, paid in any case)" in decision.message
    cpu = next(other for other in decision.alternatives if set(other.replicas) == {"cpu"})
    assert cpu.why_not == f"dearer by {cpu.cost_per_hour:.2f}/h, since reserved nodes are paid for in any case"


def test_what_reserved_nodes_do_not_carry_is_bought_beside_them() -> None:
    options = [option("cpu", build.pool("cpu")), option("mine", reserved("cpu2"), limit=2)]
    best = candidates(options, Bounds(least=1, most=40))[0]
    assert dict(best.replicas) == {"mine": 2, "cpu": 1}
    assert (best.cost_per_hour, best.marginal_per_hour) == (pytest.approx(0.60), pytest.approx(0.20))


def test_a_budget_counts_reserved_nodes_too() -> None:
    decision = decided(reserved(), demand=1000.0, budget_per_hour=1.0)
    assert decision.cost_per_hour <= 1.0


def test_a_service_moves_to_reserved_nodes_make_before_break_and_stays() -> None:
    done = Episode(
        service=build.service(), pools={"cpu": build.pool("cpu"), "gpu": reserved()},
        true_capacity={"cpu": 25.0, "gpu": 300.0}, start_seconds={"cpu": 20.0, "gpu": 60.0},
        demand=lambda t: 20.0, room=lambda name, now: 0 if name == "gpu" and now < 900 else 99,
    ).run(4000)  # fmt: skip
    assert any(row["ready"] == {"cpu": 1, "gpu": 0} for row in done.rows)
    assert done.rows[-1]["ready"] == {"cpu": 0, "gpu": 1}
    assert all(sum(row["ready"].values()) > 0 for row in done.rows if row["at"] > 150), (
        "what runs stays until the new is ready"
    )


PRICES = st.floats(0.01, 50.0)


@st.composite
def fleets(draw: st.DrawFn) -> list[Option]:
    return [
        option(
            f"v{n}",
            build.pool(f"p{n}", price_per_node_hour=draw(PRICES)),
            capacity=draw(st.floats(1.0, 100.0)),
            demand=draw(st.floats(0.0, 500.0)),
            limit=draw(st.integers(0, 20)),
            per_node=draw(st.integers(1, 4)),
        )
        for n in range(draw(st.integers(1, 4)))
    ]


@given(fleets(), st.integers(0, 3))
def test_reserving_a_pool_never_raises_what_the_best_plan_adds_to_the_bill(fleet: list[Option], which: int) -> None:
    bounds, which = Bounds(least=1, most=40), which % len(fleet)
    mine = replace(fleet[which], pool=replace(fleet[which].pool, capacity_type=CapacityType.RESERVED))
    before, after = candidates(fleet, bounds), candidates([*fleet[:which], mine, *fleet[which + 1 :]], bounds)
    if not before or before[0].shortfall > 0:
        return
    assert after[0].shortfall == 0
    assert after[0].marginal_per_hour <= before[0].marginal_per_hour + 1e-9


@given(fleets(), PRICES)
def test_what_a_reserved_pool_costs_never_keeps_it_from_being_used(fleet: list[Option], price: float) -> None:
    bounds = Bounds(least=1, most=40)
    rest = [one for one in fleet if one.name != "v0"]

    def used(per_hour: float) -> int:
        pool = replace(fleet[0].pool, capacity_type=CapacityType.RESERVED, price_per_node_hour=per_hour)
        mixes = candidates([replace(fleet[0], pool=pool, capacity=100.0), *rest], bounds)
        return min(mixes[0].replicas.get("v0", 0), 1) if mixes and mixes[0].shortfall == 0 else -1

    assert used(price) == used(fleet[0].pool.price_per_node_hour)
