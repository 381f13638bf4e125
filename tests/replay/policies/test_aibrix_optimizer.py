"""Melange's programme with one bucket, against a search of all mixes, and the loop around it."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.aibrix_optimizer import KIND, SLICES, handed_out, solved

GPU = profile("gpu", capacity=100.0, price_per_hour=0.8)


def test_large_loads_go_to_what_is_cheapest_per_request():
    assert solved([profile(), GPU], 300.0, share=1.0) == {"cpu": 0, "gpu": 3}  # 0.8 / 100 under 0.2 / 10
    assert solved([profile(price_per_hour=0.05), GPU], 300.0, share=1.0) == {"cpu": 30, "gpu": 0}


def test_a_share_of_the_capacity_is_counted_on():
    assert solved([profile()], 45.0, share=0.5) == {"cpu": 9}


@given(st.floats(0.1, 500.0), st.floats(1.0, 50.0), st.floats(0.05, 2.0))
def test_no_other_way_to_hand_out_the_slices_costs_less(rate: float, capacity: float, price: float):
    profiles = [profile(capacity=capacity, price_per_hour=price), GPU]
    chosen = solved(profiles, rate, share=1.0)

    def cost(slices):
        needs = [math.ceil(100 * rate * n / SLICES / p.capacity - 1e-9) for n, p in zip(slices, profiles, strict=True)]
        return sum(y * p.price_per_hour for y, p in zip(needs, profiles, strict=True)), needs

    best = min(cost(slices)[0] for slices in handed_out(SLICES, 2))
    found = [cost(s) for s in handed_out(SLICES, 2)]
    assert any(
        abs(value - best) < 1e-9 and [math.ceil(y / 100) for y in needs] == list(chosen.values())
        for value, needs in found
    )


def test_every_slice_is_handed_out_once():
    ways = list(handed_out(4, 3))
    assert len(ways) == math.comb(6, 2) == len(set(ways))
    assert all(sum(way) == 4 for way in ways)
    assert set(ways) == {way for way in itertools.product(range(5), repeat=3) if sum(way) == 4}


def test_the_larger_of_the_present_and_the_mean_counts_and_without_data_the_minimum_stands():
    policy = KIND.build(setting(knobs=KIND.defaults))
    rates = {240.0: 20.0, 60.0: 55.0}
    assert policy.wanted(seat(0.0, seen(2), rate_of_arrivals=rates.get)) == {"cpu": 6}
    assert policy.wanted(seat(10.0, seen(6), rate_of_arrivals=None)) == {"cpu": 1}
