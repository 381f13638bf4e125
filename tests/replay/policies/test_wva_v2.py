"""WVA's V2 against the capacities of its own saturation_v2/analyzer_test.go (llm-d/llm-d-autoscaling 88d6832; 16 000
tokens, of which 80 % count, are 16 000 places here) and on cases worked by hand."""

import pytest
from replay.cases import case, llm_case
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.cost_aware import Offer
from tightrope.replay.policies.wva_v2 import KIND, Held, lacking
from tightrope.replay.run import play
from tightrope.replay.seat import LlmProfile


def held():
    return Held(profile(slots=16_000))


@pytest.mark.parametrize(
    ("waiting", "running", "capacity"),
    [
        (0, 5_000, 12_800),  # nobody waits: 80 % of all places
        (6, 8_000, 8_000),  # a queue: what it works on is all it can
        (10, 4_000, 4_000),
        (5, 8_000, 8_000),  # five are a queue
        (4, 8_000, 12_800),
        (6, 15_000, 12_800),  # never over the 80 %
        (6, 0, 12_800),
    ],
)
def test_a_replica_holds_what_it_worked_on_while_others_waited(waiting, running, capacity):
    assert held().learnt([waiting], [running]) == capacity


def test_what_was_observed_is_remembered_when_the_queue_is_gone():
    one = held()
    one.learnt([6], [8_000])
    assert one.learnt([2], [6_000]) == 8_000


def test_the_last_ten_observations_are_averaged():
    one = held()
    for running in [12_000] + [8_000] * 5 + [6_000] * 5:
        one.learnt([6], [running])
    assert one.learnt([0], [0]) == 7_000


@pytest.mark.parametrize(
    ("running", "capacity"), [([1_000, 3_000, 5_000], 3_000), ([5_000, 1_000, 3_000, 7_000], 4_000)]
)
def test_a_variant_holds_the_median_of_its_replicas(running, capacity):
    assert held().learnt([9] * len(running), running) == capacity


def test_a_variant_without_replicas_holds_what_it_held_last():
    one = held()
    assert one.learnt([], []) == 12_800
    one.learnt([6], [8_000])
    assert one.learnt([], []) == 8_000


@pytest.mark.parametrize(
    ("demand", "cpu", "required", "spare"),
    [
        (10_000, seen(1), False, False),  # 78 %: between 70 and 85
        (11_300, seen(1), True, False),
        (2_000, seen(2), False, True),
        (11_300, seen(2, ready=1), False, False),  # one is starting: it counts for what is required...
        (8_000, seen(3, ready=1), False, True),
        (9_000, seen(3, ready=1), False, False),  # ...and not for what is spare
    ],
)
def test_demand_is_held_against_all_that_comes_and_surplus_against_what_is_ready(demand, cpu, required, spare):
    offer = Offer(name="cpu", price=10.0, capacity=12_800.0, count=cpu.wanted)
    found = lacking(seat(0.0, cpu), [offer], demand, up=0.85, down=0.70)
    assert (found[0] > 0, found[1] > 0) == (required, spare)


def asked(inside, cpu=2, gpu=0, **values):
    profiles = profile(slots=10), profile("gpu", slots=40, price_per_hour=0.8)
    policy = KIND.build(setting(*profiles, knobs=KIND.defaults))
    return policy.wanted(seat(0.0, {"cpu": seen(cpu), "gpu": seen(gpu)}, gauge_max_of_in_flight=inside, **values))


def test_it_adds_what_demand_over_085_needs_of_the_cheapest_capacity():
    # 40 / 0.85 = 47.1 places; two replicas hold 16; 31.1 more are 4 replicas of 8.
    assert asked(40.0) == {"cpu": 6, "gpu": 0}


def test_it_counts_on_less_once_requests_have_waited():
    policy = KIND.build(setting(profile(slots=10), knobs=KIND.defaults))
    crowded = {"per_replica_of_queued": [6.0, 6.0], "per_replica_of_running": [4.0, 4.0]}
    # 4 at work in each while 6 wait: a replica holds 4, so 20 / 0.85 = 23.5 places are 6 replicas.
    assert policy.wanted(seat(0.0, seen(2), gauge_max_of_in_flight=20.0, **crowded)) == {"cpu": 6}


def test_on_the_way_down_it_waits_for_the_window_of_its_hpa():
    policy = KIND.build(setting(profile(slots=10), knobs=KIND.defaults))
    counts, replicas = [], 6
    for tick in range(30):
        replicas = policy.wanted(seat(15.0 * tick, seen(replicas), gauge_max_of_in_flight=5.0))["cpu"]
        counts.append(replicas)
    assert counts[19] == 6 and counts[-1] == 1  # 5 / 0.7 = 7.1 places: one replica of 8


def test_without_samples_it_holds_for_as_long_as_there_are_none():
    policy = KIND.build(setting(profile(slots=10), knobs=KIND.defaults))
    for tick in range(60):
        assert policy.wanted(seat(15.0 * tick, seen(3), gauge_max_of_in_flight=None)) == {"cpu": 3}


def test_in_a_replay_it_follows_a_step_and_comes_down_five_minutes_after_it():
    demand = case([(0, 20.0), (300, 20.0), (300, 90.0), (600, 90.0), (600, 5.0)], seconds=1500)
    course = play(demand, KIND, knobs=KIND.defaults, variants=("cpu",))
    wanted = course.timeline.wanted["cpu"]
    assert wanted[600 // 15 - 1] > 2 * wanted[0]
    assert wanted[870 // 15] >= wanted[600 // 15 - 1] > wanted[-1]


LLM = LlmProfile(cache_tokens=16_000.0, input_tokens=300.0, output_tokens=200.0)


def language_model(batch_limit: int = 64, **values):
    policy = KIND.build(setting(profile(batch_limit=batch_limit, llm=LLM), knobs=KIND.defaults))
    return policy.wanted(seat(0.0, seen(2), **values))


def test_with_a_language_model_demand_is_the_cache_in_use_and_what_those_that_wait_will_need():
    # 64 sequences of 400 tokens are more than 80 % of the cache, 12 800 tokens.
    assert language_model(gauge_max_of_cache_tokens=21_000.0, gauge_max_of_queued=0.0) == {"cpu": 2}  # 24 706 of 25 600
    assert language_model(gauge_max_of_cache_tokens=21_000.0, gauge_max_of_queued=4.0) == {"cpu": 3}  # 27 059
    short = {"rate_of_input_tokens": 30.0, "rate_of_output_tokens": 20.0, "rate_of_finished": 1.0}  # 50 a request
    assert language_model(gauge_max_of_cache_tokens=21_000.0, gauge_max_of_queued=4.0, **short) == {"cpu": 2}
    assert language_model(gauge_max_of_cache_tokens=None, gauge_max_of_queued=4.0) == {"cpu": 2}


def test_a_small_batch_holds_less_than_its_cache_and_a_queue_shows_how_much():
    # 16 sequences of 300 + 100 tokens.
    assert language_model(batch_limit=16, gauge_max_of_cache_tokens=11_000.0, gauge_max_of_queued=0.0) == {"cpu": 3}
    crowded = {"per_replica_of_queued": [6.0, 6.0], "per_replica_of_cache_tokens": [5_000.0, 5_000.0]}
    # 5 000 in use in each while six wait: 11 000 / 0.85 = 12 941 are three replicas, 20 000 / 0.85 five.
    assert language_model(gauge_max_of_cache_tokens=11_000.0, gauge_max_of_queued=0.0, **crowded) == {"cpu": 3}
    assert language_model(gauge_max_of_cache_tokens=20_000.0, gauge_max_of_queued=0.0, **crowded) == {"cpu": 5}


def test_in_a_replay_of_a_language_model_it_follows_a_step():
    demand = llm_case([(0, 5.0), (300, 5.0), (300, 25.0)], seconds=1200)
    wanted = play(demand, KIND, knobs=KIND.defaults, variants=("cpu",)).timeline.wanted["cpu"]
    assert wanted[-1] > 2 * wanted[200 // 15]
