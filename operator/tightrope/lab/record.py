"""What the lab itself saw of a run, as plain values: the view, the checks, the table and the picture read nothing else.

`recorder` fills it from watches of the API server and from the emulated clients' own account, never from Prometheus and
never from the operator's log, so that the verdict on a run does not rest on the word of the one that is judged.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFacts:
    """One variant as the scenario built it. `capacity` is what one emulated replica truly carries at the SLO
    (requests per second), which nobody has told the operator."""

    name: str
    pool: str
    capacity: float
    price_per_node_hour: float
    replicas_per_node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantCount:
    """`wanted` is spec.replicas (None: no workload), `ready` pods that are Ready, `pods` all that are not finished."""

    wanted: int | None
    ready: int
    pods: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The cluster at one instant (`at`: unix seconds). `cost_per_hour` is the price of the nodes that the service's
    pods occupy, with the nodes that its pending pods wait for. `budget_remaining` is the operator's own account."""

    at: float
    variants: Mapping[str, VariantCount]
    cost_per_hour: float
    budget_remaining: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """One second of the emulated clients. `arrivals` were sent in it; `good` and `finished` were answered in it (good:
    at or under the threshold), `dropped` were refused in it. Latencies are in seconds, None if nothing finished.
    `serving` counts, per variant, the pods among which the Service split the arrivals."""

    at: float
    arrivals: int
    good: int
    finished: int
    dropped: int
    p50: float | None = None
    p99: float | None = None
    serving: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaWrite:
    """A change of spec.replicas, whoever wrote it. None is "no such workload"."""

    at: float
    variant: str
    before: int | None
    after: int | None

    @property
    def lowers(self) -> bool:
        return (self.after or 0) < (self.before or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSeen:
    """A status.decision as it stood in the API server from `at` on. `covered` is the demand per second that the plan
    is sized for, by the operator's own account; None where it does not say."""

    at: float
    reason: str
    message: str
    plan: str = ""
    covered: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpan:
    """A fault of the scenario, from `start` until `end` (unix seconds; None while it lasts). `blinding` faults take
    away the data that the operator decides by; `services` are those they touch."""

    label: str
    start: float
    end: float | None
    blinding: bool
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    """One service over the whole run; all sequences ascend in time."""

    name: str
    threshold_seconds: float
    percent: float
    currency: str
    variants: tuple[VariantFacts, ...]
    samples: tuple[Sample, ...] = ()
    seconds: tuple[Second, ...] = ()
    writes: tuple[ReplicaWrite, ...] = ()
    decisions: tuple[DecisionSeen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run. `started_at` is when its traffic began (unix seconds); it is meant to last `duration_seconds`."""

    scenario: str
    started_at: float
    duration_seconds: float
    tick_seconds: float
    services: tuple[ServiceRecord, ...]
    faults: tuple[FaultSpan, ...] = ()


def write_json(record: Record, path: Path) -> None:
    """Keep the record of a run, so that its table and picture can be drawn again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(record), separators=(",", ":")) + "\n")


def read_json(path: Path) -> Record:
    """The record as it was written. Raises ValueError or KeyError for a file of another kind."""
    raw = json.loads(path.read_text())
    return Record(
        **raw
        | {
            "services": tuple(_service(service) for service in raw["services"]),
            "faults": tuple(FaultSpan(**fault | {"services": tuple(fault["services"])}) for fault in raw["faults"]),
        }
    )


def _service(raw: Mapping[str, Any]) -> ServiceRecord:
    return ServiceRecord(
        **dict(raw)
        | {
            "variants": tuple(VariantFacts(**facts) for facts in raw["variants"]),
            "samples": tuple(_sample(sample) for sample in raw["samples"]),
            "seconds": tuple(Second(**second) for second in raw["seconds"]),
            "writes": tuple(ReplicaWrite(**write) for write in raw["writes"]),
            "decisions": tuple(DecisionSeen(**decision) for decision in raw["decisions"]),
        }
    )


def _sample(raw: Mapping[str, Any]) -> Sample:
    counts = {name: VariantCount(**count) for name, count in raw["variants"].items()}
    return Sample(**dict(raw) | {"variants": counts})
