"""How many requests a second the data plane and a whole replay serve on one core, and how long decisions take; `make
bench` runs it.

`python -m tightrope.replay.bench`. The first call of a fresh installation compiles the kernels; later processes load
them. Rates are by the clock: on a machine that does something else too they are lower.
"""

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

from tightrope.dataplane.arrivals import RandomArrivals
from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.fleet import Fleet
from tightrope.dataplane.goals import Goal
from tightrope.dataplane.llm_bench import CHAT, SERVER
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.routing import Routing
from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.dataplane.tally import Groups
from tightrope.domain.spec import (
    CapacityPrior,
    LatencyObjective,
    Pool,
    Resources,
    Service,
    ServiceKey,
    Variant,
)
from tightrope.replay import decide_bench
from tightrope.replay.assumptions import Assumptions
from tightrope.replay.demand import Demand
from tightrope.replay.meter import bounds_around
from tightrope.replay.policies.register import kind_named
from tightrope.replay.profiles import server_of
from tightrope.replay.run import Case, play

STEP_SECONDS = 15.0
THRESHOLD, LLM_THRESHOLD = 0.3, 30.0


def fleet_alone(model: ServerModel, *, rate: float, pods: int, requests: float, routing: Routing) -> float:
    """Requests per second of clock time that a fleet serves, counted into sums; arrivals are drawn on the way."""
    fleet = Fleet(seed=1, routing=routing)
    groups = Groups(1, goals=[Goal(threshold_seconds=THRESHOLD)], bounds=bounds_around(THRESHOLD))
    names = [f"pod-{index}" for index in range(pods)]
    for name in names:
        fleet.add(name, model)
        groups.put(name, 0)
    fleet.set_ready(names)
    arrivals = RandomArrivals(RateCurve([(0.0, rate)]), seed=2)
    begun, served = time.perf_counter(), 0.0
    for until in np.arange(STEP_SECONDS, requests / rate, STEP_SECONDS).tolist():
        served += float(groups.counted(fleet, fleet.advance(arrivals.until(until), until)).ended[0])
    return served / (time.perf_counter() - begun)


def first_calls() -> tuple[float, float]:
    """Seconds until a new process has the kernels ready: it must compile them, or finds them compiled."""
    seconds = []
    command = [sys.executable, "-c", "from tightrope.dataplane.servers import compile_now; compile_now()"]
    with tempfile.TemporaryDirectory() as empty:
        for _ in range(2):
            begun = time.perf_counter()
            subprocess.run(command, check=True, env={**os.environ, "NUMBA_CACHE_DIR": empty})
            seconds.append(time.perf_counter() - begun)
    return seconds[0], seconds[1]


def whole_replay(policy: str, *, rate: float, hours: float, server: LlmModel | None = None) -> float:
    """Requests per second of clock time that a replay of this policy serves; of the language model of `llm_bench` with
    a `server`."""
    threshold = THRESHOLD if server is None else LLM_THRESHOLD
    service = Service(
        key=ServiceKey(namespace="bench", name="service"),
        objective=LatencyObjective(threshold_seconds=threshold, percent=99.0),
        slo_window_seconds=86_400.0,
        min_replicas=1,
        max_replicas=500,
        variants=(
            Variant(
                name="cpu",
                pool="cpu",
                requests=Resources(cpu_cores=4, memory_bytes=1e9),
                capacity=CapacityPrior(rate_per_second=rate / 20.0, at_seconds=threshold),
            ),
        ),
    )
    pool = Pool(
        name="cpu",
        price_per_node_hour=1.0,
        currency="USD",
        node=Resources(cpu_cores=4, memory_bytes=1e10),
        max_nodes=500,
        time_to_ready_seconds=60.0,
    )
    curve = RateCurve([(0.0, rate), (hours * 1800.0, 1.5 * rate), (hours * 3600.0, rate)])
    case = Case(
        service=service,
        pools={"cpu": pool},
        demand=Demand(name="bench", duration_seconds=hours * 3600.0, source="made up", curve=curve),
        assumptions=Assumptions(
            servers={"cpu": server_of(service, service.variants[0]) if server is None else server},
            lengths=None if server is None else CHAT,
        ),
    )
    kind = kind_named(policy)
    begun = time.perf_counter()
    course = play(case, kind, knobs=kind.defaults, variants=("cpu",))
    return course.score.requests / (time.perf_counter() - begun)


def main() -> None:
    """Print a figure a line."""
    print(f"python -m tightrope.replay.bench on {platform.machine()}, {platform.system()}, {platform.python_version()}")
    lone = ServerModel(base_seconds=0.015, distribution=Distribution.EXPONENTIAL)
    batches = ServerModel(base_seconds=0.02, per_request_seconds=0.004, batch_limit=16, slots=2)
    for name, seconds in zip(("first process, compiles", "next process, loads it"), first_calls(), strict=True):
        print(f"{name:58} {seconds:10.1f} s", flush=True)
    fleet_alone(lone, rate=100.0, pods=2, requests=10_000, routing=Routing.EVEN)
    whole_replay("static-peak", rate=10.0, hours=0.1, server=SERVER)
    runs: list[tuple[str, Callable[[], float]]] = [
        (
            "lone requests, even split, 1000/s over 20 pods",
            lambda: fleet_alone(lone, rate=1000.0, pods=20, requests=4e6, routing=Routing.EVEN),
        ),
        (
            "lone requests, even split, 80/s over 3 pods",
            lambda: fleet_alone(lone, rate=80.0, pods=3, requests=1e6, routing=Routing.EVEN),
        ),
        (
            "batches of 16, even split, 1000/s over 4 pods",
            lambda: fleet_alone(batches, rate=1000.0, pods=4, requests=4e6, routing=Routing.EVEN),
        ),
        (
            "lone requests, least loaded, 1000/s over 20 pods",
            lambda: fleet_alone(lone, rate=1000.0, pods=20, requests=2e6, routing=Routing.LEAST_LOADED),
        ),
        (
            "lone requests, least loaded, 10000/s over 200 pods",
            lambda: fleet_alone(lone, rate=10_000.0, pods=200, requests=2e6, routing=Routing.LEAST_LOADED),
        ),
        ("a replay of static peak, 1000/s", lambda: whole_replay("static-peak", rate=1000.0, hours=1.5)),
        ("a replay of Tightrope, 1000/s", lambda: whole_replay("tightrope", rate=1000.0, hours=1.5)),
        ("a replay of Tightrope, 80/s", lambda: whole_replay("tightrope", rate=80.0, hours=12.0)),
        (
            "a replay of static peak, language model, 100/s",
            lambda: whole_replay("static-peak", rate=100.0, hours=3.0, server=SERVER),
        ),
        (
            "a replay of static peak, language model, 10/s",
            lambda: whole_replay("static-peak", rate=10.0, hours=24.0, server=SERVER),
        ),
    ]
    for name, run in runs:
        print(f"{name:58} {run() / 1e6:10.2f} million requests/s", flush=True)
    scale = 1 if sys.platform == "darwin" else 1024
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 2**20
    print(f"{'largest memory of the process':58} {memory:10.0f} MiB")
    decide_bench.report((1, 1000, 10_000))


if __name__ == "__main__":
    main()
