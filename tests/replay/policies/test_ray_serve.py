from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.ray_serve import KIND


def play(loads, replicas=2, step=10.0, **knobs):
    """Replicas after each turn, `step` seconds apart; every replica asked for is ready by the next turn."""
    policy = KIND.build(setting(profile(), knobs=KIND.defaults | knobs))
    history = []
    for i, load in enumerate(loads):
        replicas = policy.wanted(seat(step * i, seen(replicas), gauge_mean_of_in_flight=load))["cpu"]
        history.append(replicas)
    return history


def test_two_requests_a_replica_after_thirty_seconds():
    assert play([11.0] * 5) == [2, 2, 2, 6, 6]


def test_the_load_of_the_turn_that_acts_is_the_one_that_counts():
    assert play([11.0, 40.0, 11.0, 7.0]) == [2, 2, 2, 4]


def test_down_after_ten_minutes_and_not_before():
    assert play([3.0] * 62, replicas=8)[59:] == [8, 2, 2]


def test_a_moment_in_balance_starts_the_delay_again():
    assert play([11.0, 11.0, 4.0, 11.0, 11.0, 11.0, 11.0]) == [2, 2, 2, 2, 2, 2, 6]


def test_each_step_waits_for_its_own_delay():
    assert play([11.0] * 4 + [20.0] * 4) == [2, 2, 2, 6, 6, 6, 6, 10]


def test_a_missing_metric_holds():
    assert play([None] * 100, replicas=7)[-1] == 7


def test_idle_falls_to_the_minimum():
    assert play([0.0] * 61, replicas=5)[-1] == 1


def test_no_more_than_the_pool_holds():
    policy = KIND.build(setting(profile(max_replicas=3), knobs=KIND.defaults))
    turns = [policy.wanted(seat(10.0 * i, seen(2), gauge_mean_of_in_flight=90.0)) for i in range(4)]
    assert turns[-1] == {"cpu": 3}


def test_while_none_is_ready_it_keeps_its_target():
    policy = KIND.build(setting(knobs=KIND.defaults))
    waiting = [policy.wanted(seat(10.0 * i, seen(2, ready=0), gauge_mean_of_in_flight=90.0)) for i in range(9)]
    assert waiting == [{"cpu": 2}] * 9


def test_waiting_requests_wake_a_service_at_zero_at_once():
    policy = KIND.build(setting(knobs=KIND.defaults))
    assert policy.wanted(seat(0.0, seen(0), gauge_mean_of_in_flight=0.0)) == {"cpu": 0}
    assert policy.wanted(seat(2.0, seen(0), gauge_mean_of_in_flight=0.1)) == {"cpu": 1}


def test_knobs_move_the_target_and_the_delay_down():
    assert play([20.0] * 4, target_ongoing_requests=5.0)[-1] == 4
    assert play([3.0] * 13, replicas=8, downscale_delay_s=120.0)[11:] == [8, 2]
