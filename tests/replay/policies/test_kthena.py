"""Kthena's total and its split, with the worked order of packages."""

from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.kthena import KIND, split

CPU = profile(price_per_hour=30.0, max_replicas=6)
GPU = profile("gpu", price_per_hour=100.0, max_replicas=4)


def test_packages_are_filled_in_order_of_their_price():
    """CPU 1 (30), CPU 2 (60), CPU 3 of 4 (90), GPU 1 (100), GPU 2 (200), GPU 1 of 4 (100)."""
    sizes = [split([CPU, GPU], total, least=0) for total in (1, 3, 6, 7, 8, 10)]
    assert sizes == [
        {"cpu": 1, "gpu": 0},
        {"cpu": 3, "gpu": 0},
        {"cpu": 6, "gpu": 0},
        {"cpu": 6, "gpu": 1},
        {"cpu": 6, "gpu": 2},
        {"cpu": 6, "gpu": 4},
    ]


def turns(latencies, replicas):
    policy = KIND.build(setting(knobs=KIND.defaults))
    sizes = []
    for tick, latency in enumerate(latencies):
        replicas = policy.wanted(seat(15.0 * tick, seen(replicas), **{"quantile:0.95": latency}))["cpu"]
        sizes.append(replicas)
    return sizes


def test_within_tolerance_it_holds_and_beyond_it_the_ratio_counts():
    assert turns([0.32], 4) == [4]
    assert turns([0.45], 4) == [6]


def test_up_by_no_more_than_the_larger_of_four_and_twice_in_a_minute():
    assert turns([30.0, 30.0], 2) == [6, 6]
    assert turns([30.0] * 5, 10)[-1] == 40  # a minute later the next doubling is free


def test_down_to_the_largest_proposal_of_five_minutes():
    sizes = turns([0.3] + [0.03] * 24, 10)
    assert sizes[19] == 10 and sizes[-1] < 10


def test_without_answers_it_holds():
    assert turns([None, None], 3) == [3, 3]
