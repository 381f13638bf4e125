from replay.seats import profile, seat, seen, setting

from tightrope.replay.policies.infaas import KIND

CPU = profile("cpu")  # 80 ms at batch 1: 12.5/s; 60 s to load
GPU = profile(
    "gpu",
    accelerated=True,
    saturation=200.0,
    service_seconds=lambda batch: 0.01 + 0.002 * batch,
    time_to_ready_seconds=120.0,  # headroom 0.0002 * 120,000 ms = 24/s
)


def build(*profiles, **knobs):
    return KIND.build(setting(*profiles, knobs=KIND.defaults | knobs))


def turn(policy, now, counts, rates, ready=None):
    ready = counts if ready is None else ready
    variants = {name: seen(count, ready=ready[name]) for name, count in counts.items()}
    return {**counts, **policy.wanted(seat(now, variants, **{f"rate_of_arrivals_of_{n}": r for n, r in rates.items()}))}


def play(policy, counts, rates, turns):
    """Counts after each 1 s turn; all replicas are ready at once, and each rate stays on its variant."""
    history = []
    for i in range(turns):
        counts = turn(policy, float(i), counts, {name: rates.get(name, 0.0) for name in counts})
        history.append(counts)
    return history


def test_a_cpu_replica_is_added_when_ninety_five_percent_are_used():
    assert turn(build(CPU), 0.0, {"cpu": 4}, {"cpu": 47.0}) == {"cpu": 4}  # 0.95 * 50 = 47.5
    assert turn(build(CPU), 0.0, {"cpu": 4}, {"cpu": 48.0}) == {"cpu": 5}
    assert turn(build(CPU), 0.0, {"cpu": 4}, {"cpu": 80.0}) == {"cpu": 7}  # lacks 32.5, which is 2.6 replicas


def test_a_second_cpu_replica_loads_sooner_than_an_accelerator():
    # One more CPU costs 60; the accelerator lacks (13 - 11.9) + 24 < 200, one more, cost 120.
    counts = turn(build(CPU, GPU), 0.0, {"cpu": 1, "gpu": 0}, {"cpu": 13.0, "gpu": 0.0})
    assert counts == {"cpu": 2, "gpu": 0}


def test_a_third_cpu_replica_is_dearer_than_the_accelerator():
    counts = turn(build(CPU, GPU), 0.0, {"cpu": 2, "gpu": 0}, {"cpu": 25.0, "gpu": 0.0})
    assert counts == {"cpu": 2, "gpu": 1}  # 60 * 1001 against 1.5 * 120


def test_a_lower_cost_ratio_moves_to_the_accelerator_sooner():
    counts = turn(build(CPU, GPU, cost_ratio=0.25), 0.0, {"cpu": 1, "gpu": 0}, {"cpu": 13.0, "gpu": 0.0})
    assert counts == {"cpu": 1, "gpu": 1}  # 60 against 0.25 * 120


def test_once_the_accelerator_is_on_its_way_nobody_asks_twice():
    policy, history = build(CPU, GPU), []
    counts = {"cpu": 2, "gpu": 0}
    for i in range(30):
        counts = turn(policy, float(i), counts, {"cpu": 25.0, "gpu": 0.0}, ready={"cpu": 2, "gpu": 0})
        history.append(counts)
    assert set(map(tuple, (c.items() for c in history))) == {(("cpu", 2), ("gpu", 1))}


def test_the_running_accelerator_keeps_headroom_for_its_own_load_time():
    rates = {"cpu": 0.0, "gpu": 376.0}  # 376 + 24 = 400 = two replicas exactly
    assert turn(build(CPU, GPU), 0.0, {"cpu": 0, "gpu": 2}, rates)["gpu"] == 2
    assert turn(build(CPU, GPU), 0.0, {"cpu": 0, "gpu": 2}, rates | {"gpu": 377.0})["gpu"] == 3
    assert turn(build(CPU, GPU, load_headroom=0.0), 0.0, {"cpu": 0, "gpu": 2}, rates | {"gpu": 377.0})["gpu"] == 2


def test_a_full_accelerator_pool_leaves_the_growth_to_the_cpu():
    small = profile("gpu", accelerated=True, saturation=20.0, max_replicas=1)
    counts = turn(build(CPU, small), 0.0, {"cpu": 2, "gpu": 1}, {"cpu": 40.0, "gpu": 20.0})
    assert counts == {"cpu": 4, "gpu": 1}  # lacks 40 - 23.75, which is 1.3 replicas


def test_cpu_goes_down_one_at_a_time_every_ten_turns():
    history = [counts["cpu"] for counts in play(build(CPU), {"cpu": 4}, {"cpu": 20.0}, 40)]
    assert history[8:10] == [4, 3]
    assert history[18:20] == [3, 2]
    assert history[-1] == 2  # one replica carries 12.5


def test_accelerators_go_down_after_twenty_turns():
    history = [counts["gpu"] for counts in play(build(GPU), {"gpu": 3}, {"gpu": 100.0}, 60)]
    assert history[18:20] == [3, 2]
    assert history[38:40] == [2, 1]
    assert history[-1] == 1


def test_a_busy_second_starts_the_descent_again():
    policy = build(CPU)
    rates = [20.0] * 9 + [45.0] + [20.0] * 9
    assert {turn(policy, float(i), {"cpu": 4}, {"cpu": rate})["cpu"] for i, rate in enumerate(rates)} == {4}


def test_the_last_accelerator_hands_over_to_a_cpu_replica_that_is_ready():
    policy = build(CPU, GPU)
    rates = {"cpu": 0.0, "gpu": 12.0}
    for i in range(19):
        assert turn(policy, float(i), {"cpu": 0, "gpu": 1}, rates) == {"cpu": 0, "gpu": 1}
    assert turn(policy, 19.0, {"cpu": 0, "gpu": 1}, rates) == {"cpu": 1, "gpu": 1}
    loading = turn(policy, 20.0, {"cpu": 1, "gpu": 1}, rates, ready={"cpu": 0, "gpu": 1})
    assert loading == {"cpu": 1, "gpu": 1}
    assert turn(policy, 80.0, {"cpu": 1, "gpu": 1}, rates) == {"cpu": 1, "gpu": 0}


def test_more_than_one_cpu_replica_carries_stays_on_the_accelerator():
    assert play(build(CPU, GPU), {"cpu": 0, "gpu": 1}, {"gpu": 13.0}, 60)[-1] == {"cpu": 0, "gpu": 1}


def test_an_accelerator_that_shares_its_load_with_cpu_replicas_is_not_idle():
    # 34/s over three pods: each sees less than one CPU replica carries, and none of the three can go alone.
    assert play(build(CPU, GPU), {"cpu": 2, "gpu": 1}, {"cpu": 22.0, "gpu": 12.0}, 60)[-1] == {"cpu": 2, "gpu": 1}


def test_an_idle_service_keeps_its_last_replica():
    assert play(build(CPU), {"cpu": 2}, {}, 60)[-1] == {"cpu": 1}


def test_a_missing_rate_holds_everything():
    policy = build(CPU, GPU)
    assert policy.wanted(seat(0.0, {"cpu": seen(2), "gpu": seen(0)}, rate_of_arrivals_of_cpu=90.0)) == {}
