"""Dynamo's load loop against the cases of its own test_state_machine.py (ai-dynamo/dynamo 0c6da1e), which estimate the
time to the first token in chunks of 2 048 tokens, and on cases worked by hand for request/response servers."""

import itertools

import pytest
from replay.cases import case
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.dynamo_load import KIND, seconds_behind, turn
from tightrope.replay.run import play
from tightrope.replay.seat import Judged, LlmProfile


def first_token(own_tokens, slope=1e-5, constant=1e-3):
    """Seconds until the first token of a request with so many tokens of its own, by those that wait before it."""

    def seconds(waiting):
        chunks, rest = divmod(waiting + own_tokens, 2048)
        whole = chunks * (slope * 2048 + constant)
        return whole + (slope * rest + constant if rest else 0.0)

    return seconds


@pytest.mark.parametrize(
    ("name", "waiting", "own", "sla", "direction"),
    [
        ("30 000 become 60 000: about 0.65 s over 80 % of 100 ms", [30_000] * 2, 1500, 0.1, 1),
        ("nothing waits", [0, 0], 1500, 0.1, -1),
        ("one of ten: 2 000 become 2 222", [2_000] * 10, 1500, 0.1, -1),
        ("42 ms would be over 80 % of 50, but 21 of them are its own: 21 < 23.2", [1_000] * 2, 2000, 0.05, -1),
        ("its own 21 ms are over 15 already", [0, 0], 2000, 0.015, 1),
        ("one engine, over the SLA", [10_000], 1500, 0.005, 1),
        ("one engine is never taken", [0], 1500, 0.1, 0),
    ],
)
def test_the_cases_of_the_state_machine(name, waiting, own, sla, direction):
    assert turn(waiting, first_token(own), sla_seconds=sla, sensitivity=0.8) == direction


def test_between_the_two_it_stays():
    # Of the 100 ms its own 16 are gone and 0.8 * 84 = 67.2 are room. 3 000 waiting become 6 000: 79 ms, of which 63
    # are queue. 3 400 become 6 800: 88 ms, of which 72.
    seconds = first_token(1500)
    assert turn([3_000] * 2, seconds, sla_seconds=0.1, sensitivity=0.8) == -1
    assert turn([3_400] * 2, seconds, sla_seconds=0.1, sensitivity=0.8) == 0
    assert turn([3_000, 3_400], seconds, sla_seconds=0.1, sensitivity=0.8) == 0  # every engine must have room


BATCHES = profile(batch_limit=8, service_seconds=lambda batch: 0.04 + 0.01 * batch)


def asked(loads, replicas=None, **knobs):
    policy = KIND.build(setting(knobs=KIND.defaults | knobs))
    replicas = seen(len(loads)) if replicas is None else replicas
    return policy.wanted(seat(0.0, replicas, per_replica_of_in_flight=loads))["cpu"]


def test_a_request_waits_for_those_before_it():
    assert seconds_behind(profile(), 0) == pytest.approx(0.08)
    assert seconds_behind(profile(), 3) == pytest.approx(0.32)
    assert seconds_behind(BATCHES, 11) == pytest.approx(0.12 + 0.08)  # a full batch of 8, then one of 4
    assert seconds_behind(profile(slots=4), 7) == pytest.approx(0.16)


def test_a_first_token_waits_for_those_before_it_and_gaps_for_nobody():
    first, gaps = (
        profile(
            batch_limit=8,
            service_seconds=lambda batch: 0.04 + 0.01 * batch,
            judged=Judged(seconds=lambda batch: 0.001 * batch, with_wait=waits),
        )
        for waits in (True, False)
    )
    assert seconds_behind(first, 11) == pytest.approx(0.12 + 0.004)
    assert seconds_behind(gaps, 11) == pytest.approx(0.008)
    assert seconds_behind(gaps, 2) == pytest.approx(0.003)


def test_up_by_one_only_when_every_engine_is_too_slow():
    assert asked([3, 3]) == 3  # 320 ms over 300
    assert asked([3, 2]) == 2


def test_down_by_one_when_none_would_be_slow_with_one_fewer():
    # 80 % of (300 - 80) = 176 ms over an empty engine; with one of two gone, 1 becomes 2: 160 ms.
    assert asked([1, 1]) == 1
    assert asked([2, 1]) == 2
    assert asked([1, 1], sensitivity=50.0) == 2
    assert asked([0]) == 1


def test_it_holds_while_replicas_start_or_are_not_heard_of():
    assert asked([9, 9], seen(3, ready=2)) == 3
    assert asked([9, 9], seen(3, ready=3)) == 3  # two report, three are there
    assert asked([9, 9], seen(2, ready=2, starting=1)) == 2  # one of those that report is on its way out
    assert asked([], seen(2)) == 2


def test_it_stays_inside_the_replicas_of_the_spec():
    assert asked([9] * 100) == 100


def test_in_a_replay_it_moves_by_one_and_waits_for_every_start():
    demand = case([(0, 30.0), (300, 30.0), (300, 150.0)], seconds=900)
    course = play(demand, KIND, knobs=KIND.defaults, variants=("cpu",))
    steps = [(step.at, step.replicas["cpu"]) for step in course.steps]
    assert all(abs(later - earlier) == 1 for (_, earlier), (_, later) in itertools.pairwise(steps))
    ups = [at for (_, earlier), (at, later) in itertools.pairwise(steps) if later > earlier]
    assert all(later - earlier >= 20.0 for earlier, later in itertools.pairwise(ups))  # the time to ready
    assert steps[-1][1] >= 4


def test_none_goes_whose_cache_the_others_could_not_hold():
    llm = profile(llm=LlmProfile(cache_tokens=1_000.0, input_tokens=30.0, output_tokens=20.0))
    policy = KIND.build(setting(llm, knobs=KIND.defaults))
    for used, replicas in (([499.0, 499.0], 1), ([400.0, 501.0], 2)):
        found = seat(0.0, seen(2), per_replica_of_in_flight=[1, 1], per_replica_of_cache_tokens=used)
        assert policy.wanted(found)["cpu"] == replicas
