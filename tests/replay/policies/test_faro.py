import numpy as np
import pytest
from replay.cases import case
from replay.seats import profile, seat, seen, setting

from tightrope.replay.faro.latency import utility
from tightrope.replay.policies.faro import KIND, fewest
from tightrope.replay.run import play
from tightrope.replay.seat import LlmProfile

RESNET = profile(service_seconds=lambda batch: 0.18 * batch, saturation=1 / 0.18, max_replicas=40)
TARGET = 0.72


def policy(**knobs):
    return KIND.build(setting(RESNET, knobs=KIND.defaults | knobs))


def turn(now, replicas=4, *, rates=(), latency=0.2, starting=0):
    """A seat with these requests per second in the last minutes."""
    series = np.concatenate([np.full(15, np.nan), np.asarray(rates, dtype=float)])
    return seat(now, seen(replicas, replicas - starting), series_of_arrivals=series, mean_latency=latency)


@pytest.mark.parametrize(("rate", "replicas"), [(0.0, 1), (1.0, 1), (3.0, 2), (10.0, 3), (20.0, 5), (24.0, 6)])
def test_the_fewest_replicas_of_180_ms_that_stay_under_720_ms(rate, replicas):
    # 20/s is 3.6 busy: of 5 replicas 99 % stay under 0.42 s, of 4 under 1.02 s.
    assert fewest(np.array([rate]), RESNET, target=TARGET, least=1) == replicas


def test_one_replica_more_is_worth_nothing_and_one_fewer_is_worth_less():
    rates = np.array([4.0, 12.0, 19.0])
    count = fewest(rates, RESNET, target=TARGET, least=1)
    worth = [utility(rates, np.full(3, float(n)), service=0.18, target=TARGET).mean() for n in (count - 1, count, 40)]
    assert worth[0] < worth[2] - 1e-4 <= worth[1]


def test_the_worst_of_the_minutes_decides_where_there_is_room():
    assert fewest(np.array([1.0] * 6 + [20.0]), RESNET, target=TARGET, least=1) == 5


def test_what_no_count_can_hold_gets_all_there_are_and_spec_replicas_min_stays():
    assert fewest(np.array([1000.0]), RESNET, target=TARGET, least=1) == 40
    assert fewest(np.array([0.1]), RESNET, target=TARGET, least=3) == 3


def test_a_replica_with_slots_counts_as_so_many_servers():
    slots = profile(service_seconds=lambda batch: 0.18, slots=5, saturation=5 / 0.18)
    assert fewest(np.array([20.0]), slots, target=TARGET, least=1) == 1


def test_a_language_model_counts_as_a_server_for_each_sequence_inside():
    model = profile(
        batch_limit=10,
        saturation=5.0,
        max_replicas=8,
        llm=LlmProfile(cache_tokens=1e6, input_tokens=300.0, output_tokens=200.0),
    )
    assert fewest(np.array([4.0]), model, target=5.0, least=1) == 1
    assert fewest(np.array([8.0]), model, target=5.0, least=1) == 2


def test_it_plans_after_a_minute_and_then_at_each_full_five():
    there = policy()
    found = [there.wanted(turn(now, rates=[20.0] * 15))["cpu"] for now in (0.0, 50.0, 60.0, 70.0, 290.0, 300.0)]
    assert found == [4, 4, 6, 4, 4, 6]  # 300 ms is the builder's SLO


def test_it_waits_for_the_first_minute_that_was_scraped():
    there = policy()
    assert there.wanted(turn(60.0))["cpu"] == 4
    assert there.wanted(turn(70.0, rates=[20.0]))["cpu"] == 6


def test_before_a_quarter_of_an_hour_the_last_five_minutes_stand_for_the_forecast():
    assert policy().wanted(turn(600.0, rates=[99.0] * 4 + [10.0] * 5))["cpu"] == 4


def test_a_higher_quantile_plans_for_more_where_demand_was_uneven():
    rates = [12.0, 24.0] * 7 + [18.0]
    assert (
        policy(quantile=0.99).wanted(turn(900.0, rates=rates))["cpu"] > policy().wanted(turn(900.0, rates=rates))["cpu"]
    )


def test_a_lower_target_buys_more():
    assert policy(target_factor=0.5).wanted(turn(60.0, rates=[20.0]))["cpu"] > 6


def slow(there, now, **changes):
    return there.wanted(turn(now, latency=0.9, **changes))["cpu"]


def test_three_turns_above_the_target_add_one_and_fast_ones_in_between_do_not_reset():
    there = policy(target_factor=TARGET / 0.3)
    found = [
        slow(there, 10.0),
        slow(there, 20.0),
        there.wanted(turn(30.0))["cpu"],
        slow(there, 40.0),
        slow(there, 50.0),
    ]
    assert found == [4, 4, 4, 5, 4]


def test_turns_while_replicas_start_do_not_count():
    there = policy()
    assert [slow(there, 10.0 * n, starting=1) for n in range(5)] == [4] * 5


def test_without_any_sample_it_holds():
    there = policy()
    assert [there.wanted(turn(now, latency=None))["cpu"] for now in (60.0, 300.0, 600.0)] == [4, 4, 4]


def test_over_a_ramp_it_follows_and_comes_down_again():
    day = case([(0.0, 20.0), (1800.0, 200.0), (3600.0, 20.0), (5400.0, 20.0)], seconds=5400.0)
    course = play(day, KIND, knobs=KIND.defaults, variants=("cpu",))
    counts = [step.replicas["cpu"] for step in course.steps]
    assert max(counts) in (5, 6, 7) and counts[-1] == 1  # 40/s each at the most: 5 carry 200/s, none to spare
