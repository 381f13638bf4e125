"""The lab itself: real programs, started, used, broken and stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from waiting import processes_with, until

from tightrope.lab import registry
from tightrope.lab.lab import Lab, LabError, NodePool

pytestmark = pytest.mark.lab

OPERATOR_ROOT = Path(registry.__file__).parents[2]
GPUS = NodePool(name="gpu", accelerators=1, initial_nodes=2, max_nodes=4, provision_seconds=1)
CPUS = NodePool(name="cpu", cpu="4", initial_nodes=2, max_nodes=2)
SPOT = NodePool(name="spot", cpu="2", initial_nodes=0, max_nodes=3, provision_seconds=0.5, idle_seconds=1)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(pools=[CPUS, GPUS, SPOT], scrape_seconds=0.5) as lab:
        yield lab


@pytest.fixture
def namespace(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"t{abs(hash(request.node.name)) % 10**8}"
    assert lab.kubectl("create", "namespace", name).returncode == 0
    until(
        lambda: lab.kubectl("get", "-n", name, "serviceaccount/default").returncode == 0,
        seconds=20,
        what=f"namespace {name} takes pods",
    )
    yield name
    lab.kubectl("delete", "namespace", name, "--wait=false")


def taints(lab: Lab, node: str) -> str:
    return lab.kubectl("get", "node", node, "-o", "jsonpath={.spec.taints[*].key}", "--ignore-not-found").stdout


def deploy(
    lab: Lab,
    namespace: str,
    *,
    name: str = "server",
    pool: str = "cpu",
    replicas: int = 1,
    ready_after: str = "1s",
    limits: dict[str, str] | None = None,
    min_ready_seconds: int = 0,
) -> None:
    labels = {"app": name}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "minReadySeconds": min_ready_seconds,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {
                        "lab.tightrope.dev/ready-after": ready_after,
                        "lab.tightrope.dev/drain-for": "100ms",
                    },
                },
                "spec": {
                    "nodeSelector": {"tightrope.dev/pool": pool},
                    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
                    "containers": [{"name": "model", "image": "x", "resources": {"limits": limits or {"cpu": "100m"}}}],
                },
            },
        },
    }
    applied = lab.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    assert applied.returncode == 0, applied.stderr


def pods(lab: Lab, namespace: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(lab.kubectl("get", "pods", "-n", namespace, "-o", "json").stdout)["items"]
    return items


def condition(pod: dict[str, Any], kind: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [c for c in pod["status"].get("conditions", []) if c["type"] == kind]
    return found[0] if found else {"status": "Unknown"}


def ready(lab: Lab, namespace: str) -> int:
    return sum(
        condition(pod, "Ready")["status"] == "True" and "deletionTimestamp" not in pod["metadata"]
        for pod in pods(lab, namespace)
    )


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_deployment_runs_at_once_and_is_ready_after_the_delay_in_its_annotation(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, replicas=2, ready_after="4s")
    until(lambda: ready(lab, namespace) == 2, seconds=30, what="both pods are ready")
    for pod in pods(lab, namespace):
        running = moment(pod["status"]["startTime"])
        assert 3 <= moment(condition(pod, "Ready")["lastTransitionTime"]) - running <= 9
        assert pod["status"]["phase"] == "Running"
        assert pod["status"]["podIP"].startswith("10.244.")
        assert pod["spec"]["nodeName"].startswith("cpu-")


def test_a_running_pod_is_not_ready_while_its_model_loads(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, ready_after="1h")
    until(
        lambda: [pod["status"]["phase"] for pod in pods(lab, namespace)] == ["Running"],
        seconds=20,
        what="the pod is running",
    )
    assert condition(pods(lab, namespace)[0], "Ready")["status"] == "False"


def test_min_ready_seconds_keep_a_ready_pod_from_being_available(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, min_ready_seconds=300)
    until(lambda: ready(lab, namespace) == 1, seconds=20, what="the pod is ready")
    shown = lab.kubectl("get", "deployment/server", "-n", namespace, "-o", "json").stdout
    assert json.loads(shown)["status"].get("availableReplicas", 0) == 0


def test_a_third_pod_finds_no_gpu_until_the_cloud_has_nodes_left(lab: Lab, namespace: str) -> None:
    cloud = lab.cloud()
    cloud.set_nodes_left("gpu", 0)
    deploy(lab, namespace, pool="gpu", replicas=3, limits={"nvidia.com/gpu": "1"})

    def refused() -> list[str]:
        waiting = [condition(pod, "PodScheduled") for pod in pods(lab, namespace)]
        return [c["reason"] for c in waiting if c["status"] == "False"]

    until(lambda: ready(lab, namespace) == 2 and refused() == ["Unschedulable"], seconds=30, what="two of three run")
    assert cloud.nodes("gpu") == ["gpu-1", "gpu-2"]
    cloud.set_nodes_left("gpu", 1)
    until(lambda: ready(lab, namespace) == 3, seconds=30, what="the third pod has its node")
    assert cloud.nodes("gpu") == ["gpu-1", "gpu-2", "gpu-3"]
    assert cloud.nodes_left("gpu") == 0
    cloud.remove_node("gpu-3")


def test_a_pool_at_zero_grows_to_its_maximum_and_empty_nodes_go(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, pool="spot", replicas=8, limits={"cpu": "1"})
    until(lambda: ready(lab, namespace) == 6, seconds=30, what="three nodes hold two pods each")
    assert len(lab.cloud().nodes("spot")) == 3
    lab.kubectl("scale", "deployment/server", "-n", namespace, "--replicas=0")
    until(lambda: lab.cloud().nodes("spot") == [], seconds=30, what="the empty nodes are gone")


def test_an_idle_node_takes_no_more_pods_before_it_goes(lab: Lab) -> None:
    """Else the scheduler may bind a pod to a node that is gone already."""
    node = lab.cloud().add_node("spot")
    until(lambda: "lab.tightrope.dev/leaving" in taints(lab, node), seconds=30, what="the taint")
    until(lambda: node not in lab.cloud().nodes("spot"), seconds=30, what="the empty node is gone")


def test_a_pod_that_came_in_the_last_moment_keeps_its_node(lab: Lab, namespace: str) -> None:
    node = lab.cloud().add_node("spot")
    until(lambda: "lab.tightrope.dev/leaving" in taints(lab, node), seconds=30, what="the taint")
    bound = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "late", "namespace": namespace},
        "spec": {"nodeName": node, "containers": [{"name": "server", "image": "registry.example/server:1"}]},
    }
    assert lab.kubectl("apply", "-f", "-", input=yaml.safe_dump(bound)).returncode == 0
    until(lambda: "lab.tightrope.dev/leaving" not in taints(lab, node), seconds=30, what="the taint to be lifted")
    assert node in lab.cloud().nodes("spot")


def test_a_spot_node_that_is_taken_back_takes_its_pods_along(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, pool="spot", limits={"cpu": "1500m"})
    until(lambda: ready(lab, namespace) == 1, seconds=30, what="the pod runs")
    before = {pod["metadata"]["uid"] for pod in pods(lab, namespace)}
    (taken,) = lab.cloud().take_back("spot")
    until(lambda: ready(lab, namespace) == 1, seconds=30, what="another pod on another node runs")
    (after,) = [pod for pod in pods(lab, namespace) if condition(pod, "Ready")["status"] == "True"]
    assert after["metadata"]["uid"] not in before
    assert after["spec"]["nodeName"] != taken


def test_with_notice_pods_leave_first_and_the_machine_follows(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, pool="spot", limits={"cpu": "1500m"})
    until(lambda: ready(lab, namespace) == 1, seconds=30, what="the pod runs")
    (taken,) = lab.cloud().take_back("spot", notice_seconds=4)
    assert taken in lab.cloud().nodes("spot")
    until(lambda: ready(lab, namespace) == 1, seconds=30, what="the pod runs elsewhere")
    assert pods(lab, namespace)[0]["spec"]["nodeName"] != taken
    until(lambda: taken not in lab.cloud().nodes("spot"), seconds=15, what="the machine is gone")


def test_unknown_pools_and_programs_are_named_with_those_that_exist(lab: Lab) -> None:
    with pytest.raises(LabError, match="pool is 'tpu'; the lab has cpu, gpu, spot"):
        lab.cloud().set_nodes_left("tpu", 1)
    with pytest.raises(LabError, match="program is 'kubelet'; the lab runs etcd, kube-apiserver"):
        lab.program("kubelet")


def test_nodes_and_pods_recover_from_a_flap_without_a_new_time_to_ready(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace, ready_after="5s")
    until(lambda: ready(lab, namespace) == 1, seconds=30, what="the pod is ready")
    (pod,) = pods(lab, namespace)
    lost = json.dumps({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
    for target in (("-n", namespace, f"pod/{name}"), (f"node/{node}",)):
        patched = lab.kubectl("patch", *target, "--subresource=status", "--type=strategic", "-p", lost)
        assert patched.returncode == 0, patched.stderr
    took = until(lambda: ready(lab, namespace) == 1, seconds=20, what="the pod is ready again")
    assert took < 5
    until(
        lambda: (
            condition(json.loads(lab.kubectl("get", "node", node, "-o", "json").stdout), "Ready")["status"] == "True"
        ),
        seconds=10,
        what="the node is ready again",
    )


def test_the_operators_account_may_do_what_it_does_and_nothing_else(lab: Lab) -> None:
    kubeconfig = str(lab.operator_kubeconfig())

    def may(verb: str, resource: str) -> bool:
        kind, _, subresource = resource.partition("/")
        args = ("auth", "can-i", verb, kind, f"--subresource={subresource}", "--all-namespaces")
        return lab.kubectl("--kubeconfig", kubeconfig, *args).stdout.strip() == "yes"

    allowed = [
        *(("patch", f"{kind}.apps/scale") for kind in ("deployments", "statefulsets")),
        *((verb, "deployments.apps") for verb in ("list", "watch", "create", "patch", "delete")),
        *(("watch", resource) for resource in ("pods", "services", "namespaces", "statefulsets.apps")),
        ("create", "events.events.k8s.io"),
    ]
    assert [pair for pair in allowed if not may(*pair)] == []
    forbidden = [
        *((verb, "pods") for verb in ("create", "delete", "patch")),
        *((verb, "statefulsets.apps") for verb in ("create", "patch", "delete")),
        *((verb, "secrets") for verb in ("get", "list")),
        *((verb, "nodes") for verb in ("get", "list")),
        *(("create", resource) for resource in ("serviceaccounts/token", "pods/exec", "pods/eviction")),
        *(("get", resource) for resource in ("deployments.apps", "pods", "inferencedeployments.tightrope.dev")),
        ("delete", "services"),
        ("patch", "namespaces"),
        ("patch", "deployments.apps/status"),
    ]
    assert [pair for pair in forbidden if may(*pair)] == []


def test_kubeconfigs_are_private_and_verify_the_server(lab: Lab) -> None:
    for file in (lab.kubeconfig, lab.operator_kubeconfig()):
        config = yaml.safe_load(file.read_text())
        assert set(config["clusters"][0]["cluster"]) == {"server", "certificate-authority-data"}
        assert file.stat().st_mode & 0o077 == 0


def test_the_audit_log_says_who_wrote_and_leaves_the_labs_own_programs_out(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace)
    until(lambda: ready(lab, namespace) == 1, seconds=30, what="the pod is ready")
    events = [json.loads(line) for line in lab.audit_log.read_text().splitlines()]
    here = [(e["user"]["username"], e["verb"]) for e in events if e["objectRef"].get("namespace") == namespace]
    assert here == [("lab-admin", "create")] or {user for user, _ in here} == {"lab-admin"}
    assert all(event["verb"] not in ("get", "list", "watch") for event in events)


def test_pods_are_still_run_after_the_api_server_was_restarted(lab: Lab, namespace: str) -> None:
    before, url = lab.program("kube-apiserver").pid, lab.api_url
    lab.restart_api_server()
    assert lab.program("kube-apiserver").pid != before
    assert lab.api_url == url
    deploy(lab, namespace, pool="spot", limits={"cpu": "1"})
    until(lambda: ready(lab, namespace) == 1, seconds=60, what="a node is ordered and the pod runs")
    assert lab.dead() == []


class Exporter(BaseHTTPRequestHandler):
    """One pod behind /sd, its metrics, and a node exporter that speaks of it."""

    def do_GET(self) -> None:
        labels = {"namespace": "nlp", "pod": "p-1", "node": "n-1", "__metrics_path__": "/metrics/nlp/p-1"}
        host = f"127.0.0.1:{self.server.server_address[1]}"  # type: ignore[index]
        answers = {
            "/sd": ("application/json", json.dumps([{"targets": [host], "labels": labels}])),
            "/metrics/nlp/p-1": ("text/plain; version=0.0.4", "requests_total 7\n"),
            "/node-metrics": ("text/plain; version=0.0.4", 'gpu_used{namespace="nlp",pod="p-1",instance="n-1"} 3\n'),
        }
        kind, body = answers[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def exporter() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_prometheus_finds_pods_with_their_labels_and_keeps_its_data_over_a_restart(lab: Lab, exporter: str) -> None:
    lab.scrape_targets(exporter)
    until(lambda: lab.query("requests_total"), seconds=20, what="the pod is scraped")
    (found,) = lab.query("requests_total")
    assert {name: found["metric"][name] for name in ("namespace", "pod", "node")} == {
        "namespace": "nlp",
        "pod": "p-1",
        "node": "n-1",
    }
    until(lambda: lab.query('gpu_used{pod="p-1"}'), seconds=20, what="the node's exporter is scraped")
    assert lab.query("gpu_used")[0]["metric"]["instance"] == "n-1"
    # Long enough in the past that only stored samples can answer.
    until(lambda: lab.query("count_over_time(requests_total[1m]) > 3"), seconds=20, what="some history")
    url = lab.prometheus_url
    lab.stop_prometheus()
    with pytest.raises(LabError, match="does not answer"):
        lab.query("up")
    lab.start_prometheus()
    assert lab.prometheus_url == url
    assert lab.query("count_over_time(requests_total[1m]) > 3")


def test_a_frozen_prometheus_answers_again_when_thawed(lab: Lab) -> None:
    lab.program("prometheus").freeze()
    with pytest.raises(LabError, match="does not answer"):
        lab.query("up")
    lab.program("prometheus").thaw()
    until(lambda: lab.query("vector(1)"), seconds=10, what="Prometheus answers")


def test_a_spawned_program_logs_and_its_name_is_free_when_it_has_ended(lab: Lab) -> None:
    first = lab.spawn("operator", ["/bin/sleep", "300"])
    with pytest.raises(LabError, match=f"operator runs already \\(process {first.pid}\\)"):
        lab.spawn("operator", ["/bin/true"])
    first.kill()
    assert first.wait(5) == -signal.SIGKILL
    second = lab.spawn("operator", ["/bin/echo", "here again"])
    assert second.wait(5) == 0
    assert second.log == lab.directory / "logs" / "operator.log"
    assert "here again" in second.log.read_text()


def test_two_labs_live_side_by_side_and_know_nothing_of_each_other(lab: Lab, tmp_path: Path) -> None:
    said: list[str] = []
    with Lab.start(pools=[NodePool(name="other")], directory=tmp_path, progress=said.append) as other:
        assert other.api_url != lab.api_url
        assert other.prometheus_url != lab.prometheus_url
        assert other.kubectl("get", "nodes", "-o", "name").stdout == "node/other-1\n"
        assert "node/other-1" not in lab.kubectl("get", "nodes", "-o", "name").stdout
        with pytest.raises(LabError, match="a lab already runs in"):
            Lab.start(pools=[], directory=tmp_path, progress=lambda line: None)
    assert any(line.startswith("lab ready in ") for line in said)
    assert not processes_with(str(tmp_path))
    assert (tmp_path / "logs" / "etcd.log").exists()
    assert lab.dead() == []
    assert lab.kubectl("get", "nodes").returncode == 0


def test_a_frozen_lab_can_be_stopped(tmp_path: Path) -> None:
    lab = Lab.start(pools=[], directory=tmp_path, progress=lambda line: None)
    for name in ("etcd", "kube-apiserver", "kwok", "prometheus"):
        lab.program(name).freeze()
    lab.stop()
    lab.stop()
    assert not processes_with(str(tmp_path))
    with pytest.raises(LabError, match="the lab has been stopped"):
        lab.spawn("late", ["/bin/true"])


def test_a_program_that_will_not_start_is_named_with_what_it_said(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    for name, path in lab.programs.paths.items():
        (broken / name).symlink_to(path)
    (broken / "etcd").unlink()
    (broken / "etcd").write_text("#!/bin/sh\necho cannot open the disk\nexit 3\n")
    (broken / "etcd").chmod(0o755)
    monkeypatch.setenv("TIGHTROPE_LAB_BIN", str(broken))
    with pytest.raises(LabError, match=r"etcd ended with 3(.|\n)*cannot open the disk"):
        Lab.start(pools=[], directory=tmp_path / "lab", progress=lambda line: None)
    assert not processes_with(str(tmp_path / "lab"))


def test_a_killed_owner_leaves_nothing_running_and_no_directory(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom tightrope.lab.lab import Lab\n"
        "lab = Lab.start(pools=[])\nlab.spawn('operator', ['/bin/sleep', '300'])\n"
        "print(lab.directory, flush=True)\ntime.sleep(300)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(OPERATOR_ROOT)}
    owner = subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    directory = Path(owner.stdout.readline().strip())
    assert len(processes_with(f"{directory}/")) == 6
    owner.kill()
    owner.communicate()
    until(lambda: processes_with(f"{directory}/") == [], seconds=5, what="every program is gone")
    assert directory.exists()
    registry.sweep()
    assert not directory.exists()
