"""A whole lab: etcd, API server, controllers, scheduler, emulated nodes, a cloud and Prometheus, started and stopped as
one. The demo, `make lab` and the tests begin here.

    with Lab.start(pools=[NodePool(name="cpu")]) as lab:
        lab.kubectl("get", "nodes")
"""

import atexit
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tightrope.lab import programs as lab_programs
from tightrope.lab import registry
from tightrope.lab.api_client import ApiClient, Refused, Unreachable
from tightrope.lab.cloud import Cloud
from tightrope.lab.control_plane import ADMIN, CLOUD, MANIFESTS, ControlPlane
from tightrope.lab.errors import LabError
from tightrope.lab.nodes import NodePool, Taint
from tightrope.lab.process import Children, Program
from tightrope.lab.programs import Progress, say
from tightrope.lab.prometheus_server import PrometheusServer

__all__ = ["Lab", "LabError", "NodePool", "Program", "Taint"]

ETCD: Final = "etcd"
API_SERVER: Final = "kube-apiserver"
CONTROLLER_MANAGER: Final = "kube-controller-manager"
SCHEDULER: Final = "kube-scheduler"
KUBELETS: Final = "kwok"
PROMETHEUS: Final = "prometheus"
CRDS: Final = Path(__file__).parents[3] / "crds"
OPERATOR_NAMESPACE: Final = "tightrope-system"
OPERATOR_ACCOUNT: Final = "tightrope"

_OWN: Final = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KUBELETS, PROMETHEUS)

_START_SECONDS = 120.0
_STOP_SECONDS = 4.0
# It stops listening at once and then waits up to a minute for open watches, which would never end by themselves; what
# it has answered is in etcd by then, so killing it loses nothing.
_API_STOP_SECONDS = 1.0
_POLL_SECONDS = 0.05
_KUBECTL_SECONDS = 120.0
_TOKEN_SECONDS = 24 * 3600


class Lab:
    """One running lab; `Lab.start` makes it. Methods raise LabError. Everything it has is under `directory`."""

    def __init__(
        self, registration: registry.Registration, programs: lab_programs.Programs, *, scrape_seconds: float
    ) -> None:
        """Called by `start` alone: files and ports, nothing running yet."""
        self.directory = registration.directory
        self.programs = programs
        for name in ("data", "logs"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        (self.directory / "logs").mkdir(parents=True)
        self._registration = registration
        self._plane = ControlPlane.prepare(
            self.directory,
            programs,
            etcd_port=registration.port(),
            etcd_peer_port=registration.port(),
            api_port=registration.port(),
        )
        self._prometheus = PrometheusServer(
            directory=self.directory, programs=programs, port=registration.port(), scrape_seconds=scrape_seconds
        )
        self._children = Children(
            directory=self.directory,
            logs=self.directory / "logs",
            on_start=lambda program: registration.add_child(program.name, program.pid),
        )
        self._current: dict[str, Program] = {}
        self._cloud: Cloud | None = None
        self._stopped = False

    @classmethod
    def start(
        cls,
        *,
        pools: Sequence[NodePool],
        directory: Path | None = None,
        progress: Progress = say,
        scrape_seconds: float = 2.0,
        targets_url: str | None = None,
        extra_controllers: Sequence[str] = (),
    ) -> Self:
        """A lab whose nodes are ready, in a few seconds once the programs are there.

        Without `directory` it lives in a temporary one that goes with it, except after a failed start, whose logs
        stay. A given one stays; its `data` and `logs` are emptied first. `targets_url` is the emulator's, if it is
        known already; see `scrape_targets`. `extra_controllers` are names that kube-controller-manager knows.
        """
        programs = lab_programs.prepare(progress)
        with ExitStack() as undo:
            registration = registry.register(directory)
            undo.callback(registration.close)
            lab = cls(registration, programs, scrape_seconds=scrape_seconds)
            undo.callback(lab.stop)
            atexit.register(lab.stop)
            try:
                lab._bring_up(pools, progress, targets_url, extra_controllers)
            except LabError:
                registration.keep_directory()
                raise
            undo.pop_all()
        return lab

    def stop(self) -> None:
        """Stop everything, newest first and the API server before its etcd; a second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        if self._cloud is not None:
            self._cloud.stop()
        try:
            # The API server would wait two minutes for an etcd that is gone.
            self._children.stop_all(last={API_SERVER: _API_STOP_SECONDS, ETCD: _STOP_SECONDS}, seconds=_STOP_SECONDS)
        finally:
            self._registration.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def kubeconfig(self) -> Path:
        """The admin's."""
        return self.directory / "kubeconfig"

    @property
    def api_url(self) -> str:
        return self._plane.url

    @property
    def etcd_url(self) -> str:
        """Where the API server keeps everything."""
        return self._plane.etcd_url

    @property
    def ca_file(self) -> Path:
        return self._plane.ca_file

    @property
    def prometheus_url(self) -> str:
        return self._prometheus.url

    @property
    def prometheus_config(self) -> Path:
        """The file that Prometheus reads."""
        return self._prometheus.config_file

    @property
    def audit_log(self) -> Path:
        """Every write not by the lab's own programs, and every request of a service account in namespace
        tightrope-audited: JSON lines of audit.k8s.io/v1 Events."""
        return self._plane.audit_log

    def api(self, user: str = ADMIN) -> ApiClient:
        """A new connection to the API server; use each from one thread only."""
        return ApiClient(url=self.api_url, ca_file=self.ca_file, token=self._plane.tokens[user])

    def cloud(self) -> Cloud:
        if self._cloud is None:
            raise LabError("the lab has no cloud before it is started")
        return self._cloud

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers to this PromQL expression now: an instant vector."""
        return self._prometheus.query(expression)

    def spawn(self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Program:
        """Start a child that ends with the lab, logging to logs/<name>.log. A name is free again once its program has
        ended; the log goes on."""
        before = self._current.get(name)
        if before is not None and before.poll() is None:
            raise LabError(f"{name} runs already (process {before.pid})")
        program = self._children.spawn(name, argv, env=env)
        self._current[name] = program
        return program

    def program(self, name: str) -> Program:
        """The newest program of this name, one of the lab's own or one that was spawned, unless it was stopped."""
        if name not in self._current:
            raise LabError(f"program is {name!r}; the lab runs {', '.join(self._current)}")
        return self._current[name]

    def kubectl(self, *args: str, input: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run the lab's kubectl as the admin; does not raise on a non-zero exit code."""
        own = {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self._plane.data / "kubectl"), "KUBERC": "off"}
        return subprocess.run(
            [self.programs["kubectl"], *args],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            env={**os.environ, **own},
            timeout=_KUBECTL_SECONDS,
            check=False,
        )

    def apply(self, path: Path) -> None:
        """Server-side apply a manifest or a folder of them, and wait until the CRDs among them are served."""
        for args in (
            ("apply", "--server-side", "--force-conflicts", "-f", str(path)),
            ("wait", "--for=condition=established", "crd", "--all", "--timeout=30s"),
        ):
            done = self.kubectl(*args)
            if done.returncode != 0 and "no matching resources found" not in done.stderr:
                raise LabError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a fresh token of this service account, good for a day."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
        answer = self.api().post(path, {**request, "spec": {"expirationSeconds": _TOKEN_SECONDS}})
        file = self.directory / f"{namespace}-{name}.kubeconfig"
        self._plane.write_kubeconfig(file, user=name, token=answer["status"]["token"], namespace=namespace)
        return file

    def operator_kubeconfig(self) -> Path:
        """The kubeconfig the operator runs with: its own service account and only the rights it needs."""
        self.apply(MANIFESTS / "operator-rbac.yaml")
        return self.service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)

    def scrape_targets(self, targets_url: str) -> None:
        """From now on Prometheus scrapes the pods and nodes that the emulator at this URL announces."""
        self._prometheus.write_config(targets_url)
        self._prometheus.reload()

    def stop_prometheus(self) -> None:
        self._end(PROMETHEUS, _STOP_SECONDS)

    def start_prometheus(self) -> None:
        """Start Prometheus again on the same port and with what it had stored; returns when it answers."""
        self.spawn(PROMETHEUS, self._prometheus.arguments())
        self._wait("Prometheus", self._prometheus.ready, of=(PROMETHEUS,))

    def stop_controllers(self) -> None:
        """From now on the cluster moves only where somebody writes: no controller, scheduler, kubelet or cloud."""
        if self._cloud is not None:
            self._cloud.stop()
            self._cloud = None
        for name in (CONTROLLER_MANAGER, SCHEDULER, KUBELETS):
            self._end(name, _STOP_SECONDS)

    def stop_api_server(self) -> None:
        self._end(API_SERVER, _API_STOP_SECONDS)

    def start_api_server(self) -> None:
        """Start the API server again with the same port, certificate and data; returns when it is ready."""
        self.spawn(API_SERVER, self._plane.api_server())
        self._wait("the API server", self.api().ready, of=(ETCD, API_SERVER))

    def restart_api_server(self) -> None:
        self.stop_api_server()
        self.start_api_server()

    def dead(self) -> list[Program]:
        """The lab's own programs that ended without being stopped; empty while all is well."""
        running = list(self._current.items())
        return [program for name, program in running if name in _OWN and program.poll() is not None]

    def _end(self, name: str, seconds: float) -> None:
        # No longer ours before it ends: whoever looks for dead programs meanwhile must not find one that was told to.
        program = self.program(name)
        del self._current[name]
        program.stop(seconds)

    def _bring_up(
        self, pools: Sequence[NodePool], progress: Progress, targets_url: str | None, extra_controllers: Sequence[str]
    ) -> None:
        began = time.monotonic()
        self._prometheus.write_config(targets_url)
        self.spawn(ETCD, self._plane.etcd())
        self.spawn(API_SERVER, self._plane.api_server())
        self._wait("the API server", self.api().ready)
        served = time.monotonic()
        self._plane.write_kubeconfigs()
        self.spawn(CONTROLLER_MANAGER, self._plane.controller_manager(extra_controllers))
        self.spawn(SCHEDULER, self._plane.scheduler())
        self.spawn(KUBELETS, self._plane.kubelets())
        self.spawn(PROMETHEUS, self._prometheus.arguments())
        self._cloud = Cloud(pools, lambda: self.api(CLOUD))
        self._cloud.start()
        api = self.api()
        self._wait("the nodes", lambda: _nodes_ready(api) and _pods_admitted(api))
        self._wait("Prometheus", self._prometheus.ready)
        nodes = sum(pool.initial_nodes for pool in pools)
        progress(
            f"lab ready in {time.monotonic() - began:.1f} s (API server {served - began:.1f} s, "
            f"controllers, {nodes} nodes and Prometheus {time.monotonic() - served:.1f} s) in {self.directory}"
        )

    def _wait(self, what: str, ready: Callable[[], bool], *, of: Sequence[str] = _OWN) -> None:
        """Until it is ready. Raises LabError if it takes too long, or at once if a program it needs has ended."""
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            for program in self.dead():
                if program.name in of:
                    raise LabError(
                        f"{program.name} ended with {program.poll()}; its log {program.log} ends:\n{program.tail()}"
                    )
            if time.monotonic() > deadline:
                raise LabError(f"{what} is not ready after {_START_SECONDS:.0f} s; see {self.directory / 'logs'}")
            time.sleep(_POLL_SECONDS)


def _nodes_ready(api: ApiClient) -> bool:
    """Whether every node is ready and free of the taint that a new node carries."""
    try:
        nodes = api.get("/api/v1/nodes")["items"]
    except (Refused, Unreachable):
        return False
    return all(_is_ready(node) and not _is_new(node) for node in nodes)


def _is_ready(node: Mapping[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))


def _is_new(node: Mapping[str, Any]) -> bool:
    return any(taint["key"].startswith("node.kubernetes.io/") for taint in node["spec"].get("taints", ()))


def _pods_admitted(api: ApiClient) -> bool:
    """Pods are refused until the controllers have made their namespace's service account."""
    try:
        api.get("/api/v1/namespaces/default/serviceaccounts/default")
    except (Refused, Unreachable):
        return False
    return True
