"""Builders of synthetic runs: a calm run in which every check holds, with overrides for what a test is about."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from tightrope.lab.record import (
    DecisionSeen,
    FaultSpan,
    Record,
    ReplicaWrite,
    Sample,
    Second,
    ServiceRecord,
    VariantCount,
    VariantFacts,
)

START = 1_800_000_000.0
CPU = VariantFacts(name="cpu", pool="c7i", capacity=30.0, price_per_node_hour=0.17, replicas_per_node=1)
GPU = VariantFacts(name="gpu", pool="l4", capacity=500.0, price_per_node_hour=0.80, replicas_per_node=1)


def demand_at(second: float) -> float:
    """A quiet start, a rise, a burst on top, a fall."""
    rise = 160 / (1 + math.exp(-(second - 80) / 10)) - 160 / (1 + math.exp(-(second - 215) / 10))
    burst = 90 * math.exp(-(((second - 140) / 12) ** 2))
    return 40 + rise + burst


def fleet_at(second: float) -> dict[str, tuple[int, int]]:
    """(wanted, ready) per variant: CPU, then GPU from 75 s, then CPU again from 245 s."""
    cpu = 2 if second < 60 else 4 if second < 92 else 0 if second < 240 else 2
    cpu_ready = 2 if second < 64 else 4 if second < 92 else 0 if second < 244 else 2
    gpu = 0 if second < 76 else 1 if second < 250 else 0
    gpu_ready = 0 if second < 88 else 1 if second < 250 else 0
    return {"cpu": (cpu, cpu_ready), "gpu": (gpu, gpu_ready)}


Fleet = Callable[[float], Mapping[str, tuple[int, int]]]


def a_service(*, seconds: int = 300, fleet: Fleet = fleet_at, good: float = 0.998, **overrides: Any) -> ServiceRecord:
    """The service of a run: `fleet` gives (wanted, ready) per variant at each second."""
    samples = tuple(_sample(second, fleet(second)) for second in range(seconds))
    values: dict[str, Any] = {
        "name": "nlp/sentiment",
        "threshold_seconds": 0.3,
        "percent": 99.0,
        "currency": "USD",
        "variants": (CPU, GPU),
        "samples": samples,
        "seconds": tuple(_second(second, fleet(second), good) for second in range(seconds)),
        "writes": _writes(samples),
        "decisions": (
            DecisionSeen(at=START + 1, reason="FirstPlan", message="First plan: cpu:2 carries 52/s.", plan="cpu:2"),
            DecisionSeen(
                at=START + 76,
                reason="CheaperMix",
                message="Another mix is cheaper: demand is 118.2/s, up to 210.0/s must be covered until gpu would be "
                "ready (24s); gpu:1 carries 438.1/s for 0.80 USD/h.",
                plan="gpu:1",
            ),
            DecisionSeen(at=START + 135, reason="HoldMissingData", message="Hold: demand is unknown.", plan="gpu:1"),
            DecisionSeen(at=START + 240, reason="CheaperMix", message="Another mix is cheaper.", plan="cpu:2"),
        ),
    }
    return ServiceRecord(**(values | overrides))


def a_record(**overrides: Any) -> Record:
    """The whole run: five minutes, Prometheus down for 40 s in the middle."""
    values: dict[str, Any] = {
        "scenario": "demo",
        "started_at": START,
        "duration_seconds": 300.0,
        "tick_seconds": 2.0,
        "services": (a_service(),),
        "faults": (outage(130, 170),),
    }
    return Record(**(values | overrides))


def outage(start: float, end: float | None) -> FaultSpan:
    return FaultSpan(
        label="Prometheus down",
        start=START + start,
        end=None if end is None else START + end,
        blinding=True,
        services=("nlp/sentiment",),
    )


def with_write(service: ServiceRecord, second: float, variant: str, before: int, after: int | None) -> ServiceRecord:
    """The same service with one more write."""
    write = ReplicaWrite(at=START + second, variant=variant, before=before, after=after)
    return replace(service, writes=tuple(sorted((*service.writes, write), key=lambda write: write.at)))


def _sample(second: int, fleet: Mapping[str, tuple[int, int]]) -> Sample:
    counts = {name: VariantCount(wanted=wanted, ready=ready, pods=wanted) for name, (wanted, ready) in fleet.items()}
    price = {facts.name: facts.price_per_node_hour for facts in (CPU, GPU)}
    cost = sum(count.pods * price[name] for name, count in counts.items())
    return Sample(at=START + second, variants=counts, cost_per_hour=cost, budget_remaining=max(0.4, 1 - second / 500))


def _second(second: int, fleet: Mapping[str, tuple[int, int]], good: float) -> Second:
    arrivals = round(demand_at(second) + 4 * math.sin(second * 1.7))
    wave = 0.5 + 0.5 * math.sin(second / 9)
    return Second(
        at=START + second,
        arrivals=arrivals,
        good=round(arrivals * good),
        finished=arrivals,
        dropped=0,
        p50=0.055 + 0.01 * wave,
        p99=0.15 + 0.1 * wave + (0.12 if 66 < second < 72 else 0.0),
        serving={name: ready for name, (_, ready) in fleet.items()},
    )


def _writes(samples: tuple[Sample, ...]) -> tuple[ReplicaWrite, ...]:
    return tuple(
        ReplicaWrite(at=now.at, variant=name, before=before.variants[name].wanted, after=count.wanted)
        for before, now in pairwise(samples)
        for name, count in now.variants.items()
        if count.wanted != before.variants[name].wanted
    )
