"""Conditions of both kinds: what was found, how it is written, and the one place where Ready is decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from pydantic import ValidationError

from tightrope.api.figures import steady_sentence, time_text
from tightrope.api.schema import Condition
from tightrope.domain.plan import Decision

Truth: TypeAlias = Literal["True", "False", "Unknown"]

READY: Final = "Ready"
_HINDERING: Final[Mapping[str, str | None]] = {
    "Conflict": "True",
    "NameTaken": "True",
    "RolloutBlocked": "True",
    # A missed objective is the service's own news; Ready is about whether the operator can do its work.
    "SLOMet": None,
}
_MESSAGE_MAX = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found to hold or not: becomes a condition of this type."""

    type: str
    status: Truth
    reason: str
    message: str

    @property
    def hinders(self) -> bool:
        """Whether a service with this finding is not Ready: most types name what should be, a few what should not."""
        return self.status == _HINDERING.get(self.type, "False")


def ready_finding(findings: Sequence[Finding], decision: Decision | None, *, ready: int) -> Finding:
    """Ready: the spec can be acted on, nothing hinders it, and as many replicas are ready as the plan needs now.

    `ready` counts ready replicas over all variants. The first hindering finding gives its reason; without any
    decision yet it is Unknown.
    """
    hindering = next((finding for finding in findings if finding.hinders), None)
    if hindering is not None:
        return Finding(type=READY, status="False", reason=hindering.reason, message=hindering.message)
    if decision is None:
        return Finding(type=READY, status="Unknown", reason="NotDecided", message="no decision has been taken yet")
    if decision.no_feasible_variant:
        message = decision.no_feasible_variant
        return Finding(type=READY, status="False", reason="NoFeasibleVariant", message=message)
    if ready < decision.required_ready:
        message = f"{ready} of the {decision.required_ready} replicas that the plan needs now are ready"
        return Finding(type=READY, status="False", reason="ReplicasStarting", message=message)
    return Finding(
        type=READY, status="True", reason="AsPlanned", message="as many replicas are ready as the plan needs"
    )


def conditions(
    findings: Sequence[Finding], *, previous: Sequence[Condition], generation: int, now: float
) -> list[Condition]:
    """The conditions to write. lastTransitionTime moves only with the status, a message only when it says something
    new; types that nobody found anything about are dropped."""
    before = {condition.type: condition for condition in previous}
    return [_condition(finding, before.get(finding.type), generation, now) for finding in findings]


def _condition(finding: Finding, before: Condition | None, generation: int, now: float) -> Condition:
    same = before is not None and before.status == finding.status
    message = finding.message[:_MESSAGE_MAX]
    if before is not None and same and before.reason == finding.reason:
        message = steady_sentence(message, before.message)
    return Condition(
        type=finding.type,
        status=finding.status,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before is not None and same else time_text(now),
        reason=finding.reason,
        message=message,
    )


def pool_status(
    findings: Sequence[Finding],
    *,
    previous: Mapping[str, Any],
    generation: int,
    now: float,
    price: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The status of a ComputePool: its conditions, and the price that was read, if any (see `poolprice`)."""
    before = []
    for condition in previous.get("conditions") or ():
        try:
            before.append(Condition.model_validate(condition))
        except ValidationError:
            continue  # written by another version: its time of transition is lost, nothing else
    written = conditions(findings, previous=before, generation=generation, now=now)
    said: dict[str, Any] = {
        "conditions": [condition.model_dump(by_alias=True, exclude_none=True) for condition in written]
    }
    return said | ({"price": dict(price)} if price else {})
