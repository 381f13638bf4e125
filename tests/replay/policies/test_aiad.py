from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.aiad import KIND

TOO_SLOW, FINE = 0.4, 0.1  # seconds; the builder's SLO is 300 ms


def play(latencies, replicas=4, **knobs):
    """Replicas after each 10 s turn, with the count carried from turn to turn."""
    policy = KIND.build(setting(profile(), knobs=KIND.defaults | knobs))
    history = []
    for i, latency in enumerate(latencies):
        replicas = policy.wanted(seat(10.0 * i, seen(replicas), mean_latency=latency))["cpu"]
        history.append(replicas)
    return history


def test_one_more_for_each_thirty_seconds_above_the_threshold():
    assert play([TOO_SLOW] * 7) == [4, 4, 5, 5, 5, 6, 6]


def test_however_slow_it_adds_only_one():
    assert play([50.0] * 3) == [4, 4, 5]


def test_one_fewer_after_ten_minutes_and_not_before():
    assert play([FINE] * 61)[58:] == [4, 3, 3]


def test_at_the_threshold_is_not_above_it():
    assert play([0.3] * 60)[-1] == 3


def test_a_dip_in_between_starts_the_patience_again():
    assert play([TOO_SLOW, TOO_SLOW, FINE, TOO_SLOW, TOO_SLOW, TOO_SLOW]) == [4, 4, 4, 4, 4, 5]


def test_a_window_without_answers_neither_counts_nor_resets():
    assert play([TOO_SLOW, TOO_SLOW, None, None, TOO_SLOW]) == [4, 4, 4, 4, 5]


def test_it_keeps_the_last_replica():
    assert play([FINE] * 120, replicas=1)[-1] == 1


def test_a_lower_target_acts_on_latencies_that_are_still_within_the_slo():
    assert play([0.2] * 3, target_factor=0.5) == [4, 4, 5]


def test_less_patience_acts_at_once():
    assert play([TOO_SLOW] * 2, up_after_seconds=10.0) == [5, 6]


def test_it_asks_for_the_mean_of_thirty_seconds():
    policy, turn = KIND.build(setting(knobs=KIND.defaults)), seat(0.0, seen(1), mean_latency=FINE)
    policy.wanted(turn)
    assert turn.metrics.asked == [("mean_latency", 30.0)]
