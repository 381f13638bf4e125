"""The cheapest mix under an even split, against brute force."""

import itertools
import math
from dataclasses import replace

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.allocate import Bounds, Option, candidates, carried


def option(name: str, *, capacity: float, price: float, demand: float, limit: int = 100, per_node: float = 1) -> Option:
    return Option(
        name=name,
        pool=build.pool(name, price_per_node_hour=price),
        capacity=capacity,
        demand=demand,
        limit=limit,
        per_node=per_node,
    )


def test_little_demand_runs_on_the_cheap_variant() -> None:
    best = candidates(
        [option("cpu", capacity=25, price=0.2, demand=40), option("gpu", capacity=300, price=0.8, demand=40)],
        Bounds(least=1, most=40),
    )[0]

    assert best.replicas == {"cpu": 2}
    assert best.cost_per_hour == pytest.approx(0.4)


def test_much_demand_runs_on_the_variant_that_is_cheaper_per_request() -> None:
    best = candidates(
        [option("cpu", capacity=25, price=0.2, demand=280), option("gpu", capacity=300, price=0.8, demand=280)],
        Bounds(least=1, most=40),
    )[0]

    assert best.replicas == {"gpu": 1}


def test_a_full_pool_is_filled_up_and_the_rest_runs_elsewhere_at_the_slowest_pods_share() -> None:
    best = candidates(
        [
            option("a", capacity=100, price=0.5, demand=500, limit=2),
            option("b", capacity=80, price=0.6, demand=500, limit=10),
        ],
        Bounds(least=1, most=40),
    )[0]

    assert best.replicas == {"a": 2, "b": 5}
    assert best.carries == pytest.approx(560)


def test_a_demand_over_every_limit_takes_what_carries_most_and_says_how_much_is_short() -> None:
    best = candidates([option("cpu", capacity=25, price=0.2, demand=1000, limit=10)], Bounds(least=1, most=40))[0]

    assert best.replicas == {"cpu": 10}
    assert best.shortfall == pytest.approx(750)


def test_replicas_that_share_a_node_are_priced_by_the_node() -> None:
    best = candidates([option("cpu", capacity=25, price=0.4, demand=100, per_node=4)], Bounds(least=1, most=40))[0]

    assert best.cost_per_hour == pytest.approx(0.4)


def test_a_budget_leaves_the_mix_that_carries_the_most_for_it() -> None:
    # 140/s needs six on CPU (1.20) or one on the GPU (0.80); 0.70 an hour pays for three on CPU.
    options = [option("cpu", capacity=25, price=0.2, demand=140), option("gpu", capacity=300, price=0.8, demand=140)]
    best = candidates(options, Bounds(least=1, most=40, budget_per_hour=0.7))[0]

    assert best.replicas == {"cpu": 3}
    assert best.capped and not best.over_budget
    assert best.shortfall == pytest.approx(65)


def test_a_budget_takes_away_neither_the_minimum_nor_what_runs() -> None:
    idle = option("cpu", capacity=25, price=0.2, demand=140)
    running = option("cpu", capacity=25, price=0.2, demand=140)
    at_min = candidates([idle], Bounds(least=4, most=40, budget_per_hour=0.3))[0]
    kept = candidates([replace(running, running=5)], Bounds(least=1, most=40, budget_per_hour=0.3))[0]
    fell = candidates([replace(running, running=5, demand=50)], Bounds(least=1, most=40, budget_per_hour=0.3))[0]

    assert (at_min.replicas, at_min.over_budget, at_min.capped) == ({"cpu": 4}, True, True)
    assert (kept.replicas, kept.over_budget) == ({"cpu": 5}, False)
    assert (fell.replicas, fell.capped) == ({"cpu": 2}, False)


@given(demand=st.integers(1, 400), running=st.integers(0, 9), least=st.integers(1, 5), cents=st.integers(1, 300))
def test_growth_never_costs_more_than_the_budget(demand: int, running: int, least: int, cents: int) -> None:
    options = [
        option("cpu", capacity=25, price=0.2, demand=demand, per_node=2),
        option("gpu", capacity=120, price=0.8, demand=demand, limit=3),
    ]
    options[0] = replace(options[0], running=running)
    bounds = Bounds(least=least, most=12, budget_per_hour=cents / 100)
    best = candidates(options, bounds)[0]
    free = candidates(options, replace(bounds, budget_per_hour=math.inf))[0]

    if best.cost_per_hour > bounds.budget_per_hour:
        assert best.total <= max(least, running)
        assert best.over_budget or running
    if free.cost_per_hour <= bounds.budget_per_hour:
        assert best.shortfall <= free.shortfall
    assert best.total >= least or best.replicas == {"gpu": 3}


def test_one_slow_pod_in_the_fleet_binds_every_pod_to_its_share() -> None:
    assert carried({"cpu": 1, "gpu": 2}, {"cpu": 25.0, "gpu": 300.0}) == 75.0
    assert carried({"cpu": 0, "gpu": 2}, {"cpu": 25.0, "gpu": 300.0}) == 600.0


options_strategy = st.lists(
    st.tuples(st.integers(5, 60), st.integers(1, 12), st.integers(0, 5)), min_size=1, max_size=3
)


@given(raw=options_strategy, demand=st.integers(1, 250), most=st.integers(1, 9))
def test_no_mix_carries_the_demand_for_less(raw: list[tuple[int, int, int]], demand: int, most: int) -> None:
    options = [
        option(f"v{i}", capacity=capacity, price=price / 10, demand=demand, limit=limit)
        for i, (capacity, price, limit) in enumerate(raw)
    ]
    ranges = [range(o.limit + 1) for o in options]
    feasible = [
        sum(n * o.pool.price_per_node_hour for n, o in zip(counts, options, strict=True))
        for counts in itertools.product(*ranges)
        if 1 <= sum(counts) <= most
        and carried({o.name: n for n, o in zip(counts, options, strict=True)}, {o.name: o.capacity for o in options})
        >= demand
    ]

    mixes = candidates(options, Bounds(least=1, most=most))

    if feasible:
        assert mixes[0].shortfall == 0
        assert mixes[0].cost_per_hour == pytest.approx(min(feasible))
    else:
        assert not mixes or mixes[0].shortfall > 0 or math.isclose(mixes[0].carries, demand)


def test_a_replica_that_takes_several_nodes_is_billed_for_all_of_them() -> None:
    wide = option("gpu", capacity=100, price=0.8, demand=250, per_node=1 / 3)
    best = candidates([wide], Bounds(least=1, most=40))[0]
    assert best.replicas == {"gpu": 3} and best.cost_per_hour == pytest.approx(9 * 0.8)
    thin = option("cpu", capacity=100, price=0.8, demand=250, per_node=1)
    assert candidates([wide, thin], Bounds(least=1, most=40))[0].replicas == {"cpu": 3}
