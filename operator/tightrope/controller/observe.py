"""From samples and cluster facts to what the decision sees: Known, Missing or Stale, and why.

`tick` calls `observe` once for all services, with the tick's `MetricsSnapshot` and what the store knows of workloads
and pods. A signal is Known only if every pod that has been ready for long enough reports it, fresh and finite:
a part of the demand is a lower bound, never the demand. Every reason tells a newcomer what to fix.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tightrope.controller import buckets
from tightrope.controller.attribution import Attribution, Owner, WorkloadKey
from tightrope.controller.signals import Reading, Samples, number, problem, total
from tightrope.domain.observation import Known, Missing, Observation, Signal, VariantState, describe
from tightrope.domain.spec import Service, ServiceKey
from tightrope.ports import MetricsSnapshot, PodHistory, PodKey

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """One pod as the cluster shows it. Times are unix seconds; `available` is ready for minReadySeconds; `gpu` says
    that it requests an accelerator; `cpu_request_cores` is 0 when it requests none."""

    namespace: str
    name: str
    variant: str
    ready: bool
    available: bool
    created_at: float
    ready_since: float | None = None
    terminating: bool = False
    unschedulable: bool = False
    cpu_request_cores: float = 0.0
    gpu: bool = False

    @property
    def key(self) -> PodKey:
        return PodKey(self.namespace, self.name)

    @property
    def serving(self) -> bool:
        """Whether requests are routed to it."""
        return self.ready and not self.terminating


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFacts:
    """The Deployment or StatefulSet of one variant. `wanted` is spec.replicas, None when it does not exist; `ready`
    its available replicas; the rest as in `VariantState`."""

    variant: str
    kind: str
    name: str
    wanted: int | None
    ready: int
    rolling_out: bool = False
    refused: str | None = None
    other_writer: str | None = None
    unavailable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """One service with its preset, and everything the cluster shows of it. Workloads and pods of a variant that the
    service no longer declares still serve it: they count in its demand, and have no state of their own."""

    service: Service
    preset: str
    workloads: Sequence[WorkloadFacts] = ()
    pods: Sequence[PodFacts] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRead:
    """Earlier samples by preset and pod, each averaged over the `step_seconds` that end at its time."""

    step_seconds: float
    pods: Mapping[str, Mapping[PodKey, PodHistory]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old a sample may be, and how long a new pod may stay without one."""

    rate_window_seconds: float
    max_age_seconds: float

    @property
    def grace_seconds(self) -> float:
        """A rate needs two scrapes, and the first may miss the pod: two windows are time enough."""
        return 2.0 * self.rate_window_seconds


def observe(
    services: Sequence[ServiceFacts],
    metrics: MetricsSnapshot,
    *,
    now: float,
    freshness: Freshness,
    history: HistoryRead | None = None,
) -> dict[ServiceKey, Observation]:
    """What is seen of every service at `now`. `history` only at start and after an outage."""
    attribution = attribution_of(services)
    presets = {facts.service.key: facts.preset for facts in services}
    samples = by_owner(metrics.pods, attribution, presets)
    earlier = by_owner(history.pods, attribution, presets) if history else {}
    result = {}
    for facts in services:
        key = facts.service.key
        view = _View(facts=facts, metrics=metrics, now=now, freshness=freshness, samples=samples.get(key, {}))
        observation = view.observation()
        if history and key in earlier:
            observation = with_history(observation, facts.service, earlier[key], history.step_seconds)
        result[key] = observation
    return result


def attribution_of(services: Sequence[ServiceFacts]) -> Attribution:
    """Who owns which pod: known pods by what the cluster says, pods that have gone by their workload's name."""
    pods: dict[PodKey, Owner] = {}
    workloads: dict[WorkloadKey, Owner] = {}
    for facts in services:
        key = facts.service.key
        for pod in facts.pods:
            pods.setdefault(pod.key, Owner(key, pod.variant))
        for workload in facts.workloads:
            # An object of that name which is not ours to use has pods that are not ours either.
            if workload.wanted is not None or workload.unavailable is None:
                name = WorkloadKey(key.namespace, workload.kind, workload.name)
                workloads.setdefault(name, Owner(key, workload.variant))
    return Attribution(pods=pods, workloads=workloads)


def by_owner(
    presets: Mapping[str, Mapping[PodKey, Value]], attribution: Attribution, wanted: Mapping[ServiceKey, str]
) -> dict[ServiceKey, dict[str, dict[PodKey, Value]]]:
    """What each service's own preset says of its pods: by service, variant and pod."""
    result: dict[ServiceKey, dict[str, dict[PodKey, Value]]] = {}
    for preset, pods in presets.items():
        for pod, value in pods.items():
            owner = attribution.owner(pod)
            if owner is not None and wanted[owner.service] == preset:
                result.setdefault(owner.service, {}).setdefault(owner.variant, {})[pod] = value
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """One service at one tick, with the samples of its pods by variant."""

    facts: ServiceFacts
    metrics: MetricsSnapshot
    now: float
    freshness: Freshness
    samples: Mapping[str, Samples]

    @property
    def threshold(self) -> float:
        return self.facts.service.objective.threshold_seconds

    def observation(self) -> Observation:
        reading = self.reading()
        seen = latencies(reading.samples)
        missing = problem(reading, "latency")
        errors = total(reading, "errors")
        return Observation(
            at=self.now,
            demand=total(reading, "arrivals"),
            variants={variant.name: self.variant(variant.name) for variant in self.facts.service.variants},
            outcomes=None if missing else buckets.without_errors(buckets.outcomes(seen, self.threshold), errors),
            outcomes_missing=describe(missing) if missing else None,
            errors=errors,
            in_flight=total(reading, "in_flight"),
            p99_seconds=missing or buckets.quantile(seen, 0.99, at=reading.at()),
            threshold_note=buckets.threshold_note(seen, self.threshold),
        )

    def variant(self, name: str) -> VariantState:
        reading = self.reading(name)
        workload = next((one for one in self.facts.workloads if one.variant == name), None)
        pods = [pod for pod in self.facts.pods if pod.variant == name and not pod.terminating]
        available = sum(pod.available for pod in pods)
        stuck = [pod.created_at for pod in pods if pod.unschedulable]
        return VariantState(
            wanted=workload.wanted if workload else None,
            # The workload's count lags behind its pods, and a watch of pods may lag behind it: believe the lower.
            ready=min(available, workload.ready) if workload else available,
            pods=len(pods),
            serving_demand=self.serving_demand(reading),
            outcomes=None
            if problem(reading, "latency")
            else buckets.outcomes(latencies(reading.samples), self.threshold),
            utilisation=utilisation(reading, [pod for pod in pods if pod.serving]),
            rolling_out=workload.rolling_out if workload else False,
            unschedulable_since=min(stuck, default=None),
            unschedulable=len(stuck),
            refused=workload.refused if workload else None,
            startup_seconds=tuple(pod.ready_since - pod.created_at for pod in pods if pod.ready and pod.ready_since),
            other_writer=workload.other_writer if workload else None,
            unavailable=workload.unavailable if workload else None,
        )

    def serving_demand(self, reading: Reading) -> Signal:
        """A variant without pods gets no requests: that zero is known without asking anybody."""
        if not reading.serving and not reading.samples:
            return Known(value=0.0, at=self.now)
        return total(reading, "arrivals")

    def reading(self, variant: str | None = None) -> Reading:
        """The samples of the service, or of one variant of it."""
        serving = [pod for pod in self.facts.pods if pod.serving and variant in (None, pod.variant)]
        youngest = self.now - self.freshness.grace_seconds
        required = [pod.key for pod in serving if pod.ready_since is None or pod.ready_since <= youngest]
        chosen = self.samples.values() if variant is None else [self.samples.get(variant, {})]
        return Reading(
            who=str(self.facts.service.key) if variant is None else f"variant {variant} of {self.facts.service.key}",
            preset=self.facts.preset,
            metrics=self.metrics,
            max_age_seconds=self.freshness.max_age_seconds,
            serving=[pod.key for pod in serving],
            required=required,
            samples={key: sample for samples in chosen for key, sample in samples.items()},
        )


def latencies(samples: Samples) -> list[buckets.Buckets]:
    """The histograms of the pods that have one."""
    return [sample.latency for sample in samples.values() if sample.latency]


def utilisation(reading: Reading, serving: Sequence[PodFacts]) -> Signal:
    """0..1 of the devices for pods with an accelerator, else of the CPU that the pods request (more when they burst).

    What the measured pods use of what all pods have is the lower bound when some are not measured.
    """
    if not serving:
        return Missing(reason=f"{reading.who} has no ready pods, so nothing measures its utilisation")
    signal = "gpu_utilisation" if any(pod.gpu for pod in serving) else "cpu_cores"
    shares = [(pod.key, 1.0 if signal == "gpu_utilisation" else pod.cpu_request_cores) for pod in serving]
    whole = sum(share for _, share in shares)
    if whole <= 0.0:
        return Missing(
            reason=f"the pods of {reading.who} request no CPU, so there is nothing to compare their use with"
        )
    used = {key: value for key, _ in shares if (value := used_by(reading, key, signal)) is not None}
    measured = sum(share for key, share in shares if key in used)
    unmeasured = [key for key in reading.required if key not in used]
    if not unmeasured and measured > 0.0:
        return Known(value=sum(used.values()) / measured, at=reading.at())
    reason = reading.failure(signal) or unmeasured_in_words(reading, signal, unmeasured)
    return Missing(reason=reason, at_least=sum(used.values()) / whole if used else None)


def used_by(reading: Reading, key: PodKey, signal: str) -> float | None:
    """Cores or share of the devices that this pod uses; None if it is not measured."""
    sample = reading.samples.get(key)
    return None if sample is None else number(sample, signal)


def unmeasured_in_words(reading: Reading, signal: str, unmeasured: Sequence[PodKey]) -> str:
    """Which exporter to look at."""
    exporter = "the DCGM exporter" if signal == "gpu_utilisation" else "the kubelet's cAdvisor"
    first = f" (first: {unmeasured[0].namespace}/{unmeasured[0].pod})" if unmeasured else ""
    return (
        f"metric {reading.metric(signal)} has no series for {len(unmeasured) or len(reading.serving)} of "
        f"{len(reading.serving)} ready pods of {reading.who}{first}: is {exporter} scraped?"
    )


def with_history(
    observation: Observation,
    service: Service,
    variants: Mapping[str, Mapping[PodKey, PodHistory]],
    step_seconds: float,
) -> Observation:
    """The observation with the demand and the finished requests of earlier steps, summed over all pods."""
    demand: dict[float, float] = {}
    finished: dict[float, list[buckets.Buckets]] = {}
    for pod in (pod for pods in variants.values() for pod in pods.values()):
        for at, arrivals in pod.arrivals:
            demand[at] = demand.get(at, 0.0) + arrivals
        for at, latency in pod.latency:
            finished.setdefault(at, []).append(latency)
    threshold = service.objective.threshold_seconds
    return replace(
        observation,
        demand_history=tuple(sorted(demand.items())),
        outcome_history=tuple(
            (at - step_seconds, step_seconds, buckets.outcomes(finished[at], threshold)) for at in sorted(finished)
        ),
    )
