"""The emulator as a process: what it answers over HTTP, what it reads from the cluster, and on a real API server."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp.test_utils import TestClient, TestServer

from tightrope.lab.emulation_cluster import PODS, SLICES, ClusterView, PodName, connector, read_pod
from tightrope.lab.emulator import Emulator
from tightrope.lab.errors import LabError
from tightrope.lab.lab import Lab
from tightrope.lab.nodes import NodePool

BEGAN = 1_800_000_000.0
EMULATOR = [sys.executable, "-m", "tightrope.lab.emulator"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "operator")}
SERVICE = {
    "traffic": {"curve": [[0, 50]]},
    "servers": {"*": {"base_seconds": 0.02}},
    "threshold_seconds": 0.3,
}


def raw_pod(name: str = "a", *, uid: str = "u1", phase: str = "Running", **over: Any) -> dict[str, Any]:
    container = {"name": "server", "resources": {"requests": {"cpu": "1500m", "nvidia.com/gpu": "1"}}}
    return {
        "metadata": {"namespace": "nlp", "name": name, "uid": uid, "labels": {"tightrope.dev/variant": "gpu"}, **over},
        "spec": {"nodeName": "n1", "containers": [container, {"name": "log", "resources": {}}]},
        "status": {"phase": phase},
    }


def raw_slice(uid: str, *endpoints: tuple[str, dict[str, bool]], service: str = "sentiment") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "nlp", "uid": uid, "labels": {"kubernetes.io/service-name": service}},
        "endpoints": [
            {"targetRef": {"kind": "Pod", "name": name}, "conditions": conditions} for name, conditions in endpoints
        ],
    }


# The cluster as it is watched


def test_a_pod_is_read_with_what_its_containers_request() -> None:
    pod = read_pod(raw_pod())
    assert pod is not None
    assert (pod.node, pod.variant, pod.cpu_cores, pod.accelerators, pod.terminating) == ("n1", "gpu", 1.5, 1, False)


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_a_pod_whose_containers_do_not_run_is_not_emulated(phase: str) -> None:
    assert read_pod(raw_pod(phase=phase)) is None


def test_the_view_follows_pods_as_they_come_change_and_go() -> None:
    view, name = ClusterView(), PodName("nlp", "a")
    pending, running = raw_pod(phase="Pending"), raw_pod()
    view.changed(PODS, None, pending, 0.0)
    assert view.snapshot().pods == {}
    view.changed(PODS, pending, running, 0.0)
    assert name in view.snapshot().pods
    view.changed(PODS, running, raw_pod(deletionTimestamp="2026-01-01T00:00:00Z"), 0.0)
    assert view.snapshot().pods[name].terminating
    view.changed(PODS, running, raw_pod(phase="Failed"), 0.0)
    assert view.snapshot().pods == {}
    assert view.version == 4


def test_the_late_end_of_a_pod_does_not_take_its_successor_of_the_same_name_away() -> None:
    view = ClusterView()
    view.changed(PODS, None, raw_pod(uid="new"), 0.0)
    view.changed(PODS, raw_pod(uid="old"), None, 0.0)
    assert view.snapshot().pods[PodName("nlp", "a")].uid == "new"


def test_the_endpoints_of_a_service_are_those_of_all_its_slices() -> None:
    view = ClusterView()
    one = raw_slice("1", ("a", {"ready": True}), ("b", {"ready": False}))
    view.changed(SLICES, None, one, 0.0)
    view.changed(SLICES, None, raw_slice("2", ("c", {"ready": True, "terminating": True}), ("d", {})), 0.0)
    view.changed(SLICES, None, raw_slice("3", ("e", {"ready": True}), service="other"), 0.0)
    endpoints = view.snapshot().endpoints
    assert {pod.name: ready for pod, ready in endpoints["nlp/sentiment"].items()} == {
        "a": True, "b": False, "c": False, "d": True,
    }  # fmt: skip
    view.changed(SLICES, one, None, 0.0)
    assert {pod.name for pod in view.snapshot().endpoints["nlp/sentiment"]} == {"c", "d"}


def test_a_kubeconfig_that_cannot_be_used_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"nowhere: No such file or directory: write the path of a kubeconfig"):
        connector(tmp_path / "nowhere")
    path = tmp_path / "config"
    path.write_text(json.dumps({"contexts": [], "current-context": "x"}))
    with pytest.raises(LabError, match="write one whose current context has a server"):
        connector(path)


# HTTP, with the clock in the test's hand


class Clock:
    now = BEGAN

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def view() -> ClusterView:
    view = ClusterView()
    view.changed(PODS, None, raw_pod(), 0.0)
    view.changed(SLICES, None, raw_slice("1", ("a", {"ready": True})), 0.0)
    return view


@pytest.fixture
async def client(clock: Clock, view: ClusterView) -> AsyncIterator[Any]:
    async with TestClient(TestServer(Emulator(view, clock).app())) as client:
        yield client


async def test_what_happened_can_be_read_from_every_side(client: Any, clock: Clock) -> None:
    assert (await client.get("/healthz")).status == 200
    assert (await client.put("/services", json={"nlp/sentiment": SERVICE})).status == 200
    await client.get("/sd")
    clock.now += 10.0
    (target,) = await (await client.get("/sd")).json()
    scraped = await client.get(target["labels"]["__metrics_path__"])
    assert scraped.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'http_requests_total{code="200"}' in await scraped.text()
    assert "DCGM_FI_DEV_GPU_UTIL{" in await (await client.get("/node-metrics")).text()
    truth = (await (await client.get(f"/truth?since={BEGAN + 8}")).json())["nlp/sentiment"]
    assert [row["at"] for row in truth["seconds"]] == [BEGAN + 8, BEGAN + 9]
    assert truth["totals"]["arrivals"] > 300


async def test_discovery_forgets_a_pod_as_soon_as_the_watch_does(client: Any, view: ClusterView) -> None:
    await client.put("/services", json={"nlp/sentiment": SERVICE})
    assert len(await (await client.get("/sd")).json()) == 1
    view.changed(PODS, raw_pod(), None, 0.0)
    assert await (await client.get("/sd")).json() == []
    assert (await client.get("/metrics/nlp/a")).status == 404


async def test_a_silent_pod_answers_503(client: Any) -> None:
    await client.put("/services", json={"nlp/sentiment": SERVICE})
    await client.get("/sd")
    assert (await client.put("/faults", json={"silent": ["nlp/*"]})).status == 200
    assert (await client.get("/metrics/nlp/a")).status == 503
    await client.put("/faults", json={})
    assert (await client.get("/metrics/nlp/a")).status == 200


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/services", b"{", "the body is not JSON"),
        ("/services", b'{"nlp/x": {}}', "nlp/x.traffic is missing: add it."),
        ("/faults", b'{"silence": []}', "write lists of namespace/pod patterns"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_words(client: Any, path: str, body: bytes, sentence: str) -> None:
    answer = await client.put(path, data=body)
    assert answer.status == 400
    assert sentence in await answer.text()


async def test_a_time_that_is_none_is_refused(client: Any) -> None:
    answer = await client.get("/truth?since=noon")
    assert answer.status == 400
    assert "since is 'noon': write unix seconds" in await answer.text()


# The process


def test_a_listen_address_without_a_port_is_refused() -> None:
    ran = subprocess.run(
        [*EMULATOR, "--kubeconfig", "x", "--listen", "localhost"],
        capture_output=True, text=True, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert "--listen is 'localhost': write HOST:PORT" in ran.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_goes_on_without_an_api_server_and_ends_cleanly_on_a_signal(tmp_path: Path, how: signal.Signals) -> None:
    announce, kubeconfig = tmp_path / "url", tmp_path / "kubeconfig"
    server = {"server": "https://127.0.0.1:1", "certificate-authority-data": base64.b64encode(b"none").decode()}
    document = {
        "clusters": [{"name": "lab", "cluster": server}],
        "users": [{"name": "lab", "user": {"token": "t"}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        "current-context": "lab",
    }
    kubeconfig.write_text(json.dumps(document))
    argv = [*EMULATOR, "--kubeconfig", str(kubeconfig), "--announce", str(announce)]
    with subprocess.Popen(argv, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(announce.exists, seconds=20)
            url = announce.read_text().strip()
            assert requests.get(f"{url}/healthz", timeout=5).text == "ok\n"
            process.send_signal(how)
            assert process.wait(5) == 0
        finally:
            process.kill()
        assert "Traceback" not in (process.stderr.read() if process.stderr else "")


def wait_for(probe: Callable[[], Any], *, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"{probe} stayed {found!r} for {seconds} s"
        time.sleep(0.05)
    return found


# On a real API server

MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: nlp}
---
apiVersion: v1
kind: Service
metadata: {name: sentiment, namespace: nlp}
spec: {selector: {app: sentiment}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: sentiment-cpu, namespace: nlp}
spec:
  replicas: 2
  selector: {matchLabels: {app: sentiment}}
  template:
    metadata:
      labels: {app: sentiment, tightrope.dev/variant: cpu}
      annotations: {lab.tightrope.dev/ready-after: 1s}
    spec:
      containers: [{name: server, image: registry.example/s:1, resources: {requests: {cpu: 500m}}}]
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    pools = [NodePool(name="cpu", initial_nodes=1, max_nodes=1, provision_seconds=1, idle_seconds=100)]
    with Lab.start(pools=pools, scrape_seconds=1.0) as lab:
        yield lab


@pytest.mark.lab
def test_real_pods_are_served_counted_by_prometheus_and_followed_through_an_api_server_restart(lab: Lab) -> None:
    announce = lab.directory / "url"
    argv = [*EMULATOR, "--kubeconfig", str(lab.kubeconfig), "--announce", str(announce)]
    program = lab.spawn("emulated", argv)
    wait_for(announce.exists, seconds=20)
    url = announce.read_text().strip()
    lab.scrape_targets(url)
    assert lab.kubectl("apply", "-f", "-", input=MANIFEST).returncode == 0
    requests.put(f"{url}/services", json={"nlp/sentiment": SERVICE}, timeout=5).raise_for_status()

    def rows() -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = requests.get(f"{url}/truth", timeout=5).json()["nlp/sentiment"]["seconds"]
        return seen

    def targets() -> int:
        return len(requests.get(f"{url}/sd", timeout=5).json())

    def rate() -> float:
        found = lab.query('sum(rate(http_requests_total{namespace="nlp"}[5s]))')
        return float(found[0]["value"][1]) if found else 0.0

    wait_for(lambda: (seen := rows()) and seen[-1]["ready"] == {"cpu": 2} and seen[-1]["finished"] > 0, seconds=30)
    wait_for(lambda: 35 < rate() < 65, seconds=30)
    lab.restart_api_server()
    assert lab.kubectl("scale", "deployment/sentiment-cpu", "-n", "nlp", "--replicas=1").returncode == 0
    wait_for(lambda: targets() == 1, seconds=30)
    wait_for(lambda: rows()[-1]["ready"] == {"cpu": 1}, seconds=10)
    program.terminate()
    wait_for(lambda: program.poll() is not None, seconds=10)
    assert program.poll() == 0
