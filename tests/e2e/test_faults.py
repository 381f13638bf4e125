"""Faults on a real control plane: the operator killed, Prometheus gone, other writers, full pools, quotas."""

import random
import threading
import time

import pytest
import yaml
from e2e.killing_proxy import KillingProxy
from e2e.world import TICK, World, free_port, only, ready, running, service_manifest, stays, total, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

CPU_ONLY = service_manifest("x")["spec"]["variants"][:1]


def capacity_watch(world: World, namespace: str, need: float, broken: list[str], done: threading.Event) -> None:
    """Notes every moment at which the ready pods behind an even split carry less than `need`."""
    true = {"cpu": 34.6, "gpu": 330.0}
    while not done.is_set():
        fleet = {name: got for name, (_, got) in world.fleet(namespace).items() if got > 0}
        carries = sum(fleet.values()) * min((true[name] for name in fleet), default=0.0)
        if carries < need:
            broken.append(f"{fleet} carries {carries:.0f}/s of {need:.0f}/s")
        done.wait(0.2)


class Watched:
    """Inside, ready capacity is watched; at the end it must never have been under what demand needed."""

    def __init__(self, world: World, namespace: str, need: float) -> None:
        self.broken: list[str] = []
        self._done = threading.Event()
        self._thread = threading.Thread(
            target=capacity_watch, args=(world, namespace, need, self.broken, self._done), daemon=True
        )

    def __enter__(self) -> "Watched":
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._done.set()
        self._thread.join(10)
        if kind is None:
            assert not self.broken, self.broken[:3]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"silent": ["{ns}/*"]}, "no series"),
        ({"nan": ["{ns}/*"]}, ""),
        ({"rename": {"{ns}/*": True}}, "no series"),
    ],
    ids=["a silent target", "not a number", "a metric renamed"],
)
def test_missing_metrics_hold_the_fleet_and_are_named(world: World, namespace: str, fault: dict, words: str) -> None:
    running(world, namespace, 100.0, variants=CPU_ONLY)
    wait_for(lambda: total(world, namespace) >= 3 and ready(world, namespace), seconds=60, what="a fleet for 100/s")
    # Pods that have just become ready are a reason of their own not to know.
    settled(world, namespace)
    wait_for(
        lambda: world.condition(namespace, "MetricsHealthy").get("status") == "True" and ready(world, namespace),
        seconds=60,
        what="every pod to be measured",
    )
    before = total(world, namespace)

    world.fault(**yaml.safe_load(yaml.safe_dump(fault).replace("{ns}", namespace)))
    world.traffic(namespace, 5.0)
    condition = wait_for(
        lambda: (c := world.condition(namespace, "MetricsHealthy")).get("status") == "False" and c,
        seconds=40,
        what="MetricsHealthy=False",
    )
    assert words in condition["message"]
    stays(lambda: total(world, namespace) >= before, seconds=10 * TICK, what="a descent while data was missing")

    world.fault()
    descends(world, namespace)


def test_prometheus_stopped_holds_the_fleet_and_a_re_entry_window_follows(world: World, namespace: str) -> None:
    running(world, namespace, 100.0, variants=CPU_ONLY)
    wait_for(lambda: total(world, namespace) >= 3 and ready(world, namespace), seconds=60, what="a fleet for 100/s")
    before = total(world, namespace)
    world.lab.stop_prometheus()
    try:
        world.traffic(namespace, 5.0)
        stays(lambda: total(world, namespace) >= before, seconds=10 * TICK, what="a descent without Prometheus")
        condition = world.condition(namespace, "MetricsHealthy")
        assert condition["status"] == "False" and "Prometheus" in condition["message"]
    finally:
        world.lab.start_prometheus()
    stays(lambda: total(world, namespace) >= before, seconds=3 * TICK, what="a descent before the re-entry window")
    descends(world, namespace)


def descends(world: World, namespace: str) -> None:
    """Once data is whole again, the fleet descends as it would have. How soon is up to the rule that is followed: one
    that looks back for five minutes still has the burst in sight that overran the service in its first seconds."""
    wait_for(lambda: total(world, namespace) == 1, seconds=420, what="the fleet for 5/s after data returned")


def settled(world: World, namespace: str) -> int:
    """The number of replicas once it has not moved for ten ticks."""

    def steady() -> int:
        count, until = total(world, namespace), time.monotonic() + 10 * TICK
        while time.monotonic() < until:
            if total(world, namespace) != count:
                return 0
            time.sleep(0.5)
        return count

    return wait_for(steady, seconds=120, what="the fleet to settle")


def test_counters_that_begin_again_change_nothing(world: World, namespace: str) -> None:
    running(world, namespace, 60.0, variants=CPU_ONLY)
    before = settled(world, namespace)
    world.fault(reset=[f"{namespace}/*"])

    stays(lambda: before <= total(world, namespace) <= before + 1, seconds=8 * TICK, what="a reset read as demand")


def test_a_kill_at_any_write_ends_the_same(world: World, namespace: str) -> None:
    """The operator dies before and after each of its first writes of a whole life: create, grow, switch."""
    world.kill_operator()
    proxy = KillingProxy(upstream=world.lab.api_url, ca_file=world.lab.ca_file, port=free_port())
    with proxy:
        for index, (countdown, before) in enumerate((k, b) for k in (1, 2, 3, 4, 5, 6) for b in (True, False)):
            name = f"svc-{index}"
            world.start_operator(api_url=proxy.url)
            proxy.arm(countdown, before=before, kill=world.operator.kill)
            manifest = service_manifest(namespace, name, variants=CPU_ONLY)
            manifest["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "100m"
            world.apply(manifest)
            if not proxy.killed.wait(25):
                world.kill_operator()
            wait_for(lambda: world.operator.poll() is not None, seconds=10, what="the kill")
            world.start_operator(api_url=proxy.url)
            wait_for(
                lambda name=name: world.fleet(namespace, name) == {"cpu": (1, 1)},
                seconds=60,
                what=f"{name} to converge",
            )
            world.kill_operator()
    world.start_operator()
    expected = {f"svc-{i}-cpu" for i in range(12)}
    assert {d["metadata"]["name"] for d in world.get("deployments", namespace)} == expected
    for kind in ("services", "poddisruptionbudgets", "pods"):
        wait_for(lambda kind=kind: len(world.get(kind, namespace)) == 12, seconds=30, what=f"twelve {kind}")


def test_ten_kills_during_a_switch_lose_no_capacity(world: World, namespace: str) -> None:
    running(world, namespace, 20.0)
    world.traffic(namespace, 90.0)
    wait_for(lambda: total(world, namespace) >= 3 and ready(world, namespace), seconds=60, what="a CPU fleet for 90/s")
    chance = random.Random(7)

    with Watched(world, namespace, 90.0):
        for _ in range(10):
            time.sleep(chance.uniform(0.3, 3.0))
            world.kill_operator()
            world.start_operator()
        # Five CPU replicas at the least (1.00/h) against one on the GPU (0.80/h), however much is learned meanwhile.
        world.traffic(namespace, 145.0)
        wait_for(lambda: only(world, namespace, "gpu"), seconds=120, what="the switch to complete")


def test_the_api_server_restarts_under_the_operator(world: World, namespace: str) -> None:
    running(world, namespace, 20.0, variants=CPU_ONLY)
    world.lab.restart_api_server()

    world.traffic(namespace, 120.0)
    wait_for(lambda: total(world, namespace) >= 4, seconds=90, what="a scale-up after the restart")


def test_another_writer_is_named_and_not_fought(world: World, namespace: str) -> None:
    running(world, namespace, 20.0, variants=CPU_ONLY)
    world.kubectl("scale", "deployment", "sentiment-cpu", "-n", namespace, "--replicas=5")
    condition = wait_for(
        lambda: (c := world.condition(namespace, "Conflict")).get("status") == "True" and c,
        seconds=30,
        what="Conflict=True",
    )
    assert "kubectl" in condition["message"] and "tightrope.dev/take-replicas-from" in condition["message"]
    stays(lambda: total(world, namespace) == 5, seconds=8 * TICK, what="a fight over replicas")

    value = condition["message"].split("tightrope.dev/take-replicas-from=")[1].split()[0].strip("'\"`.,;")
    world.kubectl("annotate", "infd", "sentiment", "-n", namespace, f"tightrope.dev/take-replicas-from={value}")
    wait_for(lambda: total(world, namespace) == 1, seconds=60, what="the replicas to be handed back")


def test_a_deployment_that_a_human_deletes_comes_back(world: World, namespace: str) -> None:
    running(world, namespace, 20.0, variants=CPU_ONLY)
    old = world.get("deployment", namespace, "sentiment-cpu")["metadata"]["uid"]
    world.kubectl("delete", "deployment", "sentiment-cpu", "-n", namespace, "--wait=false")

    wait_for(
        lambda: (d := world.get("deployment", namespace, "sentiment-cpu")) and d["metadata"]["uid"] != old,
        seconds=40,
        what="another Deployment",
    )
    wait_for(lambda: ready(world, namespace), seconds=40, what="its pods")


def test_a_pool_without_nodes_is_left_and_tried_again(world: World, namespace: str) -> None:
    running(world, namespace, 20.0)
    world.lab.cloud().set_nodes_left("gpu", 0)
    try:
        # Five CPU replicas at the least (1.00/h) against one on the GPU (0.80/h), however much is learned meanwhile.
        world.traffic(namespace, 145.0)
        wait_for(
            lambda: world.condition(namespace, "CapacityAvailable").get("status") == "False",
            seconds=90,
            what="CapacityAvailable=False",
        )
        with Watched(world, namespace, 138.0):
            wait_for(lambda: only(world, namespace, "cpu"), seconds=60, what="the plan on CPU")
    finally:
        world.lab.cloud().set_nodes_left("gpu", None)
    wait_for(lambda: only(world, namespace, "gpu"), seconds=120, what="another try, with room")


def test_no_switch_while_a_rollout_is_in_flight(world: World, namespace: str) -> None:
    running(world, namespace, 60.0)
    manifest = service_manifest(namespace)
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "registry.example/sentiment:2"
    manifest["spec"]["template"]["metadata"]["annotations"]["lab.tightrope.dev/ready-after"] = "15s"
    world.apply(manifest)
    wait_for(
        lambda: any(
            d["status"].get("updatedReplicas", 0) < d["status"].get("replicas", 0)
            for d in world.get("deployments", namespace)
        ),
        seconds=30,
        what="a rollout",
        every=0.1,
    )
    world.traffic(namespace, 110.0)

    def rolling() -> bool:
        cpu = world.get("deployment", namespace, "sentiment-cpu")
        return cpu["status"].get("updatedReplicas", 0) < cpu["status"].get("replicas", 0)

    while rolling():
        assert world.fleet(namespace).get("gpu", (0, 0))[0] == 0, "a switch began during the rollout"
        time.sleep(0.3)


def test_a_quota_that_refuses_pods_is_a_capacity_failure(world: World, namespace: str) -> None:
    running(world, namespace, 20.0, variants=CPU_ONLY)
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "two-pods", "namespace": namespace},
        "spec": {"hard": {"pods": "2"}},
    }
    world.apply(quota)
    world.traffic(namespace, 120.0)
    condition = wait_for(
        lambda: (c := world.condition(namespace, "CapacityAvailable")).get("status") == "False" and c,
        seconds=60,
        what="CapacityAvailable=False",
    )
    assert "quota" in condition["message"]
    world.kubectl("delete", "resourcequota", "two-pods", "-n", namespace)
    wait_for(
        lambda: total(world, namespace) >= 4 and ready(world, namespace), seconds=90, what="growth without the quota"
    )


def test_a_namespace_being_deleted_gets_no_writes(world: World, namespace: str) -> None:
    other = world.namespace(f"{namespace}-going")
    running(world, other, 20.0, variants=CPU_ONLY)
    world.kubectl("delete", "namespace", other, "--wait=false")
    gone = len(world.writes())
    wait_for(lambda: world.get("namespace", None, other) is None, seconds=60, what="the namespace to go")

    late = [w for w in world.writes(since=gone) if w["objectRef"].get("namespace") == other]
    refused = [w for w in late if w["responseStatus"]["code"] >= 400]
    assert len(refused) <= 1, "it went on trying"


def test_a_name_that_is_taken_is_left_alone(world: World, namespace: str) -> None:
    labels = {"app": "other"}
    world.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "sentiment-cpu", "namespace": namespace},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "c", "image": "registry.example/other:1"}]},
                },
            },
        }
    )
    before = world.get("deployment", namespace, "sentiment-cpu")["metadata"]["generation"]
    world.apply(service_manifest(namespace, variants=CPU_ONLY))
    condition = wait_for(
        lambda: (c := world.condition(namespace, "Ready")).get("reason") == "NameTaken" and c,
        seconds=30,
        what="NameTaken",
    )
    assert "sentiment-cpu" in condition["message"]
    stays(
        lambda: world.get("deployment", namespace, "sentiment-cpu")["metadata"]["generation"] == before,
        seconds=5 * TICK,
        what="a write to somebody else's Deployment",
    )


def test_an_unknown_pool_is_a_condition_and_nothing_else(world: World, namespace: str) -> None:
    variant = {"name": "cpu", "pool": "nowhere", "capacity": {"rate": 34, "at": "300ms"}}
    world.apply(service_manifest(namespace, variants=[variant]))
    condition = wait_for(
        lambda: (c := world.condition(namespace, "Ready")).get("status") == "False" and c,
        seconds=30,
        what="Ready=False",
    )
    assert "nowhere" in condition["message"]
    assert world.get("deployments", namespace) == []


def test_a_crd_updated_under_a_running_operator_loses_nothing(world: World, namespace: str) -> None:
    running(world, namespace, 20.0, variants=CPU_ONLY)
    for crd in ("inferencedeployments.tightrope.dev", "computepools.tightrope.dev"):
        world.kubectl("annotate", "crd", crd, f"example.com/touched={namespace}", "--overwrite")
        patch = '[{"op": "add", "path": "/spec/names/categories", "value": ["all"]}]'
        world.kubectl("patch", "crd", crd, "--type=json", "-p", patch)

    world.traffic(namespace, 120.0)
    wait_for(lambda: total(world, namespace) >= 4, seconds=60, what="a scale-up after the CRD changed")
