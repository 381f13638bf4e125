from tightrope.replay.policies.step_counter import StepCounter


def counter():
    return StepCounter(up_after_seconds=30.0, down_after_seconds=60.0)


def turns(above):
    counted = counter()
    return [counted.turn(a == "+") for a in above]


def test_the_third_evaluation_above_acts_and_the_next_needs_three_more():
    assert turns("++++++") == [0, 0, 1, 0, 0, 1]


def test_down_waits_for_its_own_longer_patience():
    assert turns("-------") == [0, 0, 0, 0, 0, -1, 0]


def test_a_change_of_direction_starts_again_at_one():
    assert turns("++-+++") == [0, 0, 0, 0, 0, 1]
    assert turns("-----+------") == [0] * 11 + [-1]
