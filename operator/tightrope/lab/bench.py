"""Timings, printed with the figure, the unit, the machine and the command: `make bench` runs it.

Two parts: the decision alone, for growing numbers of services; and the real operator on the lab with very many
InferenceDeployments, which `scale` measures.
"""

import argparse
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory
from tightrope.domain.observation import Known, Missing, Observation, Outcomes, VariantState
from tightrope.domain.spec import CapacityPrior, LatencyObjective, Pool, Resources, Service, ServiceKey, Variant
from tightrope.lab.process import ended_by_signals
from tightrope.lab.scale import measure

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


def report(figure: str, value: float, unit: str) -> None:
    print(f"  {figure:<46} {value:10.3f} {unit}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="tightrope.lab.bench", description=__doc__)
    parser.add_argument("--services", type=int, default=10_000, help="InferenceDeployments on the lab")
    parser.add_argument("--only", choices=("decision", "cluster"), help="one of the two parts")
    parser.add_argument("--profile", type=Path, help="write here in which functions the operator's time went")
    options = parser.parse_args(arguments)
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    profile = "" if options.profile is None else f" --profile {options.profile}"
    print(f"command: python -m tightrope.lab.bench --services {options.services}{profile}")
    if options.only != "cluster":
        print("the decision alone")
        for count in (1, 100, 1000):
            report(f"{count} services, one tick (CPU)", decision_seconds(count), "s")
    if options.only != "decision":
        print(f"the operator with {options.services} InferenceDeployments on the lab")
        with ended_by_signals():
            measure(options.services, report=report, profile=options.profile)


if __name__ == "__main__":
    main()
