"""From samples and cluster facts to what the decision sees: Known, Missing or Stale, and why.

`tick` calls `observe` once for all services, with the tick's `MetricsSnapshot` and what the store knows of workloads
and pods. A signal is Known only if every pod that has been ready for long enough reports it, fresh and finite:
a part of the demand is a lower bound, never the demand. Every reason tells a newcomer what to fix.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tightrope.controller import buckets
from tightrope.controller.attribution import Attribution, Owner, WorkloadKey
from tightrope.controller.signals import Reading, Samples, number, problem, total
from tightrope.domain.observation import (
    NO_GATEWAY,
    Known,
    Missing,
    Observation,
    Outcomes,
    Signal,
    VariantState,
    describe,
)
from tightrope.domain.spec import ErrorsObjective, Metric, Objective, Service, ServiceKey
from tightrope.ports import GATEWAY, MetricsSnapshot, PodHistory, PodKey, ServiceName

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """One pod as the cluster shows it; for a group that is one replica, its leader, which is ready when all of it is.
    Times are unix seconds; `available` is ready for minReadySeconds; `gpu` says that it requests an accelerator;
    `cpu_request_cores` is 0 when it requests none."""

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
    """The workload of one variant. `wanted` is spec.replicas, None when it does not exist; `ready` its available
    replicas; the rest as in `VariantState`."""

    variant: str
    kind: str
    name: str
    wanted: int | None
    ready: int
    rolling_out: bool = False
    refused: str | None = None
    other_writer: str | None = None
    unavailable: str | None = None
    taken_back_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """One service with its preset, and everything the cluster shows of it. Workloads and pods of a variant that the
    service no longer declares still serve it: they count in its demand, and have no state of their own.
    `history_awaited`, `past_unknown` and `past_awaited` as in `Observation`."""

    service: Service
    preset: str
    workloads: Sequence[WorkloadFacts] = ()
    pods: Sequence[PodFacts] = ()
    history_awaited: bool = False
    past_unknown: str | None = None
    past_awaited: bool = False


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

    def observation(self) -> Observation:
        reading, service = self.reading(), self.facts.service
        leading, gateway = service.objective.metric, self.gateway_demand()
        missing = problem(reading, leading)
        errors = total(reading, "errors")
        found = {one.metric: less_errors(one, judged(reading, one), errors, service) for one in service.objectives}
        outcomes = found.pop(leading)
        return Observation(
            at=self.now,
            demand=self.demand(reading, gateway),
            variants={variant.name: self.variant(variant.name) for variant in service.variants},
            outcomes=None if isinstance(outcomes, Missing) else outcomes,
            outcomes_missing=outcomes.reason if isinstance(outcomes, Missing) else None,
            errors=errors,
            in_flight=total(reading, "in_flight"),
            p99_seconds=missing or buckets.quantile(histograms(reading.samples, leading), 0.99, at=reading.at()),
            threshold_note=threshold_notes(reading, service),
            further_outcomes=found,
            history_awaited=self.facts.history_awaited,
            past_unknown=self.facts.past_unknown,
            past_awaited=self.facts.past_awaited,
            gateway_demand=gateway,
        )

    def demand(self, reading: Reading, gateway: Signal) -> Signal:
        """As the pods count it. Where none serves and none needs to, what stands in front counts for them."""
        resting = not reading.serving and self.facts.service.min_replicas == 0
        return gateway if resting and isinstance(gateway, Known) else total(reading, "arrivals")

    def gateway_demand(self) -> Signal:
        """As what stands in front counts it, by the name of the service, which its Kubernetes Service has too."""
        metrics, key = self.metrics, self.facts.service.key
        if GATEWAY in metrics.failures:
            return Missing(reason=metrics.failures[GATEWAY])
        if GATEWAY not in metrics.metric_names:
            return Missing(reason=NO_GATEWAY)
        seen = metrics.gateway.get(ServiceName(key.namespace, key.name))
        if seen is None:
            name = metrics.metric_names[GATEWAY]
            return Missing(reason=f"metric {name} has no series for {key}: does a request to it pass the gateway?")
        return Known(value=seen, at=metrics.at)

    def variant(self, name: str) -> VariantState:
        reading = self.reading(name)
        workload = next((one for one in self.facts.workloads if one.variant == name), None)
        pods = [pod for pod in self.facts.pods if pod.variant == name and not pod.terminating]
        available = sum(pod.available for pod in pods)
        found = {one.metric: judged(reading, one) for one in self.facts.service.objectives}
        known = {metric: seen for metric, seen in found.items() if not isinstance(seen, Missing)}
        stuck = [pod.created_at for pod in pods if pod.unschedulable]
        return VariantState(
            wanted=workload.wanted if workload else None,
            # The workload's count lags behind its pods, and a watch of pods may lag behind it: believe the lower.
            ready=min(available, workload.ready) if workload else available,
            pods=len(pods),
            serving_demand=self.serving_demand(reading),
            outcomes=known.pop(self.facts.service.objective.metric, None),
            utilisation=utilisation(reading, [pod for pod in pods if pod.serving]),
            rolling_out=workload.rolling_out if workload else False,
            unschedulable_since=min(stuck, default=None),
            unschedulable=len(stuck),
            refused=workload.refused if workload else None,
            startup_seconds=startups(pods),
            other_writer=workload.other_writer if workload else None,
            unavailable=workload.unavailable if workload else None,
            further_outcomes=known,
            taken_back_at=workload.taken_back_at if workload else None,
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


def startups(pods: Iterable[PodFacts]) -> tuple[float, ...]:
    """Seconds from creation to ready of the pods that are. The API server's clock says the one and the kubelet's the
    other: a pod that was ready before it was created says only that these two differ."""
    ready = ((pod.created_at, pod.ready_since) for pod in pods if pod.ready and pod.ready_since is not None)
    return tuple(since - created for created, since in ready if since >= created)


def judged(reading: Reading, objective: Objective) -> Outcomes | Missing:
    """What finished, as this objective judges it."""
    if isinstance(objective, ErrorsObjective):
        came, failed = total(reading, "arrivals"), total(reading, "errors")
        if isinstance(came, Known) and isinstance(failed, Known):
            return buckets.failures(came.value, failed.value)
        return Missing(reason=describe(failed if isinstance(came, Known) else came))
    missing = problem(reading, objective.metric)
    if missing is not None:
        return Missing(reason=describe(missing))
    return buckets.outcomes(histograms(reading.samples, objective.metric), objective.threshold_seconds)


def less_errors(objective: Objective, seen: Outcomes | Missing, errors: Signal, service: Service) -> Outcomes | Missing:
    """The service's own account of its requests without those that failed: they are missed, or, where an errors
    objective counts them already, left out. Gaps between tokens are no requests."""
    if isinstance(seen, Missing) or objective.metric not in (Metric.LATENCY, Metric.TTFT):
        return seen
    if any(one.metric is Metric.ERRORS for one in service.objectives):
        return buckets.answered(seen, errors)
    return buckets.without_errors(seen, errors)


def threshold_notes(reading: Reading, service: Service) -> str | None:
    """What to change in the server for each threshold that is no bound of its histogram; None if all are."""
    found = []
    for objective in service.objectives:
        if isinstance(objective, ErrorsObjective):
            continue
        seen = histograms(reading.samples, objective.metric)
        note = buckets.threshold_note(seen, objective.threshold_seconds)
        if note is not None:
            found.append(note if len(service.objectives) == 1 else f"{objective.metric}: {note}")
    return "; ".join(found) or None


def histograms(samples: Samples, signal: str) -> list[buckets.Buckets]:
    """The histograms of the pods that have one."""
    return [found for sample in samples.values() if (found := getattr(sample, signal))]


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
    pods = [pod for pods in variants.values() for pod in pods.values()]
    earlier = {objective.metric: judged_history(pods, objective, step_seconds) for objective in service.objectives}
    return replace(
        observation,
        demand_history=tuple(sorted(summed(pod.arrivals for pod in pods).items())),
        outcome_history=earlier.pop(service.objective.metric),
        further_history=earlier,
    )


def judged_history(
    pods: Sequence[PodHistory], objective: Objective, step_seconds: float
) -> tuple[tuple[float, float, Outcomes], ...]:
    """What finished in each earlier step, as this objective judges it."""
    found: dict[float, Outcomes]
    if isinstance(objective, ErrorsObjective):
        came, failed = summed(pod.arrivals for pod in pods), summed(pod.errors for pod in pods)
        found = {at: buckets.failures(came[at], failed[at]) for at in came.keys() & failed.keys()}
    else:
        counted: dict[float, list[buckets.Buckets]] = {}
        for pod in pods:
            for at, histogram in getattr(pod, objective.metric):
                counted.setdefault(at, []).append(histogram)
        found = {at: buckets.outcomes(several, objective.threshold_seconds) for at, several in counted.items()}
    return tuple((at - step_seconds, step_seconds, found[at]) for at in sorted(found))


def summed(pods: Iterable[Sequence[tuple[float, float]]]) -> dict[float, float]:
    """Rates of all pods by time, added."""
    found: dict[float, float] = {}
    for series in pods:
        for at, rate in series:
            found[at] = found.get(at, 0.0) + rate
    return found
