"""A bare API server for tests of schemas: the lab's etcd and kube-apiserver, nothing else, ready in a few seconds."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tightrope.lab.control_plane import ControlPlane
from tightrope.lab.programs import Programs

_DEADLINE_SECONDS = 90.0


class ApiServer:
    """The API server, through its own kubectl."""

    def __init__(self, kubectl: str, kubeconfig: Path) -> None:
        self._command = [kubectl, f"--kubeconfig={kubeconfig}"]

    def kubectl(self, *args: str, manifest: Any = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl; `manifest` goes to its stdin as YAML, text as it is."""
        text = manifest if isinstance(manifest, str) else yaml.safe_dump(manifest)
        return subprocess.run(
            [*self._command, *args], input=text, capture_output=True, text=True, timeout=60, check=False
        )

    def apply(self, manifest: Any, *flags: str) -> subprocess.CompletedProcess[str]:
        return self.kubectl("apply", "-f", "-", *flags, manifest=manifest)

    def get(self, *args: str) -> dict[str, Any]:
        answer = self.kubectl("get", *args, "-o", "yaml")
        assert answer.returncode == 0, answer.stderr
        found: dict[str, Any] = yaml.safe_load(answer.stdout)
        return found


@contextlib.contextmanager
def api_server(directory: Path, programs: Programs) -> Iterator[ApiServer]:
    """Start it in this directory, and stop it whatever happens; the API server goes before its etcd."""
    logs = directory / "logs"
    logs.mkdir()
    etcd_port, peer_port, api_port = _free_ports(3)
    plane = ControlPlane.prepare(directory, programs, etcd_port=etcd_port, etcd_peer_port=peer_port, api_port=api_port)
    with (
        _running(plane.etcd(), logs / "etcd.log"),
        _running(plane.api_server(), logs / "kube-apiserver.log") as process,
    ):
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not plane.ca_file.exists():
            _wait(process, deadline, logs)
        started = ApiServer(programs["kubectl"], plane.write_kubeconfigs())
        while (
            started.kubectl("get", "--raw", "/readyz").returncode or started.kubectl("get", "ns", "default").returncode
        ):
            _wait(process, deadline, logs)
        yield started


def _wait(process: subprocess.Popen[bytes], deadline: float, logs: Path) -> None:
    alive = process.poll() is None and time.monotonic() < deadline
    assert alive, (logs / "kube-apiserver.log").read_text()[-2000:]
    time.sleep(0.1)


@contextlib.contextmanager
def _running(argv: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]
