"""Builders for domain values: sensible defaults, keyword overrides. Tests state only what matters to them."""

from typing import Any

from tightrope.domain.observation import Known, Missing, Observation, Outcomes, VariantState
from tightrope.domain.spec import (
    Behavior,
    CapacityPrior,
    LatencyObjective,
    Pool,
    Resources,
    Service,
    ServiceKey,
    Variant,
)

KEY = ServiceKey(namespace="nlp", name="sentiment")
GI = 2.0**30


def pool(name: str = "cpu", **overrides: Any) -> Pool:
    """A pool; a name that starts with `gpu` has one accelerator per node and a higher price."""
    gpu = name.startswith("gpu")
    values: dict[str, Any] = {
        "name": name,
        "price_per_node_hour": 0.80 if gpu else 0.20,
        "currency": "USD",
        "node": Resources(cpu_cores=8, memory_bytes=32 * GI, accelerators=1 if gpu else 0),
        "max_nodes": 20,
        "time_to_ready_seconds": 60.0 if gpu else 20.0,
    }
    return Pool(**(values | overrides))


def variant(name: str = "cpu", **overrides: Any) -> Variant:
    """A variant in the pool of its own name; a CPU replica fills a node, carries 25/s; a GPU replica 300/s."""
    gpu = name.startswith("gpu")
    values: dict[str, Any] = {
        "name": name,
        "pool": name,
        "requests": Resources(cpu_cores=4 if gpu else 8, memory_bytes=4 * GI, accelerators=1 if gpu else 0),
        "capacity": CapacityPrior(rate_per_second=300.0 if gpu else 25.0, at_seconds=0.3),
    }
    return Variant(**(values | overrides))


def service(**overrides: Any) -> Service:
    """nlp/sentiment: 99 % under 300 ms, one CPU and one GPU variant, 1 to 40 replicas."""
    values: dict[str, Any] = {
        "key": KEY,
        "objective": LatencyObjective(threshold_seconds=0.3, percent=99.0),
        "slo_window_seconds": 86400.0,
        "min_replicas": 1,
        "max_replicas": 40,
        "variants": (variant("cpu"), variant("gpu")),
        "behavior": Behavior(),
    }
    return Service(**(values | overrides))


def pools(*names: str) -> dict[str, Pool]:
    return {name: pool(name) for name in names or ("cpu", "gpu")}


def state(wanted: int | None = 0, ready: int | None = None, **overrides: Any) -> VariantState:
    """A variant with all of its replicas ready unless told otherwise."""
    ready = (wanted or 0) if ready is None else ready
    values: dict[str, Any] = {
        "wanted": wanted,
        "ready": ready,
        "pods": wanted or 0,
        "serving_demand": Missing(reason="no pods"),
    }
    return VariantState(**(values | overrides))


def outcomes(total: float, missed: float = 0.0) -> Outcomes:
    return Outcomes(total=total, good_low=total - missed, good_high=total - missed)


def observation(at: float, demand: float | None, states: dict[str, VariantState], **overrides: Any) -> Observation:
    """What is seen at `at`: a demand (None = missing), every request good unless told otherwise."""
    seen = demand is not None
    values: dict[str, Any] = {
        "at": at,
        "demand": Known(value=demand, at=at) if demand is not None else Missing(reason="Prometheus is down"),
        "variants": states,
        "outcomes": outcomes(demand) if seen and demand else None,
        "outcomes_missing": None if seen else "Prometheus is down",
    }
    return Observation(**(values | overrides))
