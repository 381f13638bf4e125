"""How long the decision takes for many services, and how much each of them is remembered by.

`python -m tightrope.replay.decide_bench --services 10000`; `make bench` runs it for 1, 1,000 and 10,000. A few services
live through a day in a fluid cluster; their memories are then copied for as many services as are asked for, each of
which goes on with a demand of its own. Only the CPU time within `decide` counts, as a controller would spend it.
"""

import argparse
import gc
import math
import os
import pickle
import platform
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory, ServiceMemory
from tightrope.domain.observation import Known, Missing, Observation, Outcomes, VariantState
from tightrope.domain.plan import Decision
from tightrope.domain.spec import CapacityPrior, LatencyObjective, Pool, Resources, Service, ServiceKey, Variant

DAY, LAST_PART, TICK_SECONDS, COARSE_SECONDS = 86_400.0, 3600.0, 15.0, 60.0
KINDS = 8  # services that live through the day
TRACED = 160  # services whose memory is counted
TRUE_CAPACITY: Mapping[str, float] = {"cpu": 22.0, "gpu": 260.0}
START_SECONDS: Mapping[str, float] = {"cpu": 20.0, "gpu": 120.0}
GI = 2.0**30


def pools() -> dict[str, Pool]:
    """Two pools of CPU nodes and two of accelerators, shared by all."""
    return {
        f"{kind}-{zone}": Pool(
            name=f"{kind}-{zone}",
            price_per_node_hour=0.8 if kind == "gpu" else 0.2,
            currency="USD",
            node=Resources(cpu_cores=8, memory_bytes=32 * GI, accelerators=int(kind == "gpu")),
            max_nodes=1_000_000,
            time_to_ready_seconds=60.0 if kind == "gpu" else 20.0,
        )
        for kind in ("cpu", "gpu")
        for zone in ("a", "b")
    }


def service_of(index: int) -> Service:
    """99 % under 300 ms, on CPU nodes or on accelerators."""
    zone = "ab"[index % 2]
    variants = tuple(
        Variant(
            name=kind,
            pool=f"{kind}-{zone}",
            requests=Resources(cpu_cores=cores, memory_bytes=4 * GI, accelerators=int(kind == "gpu")),
            capacity=CapacityPrior(rate_per_second=rate, at_seconds=0.3),
        )
        for kind, cores, rate in (("cpu", 8.0, 25.0), ("gpu", 4.0, 300.0))
    )
    return Service(
        key=ServiceKey(namespace=f"team-{index % 50}", name=f"s{index:05d}"),
        objective=LatencyObjective(threshold_seconds=0.3, percent=99.0),
        slo_window_seconds=30 * DAY,
        min_replicas=1,
        max_replicas=60,
        variants=variants,
    )


@dataclass
class Seat:
    """One service in a fluid cluster. `kind` is the shape of its demand; replicas start after a fixed time."""

    service: Service
    kind: int
    wanted: dict[str, int] = field(default_factory=lambda: {"cpu": 0, "gpu": 0})
    started: list[tuple[float, str]] = field(default_factory=list)  # when ready, of which variant; newest last

    def observed(self, now: float, noise: float) -> Observation:
        """What is seen now. `noise` is standard normal: how far the counts lie from their mean."""
        mean = (15.0 + 20.0 * self.kind) * (1.2 + math.sin(math.tau * (now / DAY + self.kind / KINDS)))
        rate = max(mean + noise * math.sqrt(mean / 30.0), 0.0)
        ready = {name: sum(at <= now and name == mine for at, mine in self.started) for name in self.wanted}
        total = sum(ready.values())
        variants = {name: self.state(name, count, rate / max(total, 1), now) for name, count in ready.items()}
        good = sum(state.outcomes.good_low for state in variants.values() if state.outcomes is not None)
        seen = Outcomes(total=rate, good_low=good, good_high=good) if total and rate > 0 else None
        return Observation(at=now, demand=Known(value=rate, at=now), variants=variants, outcomes=seen)

    def state(self, name: str, ready: int, load: float, now: float) -> VariantState:
        missed = 0.01 * math.exp(min((load - TRUE_CAPACITY[name]) * 0.3, 4.0))
        served = load * ready
        good = served * (1.0 - min(missed, 1.0))
        return VariantState(
            wanted=self.wanted[name],
            ready=ready,
            pods=self.wanted[name],
            serving_demand=Known(value=served, at=now) if ready else Missing(reason="no pods"),
            outcomes=Outcomes(total=served, good_low=good, good_high=good) if served > 0 else None,
            utilisation=Known(value=min(load / (1.6 * TRUE_CAPACITY[name]), 1.0), at=now),
            startup_seconds=(START_SECONDS[name],) * ready,
        )

    def obey(self, decision: Decision, now: float) -> None:
        """Replicas as decided: the newest go first."""
        for write in decision.writes:
            self.wanted[write.variant] = write.replicas
            mine = [one for one in self.started if one[1] == write.variant]
            others = [one for one in self.started if one[1] != write.variant]
            mine += [(now + START_SECONDS[write.variant], write.variant)] * (write.replicas - len(mine))
            self.started = others + mine[: write.replicas]


@dataclass
class Cluster:
    """Many services under one `decide`; `spent` is the CPU time of its last call (seconds)."""

    seats: Sequence[Seat]
    memory: Memory
    random: np.random.Generator
    pools: Mapping[str, Pool] = field(default_factory=pools)
    spent: float = 0.0

    def tick(self, now: float, tick_seconds: float = TICK_SECONDS) -> None:
        noises = self.random.normal(size=len(self.seats)).tolist()
        seen = {seat.service.key: seat.observed(now, noise) for seat, noise in zip(self.seats, noises, strict=True)}
        services = [seat.service for seat in self.seats]
        begun = time.process_time()
        decisions, self.memory = decide(
            services=services,
            pools=self.pools,
            observations=seen,
            memory=self.memory,
            now=now,
            tick_seconds=tick_seconds,
            metrics_delay_seconds=TICK_SECONDS,
        )
        self.spent = time.process_time() - begun
        for seat in self.seats:
            seat.obey(decisions[seat.service.key], now)


def lived_through(seconds: float = DAY) -> Cluster:
    """A few services with so much history each, until `DAY`; all but the last hour of it in coarse ticks."""
    seats = [Seat(service=service_of(kind), kind=kind) for kind in range(KINDS)]
    cluster = Cluster(seats, Memory(), np.random.default_rng(1))
    for now in np.arange(DAY - seconds, DAY - LAST_PART, COARSE_SECONDS).tolist():
        cluster.tick(now, COARSE_SECONDS)
    for now in np.arange(DAY - min(seconds, LAST_PART), DAY, TICK_SECONDS).tolist():
        cluster.tick(now)
    return cluster


def copied(lived: Cluster, count: int) -> Cluster:
    """So many services, with the memories of those that lived through the day."""
    seats: list[Seat] = []
    memories: dict[ServiceKey, ServiceMemory] = {}
    frozen = [pickle.dumps((lived.memory.of(seat.service.key), seat.wanted, seat.started)) for seat in lived.seats]
    for index in range(count):
        service, kind = service_of(index), index % KINDS
        memories[service.key], wanted, started = pickle.loads(frozen[kind])  # noqa: S301 our own, a moment old
        seats.append(Seat(service, kind, wanted, started))
    return Cluster(seats, Memory(services=memories), np.random.default_rng(2))


def seconds_of_a_tick(lived: Cluster, count: int, *, ticks: int) -> float:
    """CPU seconds of one decision for so many services: the middle one of some ticks, after a first."""
    cluster, spent = copied(lived, count), []
    for tick in range(ticks + 1):
        cluster.tick(DAY + tick * TICK_SECONDS)
        spent.append(cluster.spent)
    return float(np.median(spent[1:]))


def bytes_a_service(lived: Cluster) -> float:
    """What one service is remembered by, once its memory is what `decide` itself has made."""
    tracemalloc.start()
    try:
        cluster = copied(lived, TRACED)
        for tick in range(3):
            cluster.tick(DAY + tick * TICK_SECONDS)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        cluster.memory = Memory()
        gc.collect()
        rest, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (held - rest) / TRACED


def report(counts: Sequence[int]) -> None:
    """Print a figure a line."""
    lived = lived_through()
    for count in counts:
        ticks = max(3, 100 // count)
        seconds = seconds_of_a_tick(lived, count, ticks=ticks)
        name = f"a decision for {count} service{'s' if count > 1 else ''}, CPU"
        print(f"{name:58} {seconds:10.4f} s, {1000 * seconds / count:.3f} ms a service", flush=True)
    print(f"{'memory of a service after a day':58} {bytes_a_service(lived) / 1024:10.1f} KiB", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="tightrope.replay.decide_bench", description=__doc__)
    parser.add_argument("--services", type=int, nargs="+", default=[1, 1000, 10_000], help="how many decide together")
    options = parser.parse_args(arguments)
    counts = " ".join(map(str, options.services))
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"command: python -m tightrope.replay.decide_bench --services {counts}")
    report(options.services)


if __name__ == "__main__":
    main()
