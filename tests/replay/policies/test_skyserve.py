from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.skyserve import KIND


def play(rates, replicas=2, **knobs):
    """Replicas after each 20 s turn; a replica carries 10/s, hence a target of 8/s by default."""
    policy = KIND.build(setting(profile(), knobs=KIND.defaults | knobs))
    history = []
    for i, rate in enumerate(rates):
        replicas = policy.wanted(seat(20.0 * i, seen(replicas), rate_of_arrivals=rate))["cpu"]
        history.append(replicas)
    return history


def test_up_at_the_fifteenth_turn_in_a_row():
    assert play([50.0] * 16) == [2] * 14 + [7, 7]  # ceil(50 / 8)


def test_down_at_the_sixtieth_turn_in_a_row():
    assert play([20.0] * 61, replicas=9)[58:] == [9, 3, 3]


def test_the_last_turns_rate_sets_the_size():
    assert play([50.0] * 14 + [24.0])[-1] == 3


def test_a_single_turn_in_balance_starts_again():
    assert play([50.0] * 14 + [16.0] + [50.0] * 15) == [2] * 29 + [7]


def test_a_burst_of_four_minutes_goes_unseen():
    assert set(play([5.0] * 10 + [500.0] * 12 + [16.0] * 10)) == {2}


def test_from_zero_at_once():
    policy = KIND.build(setting(knobs=KIND.defaults))
    assert policy.wanted(seat(0.0, seen(0), rate_of_arrivals=20.0)) == {"cpu": 3}


def test_a_missing_rate_holds_and_keeps_the_count():
    assert play([50.0] * 10 + [None] * 30 + [50.0] * 5) == [2] * 44 + [7]


def test_no_more_than_the_pool_holds():
    policy = KIND.build(setting(profile(max_replicas=4), knobs=KIND.defaults))
    turns = [policy.wanted(seat(20.0 * i, seen(2), rate_of_arrivals=900.0)) for i in range(15)]
    assert turns[-1] == {"cpu": 4}


def test_knobs_move_the_target_and_the_delay_up():
    assert play([50.0] * 3, upscale_delay_seconds=60.0, capacity_share=0.5) == [2, 2, 10]


def test_rounding_errors_buy_nothing():
    assert 7.7 / (0.7 * 11.0) > 1.0
    policy = KIND.build(setting(profile(capacity=11.0), knobs=KIND.defaults | {"capacity_share": 0.7}))
    assert policy.wanted(seat(0.0, seen(0), rate_of_arrivals=7.7)) == {"cpu": 1}
