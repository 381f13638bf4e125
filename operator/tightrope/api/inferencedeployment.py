"""InferenceDeployment: one service, the latency it must hold, and the variants in which it may run.

The spec only; what the operator says about it is in `servicestatus`.
"""

from re import fullmatch
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tightrope.api.podtemplate import Patch, PodTemplate
from tightrope.api.schema import (
    IS_LABEL,
    Duration,
    IntOrPercent,
    Label,
    ListMap,
    Money,
    Rule,
    Wire,
    between,
    matching,
)
from tightrope.api.servicestatus import InferenceDeploymentStatus

VARIANT_NAME_MAX = 15
"""A service's name has at most 30 characters, so `<service>-<variant>` at most 46, and pods' names, 17 characters more,
are still valid host names."""

MAX_REPLICAS = 1000


class Objective(Wire):
    """`percent` of requests at or under `threshold`, or, of metric errors, without a server error."""

    metric: Literal["latency", "ttft", "itl", "errors"] = Field(
        description=(
            "What is measured: latency, from a request's arrival to the end of its answer; ttft, to its first token; "
            "itl, the gaps between its tokens; errors, requests that the server fails."
        )
    )
    threshold: Annotated[Duration, between("1ms", "10m")] | None = Field(
        None,
        description=(
            "The time that counts as good, such as 300ms; best a bucket bound of the server's histogram. None for "
            "errors."
        ),
    )
    percent: float = Field(
        ge=50,
        lt=100,
        description="Percent of requests (of gaps, for itl) that must be good, such as 99.5.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metric == 'errors' || has(self.threshold)",
            "threshold is missing: write the time that counts as good, such as 300ms",
            lambda objective: objective.metric == "errors" or objective.threshold is not None,
        ),
        Rule(
            "self.metric != 'errors' || !has(self.threshold)",
            "errors have no threshold, a request fails or not: leave threshold out",
            lambda objective: objective.metric != "errors" or objective.threshold is None,
        ),
    )


class Slo(Wire):
    """The service level objective."""

    window: Annotated[Duration, between("1m", "720h")] = Field(
        "28d", description="The rolling stretch of time over which the objective must hold."
    )
    objectives: Annotated[
        list[Objective],
        Field(min_length=1, max_length=4),
        ListMap("metric"),
        Rule(
            "self.exists(o, o.metric != 'errors')",
            "errors alone do not say what a replica can carry: add an objective of latency, ttft or itl",
            lambda objectives: any(objective.metric != "errors" for objective in objectives),
        ),
    ] = Field(
        description=(
            "What must hold, all of it; one objective for each metric. The first with a threshold leads: "
            "reports judge by it."
        )
    )
    budget_policy: Literal["Protect", "Balanced", "Spend"] = Field(
        "Balanced",
        description=(
            "How the error budget may be spent. Protect aims at half of it and never covers less than the demand; "
            "Balanced spends it as it comes in; Spend also covers up to a quarter less than the demand from savings."
        ),
    )


class MetricsSource(Wire):
    """Where demand and latency come from."""

    preset: Literal["generic", "vllm", "triton"] = Field(
        "generic", description="Whose metric names the servers use. The administrator configures generic."
    )


class Replicas(Wire):
    """How many replicas there may be, over all variants."""

    min: int = Field(
        1,
        ge=0,
        le=MAX_REPLICAS,
        description=(
            "Never fewer replicas than this. With 0 none runs after behavior.descent.idleWindow without a request, if "
            "the operator has a gateway's counter to see the next one (--gateway-requests-total)."
        ),
    )
    max: int = Field(ge=1, le=MAX_REPLICAS, description="Never more replicas than this, also during a switch.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.min <= self.max", "min must not be greater than max", lambda replicas: replicas.min <= replicas.max),
    )


class ScaleTargetRef(Wire):
    """A workload that exists already. Only its replicas are changed, never its manifest."""

    api_version: Literal["apps/v1", "leaderworkerset.x-k8s.io/v1"] | None = Field(
        None, description="Group and version of the workload; those of its kind if absent."
    )
    kind: Literal["Deployment", "StatefulSet", "LeaderWorkerSet"] = Field(
        description="Kind of the workload. A replica of a LeaderWorkerSet is a whole group of pods."
    )
    name: Annotated[
        str,
        Field(min_length=1, max_length=253),
        matching(
            "[a-z0-9]([-a-z0-9.]*[a-z0-9])?",
            "must be the name of a workload in the same namespace: lower-case letters, digits, '-' and '.'",
        ),
    ] = Field(description="Name of the workload, in the namespace of the InferenceDeployment.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.apiVersion) || "
            "(self.apiVersion == 'leaderworkerset.x-k8s.io/v1') == (self.kind == 'LeaderWorkerSet')",
            "apiVersion must be leaderworkerset.x-k8s.io/v1 for a LeaderWorkerSet, apps/v1 for the other "
            "kinds; or leave it out",
            lambda ref: ref.api_version in (None, ref.group_version),
        ),
    )

    @property
    def group_version(self) -> str:
        """Where the API server keeps workloads of this kind."""
        return "leaderworkerset.x-k8s.io/v1" if self.kind == "LeaderWorkerSet" else "apps/v1"


class Capacity(Wire):
    """What one replica was measured to carry; a first guess that is corrected by what is seen."""

    rate: float = Field(gt=0, le=1_000_000, description="Requests per second of one replica, such as 41.5.")
    at: Annotated[Duration, between("1ms", "10m")] = Field(
        description=(
            "The latency that the objective's percent of requests kept at that rate. Objectives of other metrics take "
            "the rate as it is."
        )
    )


class Variant(Wire):
    """One way to run the service: a pool, and what is different about its pods there."""

    name: Annotated[str, Field(min_length=1, max_length=VARIANT_NAME_MAX), IS_LABEL] = Field(
        description="Name of the variant; its Deployment is called <service>-<variant>."
    )
    pool: Label = Field(description="The ComputePool that it runs in.")
    capacity: Capacity | None = Field(None, description="What one replica was measured to carry.")
    quality: float | None = Field(
        None,
        ge=0,
        le=1,
        description="How good its answers are by your own measure, such as its accuracy, 0.981; see spec.quality.",
    )
    patch: Patch | None = Field(None, description="Strategic merge patch over spec.template for this variant.")
    scale_target_ref: ScaleTargetRef | None = Field(
        None, description="Instead of the template: a workload that exists already, to be scaled only."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.patch) && has(self.scaleTargetRef))",
            "patch and scaleTargetRef exclude each other: patch changes spec.template, scaleTargetRef adopts what runs",
            lambda variant: variant.patch is None or variant.scale_target_ref is None,
        ),
    )


class Rollout(Wire):
    """How a change of the template reaches the pods, per variant, as in a Deployment."""

    max_surge: IntOrPercent = Field("25%", description="Extra replicas during a rollout, a number or a percentage.")
    max_unavailable: IntOrPercent = Field(
        0, description="Replicas that may be missing during a rollout, a number or a percentage."
    )
    min_ready_seconds: int = Field(
        0, ge=0, le=300, description="How long a pod must have been ready before it counts as ready."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])",
            "maxSurge and maxUnavailable must not both be 0: a rollout could never begin",
            lambda rollout: not (rollout.max_surge in (0, "0%") and rollout.max_unavailable in (0, "0%")),
        ),
    )


class Descent(Wire):
    """How fast replicas may be removed."""

    window: Annotated[Duration, between("0s", "24h")] = Field(
        "1m", description="Remove only what was not needed at any moment of this stretch of time."
    )
    idle_window: Annotated[Duration, between("1m", "24h")] = Field(
        "10m", description="With replicas.min 0: how long no request must come before the last replica goes."
    )
    percent_per_minute: float = Field(
        50, gt=0, le=100, description="The most of the ready replicas, in percent, that may go in one minute."
    )


class Switch(Wire):
    """What a change of the mix of variants must be worth."""

    min_dwell: Annotated[Duration, between("0s", "168h")] = Field(
        "10m", description="The least time between two changes of the mix for the sake of money."
    )
    min_savings_percent: float = Field(
        5, ge=0, le=100, description="The least saving, in percent of the present cost, for which the mix is changed."
    )


class Behavior(Wire):
    """How calm the service is kept."""

    descent: Descent = Field(Descent(), description="How fast replicas may be removed.")
    switch: Switch = Field(Switch(), description="What a change of the mix of variants must be worth.")


class Quality(Wire):
    """How good answers must be, by the user's own measure."""

    min: float = Field(ge=0, le=1, description="Variants of less quality are never chosen, whatever they would save.")
    bridge_min: float | None = Field(
        None,
        ge=0,
        le=1,
        description=(
            "Variants of at least this quality may serve for as long as a better one starts that would be ready later. "
            "None: they never do."
        ),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.bridgeMin) || self.bridgeMin < self.min",
            "bridgeMin must be less than min: what is better is chosen anyhow",
            lambda quality: quality.bridge_min is None or quality.bridge_min < quality.min,
        ),
    )


class Spot(Wire):
    """How much may stand on nodes that can be taken back."""

    max_percent: float = Field(
        ge=0,
        le=100,
        description=(
            "The most of a plan's replicas, in percent and rounded down, that stand in pools of capacityType spot. "
            "More do only where no other pool has room for what the objective needs."
        ),
    )


class Budget(Wire):
    """What the service may cost."""

    per_hour: Annotated[
        Money,
        Rule("self.matches('[1-9]')", "must be greater than zero", lambda text: any(c in "123456789" for c in text)),
    ] = Field(
        description=(
            "The most that its nodes may cost an hour, in the currency of its pools, as a decimal number in quotes: "
            '"12.00". Beyond it nothing is added, except for replicas.min; what runs stays.'
        )
    )


class Schedule(Wire):
    """More replicas at known times, whatever demand is."""

    cron: Annotated[
        str,
        Field(min_length=9, max_length=100),
        matching(
            "[^ ]+( +[^ ]+){4}",
            "must have five fields (minute, hour, day of month, month, day of week), such as 0 8 * * 1-5",
        ),
    ] = Field(description="When it begins, as in a CronJob: minute, hour, day of month, month, day of week.")
    time_zone: Annotated[
        str,
        Field(min_length=1, max_length=64),
        matching("[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", "must be an IANA time zone such as Europe/Berlin"),
    ] = Field("Etc/UTC", description="IANA time zone of cron, such as Europe/Berlin.")
    duration: Annotated[Duration, between("1m", "168h")] = Field(
        description="How long it lasts from then on, such as 10h."
    )
    min: int = Field(
        ge=1,
        le=MAX_REPLICAS,
        description="Never fewer ready replicas than this while it lasts: they are started in time to be ready.",
    )


def _targets_are_distinct(variants: list[Variant]) -> bool:
    targets = [(v.scale_target_ref.kind, v.scale_target_ref.name) for v in variants if v.scale_target_ref]
    return len(targets) == len(set(targets))


def _triton_measures(objective: Objective) -> bool:
    return objective.metric in ("latency", "errors")


class InferenceDeploymentSpec(Wire):
    mode: Literal["Auto", "Recommend", "Paused"] = Field(
        "Auto", description="Auto carries decisions out, Recommend only says them, Paused changes nothing."
    )
    slo: Slo = Field(description="The service level objective.")
    metrics: MetricsSource = Field(MetricsSource(), description="Where demand and latency come from.")
    replicas: Replicas = Field(description="How many replicas there may be, over all variants.")
    template: PodTemplate | None = Field(
        None, description="The pods of every variant that has no scaleTargetRef, as in a Deployment."
    )
    rollout: Rollout = Field(Rollout(), description="How a change of the template reaches the pods.")
    variants: Annotated[
        list[Variant],
        Field(min_length=1, max_length=8),
        ListMap("name"),
        Rule(
            "self.all(v, !has(v.scaleTargetRef) || self.exists_one(w, has(w.scaleTargetRef)"
            " && w.scaleTargetRef.kind == v.scaleTargetRef.kind && w.scaleTargetRef.name == v.scaleTargetRef.name))",
            "every scaleTargetRef must name another workload: two variants cannot scale the same one",
            _targets_are_distinct,
        ),
    ] = Field(description="The ways to run the service; the cheapest mix that holds the objective is chosen.")
    schedules: Annotated[list[Schedule], Field(max_length=16)] = Field(
        [], description="Minimums at known times; the largest of those that last counts."
    )
    priority: int = Field(
        0,
        ge=-1000,
        le=1000,
        description=(
            "Who grows first where a pool or a namespace's budget is too small for all: the higher one. What runs for "
            "the demand of this moment is never taken away for another service."
        ),
    )
    quality: Quality | None = Field(None, description="How good answers must be.")
    spot: Spot | None = Field(None, description="How much may stand on spot nodes; no limit if absent.")
    budget: Budget | None = Field(None, description="What the service may cost.")
    behavior: Behavior = Field(Behavior(), description="How calm the service is kept.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.template) || self.variants.all(v, has(v.scaleTargetRef))",
            "template is missing: write the pod template, or give every variant a scaleTargetRef",
            lambda spec: spec.template is not None or all(v.scale_target_ref for v in spec.variants),
        ),
        Rule(
            "!has(self.template) || self.variants.exists(v, !has(v.scaleTargetRef))",
            "template is used by no variant, because every one has a scaleTargetRef: leave template out",
            lambda spec: spec.template is None or not all(v.scale_target_ref for v in spec.variants),
        ),
        Rule(
            "!has(self.metrics) || self.metrics.preset != 'triton'"
            " || self.slo.objectives.all(o, o.metric in ['latency', 'errors'])",
            "preset triton measures neither ttft nor itl: leave these objectives out (of a decoupled model, latency is "
            "the time to its first response), or measure in front of the server and write preset: generic",
            lambda spec: spec.metrics.preset != "triton" or all(_triton_measures(o) for o in spec.slo.objectives),
        ),
        Rule(
            "!has(self.schedules) || self.schedules.all(s, s.min <= self.replicas.max)",
            "schedules: min must not be greater than replicas.max",
            lambda spec: all(schedule.min <= spec.replicas.max for schedule in spec.schedules),
        ),
        Rule(
            "!has(self.quality) || self.variants.all(v, has(v.quality))",
            "quality.min needs the quality of every variant: write variants[].quality, or leave quality out",
            lambda spec: spec.quality is None or all(v.quality is not None for v in spec.variants),
        ),
        Rule(
            "!has(self.quality) || self.variants.exists(v, has(v.quality) && v.quality >= self.quality.min)",
            "no variant has the quality that quality.min asks for: lower it, or add a better variant",
            lambda spec: spec.quality is None or any((v.quality or 0.0) >= spec.quality.min for v in spec.variants),
        ),
    )


class InferenceDeploymentMetadata(Wire):
    name: str
    namespace: str


class InferenceDeployment(Wire):
    """One service: the latency it must hold, and the variants in which it may run."""

    metadata: InferenceDeploymentMetadata
    spec: InferenceDeploymentSpec = Field(description="What the service must hold, and how it may run.")
    status: InferenceDeploymentStatus = Field(
        InferenceDeploymentStatus(), description="What the operator sees, decided and did."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$')",
            "metadata.name must be at most 30 lower-case letters, digits and '-', beginning with a letter",
            lambda service: fullmatch("[a-z]([-a-z0-9]{0,28}[a-z0-9])?", service.metadata.name) is not None,
        ),
    )
