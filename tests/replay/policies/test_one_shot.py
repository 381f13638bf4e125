from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.one_shot import KIND


def play(latencies, replicas=4, **knobs):
    """Replicas after each 10 s turn, with the count carried from turn to turn."""
    policy = KIND.build(setting(profile(), knobs=KIND.defaults | knobs))
    history = []
    for i, latency in enumerate(latencies):
        replicas = policy.wanted(seat(10.0 * i, seen(replicas), mean_latency=latency))["cpu"]
        history.append(replicas)
    return history


def test_twice_too_slow_doubles_after_thirty_seconds():
    assert play([0.6] * 5) == [4, 4, 8, 8, 8]


def test_the_latency_of_the_turn_that_acts_is_the_one_that_counts():
    assert play([3.0, 3.0, 0.35]) == [4, 4, 5]  # ceil(4 * 0.35 / 0.3)


def test_down_in_one_step_after_ten_minutes():
    assert play([0.1] * 60, replicas=10)[58:] == [10, 4]  # ceil(10 / 3)


def test_exactly_at_the_target_stays_for_good():
    assert set(play([0.3] * 120, replicas=3)) == {3}


def test_a_window_without_answers_neither_counts_nor_resets():
    assert play([0.6, 0.6, None, 0.6]) == [4, 4, 4, 8]


def test_it_keeps_the_last_replica():
    assert play([0.0] * 60)[-1] == 1


def test_knobs_move_the_target_and_the_patience_down():
    assert play([0.3] * 3, target_factor=0.5) == [4, 4, 8]
    assert play([0.15] * 12, down_after_seconds=120.0)[10:] == [4, 2]
