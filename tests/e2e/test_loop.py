"""The loop on a real control plane: what a user sees after `kubectl apply`, from the first pod to the last."""

import time
from datetime import datetime

import pytest
from e2e.world import SCRAPE, TICK, World, only, ready, running, service_manifest, stays, total, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def test_a_service_starts_and_shows_itself_in_kubectl_get(world: World, namespace: str) -> None:
    running(world, namespace, 20.0)

    lines = world.kubectl("get", "infd", "-n", namespace).stdout.splitlines()
    assert lines[0].split() == ["NAME", "MODE", "SLO", "ATTAINED", "BUDGET", "READY", "PLAN", "$/H", "AGE"]
    assert "99%" in lines[1] and "cpu:" in lines[1]
    described = world.kubectl("describe", "infd", "-n", namespace).stdout
    assert "Message" in described and "/s" in described


def test_a_step_in_demand_is_answered_within_a_tick_and_a_scrape(world: World, namespace: str) -> None:
    running(world, namespace, 20.0)
    before = total(world, namespace)
    done = len(world.writes())

    world.traffic(namespace, 120.0)
    stepped = time.time()
    write = wait_for(
        lambda: next((w for w in world.writes(since=done) if w["objectRef"].get("subresource") == "scale"), None),
        seconds=30,
        what="the first scale-up",
        every=0.1,
    )
    took = datetime.fromisoformat(write["requestReceivedTimestamp"]).timestamp() - stepped
    # A rate needs one scrape after the step, and the tick that reads it; half a second for the machine's own noise.
    assert took <= TICK + SCRAPE + 0.5
    wait_for(lambda: total(world, namespace) > before, seconds=5, what="more replicas")


def test_demand_moves_the_service_to_the_gpu_pool_from_zero_nodes_and_back(world: World, namespace: str) -> None:
    running(world, namespace, 20.0)
    world.traffic(namespace, 200.0)
    wait_for(lambda: only(world, namespace, "gpu"), seconds=90, what="the GPU variant alone")
    world.traffic(namespace, 15.0)
    wait_for(lambda: only(world, namespace, "cpu"), seconds=120, what="the CPU variant alone")

    history = world.status(namespace)["history"]
    assert history and all(entry["message"].endswith(".") and entry["plan"] for entry in history)


def test_nothing_is_written_at_rest(world: World, namespace: str) -> None:
    world.apply(service_manifest(namespace))
    wait_for(lambda: ready(world, namespace), seconds=60, what="the service to be ready")
    world.traffic(namespace, 0.0)
    wait_for(lambda: world.status(namespace).get("decision"), seconds=30, what="a decision")

    def mine() -> int:
        return sum(1 for write in world.writes() if write["objectRef"].get("namespace") == namespace)

    settled = wait_for(lambda: quiet_for(mine, ticks=5), seconds=60, what="the status to settle")
    stays(lambda: mine() == settled, seconds=20 * TICK, what="a write at rest")


def quiet_for(count, *, ticks: int) -> int:
    """The count if it does not move for so many ticks, else 0."""
    first = count()
    deadline = time.monotonic() + ticks * TICK
    while time.monotonic() < deadline:
        if count() != first:
            return 0
        time.sleep(0.2)
    return first


def test_deleting_the_service_leaves_nothing_of_ours(world: World, namespace: str) -> None:
    running(world, namespace, 20.0)
    world.kubectl("delete", "infd", "sentiment", "-n", namespace, "--timeout=30s")

    def left() -> list[str]:
        kinds = ("deployments", "services", "poddisruptionbudgets", "pods")
        return [f"{kind}/{item['metadata']['name']}" for kind in kinds for item in world.get(kind, namespace)]

    wait_for(lambda: not left(), seconds=60, what="garbage collection to finish")
    stays(lambda: not left(), seconds=4 * TICK, what="something of ours came back")


def test_an_edit_of_the_spec_acts(world: World, namespace: str) -> None:
    running(world, namespace, 20.0)
    patch = '{"spec": {"replicas": {"min": 4}}}'
    world.kubectl("patch", "infd", "sentiment", "-n", namespace, "--type=merge", "-p", patch)

    wait_for(lambda: total(world, namespace) >= 4, seconds=20, what="the new minimum")


def test_two_services_of_one_name_in_two_namespaces_never_mix(world: World, namespace: str) -> None:
    other = world.namespace(f"{namespace}-b")
    world.apply(service_manifest(other))
    running(world, namespace, 100.0, variants=service_manifest("x")["spec"]["variants"][:1])
    world.traffic(other, 5.0)
    wait_for(lambda: ready(world, other) and total(world, namespace) >= 4, seconds=60, what="both services")

    stays(lambda: total(world, other) == 1, seconds=10 * TICK, what="the quiet tenant grew with the loud one")
    world.kubectl("delete", "infd", "--all", "-n", other)


def test_an_existing_deployment_is_scaled_and_its_manifest_never_touched(world: World, namespace: str) -> None:
    labels = {"app": "legacy"}
    pod = service_manifest(namespace)["spec"]["template"]
    pod["metadata"]["labels"] = labels
    pod["spec"]["nodeSelector"] = {"tightrope.dev/pool": "cpu"}
    world.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "legacy", "namespace": namespace},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "sentiment", "namespace": namespace},
            "spec": {"selector": labels, "ports": [{"port": 8000}]},
        },
    )
    before = world.get("deployment", namespace, "legacy")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "legacy"}
    variant = {"name": "cpu", "pool": "cpu", "capacity": {"rate": 34, "at": "300ms"}, "scaleTargetRef": target}
    manifest = service_manifest(namespace, variants=[variant])
    del manifest["spec"]["template"]
    world.apply(manifest)
    world.traffic(namespace, 100.0, **{"*": {"base_seconds": 0.02, "distribution": "exponential"}})

    after = wait_for(
        lambda: (d := world.get("deployment", namespace, "legacy"))["spec"]["replicas"] >= 4 and d,
        seconds=60,
        what="the existing Deployment to grow",
    )
    assert {**before["spec"], "replicas": 0} == {**after["spec"], "replicas": 0}
    assert before["metadata"].get("labels") == after["metadata"].get("labels")
    assert world.get("poddisruptionbudgets", namespace) == [], "its own budget may exist already; two break eviction"
