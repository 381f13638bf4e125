"""From a decision, what was seen and what the writes ran into, to the conditions of a service: pure.

`tick` calls `findings` after the writes. In order of weight: the first that hinders becomes the reason of Ready.
"""

from collections.abc import Container, Iterator, Mapping, Sequence

from tightrope.api.conditions import Finding
from tightrope.controller.facts import ClusterFacts, WorkloadState
from tightrope.controller.ownership import hand_back
from tightrope.domain.observation import Observation
from tightrope.domain.plan import BudgetState, Decision
from tightrope.domain.spec import ErrorsObjective, Metric, Objective, Service

_WEIGHT = (
    "SpecValid", "TemplateValid", "NameTaken", "TargetFound", "Conflict", "Writable",
    "RolloutBlocked", "BudgetValid", "CapacityAvailable", "MetricsHealthy", "SLOMet",
)  # fmt: skip


def findings(
    service: Service,
    *,
    cluster: ClusterFacts,
    observation: Observation,
    decision: Decision,
    met: Sequence[Finding],
) -> list[Finding]:
    """All conditions but Ready. `met` is what the writes ran into, or what is wrong around the service; of one type the
    first counts."""
    found: dict[str, Finding] = {"SpecValid": said("SpecValid", True, "Accepted", "the spec can be acted on")}
    for finding in (*met, *workload_findings(service, cluster)):
        found.setdefault(finding.type, finding)
    found["CapacityAvailable"] = capacity_available(observation, decision)
    found["MetricsHealthy"] = metrics_healthy(service, observation, decision)
    found["SLOMet"] = slo_met(service, decision)
    for blocked in rollout_blocked(observation, cluster):
        found.setdefault(blocked.type, blocked)
    return sorted(found.values(), key=lambda finding: _WEIGHT.index(finding.type))


def said(kind: str, holds: bool, reason: str, message: str) -> Finding:
    return Finding(type=kind, status="True" if holds else "False", reason=reason, message=message)


def workload_findings(service: Service, cluster: ClusterFacts) -> Iterator[Finding]:
    """Whose objects stand in the way, which targets are missing, who else writes replicas."""
    for state in cluster.workloads.values():
        if state.name_taken is not None:
            yield name_taken(state, state.name_taken)
        elif state.facts.unavailable is not None and not state.ref.owned:
            yield said("TargetFound", False, "TargetNotFound", f"{state.facts.unavailable}: create it, or name another")
        elif state.right.contested_by is not None and state.wire is not None:
            message = hand_back(state.right.contested_by, state.wire, service=service.key.name)
            yield said("Conflict", True, "OtherWriter", message)


def name_taken(state: WorkloadState, why: str) -> Finding:
    if state.ref.owned:
        return said("NameTaken", True, "NameTaken", f"{why}: rename the variant or the service, or remove that object")
    return said("Conflict", True, "TargetTaken", f"{why}: two services cannot scale one workload")


def capacity_available(observation: Observation, decision: Decision) -> Finding:
    """Whether every pool gave what was asked of it lately, and the budget in money allows what demand asks for."""
    for name, state in sorted(observation.variants.items()):
        if state.refused is not None:
            return said("CapacityAvailable", False, "Refused", f"pods of variant {name} are refused: {state.refused}")
    for name, belief in sorted(decision.beliefs.items()):
        if belief.retry_at is not None:
            if belief.taken_back:
                message = f"nodes of the spot pool of variant {name} were taken back"
                return said("CapacityAvailable", False, "TakenBack", f"{message}; it is tried again later")
            stuck = observation.variants[name].unschedulable
            message = f"the pool of variant {name} has no room" + (f" for {stuck} of its pods" if stuck else "")
            return said("CapacityAvailable", False, "PoolFull", f"{message}; it is tried again later")
    if decision.money_budget is not None:
        return said("CapacityAvailable", False, "MoneyBudget", decision.money_budget)
    return said("CapacityAvailable", True, "Available", "no pool has refused a replica lately")


def metrics_healthy(service: Service, observation: Observation, decision: Decision) -> Finding:
    """Whether the decision had the data it needs to descend; a coarse histogram is told but hinders nothing."""
    if decision.blind is not None:
        return said("MetricsHealthy", False, "DataMissing", decision.blind)
    note = observation.threshold_note
    known = "demand and latency are known" if not service.further_objectives else "demand and all objectives are known"
    return said("MetricsHealthy", True, "Coarse" if note else "Complete", note or known)


def slo_met(service: Service, decision: Decision) -> Finding:
    """Whether every objective's error budget lasts; the spent ones are told, else all. Unknown as long as nothing was
    counted for one of them."""
    told: dict[Metric, str] = {}
    spent: set[Metric] = set()
    for objective in service.objectives:
        budget = decision.budget_of(objective.metric, service)
        if budget is not None and budget.covered_seconds > 0:
            told[objective.metric] = budget_in_words(objective, budget)
            if budget.remaining < 0:
                spent.add(objective.metric)
    beyond = f"; {decision.beyond_replicas}" if decision.beyond_replicas else ""
    if spent:
        return said("SLOMet", False, "BudgetSpent", joined(service, told, spent) + beyond)
    unseen = [objective.metric for objective in service.objectives if objective.metric not in told]
    if unseen:
        of = f" for {', '.join(unseen)}" if service.further_objectives else ""
        message = f"no finished request has been counted yet{of}"
        return Finding(type="SLOMet", status="Unknown", reason="NotMeasured", message=message)
    return said("SLOMet", True, "BudgetLeft", joined(service, told, told) + beyond)


def budget_in_words(objective: Objective, budget: BudgetState) -> str:
    within = (
        "without errors"
        if isinstance(objective, ErrorsObjective)
        else f"within {objective.threshold_seconds * 1000:g} ms"
    )
    what = "gaps between tokens" if objective.metric is Metric.ITL else "requests"
    return (
        f"{100 * budget.attainment:.2f}% of {what} {within}, the objective "
        f"is {objective.percent:g}%; {100 * budget.remaining:.0f}% of the error budget is left"
    )


def joined(service: Service, told: Mapping[Metric, str], chosen: Container[Metric]) -> str:
    """The sentences of the chosen objectives; of several each begins with its metric."""
    named = (
        f"{metric}: {text}" if service.further_objectives else text for metric, text in told.items() if metric in chosen
    )
    return "; ".join(named)


def rollout_blocked(observation: Observation, cluster: ClusterFacts) -> Iterator[Finding]:
    """A rollout whose spare replica no node takes: it stands still until there is room or it needs none."""
    for name, state in sorted(observation.variants.items()):
        if state.rolling_out and state.unschedulable > 0 and cluster.workloads[name].ref.owned:
            message = (
                f"the rollout of variant {name} waits for room in its pool for {state.unschedulable} new replicas: add "
                "a node, or write spec.rollout: {maxSurge: 0, maxUnavailable: 1}"
            )
            yield said("RolloutBlocked", True, "PoolFull", message)
