"""From wire objects to what the decision and the manifests need; the controller calls this for every object it sees.

The API server has refused bad objects already, but some were stored under an older schema, and some only the operator
can judge. Everything is checked again here, and the only error is SpecInvalid: the object is then left as it is.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from tightrope.api.computepool import INSTANCE_TYPE, ZONE, ComputePool, ComputePoolSpec
from tightrope.api.cron import Cron, fault_of_cron, fault_of_zone
from tightrope.api.duration import parse_duration
from tightrope.api.faults import first_fault
from tightrope.api.inferencedeployment import InferenceDeployment, InferenceDeploymentSpec
from tightrope.api.invalid import SpecInvalid
from tightrope.api.merge import strategic_merge
from tightrope.api.parsed import ParsedPool, ParsedService, PriceQuery, Rollout, ScaleTarget
from tightrope.api.pause import Pause, pause_of, stricter
from tightrope.api.persisted import persisted, read_status
from tightrope.api.quantity import parse_quantity
from tightrope.api.requests import pod_requests
from tightrope.api.schema import Wire
from tightrope.domain import spec as domain
from tightrope.ports import OWN_PRICE

__all__ = ["ParsedPool", "ParsedService", "Rollout", "ScaleTarget", "SpecInvalid", "parse_pool", "parse_service"]

DEFAULT_ACCELERATOR_RESOURCE = "nvidia.com/gpu"
_NO_REQUESTS = domain.Resources(cpu_cores=0.0, memory_bytes=0.0)
_Model = TypeVar("_Model", bound=Wire)


def parse_service(
    wire: Mapping[str, Any],
    *,
    accelerator_resources: Mapping[str, str] | None = None,
    now: float = math.inf,
    paused: Pause | None = None,
) -> ParsedService:
    """An InferenceDeployment. Raises SpecInvalid, and nothing else, whatever the object holds.

    `accelerator_resources` maps pools to the resource name of their accelerator (`nvidia.com/gpu` for others): parse
    again when a pool changes. `now` is unix seconds; what the status says of later times is forgotten.
    `paused` is what the operator was told to pause of every service.
    """
    try:
        return _service(wire, accelerator_resources or {}, now, paused)
    except RecursionError:
        raise SpecInvalid("spec", None, "is nested too deeply: write it with fewer levels") from None


def parse_pool(wire: Mapping[str, Any]) -> ParsedPool:
    """A ComputePool. Raises SpecInvalid, and nothing else, whatever the object holds."""
    try:
        metadata, model = _checked(ComputePool, wire)
    except RecursionError:
        raise SpecInvalid("spec", None, "is nested too deeply: write it with fewer levels") from None
    spec = model.spec
    node = domain.Resources(
        cpu_cores=float(parse_quantity(spec.node.cpu)),
        memory_bytes=float(parse_quantity(spec.node.memory)),
        accelerators=spec.node.accelerators,
    )
    pool = domain.Pool(
        name=model.metadata.name,
        price_per_node_hour=float(spec.price.per_node_hour),
        currency=spec.price.currency,
        node=node,
        max_nodes=spec.max_nodes,
        time_to_ready_seconds=parse_duration(spec.time_to_ready),
        capacity_type=domain.CapacityType(spec.capacity_type),
    )
    return ParsedPool(
        pool=pool,
        uid=metadata.uid,
        generation=metadata.generation,
        resource_version=metadata.resource_version,
        accelerator=spec.accelerator,
        accelerator_resource=spec.accelerator_resource,
        node_selector=spec.placement.node_selector,
        tolerations=[t.model_dump(by_alias=True, exclude_none=True) for t in spec.placement.tolerations],
        allowed_namespaces=spec.allowed_namespaces.model_dump(by_alias=True) if spec.allowed_namespaces else None,
        status=_status(wire),
        price_query=_price_query(spec),
    )


def _price_query(spec: ComputePoolSpec) -> PriceQuery | None:
    if spec.price.prom_ql is not None:
        return PriceQuery(source=OWN_PRICE + spec.price.prom_ql)
    if spec.price.query is None:
        return None
    selector = spec.placement.node_selector
    return PriceQuery(
        source=spec.price.query,
        instance_type=selector[INSTANCE_TYPE],
        capacity_type=spec.capacity_type,
        zone=selector.get(ZONE),
    )


class _Metadata(Wire):
    """What the API server sets on every object; absent only on objects that were never stored."""

    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    deletion_timestamp: str | None = None
    annotations: dict[str, Any] | None = None


class _Envelope(Wire):
    metadata: _Metadata


def _checked(model: type[_Model], wire: Mapping[str, Any]) -> tuple[_Metadata, _Model]:
    """The metadata and the model without its status. Raises SpecInvalid for the first field that is wrong."""
    if not isinstance(wire, Mapping):
        raise SpecInvalid("object", wire, "must be an object with metadata and spec")
    given = {part: wire[part] for part in ("metadata", "spec") if part in wire}
    try:
        return _Envelope.model_validate(given).metadata, model.model_validate(given)
    except ValidationError as error:
        raise first_fault(error) from None


def _service(
    wire: Mapping[str, Any], accelerator_resources: Mapping[str, str], now: float, paused: Pause | None
) -> ParsedService:
    metadata, model = _checked(InferenceDeployment, wire)
    spec, raw = model.spec, wire["spec"]
    patches = {v["name"]: v["patch"] for v in raw["variants"] if v.get("patch")}
    merged = _merged(spec, raw.get("template"), patches)
    targets = {
        v.name: ScaleTarget(api_version=ref.group_version, kind=ref.kind, name=ref.name)
        for v in spec.variants
        if (ref := v.scale_target_ref)
    }
    pause = stricter(pause_of(metadata.annotations), paused)
    leading, further = _objectives(spec)
    service = domain.Service(
        key=domain.ServiceKey(namespace=model.metadata.namespace, name=model.metadata.name),
        objective=leading,
        further_objectives=further,
        slo_window_seconds=parse_duration(spec.slo.window),
        budget_policy=domain.BudgetPolicy(spec.slo.budget_policy),
        min_replicas=spec.replicas.min,
        max_replicas=spec.replicas.max,
        variants=_variants(spec, merged, accelerator_resources),
        mode=domain.Mode.PAUSED if pause is Pause.ALL else domain.Mode(spec.mode),
        descents_paused=pause is Pause.DESCENTS,
        behavior=_behavior(spec),
        schedules=_schedules(spec),
        priority=spec.priority,
        min_quality=spec.quality.min if spec.quality else None,
        bridge_quality=spec.quality.bridge_min if spec.quality else None,
        spot_share=spec.spot.max_percent / 100.0 if spec.spot else 1.0,
        budget_per_hour=float(spec.budget.per_hour) if spec.budget else None,
    )
    status = read_status(wire.get("status") or {})
    return ParsedService(
        service=service,
        uid=metadata.uid,
        generation=metadata.generation,
        resource_version=metadata.resource_version,
        preset=spec.metrics.preset,
        template=raw.get("template"),
        patches=patches,
        templates=merged,
        targets=targets,
        rollout=Rollout(
            max_surge=spec.rollout.max_surge,
            max_unavailable=spec.rollout.max_unavailable,
            min_ready_seconds=spec.rollout.min_ready_seconds,
        ),
        persisted=persisted(status, service, now=now),
        adopted={v.name: v.target_uid for v in status.variants if v.target_uid and v.name in targets},
        status=_status(wire),
        deleting=metadata.deletion_timestamp is not None,
    )


def _objectives(spec: InferenceDeploymentSpec) -> tuple[domain.LatencyObjective, tuple[domain.Objective, ...]]:
    """The first with a threshold, and the others in their order."""
    found = [
        domain.ErrorsObjective(percent=wire.percent)
        if wire.threshold is None
        else domain.LatencyObjective(
            threshold_seconds=parse_duration(wire.threshold), percent=wire.percent, metric=domain.Metric(wire.metric)
        )
        for wire in spec.slo.objectives
    ]
    leading = next(one for one in found if isinstance(one, domain.LatencyObjective))
    return leading, tuple(one for one in found if one is not leading)


def _merged(
    spec: InferenceDeploymentSpec, template: Mapping[str, Any] | None, patches: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The pod template of every variant that has one."""
    return {
        variant.name: strategic_merge(
            template or {}, patches.get(variant.name, {}), field=f"spec.variants[{index}].patch"
        )
        for index, variant in enumerate(spec.variants)
        if variant.scale_target_ref is None
    }


def _variants(
    spec: InferenceDeploymentSpec, merged: Mapping[str, dict[str, Any]], accelerator_resources: Mapping[str, str]
) -> tuple[domain.Variant, ...]:
    def requests(name: str, pool: str) -> domain.Resources:
        if name not in merged:
            return _NO_REQUESTS
        resource = accelerator_resources.get(pool, DEFAULT_ACCELERATOR_RESOURCE)
        pod_spec = merged[name].get("spec") or {}
        return pod_requests(pod_spec, accelerator_resource=resource, field=f"spec.template.spec (variant {name})")

    return tuple(
        domain.Variant(
            name=variant.name,
            pool=variant.pool,
            requests=requests(variant.name, variant.pool),
            capacity=domain.CapacityPrior(
                rate_per_second=variant.capacity.rate, at_seconds=parse_duration(variant.capacity.at)
            )
            if variant.capacity
            else None,
            quality=variant.quality,
        )
        for variant in spec.variants
    )


def _behavior(spec: InferenceDeploymentSpec) -> domain.Behavior:
    return domain.Behavior(
        descent_window_seconds=parse_duration(spec.behavior.descent.window),
        descent_percent_per_minute=spec.behavior.descent.percent_per_minute,
        switch_min_dwell_seconds=parse_duration(spec.behavior.switch.min_dwell),
        switch_min_savings_percent=spec.behavior.switch.min_savings_percent,
        idle_window_seconds=parse_duration(spec.behavior.descent.idle_window),
    )


def _schedules(spec: InferenceDeploymentSpec) -> tuple[domain.Schedule, ...]:
    """Raises SpecInvalid for a cron expression or a time zone that only a library can judge."""
    found = []
    for index, wire in enumerate(spec.schedules):
        field = f"spec.schedules[{index}]"
        for name, text, fault in (
            ("cron", wire.cron, fault_of_cron(wire.cron)),
            ("timeZone", wire.time_zone, fault_of_zone(wire.time_zone)),
        ):
            if fault is not None:
                raise SpecInvalid(f"{field}.{name}", text, fault)
        found.append(
            domain.Schedule(
                begins=Cron(expression=wire.cron, time_zone=wire.time_zone),
                duration_seconds=parse_duration(wire.duration),
                min_replicas=wire.min,
            )
        )
    return tuple(found)


def _status(wire: Mapping[str, Any]) -> Mapping[str, Any]:
    status = wire.get("status")
    return status if isinstance(status, dict) else {}
