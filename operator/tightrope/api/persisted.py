"""The part of the operator's memory that comes back from a service's status after a restart.

A status can be old, written by another version or forged: whatever is not a plausible figure is forgotten, which only
removes the right to descend until it is known again.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from tightrope.api.duration import parse_duration
from tightrope.api.figures import objective_text, parse_number, parse_time
from tightrope.api.inferencedeployment import MAX_REPLICAS
from tightrope.api.recommendation import comparison
from tightrope.api.servicestatus import InferenceDeploymentStatus, VariantStatus
from tightrope.domain.memory import BackOff, LearnedCapacity, Persisted
from tightrope.domain.plan import Reason
from tightrope.domain.spec import Service

Value = TypeVar("Value")
_DAY = 86_400.0
_LOG_MEAN = 14.0
_LOG_SD = (0.001, 10.0)


def read_status(status: Any) -> InferenceDeploymentStatus:
    """The status as a model; empty if it has another shape."""
    try:
        return InferenceDeploymentStatus.model_validate(status)
    except (ValidationError, RecursionError):
        return InferenceDeploymentStatus()


def persisted(status: InferenceDeploymentStatus, service: Service, *, now: float) -> Persisted:
    """What the status says of the variants that the service still has. Times after `now` are forged and forgotten."""
    names = {variant.name for variant in service.variants}
    variants = [variant for variant in status.variants if variant.name in names]
    switched = parse_time(status.last_switch_time)
    learned_for = {(slo.metric, slo.objective) for slo in status.slo}
    same_objectives = all((one.metric.value, objective_text(one)) in learned_for for one in service.objectives)
    return Persisted(
        plan={v.name: v.planned for v in variants if v.planned is not None and v.planned <= MAX_REPLICAS} or None,
        last_switch_at=switched if switched is not None and switched <= now else None,
        # A capacity holds for the objectives that it was learned for, and for no others.
        capacities=_each(variants, _capacity) if same_objectives else {},
        time_to_ready_seconds=_each(variants, lambda variant: _seconds(variant.time_to_ready)),
        back_offs=_each(variants, lambda variant: _back_off(variant, now)),
        comparison=comparison(status.recommendation, now=now) if same_objectives else None,
    )


def _each(variants: Sequence[VariantStatus], read: Callable[[VariantStatus], Value | None]) -> dict[str, Value]:
    found = {variant.name: read(variant) for variant in variants}
    return {name: value for name, value in found.items() if value is not None}


def _capacity(variant: VariantStatus) -> LearnedCapacity | None:
    mean = parse_number(variant.capacity_log_mean, -_LOG_MEAN, _LOG_MEAN)
    sd = parse_number(variant.capacity_log_sd, *_LOG_SD)
    return LearnedCapacity(log_mean=mean, log_sd=sd) if mean is not None and sd is not None else None


def _back_off(variant: VariantStatus, now: float) -> BackOff | None:
    retry_at, wait = parse_time(variant.retry_at), _seconds(variant.back_off)
    if retry_at is None or wait is None or retry_at > now + _DAY:
        return None
    return BackOff(retry_at=retry_at, wait_seconds=wait, taken_back=variant.back_off_reason == Reason.TAKEN_BACK)


def _seconds(text: str | None) -> float | None:
    """A duration of up to a day, else None."""
    try:
        seconds = parse_duration(text or "")
    except ValueError:
        return None
    return seconds if 0 < seconds <= _DAY else None
