"""What one service's decision asks of the cluster, before anything is written: pure.

`actuate` takes an Order, compares what should be with what the store holds, and writes the difference.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tightrope.api.conditions import Finding
from tightrope.api.parse import ParsedPool
from tightrope.controller import manifests
from tightrope.controller.facts import ClusterFacts, WorkloadState
from tightrope.controller.ownership import FIELD_MANAGER
from tightrope.controller.roster import Member
from tightrope.controller.store import Snapshot
from tightrope.domain.observation import Observation
from tightrope.domain.plan import Decision

APPLIED: Final = "tightrope.dev/applied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One service's decision with all that is needed to carry it out. `now` is unix seconds; `told` is what was found
    of its namespace."""

    member: Member
    pools: Mapping[str, ParsedPool]
    cluster: ClusterFacts
    observation: Observation
    decision: Decision
    snapshot: Snapshot
    now: float
    told: Sequence[Finding] = ()

    @property
    def namespace(self) -> str:
        return self.member.parsed.service.key.namespace

    @property
    def name(self) -> str:
        return self.member.parsed.service.key.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """The Deployment of one variant as it should be, beside the one that is. `at_creation` is None once it exists."""

    variant: str
    state: WorkloadState
    bare: Mapping[str, Any]
    digest: str
    at_creation: int | None

    @property
    def name(self) -> str:
        return self.state.ref.name

    @property
    def uid(self) -> str | None:
        return self.state.uid

    @property
    def due(self) -> bool:
        """Missing, rendered otherwise last time, or with its size still in our main entry."""
        if self.state.wire is None:
            return True
        return self.state.wire["metadata"]["annotations"].get(APPLIED) != self.digest or self.state.right.hand_over

    def manifest(self, *, replicas: int | None = None, uid: str | None = None) -> dict[str, Any]:
        """The manifest to apply: with replicas to create, with the uid to update."""
        marked = with_digest(self.bare)
        if uid is None:
            uid = self.uid
        if uid is not None:
            marked["metadata"]["uid"] = uid
        if replicas is not None:
            marked["spec"] = {**marked["spec"], "replicas": replicas}
        return marked


def renderings(order: Order) -> Iterator[Rendering]:
    """One for each variant with a Deployment of ours to write: not where another's object has the name, and not while
    the old one is still being deleted."""
    parsed = order.member.parsed
    starts = {write.variant: write.replicas for write in order.decision.writes}
    for variant, state in order.cluster.workloads.items():
        held = order.snapshot.get("Deployment", order.namespace, state.ref.name)
        if not state.ref.owned or state.name_taken is not None or (held is not None and state.wire is None):
            continue
        bare = manifests.deployment(parsed, variant, order.pools[parsed.service.variant(variant).pool])
        yield Rendering(
            variant=variant,
            state=state,
            bare=bare,
            digest=digest_of(bare),
            at_creation=starts.get(variant, 0) if state.wire is None else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChange:
    """The minAvailable to write, and whether that comes before the descents or after everything."""

    min_available: int
    lowers: bool


def budget_change(order: Order) -> BudgetChange | None:
    """The PodDisruptionBudget of our own pods: one pod fewer than must be ready. None for services without any.

    It goes down only with a descent, since a descent is what makes pods dispensable: the need itself moves a little at
    every tick, and a write for each of its moves would never end. It never asks for all pods that are wanted: no
    drain could end then.
    """
    owned = {variant: state for variant, state in order.cluster.workloads.items() if state.ref.owned}
    if not owned:
        return None
    elsewhere = sum(
        order.observation.variants[variant].ready for variant in order.cluster.workloads if variant not in owned
    )
    needed = max(order.decision.required_ready - elsewhere - 1, 0)
    held = order.snapshot.get("PodDisruptionBudget", order.namespace, order.name)
    present = held["spec"]["minAvailable"] if held is not None else None
    if not isinstance(present, int):
        return BudgetChange(min_available=needed, lowers=True)
    after = {write.variant: write.replicas for write in order.decision.writes}
    wanted = sum(after.get(variant, state.facts.wanted or 0) for variant, state in owned.items())
    descends = any(write.replicas < write.previous for write in order.decision.writes)
    target = needed if descends else min(max(needed, present), max(wanted - 1, 0))
    return BudgetChange(min_available=target, lowers=target < present)


def replacement_ready(order: Order) -> bool:
    """Whether all that the plan names is ready and nothing that matters is unknown."""
    plan, variants = order.decision.plan, order.observation.variants
    if order.decision.blind is not None or not sum(plan.values()):
        return False
    return all(name in variants and variants[name].ready >= count for name, count in plan.items())


def adopted(order: Order) -> dict[str, str]:
    """Targets that are ours: adopted earlier and still the same object, or with replicas that we own already."""
    found: dict[str, str] = {}
    for variant, state in order.cluster.workloads.items():
        if state.ref.owned or state.wire is None or state.uid is None:
            continue
        writers = {writer.manager for writer in state.wire["replicasWriters"]}
        if state.ref.adopted_uid == state.uid or FIELD_MANAGER in writers:
            found[variant] = state.uid
    return found


def digest_of(manifest: Mapping[str, Any]) -> str:
    """What a rendering is recognised by. Rendered from the same spec it is the same in every process."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def with_digest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that carries its own digest, for the next tick to compare."""
    metadata = {**manifest["metadata"], "annotations": {APPLIED: digest_of(manifest)}}
    return {**manifest, "metadata": metadata}
