"""Replicas, nodes and the bill."""

import build
import numpy as np
import pytest

from tightrope.domain.spec import Resources
from tightrope.replay.assumptions import Assumptions
from tightrope.replay.cluster import Cluster
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
