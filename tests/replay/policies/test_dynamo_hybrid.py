"""Dynamo with both loops on cases worked by hand (its own tests of the floor: test_state_machine.py, 0c6da1e)."""

from replay.cases import case
from replay.seats import seat, seen, setting

from tightrope.replay.policies.dynamo_hybrid import KIND
from tightrope.replay.run import play


def hybrid():
    return KIND.build(setting(knobs=KIND.defaults))


def at(now, count, load=0.0, rate=60.0, **changes):
    return seat(now, changes.pop("there", seen(count)), per_replica_of_in_flight=[load] * count, rate_of_arrivals=rate)


def test_before_the_first_interval_there_is_no_floor():
    assert hybrid().wanted(at(0.0, 6)) == {"cpu": 5}  # idle engines: one fewer


def test_the_floor_keeps_the_load_loop_from_going_lower():
    policy = hybrid()
    assert policy.wanted(at(180.0, 6)) == {"cpu": 5}  # 60/s at 12.5/s each
    assert policy.wanted(at(185.0, 5)) == {"cpu": 5}
    assert policy.wanted(at(190.0, 5, load=9.0)) == {"cpu": 6}  # above it the load loop is free


def test_the_floor_raises_what_the_load_loop_would_leave():
    assert hybrid().wanted(at(180.0, 2, load=2.0)) == {"cpu": 5}


def test_while_replicas_start_the_floor_waits_too():
    policy = hybrid()
    assert policy.wanted(at(180.0, 2, there=seen(3, ready=2))) == {"cpu": 3}
    assert policy.wanted(at(185.0, 3)) == {"cpu": 5}


def test_a_missing_interval_leaves_the_floor_and_missing_loads_hold():
    policy = hybrid()
    policy.wanted(at(180.0, 6))
    assert policy.wanted(at(360.0, 5, rate=None)) == {"cpu": 5}
    assert policy.wanted(seat(365.0, seen(5), rate_of_arrivals=60.0)) == {"cpu": 5}


def test_the_floor_is_set_once_an_interval():
    policy = hybrid()
    policy.wanted(at(180.0, 6))
    assert policy.wanted(at(355.0, 5, rate=120.0)) == {"cpu": 5}
    assert policy.wanted(at(360.0, 5, rate=120.0)) == {"cpu": 10}


def test_in_a_replay_it_keeps_more_than_the_load_loop_alone():
    demand = case([(0, 100.0)], seconds=900)
    course = play(demand, KIND, knobs=KIND.defaults, variants=("cpu",))
    assert course.timeline.wanted["cpu"][240 // 15 :].min() >= 3  # 100/s at 40.35/s
