"""One lab for many tests: a control plane, emulated servers, Prometheus and the real operator, with short times.

Tests get a `World`, apply manifests, set traffic and faults, and wait for what a user would see. Each test uses a
namespace of its own, so that tests do not disturb each other; pools are shared unless a test makes its own.
"""

import json
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tightrope.lab.lab import Lab, NodePool

ROOT = Path(__file__).resolve().parents[2]
TICK = 2.0
SCRAPE = 1.0
RATE_WINDOW = 6.0
T = TypeVar("T")

CPU = NodePool(name="cpu", initial_nodes=2, max_nodes=12, provision_seconds=1, idle_seconds=10)
GPU = NodePool(name="gpu", accelerators=1, initial_nodes=0, max_nodes=4, provision_seconds=2, idle_seconds=10)
# One request at a time, 20 ms, exponential: 1/0.020 - ln(100)/0.300 = 34.6/s within 300 ms; batches of up to 32: 330/s.
SERVERS = {
    "cpu": {"base_seconds": 0.02, "distribution": "exponential"},
    "gpu": {"base_seconds": 0.03, "per_request_seconds": 0.002, "batch_limit": 32},
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pool_manifest(
    name: str, *, price: str, accelerators: int = 0, max_nodes: int = 12, ready: str = "8s"
) -> dict[str, Any]:
    """A ComputePool for nodes labelled `tightrope.dev/pool: <name>`."""
    spec: dict[str, Any] = {
        "price": {"perNodeHour": price, "currency": "USD"},
        "node": {"cpu": "8", "memory": "32Gi", **({"accelerators": accelerators} if accelerators else {})},
        "maxNodes": max_nodes,
        "timeToReady": ready,
        "placement": {"nodeSelector": {"tightrope.dev/pool": name}},
    }
    if accelerators:
        spec["accelerator"] = "nvidia-l4"
        spec["placement"]["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    return {"apiVersion": "tightrope.dev/v1alpha1", "kind": "ComputePool", "metadata": {"name": name}, "spec": spec}


def service_manifest(namespace: str, name: str = "sentiment", **spec: Any) -> dict[str, Any]:
    """99 % under 300 ms on CPU (about 34/s a replica) or GPU (about 320/s), with behaviour suited to short times."""
    template = {
        "metadata": {"annotations": {"lab.tightrope.dev/ready-after": "2s"}},
        "spec": {
            "containers": [
                {
                    "name": "server",
                    "image": "registry.example/sentiment:1",
                    "ports": [{"name": "http", "containerPort": 8000}],
                    "resources": {"requests": {"cpu": "8", "memory": "4Gi"}},
                }
            ]
        },
    }
    gpu = {
        "metadata": {"annotations": {"lab.tightrope.dev/ready-after": "3s"}},
        "spec": {
            "containers": [
                {"name": "server", "resources": {"requests": {"cpu": "4"}, "limits": {"nvidia.com/gpu": "1"}}}
            ]
        },
    }
    whole = {
        "slo": {"window": "10m", "objectives": [{"metric": "latency", "threshold": "300ms", "percent": 99}]},
        "metrics": {"preset": "generic"},
        "replicas": {"min": 1, "max": 12},
        "template": template,
        "variants": [
            {"name": "cpu", "pool": "cpu", "capacity": {"rate": 34, "at": "300ms"}},
            {"name": "gpu", "pool": "gpu", "capacity": {"rate": 320, "at": "300ms"}, "patch": gpu},
        ],
        "behavior": {
            "descent": {"window": "8s", "percentPerMinute": 100},
            "switch": {"minDwell": "20s", "minSavingsPercent": 5},
        },
    }
    return {
        "apiVersion": "tightrope.dev/v1alpha1",
        "kind": "InferenceDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": whole | spec,
    }


class World:
    """The lab with the operator in it; everything a test does or sees goes through here."""

    def __init__(self, lab: Lab, emulator_url: str) -> None:
        self.lab = lab
        self.emulator_url = emulator_url
        self.services: dict[str, Any] = {}
        self.operator: Any = None
        self.metrics_port = free_port()

    @classmethod
    def start(cls, directory: Path) -> "World":
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        lab = Lab.start(pools=[CPU, GPU], directory=directory, scrape_seconds=SCRAPE, targets_url=url)
        try:
            own = ["--kubeconfig", str(lab.kubeconfig), "--listen", f"127.0.0.1:{port}"]
            announce = ["--announce", str(lab.directory / "emulator.url")]
            lab.spawn("emulator", [sys.executable, "-m", "tightrope.lab.emulator", *own, *announce])
            world = cls(lab, url)
            wait_for(
                lambda: world.http("GET", "/healthz") is not None,
                seconds=120,
                what="the emulator to listen, which may have to be compiled first",
            )
            lab.apply(ROOT / "crds")
            world.apply(
                pool_manifest("cpu", price="0.20"), pool_manifest("gpu", price="0.80", accelerators=1, max_nodes=4)
            )
            return world
        except BaseException:
            lab.stop()
            raise

    def stop(self) -> None:
        self.lab.stop()

    def start_operator(self, *, api_url: str | None = None) -> None:
        """The operator as its own process under its own ServiceAccount; through a proxy if `api_url` says so."""
        kubeconfig = self.lab.operator_kubeconfig()
        if api_url is not None:
            config = yaml.safe_load(kubeconfig.read_text())
            config["clusters"][0]["cluster"] = {"server": api_url}
            kubeconfig = self.lab.directory / "proxied.kubeconfig"
            kubeconfig.write_text(yaml.safe_dump(config))
        arguments = ["--prometheus-url", self.lab.prometheus_url, "--tick-seconds", str(TICK)]
        arguments += ["--rate-window-seconds", str(RATE_WINDOW), "--metrics-port", str(self.metrics_port)]
        arguments += ["--reconcile-seconds", "10", "--leader-election", "off"]
        self.operator = self.lab.spawn(
            "operator",
            [sys.executable, "-m", "tightrope.cli", "run", *arguments],
            env={"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT / "operator")},
        )

    def writes(self, *, since: int = 0) -> list[dict[str, Any]]:
        """The operator's writes in the API server's audit log, after the first `since`."""
        text = self.lab.audit_log.read_text() if self.lab.audit_log.exists() else ""
        entries = [json.loads(line) for line in text.splitlines() if line.strip()]
        ours = "system:serviceaccount:tightrope-system:tightrope"
        return [entry for entry in entries if entry["user"]["username"] == ours][since:]

    def kill_operator(self) -> None:
        self.operator.kill()
        wait_for(lambda: self.operator.poll() is not None, seconds=10, what="the operator to die")

    def ensure_operator(self) -> None:
        """A test may have killed it."""
        if self.operator is None or self.operator.poll() is not None:
            self.start_operator()

    def operator_log(self) -> list[dict[str, Any]]:
        """Its log lines as dictionaries; lines that are not JSON are skipped."""
        found = []
        for line in self.operator.log.read_text().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    # The cluster

    def kubectl(self, *arguments: str, check: bool = True, stdin: str | None = None) -> Any:
        done = self.lab.kubectl(*arguments, input=stdin)
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def get(self, kind: str, namespace: str | None = None, name: str | None = None) -> Any:
        """One object, or None; without a name the list of items."""
        where = ["-n", namespace] if namespace else []
        done = self.kubectl("get", kind, *([name] if name else []), *where, "-o", "json", check=False)
        if done.returncode != 0:
            return None if name else []
        found = json.loads(done.stdout)
        return found if name else found["items"]

    def namespace(self, name: str) -> str:
        self.kubectl("create", "namespace", name)
        return name

    def fleet(self, namespace: str, name: str = "sentiment") -> dict[str, tuple[int, int]]:
        """(wanted, available) per variant of a service's Deployments."""
        return {
            item["metadata"]["labels"]["tightrope.dev/variant"]: (
                item["spec"].get("replicas", 1),
                item["status"].get("availableReplicas", 0),
            )
            for item in self.get("deployments", namespace)
            if item["metadata"].get("labels", {}).get("tightrope.dev/service") == name
        }

    def status(self, namespace: str, name: str = "sentiment") -> dict[str, Any]:
        return (self.get("infd", namespace, name) or {}).get("status", {})

    def condition(self, namespace: str, kind: str, name: str = "sentiment") -> dict[str, Any]:
        conditions = self.status(namespace, name).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})

    # Traffic and faults

    def http(self, method: str, path: str, body: Any = None) -> Any:
        """A call to the emulator; None when it does not answer."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.emulator_url + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return None
        try:
            return json.loads(text)
        except ValueError:
            return text

    def traffic(
        self, namespace: str, rate: float, name: str = "sentiment", preset: str = "generic", **servers: Any
    ) -> None:
        """Poisson arrivals at a constant rate from now on; `servers` replaces a variant's server."""
        self.services[f"{namespace}/{name}"] = {
            "preset": preset,
            "threshold_seconds": 0.3,
            "traffic": {"curve": [[0, rate]]},
            "servers": SERVERS | servers,
        }
        assert self.http("PUT", "/services", self.services) is not None

    def quiet(self, namespace: str) -> None:
        """No more traffic for the services of this namespace."""
        self.services = {key: value for key, value in self.services.items() if not key.startswith(f"{namespace}/")}
        self.http("PUT", "/services", self.services)

    def fault(self, **faults: Any) -> None:
        """The set of faults in force, replaced."""
        assert self.http("PUT", "/faults", faults) is not None

    def truth(self, namespace: str, name: str = "sentiment") -> list[dict[str, Any]]:
        """One-second rows as the emulated clients saw them."""
        known = (self.http("GET", "/truth?since=0") or {}).get(f"{namespace}/{name}", {})
        return list(known.get("seconds", []))


def wait_for(probe: Callable[[], T], *, seconds: float, what: str, every: float = 0.25) -> T:
    """The first true answer of `probe`; fails after `seconds` with what was waited for and the last answer."""
    deadline = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < deadline:
        last = probe()
        if last:
            return last
        time.sleep(every)
    raise AssertionError(f"waited {seconds:.0f}s in vain for {what}; last seen: {last!r}")


def stays(probe: Callable[[], bool], *, seconds: float, what: str, every: float = 0.5) -> None:
    """Fails as soon as `probe` is false within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert probe(), what
        time.sleep(every)


def running(world: World, namespace: str, rate: float, **spec: Any) -> None:
    """A service at this demand, settled on a plan that carries it."""
    world.apply(service_manifest(namespace, **spec))
    world.traffic(namespace, rate)
    wait_for(
        lambda: world.condition(namespace, "MetricsHealthy").get("status") == "True" and ready(world, namespace),
        seconds=60,
        what="a service with healthy metrics and every wanted replica ready",
    )


def ready(world: World, namespace: str) -> bool:
    fleet = world.fleet(namespace)
    return (
        bool(fleet) and all(wanted == available for wanted, available in fleet.values()) and total(world, namespace) > 0
    )


def total(world: World, namespace: str) -> int:
    return sum(wanted for wanted, _ in world.fleet(namespace).values())


def only(world: World, namespace: str, variant: str) -> bool:
    """Whether this variant alone runs, and is ready."""
    fleet = world.fleet(namespace)
    return all(
        (wanted > 0 and wanted == got) if name == variant else wanted == 0 for name, (wanted, got) in fleet.items()
    )
