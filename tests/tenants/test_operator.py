"""The real operator, under its own account, among tenants who mean harm: what it writes, whom it asks, and what."""

import copy
import http.server
import json
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from cli.prometheus import Pod, Prometheus, prometheus
from e2e.world import free_port
from tenants.town import Town, adopting, templated, variants
from waiting import until
from wire import compute_pool

from tightrope.lab.lab import CRDS

pytestmark = pytest.mark.lab

ACCOUNT = "system:serviceaccount:tightrope-system:tightrope"
RATE = 777.25


@dataclass
class Operator:
    """It runs; `prometheus` is what it asks, `canary` what it must not, with the requests that came there."""

    town: Town
    prometheus: Prometheus
    canary: str
    heard: list[str]

    def condition(self, namespace: str, name: str, kind: str) -> dict[str, Any]:
        found = json.loads(self.town.lab.kubectl("get", "infd", name, "-n", namespace, "-o", "json").stdout)
        conditions = found.get("status", {}).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def judged(self, namespace: str, name: str) -> None:
        """Wait until it has said what it makes of a service."""
        until(lambda: self.condition(namespace, name, "Ready"), seconds=60, what=f"the operator judges {name}")

    def writes(self) -> list[dict[str, Any]]:
        whole, _, _ = self.town.lab.audit_log.read_text().rpartition("\n")
        entries = map(json.loads, whole.splitlines())
        return [entry["objectRef"] for entry in entries if entry["user"]["username"] == ACCOUNT]


@pytest.fixture(scope="module")
def operator(town: Town) -> Iterator[Operator]:
    heard: list[str] = []

    class Canary(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(f"{self.path} {self.headers}")
            self.send_error(404)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None: ...

    canary = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Canary)
    threading.Thread(target=canary.serve_forever, daemon=True).start()
    for pool in ("cpu", "gpu"):
        town.apply(compute_pool(pool))
    with prometheus() as asked:
        arguments = ["--prometheus-url", asked.url, "--tick-seconds", "1", "--metrics-port", str(free_port())]
        arguments += ["--reconcile-seconds", "5", "--leader-election", "off"]
        process = town.lab.spawn(
            "operator",
            [sys.executable, "-m", "tightrope.cli", "run", *arguments],
            env={"KUBECONFIG": str(town.lab.operator_kubeconfig()), "PYTHONPATH": str(CRDS.parent / "operator")},
        )
        yield Operator(town, asked, f"http://127.0.0.1:{canary.server_port}", heard)
        process.stop(5)
    canary.shutdown()
    canary.server_close()


def workload(town: Town, namespace: str, name: str = "legacy") -> None:
    pod = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "server", "image": "example/server:1"}]},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": pod}
    metadata = {"name": name, "namespace": namespace}
    town.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})


def replicas(town: Town, namespace: str, name: str = "legacy") -> int:
    return int(town.lab.api().get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")["spec"]["replicas"])


def test_whatever_a_tenant_writes_is_acted_on_in_that_namespace_alone(
    town: Town, operator: Operator, namespace: str
) -> None:
    victim = town.namespace()
    workload(town, victim)
    admin = town.admin(namespace)
    elsewhere = copy.deepcopy(adopting("elsewhere"))
    elsewhere["spec"]["variants"][0]["scaleTargetRef"]["namespace"] = victim
    everywhere = templated("everywhere") | {"metadata": {"name": "everywhere", "annotations": {"namespace": victim}}}
    everywhere["spec"] = {**everywhere["spec"], "targetNamespace": victim, "replicas": {"min": 3, "max": 9}}
    for manifest in (elsewhere, everywhere, templated("plain")):
        assert admin.create(manifest, "--validate=false").returncode == 0
    for name in ("elsewhere", "everywhere", "plain"):
        operator.judged(namespace, name)
    until(lambda: town.exists(namespace, "deployment", "everywhere-cpu"), seconds=30, what="its own Deployment is made")
    assert operator.condition(namespace, "elsewhere", "TargetFound")["reason"] == "TargetNotFound"
    written = operator.writes()
    assert {ref["resource"] for ref in written if not ref.get("namespace")} <= {"computepools"}
    assert namespace in {ref.get("namespace") for ref in written}
    assert victim not in {ref.get("namespace") for ref in written}
    assert replicas(town, victim) == 2


def test_somebody_elses_objects_of_the_same_name_are_left_alone(town: Town, operator: Operator, namespace: str) -> None:
    workload(town, namespace, "mine-cpu")
    before = town.lab.api().get(f"/apis/apps/v1/namespaces/{namespace}/deployments/mine-cpu")["spec"]
    assert town.admin(namespace).create(templated("mine")).returncode == 0
    until(lambda: operator.condition(namespace, "mine", "NameTaken"), seconds=60, what="the name is taken")
    assert town.lab.api().get(f"/apis/apps/v1/namespaces/{namespace}/deployments/mine-cpu")["spec"] == before


def test_the_queries_hold_nothing_of_a_tenant_and_are_no_more_for_more_tenants(
    town: Town, operator: Operator, namespace: str
) -> None:
    assert town.admin(namespace).create(templated("alice")).returncode == 0
    operator.judged(namespace, "alice")
    asked = now_asked(operator.prometheus)
    assert asked
    hostile = templated("mallory")
    hostile["metadata"]["annotations"] = {"tightrope.dev/query": 'vector(1e9)"} or up #', "q": "x&query=vector(1e9)"}
    hostile["spec"] = {**hostile["spec"], "metrics": {"preset": "generic", "query": "vector(1e9)"}}
    assert town.admin(namespace).create(hostile, "--validate=false").returncode == 0
    operator.judged(namespace, "mallory")
    assert now_asked(operator.prometheus) == asked
    # The past of a service is asked for by its namespace and the names of its workloads, in quotes, and nothing else.
    own = re.compile(r'namespace="[a-z0-9-]+", pod=~"(?:[^"\\]|\\.)*"')
    past = {own.sub("", query) for query in operator.prometheus.ranged}
    assert not [query for query in asked | past if namespace in query or "mallory" in query or "1e9" in query]


def now_asked(prometheus: Prometheus) -> set[str]:
    """What a tick asks, beside what is asked of the past."""
    return set(prometheus.queries) - set(prometheus.ranged)


def test_another_tenants_figures_do_not_show_under_the_same_name(
    town: Town, operator: Operator, namespace: str
) -> None:
    victim = town.namespace()
    operator.prometheus.pods[victim, "twin-cpu-5d4f8c7b9-abcde"] = Pod(rate=RATE)
    assert town.admin(namespace).create(templated("twin")).returncode == 0
    operator.judged(namespace, "twin")
    status = json.loads(town.lab.kubectl("get", "infd", "twin", "-n", namespace, "-o", "json").stdout)["status"]
    assert "777" not in json.dumps(status)
    assert operator.condition(namespace, "twin", "MetricsHealthy")["status"] != "True"


def test_nothing_that_a_tenant_writes_makes_the_operator_call_there(
    town: Town, operator: Operator, namespace: str
) -> None:
    manifest = copy.deepcopy(templated("caller"))
    manifest["metadata"]["annotations"] = {
        "prometheus.io/url": operator.canary,
        "tightrope.dev/prometheus-url": operator.canary,
    }
    manifest["spec"] |= {
        "prometheus": {"url": operator.canary},
        "metrics": {"preset": "generic", "url": operator.canary},
    }
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "PROMETHEUS_URL", "value": operator.canary}]
    assert town.admin(namespace).create(manifest, "--validate=false").returncode == 0
    operator.judged(namespace, "caller")
    until(lambda: town.exists(namespace, "deployment", "caller-cpu"), seconds=30, what="it is acted on")
    assert operator.heard == []


def test_a_pool_closed_to_the_namespace_is_not_used_by_what_was_admitted_before(
    town: Town, operator: Operator, namespace: str
) -> None:
    town.apply(compute_pool("short-lived"))
    until(lambda: town.exists(namespace, "computepool", "short-lived"), seconds=10, what="the pool is there")
    closed = compute_pool("short-lived", allowedNamespaces={"matchLabels": {"team": "nobody"}})
    admin = town.admin(namespace)
    paused = templated("late", variants=[{"name": "a", "pool": "short-lived"}], mode="Paused")
    assert admin.create(paused).returncode == 0
    operator.judged(namespace, "late")
    town.apply(closed)
    until(
        lambda: operator.condition(namespace, "late", "SpecValid").get("reason") == "PoolNotAllowed",
        seconds=30, what="the pool is closed",
    )  # fmt: skip
    assert admin.merge("late", {"spec": {"mode": "Auto"}}).returncode == 0, "it may be edited"
    path = f"/apis/tightrope.dev/v1alpha1/namespaces/{namespace}/inferencedeployments/late"
    generation = town.lab.api().get(path)["metadata"]["generation"]
    until(
        lambda: operator.condition(namespace, "late", "SpecValid").get("observedGeneration") == generation,
        seconds=30, what="the operator has seen that it is to act",
    )  # fmt: skip
    assert not town.exists(namespace, "deployment", "late-a")


def test_a_pool_for_others_is_not_named_to_those_who_guess(town: Town, operator: Operator, namespace: str) -> None:
    town.apply(compute_pool("private", allowedNamespaces={"matchLabels": {"team": "nobody"}}))
    assert town.admin(namespace).create(templated("guess", variants=variants("nowhere"))).returncode == 0
    until(lambda: operator.condition(namespace, "guess", "SpecValid"), seconds=60, what="the guess is judged")
    message = operator.condition(namespace, "guess", "SpecValid")["message"]
    assert "is not a ComputePool" in message and "private" not in message
