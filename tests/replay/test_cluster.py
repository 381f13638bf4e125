"""Replicas, nodes and the bill."""

import build
import numpy as np
import pytest

from tightrope.domain.spec import Resources
from tightrope.replay.assumptions import Assumptions
from tightrope.replay.cluster import Cluster
from tightrope.replay.events import Events, PriceChange, Reclaim, Room, Shortage
from tightrope.replay.profiles import server_of

GI = 2.0**30


def cluster(service=None, pools=None, **assumed) -> Cluster:
    service = service or build.service()
    servers = {variant.name: server_of(service, variant) for variant in service.variants}
    return Cluster(
        service, pools or build.pools(), Assumptions(**({"servers": servers, "startup_cv": 0.0} | assumed)), seed=3
    )


def test_replicas_share_a_node_until_it_is_full_and_the_last_one_to_go_ends_its_bill() -> None:
    half = build.variant("cpu", requests=Resources(cpu_cores=4, memory_bytes=GI))
    shared = cluster(build.service(variants=(half,)), build.pools("cpu"))
    shared.start({"cpu": 3})

    assert shared.price_per_hour == pytest.approx(0.40)
    shared.scale({"cpu": 2}, 1800.0)
    assert shared.price_per_hour in (pytest.approx(0.20), pytest.approx(0.40))
    shared.scale({"cpu": 0}, 3600.0)
    assert shared.price_per_hour == 0.0


def test_a_node_is_billed_for_the_minimum_however_short_it_lived() -> None:
    short = cluster(billing_minimum=600.0)
    short.start({})
    short.scale({"cpu": 1}, 100.0)
    short.scale({"cpu": 0}, 130.0)

    assert short.cost(10_000.0) == pytest.approx(0.20 * 600 / 3600)


def test_a_pool_without_room_leaves_replicas_pending_until_there_is_some() -> None:
    full = cluster(pools={"cpu": build.pool("cpu", max_nodes=2), "gpu": build.pool("gpu")})
    full.start({"cpu": 2})
    full.scale({"cpu": 3}, 50.0)

    seen = full.seen(60.0)["cpu"]
    assert (seen.wanted, seen.ready, seen.starting, seen.pending, seen.pending_since) == (3, 2, 1, 1, 50.0)


def test_replicas_that_are_not_ready_are_stopped_first() -> None:
    mixed = cluster()
    mixed.start({"cpu": 2})
    mixed.scale({"cpu": 4}, 100.0)
    mixed.scale({"cpu": 2}, 105.0)

    assert mixed.seen(105.0)["cpu"].ready == 2
    assert mixed.ready["cpu"] == 2


def test_a_stopped_replica_finishes_what_it_has_and_only_then_frees_its_node() -> None:
    draining = cluster()
    draining.start({"cpu": 1})
    draining.fleet.advance(np.linspace(0.0, 0.9, 60), 1.0)
    draining.scale({"cpu": 0}, 1.0)
    assert draining.price_per_hour == pytest.approx(0.20)

    step = draining.fleet.advance(np.empty(0), 10.0)
    draining.move(10.0)
    assert len(step.everything()) > 0
    assert draining.price_per_hour == 0.0


def test_start_up_varies_around_the_pools_time_to_ready() -> None:
    varied = cluster(pools={"cpu": build.pool("cpu", max_nodes=500), "gpu": build.pool("gpu")}, startup_cv=0.3)
    varied.start({})
    varied.scale({"cpu": 400}, 0.0)
    varied.move(1000.0)
    times = np.array(varied.seen(1000.0)["cpu"].startup_seconds)

    assert times.mean() == pytest.approx(20.0, rel=0.05)
    assert times.std() == pytest.approx(6.0, rel=0.2)


def moved(cluster: Cluster, until: float) -> list[float]:
    """Let everything happen in turn until then; returns when something did."""
    now, times = 0.0, []
    while (now := cluster.next_change(now)) <= until:
        cluster.move(now)
        times.append(now)
    cluster.move(until)
    return times


@pytest.mark.parametrize(
    ("step", "billed"), [(1.0, 4001.0), (60.0, 4020.0), (3600.0, 7200.0)], ids=["second", "minute", "hour"]
)
def test_a_node_is_billed_in_whole_steps(step: float, billed: float) -> None:
    stepped = cluster(billing_step=step)
    stepped.start({})
    stepped.scale({"cpu": 1}, 0.0)
    stepped.scale({"cpu": 0}, 4000.4)

    assert stepped.cost(10_000.0) == pytest.approx(0.20 * billed / 3600)


def test_a_pool_that_is_short_gives_no_new_node_until_it_is_over() -> None:
    short = cluster(events=Events(shortages=(Shortage(pool="cpu", start=0.0, end=500.0),)))
    short.start({"cpu": 2})
    short.scale({"cpu": 3}, 100.0)
    assert (short.seen(100.0)["cpu"].ready, short.seen(100.0)["cpu"].pending) == (2, 1)

    moved(short, 499.0)
    assert short.seen(499.0)["cpu"].pending == 1
    moved(short, 520.0)
    assert short.seen(520.0)["cpu"].ready == 3
    assert short.cost(520.0) == pytest.approx(0.20 * (2 * 520 + 60) / 3600)


def test_provisioning_that_fails_at_times_is_tried_again_every_minute_and_alike_for_everybody() -> None:
    flaky = Events(shortages=(Shortage(pool="cpu", start=0.0, end=1e9, probability=0.7),))
    waits = []
    for asked in (3600.0 * hour for hour in range(1, 400)):
        one = cluster(events=flaky)
        one.start({})
        one.move(asked)
        one.scale({"cpu": 1}, asked)
        before = asked
        while one.seen(before)["cpu"].pending:
            before = one.next_change(before)
            one.move(before)
        waits.append(before - asked)
    other = cluster(events=flaky)
    other.start({"cpu": 5})
    other.scale({"cpu": 6}, 3600.0)

    assert set(np.array(waits) % 60.0) == {0.0}
    # Failures before the first success are geometric: 0.7 / 0.3 minutes on average.
    assert np.mean(waits) == pytest.approx(60 * 0.7 / 0.3, rel=0.2)
    assert bool(other.seen(3600.0)["cpu"].pending) == (waits[0] > 0)


def test_nodes_that_are_taken_back_drain_within_the_notice_and_are_asked_for_anew() -> None:
    spot = cluster(events=Events(reclaims=(Reclaim(pool="cpu", at=100.0, share=0.5, notice_seconds=5.0),)))
    spot.start({"cpu": 4})
    spot.fleet.advance(np.linspace(99.0, 100.0, 2000), 100.0)  # more than they finish in five seconds
    spot.move(100.0)

    assert spot.wanted["cpu"] == 4
    assert (spot.seen(99.0)["gpu"].taken_back_at, spot.seen(100.0)["cpu"].taken_back_at) == (None, 100.0)
    assert (spot.seen(100.0)["cpu"].ready, spot.seen(100.0)["cpu"].starting) == (2, 2)
    assert spot.price_per_hour == pytest.approx(0.20 * 6)
    lost = spot.move(105.0)
    assert sum(len(outcomes) for outcomes in lost) > 500
    assert spot.price_per_hour == pytest.approx(0.20 * 4)
    spot.move(120.0)
    assert spot.ready["cpu"] == 4


def test_a_node_that_goes_without_notice_takes_with_it_what_its_replicas_had() -> None:
    gone = cluster(events=Events(reclaims=(Reclaim(pool="cpu", at=50.0, count=9),)))
    gone.start({"cpu": 1})
    gone.fleet.advance(np.linspace(0.0, 49.9, 4000), 50.0)
    lost = gone.move(50.0)

    assert sum(len(outcomes) for outcomes in lost) > 900
    assert gone.price_per_hour == pytest.approx(0.20)  # only the new one


def test_a_pool_has_no_more_nodes_than_there_is_room_for() -> None:
    tight = cluster(events=Events(rooms=(Room(pool="cpu", at=100.0, count=1), Room(pool="cpu", at=400.0, count=9))))
    tight.start({"cpu": 3})
    moved(tight, 300.0)
    assert (tight.seen(300.0)["cpu"].ready, tight.seen(300.0)["cpu"].pending) == (1, 2)
    moved(tight, 420.0)
    assert tight.seen(420.0)["cpu"].ready == 3


def test_the_bill_follows_the_price_of_each_moment() -> None:
    changes = (
        PriceChange(pool="cpu", at=3600.0, price_per_node_hour=0.50),
        PriceChange(pool="gpu", at=10.0, price_per_node_hour=9.0),
    )
    dear = cluster(events=Events(prices=changes))
    dear.start({"cpu": 1})
    assert (dear.price_per_hour, dear.prices) == (0.20, {"cpu": 0.20, "gpu": 0.80})
    moved(dear, 5400.0)

    assert dear.prices == {"cpu": 0.50, "gpu": 9.0}
    assert dear.cost(5400.0) == pytest.approx(0.20 + 0.50 / 2)


def test_a_node_that_goes_takes_no_new_replica_though_there_is_room_on_it() -> None:
    half = build.variant("cpu", requests=Resources(cpu_cores=4, memory_bytes=GI))
    going = Events(reclaims=(Reclaim(pool="cpu", at=100.0, count=1, notice_seconds=600.0),))
    shared = cluster(build.service(variants=(half,)), build.pools("cpu"), events=going, drain_seconds=900.0)
    shared.start({"cpu": 1})
    shared.fleet.advance(np.linspace(99.0, 100.0, 900), 100.0)
    shared.move(100.0)

    assert shared.price_per_hour == pytest.approx(0.40)  # the one that goes, and another for the replica in its place
    assert shared.seen(100.0)["cpu"].starting == 1
