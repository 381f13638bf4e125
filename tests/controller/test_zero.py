"""To zero and back with the whole controller: what a team with `replicas.min: 0` would see happen."""

import wire
from operation import Operation, operation

from tightrope.ports import ServiceName

KEY = ServiceName("nlp", "sentiment")


def sleeper(*, gateway: float | None, demand: float = 10.0) -> Operation:
    """One CPU service that may rest after a minute; with a gateway that counts so much, or none."""
    spec = wire.inference_deployment(
        replicas={"min": 0, "max": 8},
        variants=[wire.variant("cpu")],
        behavior={"descent": {"idleWindow": "1m"}},
    )
    op = operation(wire.compute_pool("cpu"), spec, sentiment=demand)
    op.metrics.gateway = None if gateway is None else {KEY: gateway}
    return op


async def test_an_idle_service_rests_and_the_first_request_brings_it_back_at_the_next_tick() -> None:
    op = sleeper(gateway=10.0)
    await op.tick(10)
    assert op.cluster.replicas() == {"sentiment-cpu": 1}
    op.demand["sentiment"], op.metrics.gateway[KEY] = 0.0, 0.0
    await op.tick(20)
    assert op.cluster.replicas() == {"sentiment-cpu": 0}
    status = op.cluster.get("InferenceDeployment", "sentiment")["status"]
    assert status["decision"]["reason"] == "Idle"
    assert op.condition("Ready")["status"] == "True" and op.reason("MetricsHealthy") == "Complete"
    op.start()
    op.writes()
    await op.tick(10)
    assert op.cluster.replicas() == {"sentiment-cpu": 0}, "a restart wakes nobody"
    assert not [write for write in op.writes() if write[0] == "scale"]
    op.demand["sentiment"], op.metrics.gateway[KEY] = 5.0, 1 / 60
    await op.tick()
    assert op.cluster.replicas() == {"sentiment-cpu": 1}
    assert op.cluster.get("InferenceDeployment", "sentiment")["status"]["decision"]["reason"] == "FromZero"


async def test_without_a_gateway_one_replica_stays_and_the_decision_says_what_is_missing() -> None:
    op = sleeper(gateway=None)
    await op.tick(10)
    op.demand["sentiment"] = 0.0
    await op.tick(30)
    assert op.cluster.replicas() == {"sentiment-cpu": 1}
    decision = op.cluster.get("InferenceDeployment", "sentiment")["status"]["decision"]
    assert decision["reason"] == "HoldAwake"
    assert "--gateway-requests-total" in decision["message"]


async def test_a_gateway_that_never_saw_the_service_is_no_zero() -> None:
    op = sleeper(gateway=None)
    op.metrics.gateway = {ServiceName("nlp", "ads"): 0.0, ServiceName("vision", "sentiment"): 0.0}
    op.demand["sentiment"] = 0.0
    await op.tick(30)
    assert op.cluster.replicas() == {"sentiment-cpu": 1}
    decision = op.cluster.get("InferenceDeployment", "sentiment")["status"]["decision"]
    assert "metric gateway_requests_total has no series for nlp/sentiment" in decision["message"]


async def test_a_prometheus_that_stays_away_brings_a_replica_back() -> None:
    op = sleeper(gateway=0.0, demand=0.0)
    await op.tick(20)
    assert op.cluster.replicas() == {"sentiment-cpu": 0}
    op.metrics.down = "Prometheus at http://p did not answer in time"
    await op.tick(2)
    assert op.cluster.replicas() == {"sentiment-cpu": 0}
    await op.tick(6)
    assert op.cluster.replicas() == {"sentiment-cpu": 1}
