from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.kpa import KIND

TEN = {"target": 10.0}  # 7 in flight per replica


def ask(policy, now, replicas, stable, panic, ready=None):
    in_flight = {60.0: stable, 6.0: panic}
    turn = seat(now, seen(replicas, ready=ready), gauge_mean_of_in_flight=in_flight.get)
    return policy.wanted(turn)["cpu"]


def calm(knobs=TEN):
    """A policy that began with one replica, so not in panic."""
    policy = KIND.build(setting(profile(), knobs=knobs))
    ask(policy, 0.0, 1, 1.0, 1.0)
    return policy


def test_calm_it_follows_the_stable_window():
    assert ask(calm(), 2.0, 4, 35.0, 40.0) == 5  # ceil(35/7)
    assert ask(calm(), 2.0, 4, 36.0, 40.0) == 6


def test_its_default_is_seventy_in_flight():
    assert ask(calm(KIND.defaults), 2.0, 2, 140.0, 140.0) == 2
    assert ask(calm(KIND.defaults), 2.0, 2, 141.0, 141.0) == 3


def test_it_shrinks_by_half_of_what_is_ready_at_most():
    assert ask(calm(), 2.0, 10, 7.0, 7.0) == 5


def test_twice_the_load_in_six_seconds_is_panic():
    assert ask(calm(), 2.0, 4, 30.0, 49.0) == 5  # ceil(49/7) = 7, 175 %
    assert ask(calm(), 2.0, 4, 30.0, 50.0) == 8  # 200 %


def test_in_panic_it_never_shrinks_and_leaves_when_sixty_seconds_have_passed():
    policy = calm()
    assert ask(policy, 2.0, 4, 30.0, 50.0) == 8
    assert ask(policy, 30.0, 8, 7.0, 7.0) == 8
    assert ask(policy, 62.0, 8, 7.0, 7.0) == 8
    assert ask(policy, 64.0, 8, 7.0, 7.0) == 4


def test_panic_again_extends_it():
    policy = calm()
    ask(policy, 2.0, 4, 30.0, 50.0)
    assert ask(policy, 40.0, 8, 60.0, 110.0) == 16
    assert ask(policy, 100.0, 16, 7.0, 7.0) == 16
    assert ask(policy, 102.0, 16, 7.0, 7.0) == 8


def test_begun_with_several_replicas_it_keeps_them_for_a_stable_window():
    policy = KIND.build(setting(profile(), knobs=TEN))
    assert ask(policy, 0.0, 6, 7.0, 7.0) == 6
    assert ask(policy, 60.0, 6, 7.0, 7.0) == 6
    assert ask(policy, 62.0, 6, 7.0, 7.0) == 3


def test_no_samples_hold():
    assert ask(calm(), 2.0, 5, None, None) == 5


def test_one_replica_stays_without_load():
    assert ask(calm(), 2.0, 1, 0.0, 0.0) == 1
