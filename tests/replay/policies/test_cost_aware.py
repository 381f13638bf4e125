"""Cases of WVA's own cost_aware_optimizer_test.go (llm-d/llm-d-autoscaling 256df39), and what its tables leave open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.replay.policies.cost_aware import Offer, chosen, grown, shrunk


def offer(name, price, count, capacity, **bounds):
    return Offer(name=name, price=price, count=count, capacity=capacity, **bounds)


CHEAP, EXPENSIVE = ("cheap", 5.0), ("expensive", 15.0)


@pytest.mark.parametrize(
    ("offers", "required", "counts"),
    [
        ([offer(*CHEAP, 2, 10_000), offer(*EXPENSIVE, 1, 20_000)], 5_000, {"cheap": 3, "expensive": 1}),
        ([offer(*CHEAP, 3, 10_000), offer("mid", 10.0, 1, 15_000)], 5_000, {"cheap": 4, "mid": 1}),
        ([offer("zero", 1.0, 0, 0), offer("normal", 10.0, 1, 10_000)], 5_000, {"zero": 0, "normal": 2}),
        ([offer(*CHEAP, 1, 10_000), offer("mid", 10.0, 1, 15_000)], 25_000, {"cheap": 4, "mid": 1}),
        # The cheap one may have 3: two of it, and the 10 000 that remain go to the other.
        ([offer(*CHEAP, 1, 10_000, most=3), offer(*EXPENSIVE, 1, 20_000)], 30_000, {"cheap": 3, "expensive": 2}),
    ],
)
def test_what_is_required_goes_to_the_cheapest_capacity(offers, required, counts):
    assert chosen(offers, required=required, spare=0) == counts


@pytest.mark.parametrize(
    ("offers", "spare", "counts"),
    [
        # 15 000 are less than a dear replica.
        ([offer(*CHEAP, 3, 10_000), offer(*EXPENSIVE, 2, 20_000)], 15_000, {"cheap": 2, "expensive": 2}),
        ([offer(*EXPENSIVE, 1, 20_000), offer(*CHEAP, 1, 10_000)], 30_000, {"expensive": 0, "cheap": 1}),
        ([offer(*EXPENSIVE, 1, 20_000), offer(*CHEAP, 1, 10_000)], 15_000, {"expensive": 1, "cheap": 0}),
        (
            [offer(*EXPENSIVE, 2, 20_000), offer("mid", 10.0, 2, 15_000), offer(*CHEAP, 2, 10_000)],
            50_000,
            {"expensive": 0, "mid": 2, "cheap": 1},
        ),
        ([offer(*EXPENSIVE, 3, 20_000, least=2), offer(*CHEAP, 3, 10_000)], 50_000, {"expensive": 2, "cheap": 0}),
        ([offer("keep", 15.0, 2, 20_000, least=1), offer("let-go", 5.0, 3, 10_000)], 80_000, {"keep": 1, "let-go": 0}),
        ([offer("m2", 10.0, 2, 10_000)], 10_000, {"m2": 1}),
        ([offer("v1", 5.0, 2, 10_000)], 0, {"v1": 2}),
    ],
)
def test_what_is_spare_goes_highest_price_first_and_the_cheapest_keeps_one(offers, spare, counts):
    assert chosen(offers, required=0, spare=spare) == counts


def test_the_one_that_is_kept_is_the_cheapest_by_price_and_not_by_capacity():
    # 0.8 / 100 is less per capacity than 0.2 / 10, and still the accelerator goes.
    assert shrunk([offer("gpu", 0.8, 1, 100), offer("cpu", 0.2, 1, 10)], 500) == {"gpu": 0, "cpu": 1}


def test_a_dearer_replica_that_holds_more_for_its_price_comes_first():
    assert grown([offer("gpu", 0.8, 0, 100), offer("cpu", 0.2, 1, 10)], 150) == {"gpu": 2, "cpu": 1}


def test_no_more_is_added_than_all_variants_may_have_together():
    assert grown([offer(*CHEAP, 1, 10), offer(*EXPENSIVE, 1, 20)], 100, room=4) == {"cheap": 5, "expensive": 1}


@given(st.floats(0.1, 1e4), st.floats(0.5, 100), st.floats(0.5, 100))
def test_what_was_added_is_enough_and_one_fewer_of_it_would_not_be(required: float, one: float, other: float):
    offers = [offer(*CHEAP, 0, one), offer(*EXPENSIVE, 0, other)]
    counts = grown(offers, required)
    there = counts["cheap"] * one + counts["expensive"] * other
    used = next(o for o in offers if counts[o.name])
    assert there >= required - 1e-5
    assert there - used.capacity < required
