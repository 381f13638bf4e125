from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.keda import KIND


def play(rates, replicas, ready=None, **knobs):
    policy = KIND.build(setting(profile(), knobs=KIND.defaults | knobs))  # capacity 10/s: threshold 8/s
    return [
        policy.wanted(seat(15.0 * i, seen(replicas, ready=ready), rate_of_arrivals=rate))["cpu"]
        for i, rate in enumerate(rates)
    ]


def test_the_rate_is_shared_out_at_eighty_per_cent_of_capacity():
    assert play([47.0], 4) == [6]  # ceil(47/8)


def test_exactly_ten_per_cent_off_holds():
    assert play([88.0, 72.0], 10) == [10, 10]
    assert play([88.1], 10) == [12]


def test_what_is_ready_makes_no_difference():
    assert play([120.0], 10, ready=2) == [15]


def test_fewer_only_after_three_hundred_seconds():
    assert play([30.0] * 21, 10) == [10] * 20 + [4]


def test_a_query_without_a_result_reads_as_no_load():
    assert play([None] * 21, 10) == [10] * 20 + [1]


def test_the_window_is_a_knob():
    turn = seat(0.0, seen(4), rate_of_arrivals=30.0)
    KIND.build(setting(profile(), knobs={"target": 0.8, "window": 120.0})).wanted(turn)
    assert turn.metrics.asked == [("rate:arrivals", 120.0)]
