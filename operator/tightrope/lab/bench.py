"""Timings, printed with the figure, the unit, the machine and the command: `make bench` runs it.

Two parts: the decision alone, for growing numbers of services; and the real operator on the lab with many
InferenceDeployments: time to the first plan, tick time, queries per tick, memory, and writes at rest.
"""

import argparse
import os
import platform
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory
from tightrope.domain.observation import Known, Missing, Observation, Outcomes, VariantState
from tightrope.domain.spec import CapacityPrior, LatencyObjective, Pool, Resources, Service, ServiceKey, Variant
from tightrope.lab.lab import Lab, NodePool

GI = 2.0**30
TICK_SECONDS = 15.0


def decision_inputs(count: int, now: float) -> tuple[list[Service], dict[str, Pool], dict[ServiceKey, Observation]]:
    """So many services with a CPU and a GPU variant under 40 requests per second each."""
    node = Resources(cpu_cores=8, memory_bytes=32 * GI, accelerators=1)
    pools = {
        name: Pool(
            name=name,
            price_per_node_hour=price,
            currency="USD",
            node=node,
            max_nodes=10 * count,
            time_to_ready_seconds=60.0,
        )
        for name, price in (("cpu", 0.2), ("gpu", 0.8))
    }
    variants = tuple(
        Variant(
            name=name,
            pool=name,
            requests=Resources(cpu_cores=8, memory_bytes=GI),
            capacity=CapacityPrior(rate_per_second=rate, at_seconds=0.3),
        )
        for name, rate in (("cpu", 25.0), ("gpu", 300.0))
    )
    services = [
        Service(
            key=ServiceKey(namespace="bench", name=f"s{index}"),
            objective=LatencyObjective(threshold_seconds=0.3, percent=99.0),
            slo_window_seconds=86400.0,
            min_replicas=1,
            max_replicas=40,
            variants=variants,
        )
        for index in range(count)
    ]
    served = Outcomes(total=40.0, good_low=39.9, good_high=39.9)
    cpu = VariantState(
        wanted=2, ready=2, pods=2, serving_demand=Known(value=40.0, at=now), outcomes=served, startup_seconds=(20.0,)
    )
    gpu = VariantState(wanted=0, ready=0, pods=0, serving_demand=Missing(reason="no pods"))
    seen = Observation(at=now, demand=Known(value=40.0, at=now), variants={"cpu": cpu, "gpu": gpu}, outcomes=served)
    return services, pools, {service.key: seen for service in services}


def decision_seconds(count: int, *, ticks: int = 20) -> float:
    """CPU seconds of one tick's decision for so many services, once their histories have filled."""
    memory = Memory()
    spent = 0.0
    for tick in range(ticks):
        now = 1e9 + tick * TICK_SECONDS
        services, pools, observations = decision_inputs(count, now)
        began = time.process_time()
        _, memory = decide(
            services=services,
            pools=pools,
            observations=observations,
            memory=memory,
            now=now,
            tick_seconds=TICK_SECONDS,
            metrics_delay_seconds=TICK_SECONDS,
        )
        spent = time.process_time() - began
    return spent


def manifests(count: int) -> Iterator[Mapping[str, Any]]:
    """A pool without nodes and so many services in it: what is measured is the operator, not the lab's kubelets."""
    yield {
        "apiVersion": "tightrope.dev/v1alpha1",
        "kind": "ComputePool",
        "metadata": {"name": "bench"},
        "spec": {
            "price": {"perNodeHour": "0.20"},
            "node": {"cpu": "32", "memory": "128Gi"},
            "maxNodes": 50,
            "timeToReady": "30s",
            "placement": {"nodeSelector": {"tightrope.dev/pool": "bench"}},
        },
    }
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}}
    container = {
        "name": "server",
        "image": "registry.example/server:1",
        "ports": [{"name": "http", "containerPort": 8000}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
    }
    for index in range(count):
        yield {
            "apiVersion": "tightrope.dev/v1alpha1",
            "kind": "InferenceDeployment",
            "metadata": {"name": f"s{index}", "namespace": "bench"},
            "spec": {
                "slo": {"objectives": [{"metric": "latency", "threshold": "300ms", "percent": 99}]},
                "replicas": {"min": 1, "max": 4},
                "template": {"spec": {"containers": [container]}},
                "variants": [{"name": "cpu", "pool": "bench", "capacity": {"rate": 25, "at": "300ms"}}],
            },
        }


def scraped(port: int) -> dict[str, float]:
    """The operator's own metrics without labels merged: name -> sum over its series."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    found: dict[str, float] = {}
    for line in lines:
        if line and not line.startswith("#"):
            name, value = line.split("{")[0].split(" ")[0], float(line.rsplit(" ", 1)[1])
            found[name] = found.get(name, 0.0) + value
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def resident_mib(pid: int) -> float:
    """Resident memory of a process, MiB (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1]) / 1024.0
    return float("nan")


def planned(lab: Lab) -> int:
    """How many services have a decision in their status."""
    done = lab.kubectl("get", "infd", "-n", "bench", "-o", "jsonpath={.items[*].status.decision.reason}")
    return len(done.stdout.split())


def cluster_part(count: int) -> None:
    """The operator on the lab with so many services."""
    with Lab.start(pools=[NodePool(name="bench", cpu="32", memory="128Gi", initial_nodes=8, max_nodes=8)]) as lab:
        lab.apply(Path(__file__).parents[3] / "crds")
        lab.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(manifests(count)))
        port, began = free_port(), time.monotonic()
        arguments = ["--prometheus-url", lab.prometheus_url, "--tick-seconds", "5", "--metrics-port", str(port)]
        operator = lab.spawn(
            "operator",
            [sys.executable, "-m", "tightrope.cli", "run", "--leader-election=off", *arguments],
            env={"KUBECONFIG": str(lab.operator_kubeconfig())},
        )
        while planned(lab) < count:
            if operator.poll() is not None or time.monotonic() - began > 300:
                raise SystemExit(f"the operator did not plan {count} services in 300 s; see {operator.log}")
            time.sleep(1.0)
        report("first plan of every service", time.monotonic() - began, "s")
        time.sleep(30.0)
        before = scraped(port)
        time.sleep(50.0)
        after = scraped(port)
        ticks = after["tightrope_tick_seconds_count"] - before["tightrope_tick_seconds_count"]
        spent = after["tightrope_tick_seconds_sum"] - before["tightrope_tick_seconds_sum"]
        report("tick, mean", spent / ticks, "s")
        queries = "tightrope_prometheus_queries_total"
        report("Prometheus queries per tick", (after[queries] - before[queries]) / ticks, "")
        report("resident memory", resident_mib(operator.pid), "MiB")
        writes = "tightrope_writes_total"
        report(f"writes in {ticks:.0f} ticks at rest", after.get(writes, 0.0) - before.get(writes, 0.0), "")


def report(figure: str, value: float, unit: str) -> None:
    print(f"  {figure:<40} {value:10.3f} {unit}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="tightrope.lab.bench", description=__doc__)
    parser.add_argument("--services", type=int, default=200, help="InferenceDeployments on the lab")
    options = parser.parse_args(arguments)
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"command: python -m tightrope.lab.bench --services {options.services}")
    print("the decision alone")
    for count in (1, 100, 1000):
        report(f"{count} services, one tick (CPU)", decision_seconds(count), "s")
    print(f"the operator with {options.services} InferenceDeployments on the lab")
    cluster_part(options.services)


if __name__ == "__main__":
    main()
