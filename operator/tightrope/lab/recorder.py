"""Fills the record of a run while it goes on: watches of the API server, and what the emulated clients say.

`drive` starts one `Recorder`, calls `sample` about once a second, and reads `record` for the view and at the end.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from re import fullmatch
from typing import Any, Final

from tightrope.api.parse import ParsedService
from tightrope.lab.api_client import ApiClient
from tightrope.lab.record import (
    DecisionSeen,
    FaultSpan,
    Record,
    ReplicaWrite,
    Sample,
    Second,
    ServiceRecord,
    VariantCount,
)
from tightrope.lab.watch import Object, Watch

PODS: Final = "/api/v1/pods"
DEPLOYMENTS: Final = "/apis/apps/v1/deployments"
STATEFUL_SETS: Final = "/apis/apps/v1/statefulsets"
SERVICES: Final = "/apis/tightrope.dev/v1alpha1/inferencedeployments"
WATCHED: Final = (PODS, DEPLOYMENTS, STATEFUL_SETS, SERVICES)


@dataclass(slots=True, kw_only=True)
class _Subject:
    """One service on record: what never changes, what is known of the cluster now, and what was seen so far."""

    start: ServiceRecord
    namespace: str
    workloads: Mapping[str, str]  # by name, the variant
    wanted: dict[str, int] = field(default_factory=dict)
    pods: dict[str, Object] = field(default_factory=dict)
    budget_remaining: float | None = None
    samples: list[Sample] = field(default_factory=list)
    seconds: list[Second] = field(default_factory=list)
    writes: list[ReplicaWrite] = field(default_factory=list)
    decisions: list[DecisionSeen] = field(default_factory=list)


class Recorder:
    """Call its methods from one thread; the watches only touch it under its lock.

    `prices` (currency per node and hour, by pool) may be changed while it runs. `empty` is the record of a run in which
    nothing has happened yet; `parsed` has the manifests of its services, by name.
    """

    def __init__(
        self,
        empty: Record,
        *,
        parsed: Mapping[str, ParsedService],
        prices: dict[str, float],
        connect: Callable[[], ApiClient],
    ) -> None:
        self.prices = prices
        self._record = empty
        self._faults: list[FaultSpan] = []
        self._lock = threading.Lock()
        self._subjects = {service.name: _subject(service, parsed[service.name]) for service in empty.services}
        self._watches = [Watch(path, connect, self.changed) for path in WATCHED]

    def start(self, *, seconds: float) -> bool:
        """Begin to watch; whether all that exists has been listed within this time."""
        for watch in self._watches:
            watch.start()
        deadline = time.monotonic() + seconds
        return all(watch.wait(max(0.0, deadline - time.monotonic())) for watch in self._watches)

    def stop(self) -> None:
        for watch in self._watches:
            watch.stop()

    def begin(self, started_at: float) -> None:
        """The traffic begins now; decisions and samples from before stay out of the record."""
        with self._lock:
            self._record = replace(self._record, started_at=started_at)
            for subject in self._subjects.values():
                subject.samples.clear()
                subject.writes.clear()
                subject.decisions[:] = [replace(seen, at=started_at) for seen in subject.decisions[-1:]]

    def sample(self, now: float, truth: Mapping[str, Iterable[Second]]) -> None:
        """Write down the cluster as it is, and the clients' new seconds, by service."""
        with self._lock:
            for name, subject in self._subjects.items():
                subject.samples.append(self._sample(subject, now))
                last = subject.seconds[-1].at if subject.seconds else float("-inf")
                subject.seconds += [row for row in truth.get(name, ()) if row.at > last]

    def fault_began(self, fault: FaultSpan) -> int:
        """Returns the number by which `fault_ended` knows it."""
        with self._lock:
            self._faults.append(fault)
            return len(self._faults) - 1

    def fault_ended(self, number: int, now: float) -> None:
        with self._lock:
            self._faults[number] = replace(self._faults[number], end=now)

    def ready(self, name: str) -> bool:
        """Whether the service runs and all that is wanted of it is ready."""
        with self._lock:
            counts = _counts(self._subjects[name])
        return any(count.wanted for count in counts.values()) and all(
            (count.wanted or 0) == count.ready for count in counts.values()
        )

    def record(self) -> Record:
        """The record as it stands."""
        with self._lock:
            services = tuple(
                replace(
                    subject.start,
                    samples=tuple(subject.samples),
                    seconds=tuple(subject.seconds),
                    writes=tuple(subject.writes),
                    decisions=tuple(subject.decisions),
                )
                for subject in self._subjects.values()
            )
            return replace(self._record, services=services, faults=tuple(self._faults))

    def _sample(self, subject: _Subject, now: float) -> Sample:
        return Sample(
            at=now,
            variants=_counts(subject),
            cost_per_hour=sum(
                self.prices[facts.pool] * nodes_of(_pods_of(subject, facts.name), facts.replicas_per_node)
                for facts in subject.start.variants
            ),
            budget_remaining=subject.budget_remaining,
        )

    def changed(self, path: str, before: Object | None, after: Object | None, at: float) -> None:
        """The watches tell every change here: which path, the object before and after (None: not there), and when."""
        metadata = (after or before or {})["metadata"]
        with self._lock:
            for subject in self._subjects.values():
                if subject.namespace != metadata.get("namespace"):
                    continue
                if path == PODS:
                    _take_pod(subject, metadata["uid"], after)
                elif path == SERVICES and f"{subject.namespace}/{metadata['name']}" == subject.start.name:
                    _take_status(subject, (after or {}).get("status") or {}, at)
                elif path in (DEPLOYMENTS, STATEFUL_SETS) and metadata["name"] in subject.workloads:
                    _take_replicas(subject, subject.workloads[metadata["name"]], after, at)


def _subject(service: ServiceRecord, parsed: ParsedService) -> _Subject:
    key, targets = parsed.service.key, parsed.targets
    workloads = {
        targets[variant.name].name if variant.name in targets else f"{key.name}-{variant.name}": variant.name
        for variant in parsed.service.variants
    }
    return _Subject(start=service, namespace=key.namespace, workloads=workloads)


def _take_pod(subject: _Subject, uid: str, after: Object | None) -> None:
    if after is None or after.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        subject.pods.pop(uid, None)
    elif variant_of(after["metadata"]["name"], subject.workloads) is not None:
        subject.pods[uid] = after


def _take_replicas(subject: _Subject, variant: str, after: Object | None, at: float) -> None:
    before, now = subject.wanted.get(variant), None if after is None else after["spec"].get("replicas", 1)
    if before == now:
        return
    subject.writes.append(ReplicaWrite(at=at, variant=variant, before=before, after=now))
    if now is None:
        subject.wanted.pop(variant, None)
    else:
        subject.wanted[variant] = now


def _take_status(subject: _Subject, status: Mapping[str, Any], at: float) -> None:
    objectives, decision = status.get("slo") or [{}], status.get("decision")
    subject.budget_remaining = number(objectives[0].get("budgetRemaining"))
    if not decision:
        return
    seen = DecisionSeen(
        at=at,
        reason=decision["reason"],
        message=decision["message"],
        plan=status.get("plan", ""),
        covered=number(decision.get("coveredDemand")),
    )
    last = subject.decisions[-1] if subject.decisions else None
    if last is None or replace(last, at=at) != seen:
        subject.decisions.append(seen)


def number(text: str | None) -> float | None:
    """The number a figure of the status begins with: "41.2/s" is 41.2; None if there is none."""
    match = fullmatch(r"(-?[0-9]+(?:\.[0-9]+)?).*", text or "")
    return float(match.group(1)) if match else None


def variant_of(pod: str, workloads: Mapping[str, str]) -> str | None:
    """The variant whose workload made this pod, by the names that Deployments and StatefulSets give; None for others.

    `sentiment-cpu-7d4b9-x2x8q` and `sentiment-cpu-0` are of `sentiment-cpu`, and not of `sentiment`.
    """
    for workload, variant in workloads.items():
        rest = pod.removeprefix(f"{workload}-")
        if rest != pod and fullmatch(r"[a-z0-9]+-[a-z0-9]{5}|[0-9]+", rest):
            return variant
    return None


def _pods_of(subject: _Subject, variant: str) -> list[Object]:
    return [pod for pod in subject.pods.values() if variant_of(pod["metadata"]["name"], subject.workloads) == variant]


def _counts(subject: _Subject) -> dict[str, VariantCount]:
    counts = {}
    for facts in subject.start.variants:
        pods = _pods_of(subject, facts.name)
        counts[facts.name] = VariantCount(
            wanted=subject.wanted.get(facts.name), ready=sum(map(is_ready, pods)), pods=len(pods)
        )
    return counts


def is_ready(pod: Object) -> bool:
    """Ready, and not on its way out."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return not pod["metadata"].get("deletionTimestamp") and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions
    )


def nodes_of(pods: Iterable[Object], replicas_per_node: int) -> int:
    """Nodes that these pods occupy, and those that the pods without one wait for: a cloud bills a node from when it is
    ordered."""
    pods = list(pods)
    placed = {pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("nodeName")}
    waiting = sum(not pod["spec"].get("nodeName") for pod in pods)
    return len(placed) + ceil(waiting / max(replicas_per_node, 1))
