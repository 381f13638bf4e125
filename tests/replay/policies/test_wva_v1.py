"""WVA's V1 against the cases of its own analyzer_test.go (llm-d/llm-d-autoscaling 763b1bd) and some worked by hand."""

import itertools

import pytest
from replay.cases import case
from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.wva_v1 import KIND, moved, turn
from tightrope.replay.run import play
from tightrope.replay.seat import LlmProfile

CHEAP = profile("v2-cheap", price_per_hour=5.0)
MEDIUM = profile("v3-medium", price_per_hour=15.0)
DEAR = profile("v1-expensive", price_per_hour=20.0)
TWO_EACH = {"v1-expensive": 2, "v2-cheap": 2, "v3-medium": 2}


@pytest.mark.parametrize(
    ("loads", "direction"),
    [
        ([(0.75, 2), (0.76, 2)], 1),  # 4.5 points of cache to spare, under 10
        ([(0.50, 3), (0.50, 3)], 1),  # 2 waiting places, under 3
        ([(0.50, 1), (0.50, 1)], 0),  # healthy, yet 1.0 of cache with one fewer
        ([(0.20, 1), (0.30, 1), (0.25, 1)], -1),
        ([(0.70, 2), (0.75, 2)], 1),
        ([(0.50, 2)], 0),  # never the last one that is not saturated
        ([(0.70, 2), (0.75, 3), (0.60, 1), (0.65, 2)], 0),  # 12.5 points and 3 places: neither under its trigger
        ([(0.85, 2), (0.50, 6), (0.90, 7)], 1),  # all saturated
        ([], 0),
    ],
)
def test_the_tables_of_the_analyzer(loads, direction):
    assert turn(loads, cache_spare=0.10, queue_spare=3.0) == direction


@pytest.mark.parametrize(
    ("loads", "direction"),
    [
        ([(0.34, 0), (0.34, 0)], -1),  # 0.68 on the one that is left: 12 points to spare
        ([(0.36, 0), (0.36, 0)], 0),  # 0.72: 8 points
        ([(0.1, 0), (0.1, 5)], 0),  # a saturated one counts for nothing, and one alone never goes
        ([(0.1, 0.8), (0.1, 0.8)], -1),  # 1.6 waiting on the one that is left
        ([(0.1, 1.2), (0.1, 1.2)], 0),  # 2.4: 2.6 places to spare, under 3
    ],
)
def test_one_fewer_only_if_the_rest_stays_over_both_triggers(loads, direction):
    assert turn(loads, cache_spare=0.10, queue_spare=3.0) == direction


def test_the_cheapest_grows_and_the_dearest_that_has_several_shrinks():
    every = [DEAR, CHEAP, MEDIUM]
    assert moved(TWO_EACH, every, 1) == TWO_EACH | {"v2-cheap": 3}
    assert moved(TWO_EACH, every, -1) == TWO_EACH | {"v1-expensive": 1}
    assert moved(TWO_EACH | {"v1-expensive": 1}, every, -1) == TWO_EACH | {"v1-expensive": 1, "v3-medium": 1}
    assert moved(dict.fromkeys(TWO_EACH, 1), every, -1) == dict.fromkeys(TWO_EACH, 1)


def test_a_full_pool_gets_no_more_and_nobody_stands_in():
    assert moved({"full": 2, "open": 1}, [profile("full", max_replicas=2), MEDIUM], 1) == {"full": 2, "open": 1}


GPU = profile("gpu", price_per_hour=0.8, capacity=100.0)


def asked(cpu, gpu, busy, queued=0.0, **values):
    policy = KIND.build(setting(profile(), GPU, knobs=KIND.defaults))
    queues = {f"per_replica_of_queued_of_{n}": [queued] * s.ready for n, s in (("cpu", cpu), ("gpu", gpu))}
    return policy.wanted(seat(0.0, {"cpu": cpu, "gpu": gpu}, utilisation=busy, **queues, **values))


def test_it_reads_work_as_cache_and_the_queue_as_queue():
    assert asked(seen(2), seen(2), 0.75) == {"cpu": 3, "gpu": 2}
    assert asked(seen(2), seen(2), 0.3, queued=3.0) == {"cpu": 3, "gpu": 2}
    assert asked(seen(2), seen(2), 0.3) == {"cpu": 2, "gpu": 1}


def test_a_queue_within_the_last_minute_counts_though_it_is_gone():
    crowd = {"gauge_max_of_queued_of_cpu": 8.0, "gauge_max_of_queued_of_gpu": 8.0}
    assert asked(seen(2), seen(2), 0.3, **crowd) == {"cpu": 3, "gpu": 2}  # 4 each: one place to spare


def test_it_waits_while_a_variant_with_samples_has_replicas_starting():
    assert asked(seen(3, ready=2), seen(2), 0.9) == {"cpu": 3, "gpu": 2}
    assert asked(seen(2), seen(3, ready=2), 0.9) == {"cpu": 2, "gpu": 3}


def test_a_variant_without_replicas_is_not_seen_and_without_samples_nothing_moves():
    assert asked(seen(2), seen(0), 0.9) == {"cpu": 3}
    assert asked(seen(2, ready=0, starting=0), seen(0), None) == {}


def test_one_sample_is_read_by_the_places_taken_then():
    inside = {"per_replica_of_running_of_cpu": [1.0, 1.0], "per_replica_of_running_of_gpu": []}
    assert asked(seen(2), seen(0), None, **inside) == {"cpu": 3}
    assert asked(seen(2), seen(0), None, **{**inside, "per_replica_of_running_of_cpu": [0.0, 0.0]}) == {"cpu": 1}


def test_it_stays_inside_the_replicas_of_the_spec():
    assert asked(seen(50), seen(50), 0.9) == {"cpu": 50, "gpu": 50}
    alone = KIND.build(setting(knobs=KIND.defaults))
    assert alone.wanted(seat(0.0, seen(1), utilisation=0.0, per_replica_of_queued=[0.0])) == {"cpu": 1}


def test_in_a_replay_it_moves_by_one_at_full_minutes_and_follows_the_load():
    demand = case([(0, 30.0), (300, 30.0), (300, 90.0)], seconds=900)
    course = play(demand, KIND, knobs=KIND.defaults, variants=("cpu",))
    counts = [step.replicas["cpu"] for step in course.steps]
    assert all(abs(later - earlier) == 1 for earlier, later in itertools.pairwise(counts))
    assert all((step.at - 7.5) % 60.0 == 0.0 for step in course.steps)
    wanted = course.timeline.wanted["cpu"]
    assert wanted[480 // 15 :].min() > wanted[: 300 // 15].max()


def test_with_a_language_model_it_reads_the_cache_and_not_how_busy_the_replica_is():
    llm = profile(llm=LlmProfile(cache_tokens=10_000.0, input_tokens=300.0, output_tokens=200.0))
    policy = KIND.build(setting(llm, knobs=KIND.defaults))

    def asked(newest: list[float], most: float) -> int:
        values = {"per_replica_of_cache_tokens": newest, "gauge_max_of_cache_tokens": most}
        found = seat(0.0, seen(2), utilisation=1.0, per_replica_of_queued=[0.0, 0.0], **values)
        return policy.wanted(found)["cpu"]

    assert asked([7_500.0, 7_500.0], 15_000.0) == 3
    assert asked([1_000.0, 1_000.0], 15_000.0) == 3  # the minute's most, shared out
    assert asked([5_000.0, 5_000.0], 10_000.0) == 2
    assert asked([3_000.0, 3_000.0], 6_000.0) == 1
