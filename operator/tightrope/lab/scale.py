"""Very many services on a real API server and a real Prometheus, and what the operator costs there. `bench` calls it.

The operator runs with its own rights and its lead, as it would in a cluster. What is counted is asked of both sides:
the operator's own metrics for time, queries and writes; the API server's for the calls that reach it.
"""

import re
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tightrope.lab.errors import LabError
from tightrope.lab.lab import Lab
from tightrope.lab.process import Program
from tightrope.lab.scale_objects import READY_SECONDS, places, put

CRDS: Final = Path(__file__).parents[3] / "crds"
SCRAPE_SECONDS: Final = 15.0
TICK_SECONDS: Final = 15.0
# The histograms of ten thousand pods are 170,000 series in one answer: Prometheus and we share two cores over it.
QUERY_SECONDS: Final = 15.0
_START_SECONDS: Final = 900.0
# Rates need a whole window of samples before the operator starts, so that its first plan is one it would keep.
_WARM_SECONDS: Final = 75.0
_SETTLE_SECONDS: Final = 30.0
# Ten thousand services are twenty megabytes of metrics: asked for more often, they would be what is measured.
_LOOK_SECONDS: Final = 30.0
_REST_SECONDS: Final = 120.0
_PAGE: Final = "500"
# What the operator reads and writes; the API server's own housekeeping touches other things.
_RESOURCES: Final = frozenset(
    {
        "inferencedeployments", "computepools", "deployments", "statefulsets", "pods", "services", "namespaces",
        "poddisruptionbudgets", "events", "leases",
    }
)  # fmt: skip
_SAMPLE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Report = Callable[[str, float, str], None]
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The running operator: its process, where it serves its metrics, and when it was started (monotonic)."""

    program: Program
    port: int
    began: float

    def metrics(self) -> Series:
        """Everything it says of itself; services' own series are left out, there are too many of them."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(url, timeout=120) as answer:
            return parsed(answer.read().decode(), wanted=lambda name: name.startswith(_OWN))


_OWN: Final = (
    "tightrope_tick", "tightrope_services", "tightrope_prometheus", "tightrope_writes", "tightrope_store", "process_",
)  # fmt: skip


def parsed(text: str, *, wanted: Callable[[str], bool]) -> Series:
    """The samples of an exposition whose names are wanted: (name, labels) -> value."""
    found: Series = {}
    for line in text.splitlines():
        if line.startswith("#") or not wanted(line):
            continue
        match = _SAMPLE.match(line)
        if match is not None:
            found[match[1], frozenset(_LABEL.findall(match[2] or ""))] = float(match[3])
    return found


def total(series: Mapping[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    """The sum of the samples of this name with these labels."""
    wanted = set(labels.items())
    return sum(value for (found, has), value in series.items() if found == name and wanted <= has)


def difference(before: Series, after: Series) -> Series:
    """How far each counter has moved."""
    return {key: value - before.get(key, 0.0) for key, value in after.items()}


def measure(count: int, *, report: Report, profile: Path | None = None) -> None:
    """Run the whole of it and report each figure. `profile`: where to write which functions the time went to. Raises
    LabError."""
    with Lab.start(pools=[], scrape_seconds=SCRAPE_SECONDS) as lab:
        lab.apply(CRDS)
        lab.stop_controllers()
        series = _series(lab, count)
        began = time.monotonic()
        put(list(places(count)), etcd_url=lab.etcd_url, now=time.time())
        report("making the objects", time.monotonic() - began, "s")
        time.sleep(max(READY_SECONDS, _WARM_SECONDS - (time.monotonic() - began)))
        operator = _started(lab, profile)
        _first_plan(lab, operator, count)
        report("start to first plan of every service", time.monotonic() - operator.began, "s")
        first = operator.metrics()
        report("  of these, writes", total(first, "tightrope_writes_total"), "")
        _until_settled(operator)
        _at_rest(lab, operator, count, report)
        if series.poll() is not None:
            raise LabError(f"the exporter ended with {series.poll()}; see {series.log}")
        operator.program.stop(60.0)


def _series(lab: Lab, count: int) -> Program:
    """The exporter of all pods, scraped from now on."""
    port = free_port()
    argv = [sys.executable, "-m", "tightrope.lab.scale_series", "--port", str(port), "--services", str(count)]
    series = lab.spawn("series", argv)
    lab.scrape_targets(f"http://127.0.0.1:{port}")
    return series


def _started(lab: Lab, profile: Path | None) -> Operator:
    port, began = free_port(), time.monotonic()
    arguments = ["run", "--prometheus-url", lab.prometheus_url, "--metrics-port", str(port)]
    arguments += ["--metrics-host", "127.0.0.1", "--tick-seconds", f"{TICK_SECONDS:g}", "--history-seconds", "0"]
    arguments += ["--query-timeout-seconds", f"{QUERY_SECONDS:g}"]
    module = (
        ["tightrope.cli"] if profile is None else ["tightrope.lab.sampled", str(profile.resolve()), "tightrope.cli"]
    )
    program = lab.spawn(
        "operator", [sys.executable, "-m", *module, *arguments], env={"KUBECONFIG": str(lab.operator_kubeconfig())}
    )
    return Operator(program=program, port=port, began=began)


def _first_plan(lab: Lab, operator: Operator, count: int) -> None:
    """Until every service has a decision in its status. The operator's own figure is asked first: it says nothing
    before a tick has ended, and a listing of all services is too dear to be asked for all the time."""
    while not _said(operator, "tightrope_services", count) or _planned(lab, count) < count:
        if operator.program.poll() is not None or time.monotonic() - operator.began > _START_SECONDS:
            raise LabError(
                f"the operator did not plan {count} services in {_START_SECONDS:.0f} s; its log {operator.program.log} "
                f"ends:\n{operator.program.tail()}"
            )
        time.sleep(1.0)


def _said(operator: Operator, metric: str, least: float) -> bool:
    try:
        return total(operator.metrics(), metric) >= least
    except OSError:
        return False  # it does not listen yet


def _planned(lab: Lab, count: int) -> int:
    """How many services have a decision in their status."""
    api, found, query = lab.api(), 0, {"limit": _PAGE}
    while True:
        answer = api.get("/apis/tightrope.dev/v1alpha1/inferencedeployments", **query)
        found += sum("decision" in (item.get("status") or {}) for item in answer["items"])
        if not (token := answer["metadata"].get("continue")):
            return found
        query = {"limit": _PAGE, "continue": token}


def _until_settled(operator: Operator) -> None:
    """Past the first ticks: what the start alone brings has been written."""
    began, ticks = time.monotonic(), _ticks(operator)
    while time.monotonic() - began < _SETTLE_SECONDS or _ticks(operator) < ticks + 2:
        time.sleep(_LOOK_SECONDS)


def _at_rest(lab: Lab, operator: Operator, count: int, report: Report) -> None:
    """The figures of some ticks in which nothing happens."""
    began, mine, theirs = time.monotonic(), operator.metrics(), _calls(lab)
    while (waited := time.monotonic() - began) < _REST_SECONDS or _ticks(operator) < _counted(mine) + 2:
        if waited > _START_SECONDS:
            raise LabError(f"two ticks took longer than {_START_SECONDS:.0f} s; see {operator.program.log}")
        time.sleep(_REST_SECONDS if waited < _REST_SECONDS else _LOOK_SECONDS)
    calls, moved, seconds = (
        difference(theirs, _calls(lab)),
        difference(mine, operator.metrics()),
        time.monotonic() - began,
    )
    ticks = _counted(moved)
    report("tick, wall", total(moved, "tightrope_tick_seconds_sum") / ticks, "s")
    for (name, labels), spent in sorted(moved.items(), key=lambda item: -item[1]):
        if name == "tightrope_tick_part_seconds_total":
            report(f"  {dict(labels)['part']}", spent / ticks, "s")
    report("whole process, CPU a tick", total(moved, "process_cpu_seconds_total") / ticks, "s")
    report("Prometheus queries a tick", total(moved, "tightrope_prometheus_queries_total") / ticks, "")
    report("read from Prometheus a tick", total(moved, "tightrope_prometheus_read_bytes_total") / ticks / 2**20, "MiB")
    peak = memory_mib(operator.program.pid, "VmHWM")
    report("resident memory, now", memory_mib(operator.program.pid, "VmRSS"), "MiB")
    report("resident memory, peak", peak, "MiB")
    report("  a service", 1024 * peak / count, "KiB")
    report("writes a minute", 60 * total(moved, "tightrope_writes_total") / seconds, "")
    for (_, labels), made in sorted(calls.items(), key=lambda item: -item[1]):
        named = dict(labels)
        if made and named.get("resource") in _RESOURCES:
            what = " ".join(part for part in (named["verb"], named["resource"], named.get("subresource", "")) if part)
            report(f"  {what} a minute, at the server", 60 * made / seconds, "")


def _ticks(operator: Operator) -> float:
    return _counted(operator.metrics())


def _counted(series: Series) -> float:
    """How many ticks have ended."""
    return total(series, "tightrope_tick_seconds_count")


def _calls(lab: Lab) -> Series:
    """The requests that the API server has answered, by verb and resource, whoever sent them."""
    done = lab.kubectl("get", "--raw", "/metrics")
    if done.returncode != 0:
        raise LabError(f"the API server's metrics cannot be read: {done.stderr.strip()}")
    merged: Series = {}
    keep = ("verb", "resource", "subresource")
    for (name, labels), value in parsed(
        done.stdout, wanted=lambda line: line.startswith("apiserver_request_total{")
    ).items():
        key = name, frozenset((label, has) for label, has in labels if label in keep)
        merged[key] = merged.get(key, 0.0) + value
    return merged


def memory_mib(pid: int, which: str) -> float:
    """VmRSS or VmHWM of a process, MiB (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{which}:"):
            return float(line.split()[1]) / 1024.0
    return float("nan")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
