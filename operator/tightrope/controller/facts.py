"""From the store's wire objects to what one service looks like in the cluster: pure, no clock, no IO.

`tick` calls `gather` for each service; `observe` turns the result and the samples into an Observation, `actuate` uses
the same facts to decide what may be written. Nothing here judges: a fact is what the API server said last.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tightrope.api.invalid import SpecInvalid
from tightrope.api.requests import pod_requests
from tightrope.controller import groups
from tightrope.controller.manifests import SERVICE_UID_LABEL, VARIANT_LABEL
from tightrope.controller.observe import PodFacts, WorkloadFacts
from tightrope.controller.ownership import ReplicasRight, controller_uid, owner_in_words, replicas_right
from tightrope.controller.store import Snapshot, Wire
from tightrope.controller.takebacks import taken_back
from tightrope.domain.spec import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRef:
    """Which object runs a variant. `owned`: our own Deployment, else a scaleTargetRef; `adopted_uid` is the target
    that the status says was adopted; `taken_by` the service that has the better claim on this name or target."""

    variant: str
    kind: str
    name: str
    accelerator: str
    owned: bool = True
    adopted_uid: str | None = None
    taken_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadState:
    """One variant's workload: the object itself (None when there is none that is ours to use), what may be done to
    its replicas, and the facts that the observation is built from. `name_taken` says whose object stands in the way;
    `requests` what the largest of a replica's pods requests."""

    ref: WorkloadRef
    wire: Wire | None
    right: ReplicasRight
    facts: WorkloadFacts
    name_taken: str | None = None
    requests: Resources | None = None
    pods_per_replica: int = 1

    @property
    def uid(self) -> str | None:
        return self.wire["metadata"]["uid"] if self.wire else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFacts:
    """One service as the cluster shows it. `leftovers` are Deployments of ours for variants that are no longer
    declared."""

    workloads: Mapping[str, WorkloadState]
    pods: tuple[PodFacts, ...] = ()
    leftovers: tuple[Wire, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The store by what is asked of it: our pods by service and variant, all pods by namespace and by namespace and
    label, Deployments by controlling uid. Built once a tick, so that no service has to look at another's pods. `lost`
    is the same of the pods that ended because their node went."""

    snapshot: Snapshot
    ours: Mapping[tuple[str, str], Sequence[Wire]] = field(default_factory=dict)
    pods: Mapping[str, Sequence[Wire]] = field(default_factory=dict)
    labelled: Mapping[tuple[str, str, str], Sequence[Wire]] = field(default_factory=dict)
    controlled: Mapping[str, Sequence[Wire]] = field(default_factory=dict)
    lost: "Index | None" = None


def index(snapshot: Snapshot) -> Index:
    controlled: dict[str, list[Wire]] = {}
    for deployment in snapshot.all("Deployment"):
        if (uid := controller_uid(deployment)) is not None:
            controlled.setdefault(uid, []).append(deployment)
    # What has ended is no pod of anybody's any more.
    live: list[Wire] = []
    ended = list(snapshot.lost_pods)
    for pod in snapshot.all("Pod"):
        (ended if pod["status"].get("phase") in ("Succeeded", "Failed") else live).append(pod)
    lost = _of_pods(snapshot, [pod for pod in ended if taken_back(pod) is not None])
    return replace(_of_pods(snapshot, live), controlled=controlled, lost=lost)


def _of_pods(snapshot: Snapshot, chosen: Iterable[Wire]) -> Index:
    pods: dict[str, list[Wire]] = {}
    labelled: dict[tuple[str, str, str], list[Wire]] = {}
    ours: dict[tuple[str, str], list[Wire]] = {}
    for pod in chosen:
        labels = pod["metadata"].get("labels") or {}
        namespace = pod["metadata"]["namespace"]
        pods.setdefault(namespace, []).append(pod)
        for key, value in labels.items():
            labelled.setdefault((namespace, key, value), []).append(pod)
        if SERVICE_UID_LABEL in labels:
            ours.setdefault((labels[SERVICE_UID_LABEL], labels.get(VARIANT_LABEL, "")), []).append(pod)
    return Index(snapshot=snapshot, ours=ours, pods=pods, labelled=labelled)


def gather(
    found: Index,
    *,
    namespace: str,
    uid: str,
    refs: Sequence[WorkloadRef],
    take_from: str | None,
    refused: Mapping[str, str],
    now: float,
) -> ClusterFacts:
    """Everything the cluster shows of the service with this uid. `refused` are variants whose Deployment the server
    would not take: as long as there is none, they are no way to run the service."""
    states = {ref.variant: _workload(found, namespace, uid, ref, take_from, refused) for ref in refs}
    pods = {variant: list(_pods_of(found, namespace, uid, state)) for variant, state in states.items()}
    names = {ref.name for ref in refs if ref.owned}
    states = {variant: _with_losses(found, namespace, uid, state, pods[variant]) for variant, state in states.items()}
    return ClusterFacts(
        workloads={variant: _with_requests(state, pods[variant]) for variant, state in states.items()},
        pods=tuple(fact for variant, state in states.items() for fact in _replicas(pods[variant], state, now)),
        leftovers=tuple(d for d in found.controlled.get(uid, ()) if d["metadata"]["name"] not in names),
    )


def _workload(
    found: Index, namespace: str, uid: str, ref: WorkloadRef, take_from: str | None, refused: Mapping[str, str]
) -> WorkloadState:
    wire = found.snapshot.get(ref.kind, namespace, ref.name)
    taken = _name_taken(wire, uid, ref)
    if taken is not None or wire is None or wire["metadata"].get("deletionTimestamp"):
        unavailable = taken or (refused.get(ref.variant) if ref.owned else _no_target(found, ref, namespace))
        return WorkloadState(
            ref=ref,
            wire=None,
            right=ReplicasRight(),
            name_taken=taken,
            facts=WorkloadFacts(
                variant=ref.variant, kind=ref.kind, name=ref.name, wanted=None, ready=0, unavailable=unavailable
            ),
        )
    had_before = ref.owned or ref.adopted_uid == wire["metadata"]["uid"]
    right = replicas_right(wire, had_before=had_before, take_from=take_from)
    status = wire["status"]
    return WorkloadState(
        ref=ref,
        wire=wire,
        right=right,
        facts=WorkloadFacts(
            variant=ref.variant,
            kind=ref.kind,
            name=ref.name,
            wanted=wire["spec"].get("replicas", 1),
            ready=status.get("readyReplicas" if ref.kind == groups.KIND else "availableReplicas", 0),
            rolling_out=_rolling_out(wire),
            refused=_condition(status, "ReplicaFailure", "True"),
            other_writer=right.contested_by,
        ),
    )


def _name_taken(wire: Wire | None, uid: str, ref: WorkloadRef) -> str | None:
    if ref.taken_by is not None:
        return f"{ref.kind} {ref.name} belongs to InferenceDeployment {ref.taken_by}, which is older"
    if wire is not None and ref.owned and controller_uid(wire) != uid:
        return f"{ref.kind} {ref.name} exists already and is controlled by {owner_in_words(wire)}, not by this service"
    return None


def _no_target(found: Index, ref: WorkloadRef, namespace: str) -> str:
    if not found.snapshot.holds(ref.kind):
        return (
            f"scaleTargetRef: this operator does not look at {ref.kind}s: whoever installed it sets "
            "leaderWorkerSets.enabled in the chart's values"
        )
    return f"scaleTargetRef: there is no {ref.kind} {ref.name} in namespace {namespace}"


def _rolling_out(wire: Wire) -> bool:
    """Pods of two templates side by side, or a template that its controller has not seen yet. A new size is unseen
    for a moment too, and is no rollout: it shows as a size that the controller has not reported back."""
    status, metadata = wire["status"], wire["metadata"]
    seen = status.get("observedGeneration", metadata.get("generation", 0) if wire["kind"] == groups.KIND else 0)
    if seen < metadata.get("generation", 0):
        return bool(status.get("replicas", 0) == wire["spec"].get("replicas", 1))
    if wire["kind"] == groups.KIND:
        return groups.rolling_out(wire)
    if wire["kind"] == "Deployment":
        return bool(status.get("replicas", 0) > status.get("updatedReplicas", 0))
    strategy = wire["spec"].get("updateStrategy") or {}
    # With OnDelete, or held by a partition, two revisions may live side by side for good.
    if strategy.get("type", "RollingUpdate") != "RollingUpdate" or (strategy.get("rollingUpdate") or {}).get(
        "partition"
    ):
        return False
    return bool(status.get("replicas", 0)) and status.get("updateRevision") != status.get("currentRevision")


def _condition(status: Mapping[str, Any], kind: str, value: str) -> str | None:
    """The message of this condition if it has this status."""
    for condition in status.get("conditions") or ():
        if condition["type"] == kind and condition["status"] == value:
            return str(condition.get("message") or condition.get("reason") or kind)
    return None


def _pods_of(found: Index, namespace: str, uid: str, state: WorkloadState) -> Iterable[Wire]:
    """Our pods carry our labels (whoever may set labels may do so in another namespace too); a target's are those its
    selector picks."""
    if state.ref.owned:
        pods = found.ours.get((uid, state.ref.variant), ())
        yield from (pod for pod in pods if pod["metadata"]["namespace"] == namespace)
    elif state.ref.kind == groups.KIND:
        yield from found.labelled.get((namespace, groups.SET_NAME, state.ref.name), ())
    elif state.wire is not None:
        selector = state.wire["spec"].get("selector") or {}
        for pod in _candidates(found, namespace, selector):
            if selects(selector, pod["metadata"].get("labels") or {}):
                yield pod


def _candidates(found: Index, namespace: str, selector: Mapping[str, Any]) -> Sequence[Wire]:
    """The pods among which are all that the selector picks: those with its rarest label, else the whole namespace."""
    wanted = selector.get("matchLabels") or {}
    having = [found.labelled.get((namespace, key, value), ()) for key, value in wanted.items()]
    return min(having, key=len) if having else found.pods.get(namespace, ())


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector picks these labels; an empty selector picks nothing here."""
    wanted, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or ()
    if not wanted and not expressions:
        return False
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(expression, labels) for expression in expressions)


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def _replicas(pods: Sequence[Wire], state: WorkloadState, now: float) -> Iterator[PodFacts]:
    """A fact for each replica: a pod, or the leader of a group."""
    if state.ref.kind != groups.KIND or state.wire is None:
        yield from (_pod(pod, state, now) for pod in pods)
        return
    for group in groups.groups(pods, state.wire["podsPerReplica"]):
        yield _group(group, state, now)


def _group(group: groups.Group, state: WorkloadState, now: float) -> PodFacts:
    """The leader, ready since the last pod of its whole group is."""
    each = [_pod(pod, state, now) for pod in group.pods]
    leader, ready = each[0], group.whole and all(pod.ready for pod in each)
    since = [pod.ready_since for pod in each if pod.ready_since is not None]
    return replace(
        leader,
        ready=ready,
        available=ready and all(pod.available for pod in each),
        ready_since=max(since) if ready and len(since) == len(each) else None,
        unschedulable=any(pod.unschedulable for pod in each),
    )


def _pod(wire: Wire, state: WorkloadState, now: float) -> PodFacts:
    metadata, conditions = wire["metadata"], wire["status"].get("conditions") or ()
    by_type = {condition["type"]: condition for condition in conditions}
    readiness, scheduled = by_type.get("Ready", {}), by_type.get("PodScheduled", {})
    ready = readiness.get("status") == "True"
    since = unix_seconds(readiness["lastTransitionTime"]) if ready and readiness.get("lastTransitionTime") else None
    settle = (state.wire or {}).get("spec", {}).get("minReadySeconds") or 0
    requests = _requests(wire["podSpec"], state.ref.accelerator)
    return PodFacts(
        namespace=metadata["namespace"],
        name=metadata["name"],
        variant=state.ref.variant,
        ready=ready,
        available=ready and (settle == 0 or (since is not None and now - since >= settle)),
        created_at=unix_seconds(metadata["creationTimestamp"]),
        ready_since=since,
        terminating="deletionTimestamp" in metadata,
        unschedulable=scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable",
        cpu_request_cores=requests.cpu_cores,
        gpu=requests.accelerators > 0,
    )


def _with_losses(found: Index, namespace: str, uid: str, state: WorkloadState, pods: Sequence[Wire]) -> WorkloadState:
    """When a node went last from under one of its pods, be it there still or gone."""
    lost = _pods_of(found.lost, namespace, uid, state) if found.lost is not None else ()
    times = [unix_seconds(at) for pod in (*pods, *lost) if (at := taken_back(pod)) is not None]
    return replace(state, facts=replace(state.facts, taken_back_at=max(times))) if times else state


def _with_requests(state: WorkloadState, pods: Sequence[Wire]) -> WorkloadState:
    """What a replica's pod requests: the largest among live pods, else what the workload's templates say."""
    specs = [pod["podSpec"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    if not specs and state.wire is not None:
        specs = state.wire["podSpecs"]
    if not specs:
        return state
    each = [_requests(spec, state.ref.accelerator) for spec in specs]
    requests = Resources(
        cpu_cores=max(one.cpu_cores for one in each),
        memory_bytes=max(one.memory_bytes for one in each),
        accelerators=max(one.accelerators for one in each),
    )
    pods_per_replica = state.wire["podsPerReplica"] if state.wire is not None else 1
    return replace(state, requests=requests, pods_per_replica=pods_per_replica)


def _requests(pod_spec: Mapping[str, Any], accelerator: str) -> Resources:
    """What a stored pod requests. The server has checked its quantities; one that is none all the same counts as
    nothing, rather than stop a tick."""
    try:
        return pod_requests(pod_spec, accelerator_resource=accelerator, field="pod")
    except SpecInvalid:
        return Resources(cpu_cores=0.0, memory_bytes=0.0)


def unix_seconds(rfc3339: str) -> float:
    """A timestamp of the API as unix seconds."""
    return datetime.fromisoformat(rfc3339).timestamp()
