"""The cheapest mix under an even split, against brute force."""

import itertools
import math

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.allocate import Option, candidates, carried


def option(name: str, *, capacity: float, price: float, demand: float, limit: int = 100, per_node: int = 1) -> Option:
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
        min_replicas=1,
        max_replicas=40,
    )[0]

    assert best.replicas == {"cpu": 2}
    assert best.cost_per_hour == pytest.approx(0.4)


def test_much_demand_runs_on_the_variant_that_is_cheaper_per_request() -> None:
    best = candidates(
        [option("cpu", capacity=25, price=0.2, demand=280), option("gpu", capacity=300, price=0.8, demand=280)],
        min_replicas=1,
        max_replicas=40,
    )[0]

    assert best.replicas == {"gpu": 1}


def test_a_full_pool_is_filled_up_and_the_rest_runs_elsewhere_at_the_slowest_pods_share() -> None:
    best = candidates(
        [
            option("a", capacity=100, price=0.5, demand=500, limit=2),
            option("b", capacity=80, price=0.6, demand=500, limit=10),
        ],
        min_replicas=1,
        max_replicas=40,
    )[0]

    assert best.replicas == {"a": 2, "b": 5}
    assert best.carries == pytest.approx(560)


def test_a_demand_over_every_limit_takes_what_carries_most_and_says_how_much_is_short() -> None:
    best = candidates([option("cpu", capacity=25, price=0.2, demand=1000, limit=10)], min_replicas=1, max_replicas=40)[
        0
    ]

    assert best.replicas == {"cpu": 10}
    assert best.shortfall == pytest.approx(750)


def test_replicas_that_share_a_node_are_priced_by_the_node() -> None:
    best = candidates([option("cpu", capacity=25, price=0.4, demand=100, per_node=4)], min_replicas=1, max_replicas=40)[
        0
    ]

    assert best.cost_per_hour == pytest.approx(0.4)


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

    mixes = candidates(options, min_replicas=1, max_replicas=most)

    if feasible:
        assert mixes[0].shortfall == 0
        assert mixes[0].cost_per_hour == pytest.approx(min(feasible))
    else:
        assert not mixes or mixes[0].shortfall > 0 or math.isclose(mixes[0].carries, demand)
