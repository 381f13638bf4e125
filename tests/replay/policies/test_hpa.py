from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.hpa import KIND


def build(**knobs):
    return KIND.build(setting(profile(), knobs=KIND.defaults | knobs))


def once(variant, utilisation, **knobs):
    return build(**knobs).wanted(seat(0.0, variant, utilisation=utilisation))["cpu"]


def after_the_window(variant, utilisation):
    policy = build()
    for i in range(21):
        size = policy.wanted(seat(15.0 * i, variant, utilisation=utilisation))["cpu"]
    return size


def test_half_again_the_target_asks_for_half_again_the_replicas():
    assert once(seen(4), 0.9, target=60.0) == 6  # ceil(4 x 1.5)


def test_exactly_ten_per_cent_off_the_target_holds():
    assert once(seen(10), 0.88) == 10
    assert once(seen(10), 0.89) == 12  # ceil(10 x 89/80)
    assert after_the_window(seen(10), 0.72) == 10
    assert after_the_window(seen(10), 0.71) == 9  # ceil(10 x 71/80)


def test_utilisation_is_cut_to_a_whole_per_cent_first():
    assert once(seen(10), 0.8899) == 10


def test_replicas_still_starting_count_as_idle_on_the_way_up():
    # 9 of 10 ready at 96 %: 86 % of all, within tolerance. Ten warm ones would be 12.
    assert once(seen(10, ready=9), 0.96) == 10
    assert once(seen(10), 0.96) == 12
    # 9 of 10 ready at 100 % is 90 %: 90/80 x 10 = 11.25
    assert once(seen(10, ready=9), 1.0) == 12


def test_it_holds_when_replicas_still_starting_turn_the_direction_round():
    # 2 of 10 ready at 100 % is 20 % of all: neither more nor, in the end, fewer.
    assert after_the_window(seen(10, ready=2), 1.0) == 10


def test_cold_replicas_make_it_propose_fewer_than_it_has():
    # 5 of 10 ready at 60 %: ceil(5 x 60/80) = 4, held back only by the window.
    assert once(seen(10, ready=5), 0.6) == 10
    assert after_the_window(seen(10, ready=5), 0.6) == 4


def test_it_holds_without_samples_or_ready_replicas():
    assert after_the_window(seen(7), None) == 7
    assert after_the_window(seen(7, ready=0), 0.1) == 7
