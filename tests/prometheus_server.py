"""A real Prometheus that scrapes emulated pods: for tests of presets, queries and observations."""

import contextlib
import json
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tightrope.lab import programs
from tightrope.lab.exporters import Histogram, PodCounters

SCRAPE_SECONDS = 0.25


def prometheus_program() -> Path | None:
    """The lab's Prometheus, if it has been built or is found elsewhere."""
    source = next(source for source in programs.SOURCES if source.name == "prometheus")
    return programs.find(source)


class SystemClock:
    """The clock of the machine, as wiring would pass it."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(kw_only=True)
class FakePod:
    """A pod whose counters grow evenly from `since`: `rate` requests per second, of which `good` (0..1) take 0.1 s and
    the others 0.4 s, `failing` of them per second with an error; `queued` and `running` are gauges."""

    namespace: str = "nlp"
    name: str = "sentiment-cpu-bcdfg-hjklm"
    rate: float = 40.0
    good: float = 0.9
    failing: float = 0.0
    queued: float = 0.0
    queue_growth: float = 0.0
    running: float = 3.0
    cpu_cores: float = 1.5
    gpu: float | None = None
    since: float = field(default_factory=time.monotonic)
    head_start: float = 0.0
    render: Callable[[PodCounters], str]

    def text(self) -> str:
        return self.render(self.counters())

    def counters(self) -> PodCounters:
        elapsed = time.monotonic() - self.since
        requests = self.head_start + self.rate * elapsed
        failed, queued = self.failing * elapsed, self.queued + self.queue_growth * elapsed
        finished = requests - failed - self.queue_growth * elapsed
        good = finished * self.good
        bounds = ((0.1, good), (0.3, good), (0.5, finished), (float("inf"), finished))
        latency = Histogram(buckets=bounds, sum=0.1 * good + 0.4 * (finished - good))
        # Ten gaps between tokens in each answer: short ones if it was fast.
        gaps = Histogram(
            buckets=((0.025, 10 * good), (0.05, 10 * finished), (float("inf"), 10 * finished)), sum=finished
        )
        return PodCounters(
            namespace=self.namespace, pod=self.name, node="node-1", model="m", received=requests, finished=finished,
            failed=failed, in_flight=queued + self.running, queued=queued, running=self.running, latency=latency,
            cpu_seconds=self.cpu_cores * elapsed, gpu_utilisation=self.gpu, first_token=latency, between_tokens=gaps,
        )  # fmt: skip


class Scraped:
    """The pods and node exporters that Prometheus scrapes. `pods` may be changed at any time; a key in `silent` answers
    503, a text in `instead` is served in place of the pod's own."""

    def __init__(self, pods: list[FakePod]) -> None:
        self.pods = {(pod.namespace, pod.name): pod for pod in pods}
        self.silent: set[tuple[str, str]] = set()
        self.instead: dict[tuple[str, str], Callable[[str], str]] = {}
        self.node_text: Callable[[list[PodCounters]], str] = lambda _: ""
        self.honour_labels = True

    def text(self, path: str) -> str | None:
        """What is answered on this path; None for a failing target."""
        if path == "/node":
            return self.node_text([pod.counters() for pod in list(self.pods.values())])
        _, _, namespace, name = path.split("/")
        key = (namespace, name)
        if key in self.silent or key not in self.pods:
            return None
        own = self.pods[key].text()
        return self.instead[key](own) if key in self.instead else own


class RealPrometheus:
    """The process, its targets and its address. Stop, start again with the same data, freeze and thaw."""

    def __init__(self, program: Path, directory: Path, scraped: Scraped, scraped_address: str) -> None:
        self._program, self._directory = program, directory
        self.scraped, self._scraped_address = scraped, scraped_address
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def write_targets(self) -> None:
        """Tell Prometheus of the pods that exist now; it follows the file."""
        targets = [
            {
                "targets": [self._scraped_address],
                "labels": {"namespace": ns, "pod": name, "__metrics_path__": f"/metrics/{ns}/{name}"},
            }
            for ns, name in self.scraped.pods
        ]
        fresh = self._directory / "targets.json.new"
        fresh.write_text(json.dumps(targets))
        fresh.rename(self._directory / "targets.json")

    def start(self) -> None:
        config = {
            "global": {"scrape_interval": f"{SCRAPE_SECONDS * 1000:.0f}ms", "scrape_timeout": "200ms"},
            "scrape_configs": [
                {"job_name": "pods", "file_sd_configs": [{"files": [str(self._directory / "targets.json")]}]},
                {
                    "job_name": "node",
                    "honor_labels": self.scraped.honour_labels,
                    "metrics_path": "/node",
                    "static_configs": [
                        {"targets": [self._scraped_address], "labels": {"namespace": "gpu-operator", "pod": "dcgm-x1"}}
                    ],
                },
            ],
        }
        self.write_targets()
        (self._directory / "prometheus.yml").write_text(json.dumps(config))
        argv = [
            self._program, f"--config.file={self._directory / 'prometheus.yml'}", "--log.level=error",
            f"--storage.tsdb.path={self._directory / 'data'}", f"--web.listen-address=127.0.0.1:{self._port}",
        ]  # fmt: skip
        with (self._directory / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)  # type: ignore[arg-type]
        self._wait_ready()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                assert time.monotonic() < deadline, (self._directory / "prometheus.log").read_text()[-2000:]
                time.sleep(0.05)

    def freeze(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self.thaw()
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def exporter(scraped: Scraped) -> Iterator[str]:
    """Serves the pods' metrics in threads; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = scraped.text(self.path)
            body = (text or "").encode()
            self.send_response(503 if text is None else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(5)


@contextlib.contextmanager
def real_prometheus(program: Path, directory: Path, scraped: Scraped) -> Iterator[RealPrometheus]:
    """A Prometheus that scrapes these pods every quarter of a second; stopped at the end."""
    with exporter(scraped) as address:
        prometheus = RealPrometheus(program, directory, scraped, address)
        try:
            prometheus.start()
            yield prometheus
        finally:
            prometheus.stop()
