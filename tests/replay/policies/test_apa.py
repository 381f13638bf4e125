from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.apa import KIND


def play(loads, replicas, target=10.0, start=0.0):
    policy = KIND.build(setting(profile(), knobs={"target": target}))
    return [
        policy.wanted(seat(start + 10.0 * i, seen(replicas), per_replica_of_in_flight=load))["cpu"]
        for i, load in enumerate(loads)
    ]


def test_half_again_the_target_asks_for_half_again_the_replicas():
    assert play([[10.0, 20.0, 15.0, 15.0]], 4) == [6]


def test_exactly_ten_per_cent_off_the_target_holds():
    assert play([[11.0]], 10) == [10] and play([[9.0]], 10) == [10]
    assert play([[11.1]], 10) == [12] and play([[8.9]], 10) == [9]


def test_it_doubles_or_halves_at_most():
    assert play([[90.0]], 5) == [10]
    assert play([[0.0]], 5) == [2]
    assert play([[0.0]], 1) == [1]


def test_the_mean_goes_back_one_hundred_and_eighty_seconds():
    # One record of 28 among eighteen: mean (28 + 17 x 10) / 18 = 11; it holds, and the nineteenth turn forgets it.
    assert play([[28.0]] + [[10.0]] * 17, 10)[-1] == 10
    assert play([[30.0]] + [[10.0]] * 18, 10)[-2:] == [12, 10]


def test_without_a_replica_to_read_it_holds():
    assert play([[]], 5) == [5]
