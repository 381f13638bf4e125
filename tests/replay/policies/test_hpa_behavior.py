from fractions import Fraction

from tightrope.replay.policies.hpa_behavior import Behavior, within_tolerance


def behavior(current, minimum=1, maximum=100, at=0.0):
    made = Behavior(minimum=minimum, maximum=maximum)
    made.gate(at, current)
    return made


def test_ten_per_cent_either_way_is_still_within_tolerance():
    assert within_tolerance(Fraction(11, 10)) and within_tolerance(Fraction(9, 10))
    assert not within_tolerance(Fraction(1101, 1000)) and not within_tolerance(Fraction(899, 1000))


def test_small_services_grow_by_four_and_large_ones_double():
    assert behavior(2).settle(0.0, 2, 50) == 6
    assert behavior(10).settle(0.0, 10, 50) == 20


def test_growth_is_counted_over_fifteen_seconds_not_per_turn():
    hpa = behavior(10)
    assert hpa.settle(0.0, 10, 90) == 20
    assert hpa.settle(7.0, 20, 90) == 20  # started the period at 10
    assert hpa.settle(15.0, 20, 90) == 40


def test_shrinks_in_one_step_once_the_last_high_proposal_is_three_hundred_seconds_old():
    hpa = behavior(10)
    sizes = [hpa.settle(15.0 * i, 10, 3) for i in range(21)]
    assert sizes == [10] * 20 + [3]


def test_shrinks_only_to_the_largest_proposal_of_the_window():
    hpa = behavior(10)
    for i in range(1, 20):
        assert hpa.settle(15.0 * i, 10, 6 if i == 10 else 3) == 10
    assert hpa.settle(300.0, 10, 3) == 6


def test_bounds_hold_and_a_size_out_of_them_is_put_right_at_once():
    assert behavior(10, maximum=12).settle(0.0, 10, 50) == 12
    assert Behavior(minimum=3, maximum=12).gate(0.0, 20) == 12
    assert Behavior(minimum=3, maximum=12).gate(0.0, 1) == 3
    assert Behavior(minimum=3, maximum=12).gate(0.0, 5) is None
