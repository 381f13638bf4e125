"""Melange's programme on its own example and against another solver, and AIBrix's loop around it."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay.cases import case
from replay.seats import profile, seat, seen, setting
from scipy.optimize import Bounds, LinearConstraint, milp

from tightrope.replay.policies.aibrix_optimizer import KIND, handed_out, solved
from tightrope.replay.run import play

GPU = profile("gpu", capacity=100.0, price_per_hour=0.8)


def melange(buckets, prices, slices):
    """The whole programme as it is published: a binary for each slice and kind, an integer for each kind."""
    kinds, rows = len(prices), len(buckets) * slices
    loads = np.repeat(np.array(buckets), slices, axis=0) / slices
    cost = np.concatenate([np.zeros(rows * kinds), prices])
    once = np.hstack([np.kron(np.eye(rows), np.ones(kinds)), np.zeros((rows, kinds))])
    fits = np.zeros((kinds, rows * kinds + kinds))
    for kind in range(kinds):
        fits[kind, kind : rows * kinds : kinds] = loads[:, kind]
        fits[kind, rows * kinds + kind] = -1.0
    found = milp(
        cost,
        integrality=np.ones_like(cost),
        bounds=Bounds(0, np.concatenate([np.ones(rows * kinds), np.full(kinds, np.inf)])),
        constraints=[LinearConstraint(once, 1, 1), LinearConstraint(fits, -np.inf, 1e-9)],
    )
    return float(found.fun)


def test_the_example_that_melange_ships():
    # melange/main.py (tyler-griggs/melange-release 1fc682c): 16 requests/s in four buckets on two kinds of hardware.
    rates = [16 * share for share in (0.25, 0.125, 0.375, 0.25)]
    a10g, a100 = (5, 1, 10, 5), (20, 2, 50, 20)
    buckets = [[rate / one, rate / other] for rate, one, other in zip(rates, a10g, a100, strict=True)]
    # All on A10G: 0.8 + 2.0 + 0.6 + 0.8 = 4.2 of them, so five; one A100 with three A10G would be 6.70.
    assert solved(buckets, [1.01, 3.67], slices=1) == [5, 0]
    assert melange(buckets, [1.01, 3.67], 1) == pytest.approx(5 * 1.01)


def test_the_configuration_that_melange_ships():
    # melange/config/example.json (c9622d5): 1 request/s, 0.095 of one A100.
    loads = [[0.25 / 20], [0.125 / 2], [0.375 / 50], [0.25 / 20]]
    assert solved(loads, [3.67], slices=1) == [1]
    # AIBrix counts in hundredths of a piece.
    assert solved([[100 * load for load in bucket] for bucket in loads], [0.0367], slices=1) == [10]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 9.0), st.floats(0.1, 9.0)), min_size=1, max_size=3),
    st.tuples(st.floats(0.1, 4.0), st.floats(0.1, 4.0)),
)
def test_no_other_solver_finds_it_cheaper(buckets, prices):
    pieces = solved(buckets, prices, slices=2)
    cost = sum(count * price for count, price in zip(pieces, prices, strict=True))
    assert cost == pytest.approx(melange(buckets, prices, 2), rel=1e-6)


def test_every_slice_is_handed_out_once():
    ways = list(handed_out(4, 3))
    assert len(ways) == math.comb(6, 2) == len(set(ways))
    assert set(ways) == {way for way in itertools.product(range(5), repeat=3) if sum(way) == 4}


def asked(rate, *profiles, replicas=None, **knobs):
    policy = KIND.build(setting(*profiles, knobs=KIND.defaults | knobs))
    there = {p.name: seen(2) for p in profiles} if replicas is None else replicas
    return policy.wanted(seat(0.0, there, rate_of_arrivals=rate))


def test_large_loads_go_to_what_is_cheapest_per_request():
    assert asked(300.0, profile(), GPU) == {"cpu": 0, "gpu": 3}  # 0.8 / 100 under 0.2 / 10
    assert asked(300.0, profile(price_per_hour=0.05), GPU) == {"cpu": 30, "gpu": 0}


def test_hundredths_are_priced_and_whole_replicas_are_asked_for():
    # 4/s: 4 hundredths of a GPU for 0.032 are less than 40 hundredths of a CPU replica for 0.08, though a whole GPU
    # costs 0.8 and a whole CPU replica 0.2.
    assert asked(4.0, profile(), GPU) == {"cpu": 0, "gpu": 1}


def test_a_share_of_the_capacity_is_counted_on():
    assert asked(45.0, profile(), share=0.5) == {"cpu": 9}


def test_the_larger_of_the_present_and_the_mean_counts():
    assert asked({240.0: 20.0, 60.0: 55.0}.get, profile()) == {"cpu": 6}
    assert asked({240.0: 55.0, 60.0: 20.0}.get, profile()) == {"cpu": 6}


def test_without_data_the_minimum_stands_on_the_cheapest():
    assert asked(None, profile(), GPU) == {"cpu": 1, "gpu": 0}
    assert asked(0.0, profile(), GPU) == {"cpu": 1, "gpu": 0}


def test_in_a_replay_it_goes_up_at_once_and_down_after_its_window():
    demand = case([(0, 20.0), (300, 20.0), (300, 100.0), (420, 100.0), (420, 20.0)], seconds=900)
    course = play(demand, KIND, knobs=KIND.defaults, variants=("cpu",))
    wanted = course.timeline.wanted["cpu"]
    assert wanted[390 // 15] >= 4
    assert wanted[570 // 15] >= 2 > wanted[-1]  # the mean of four minutes still has the burst in it
