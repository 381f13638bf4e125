"""Carrying out one service's decision, in an order that is safe to die in at any point.

`tick` has written the plan into the status before it calls `Actuator.carry_out`. Then: our objects, where they are
missing or were rendered anew; scale-ups; the PodDisruptionBudget lowered; descents; the budget raised; what the spec
no longer names removed. Every step is idempotent and derived from the store, so the next tick, or the next process,
takes up wherever this one stopped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tightrope.api.conditions import Finding
from tightrope.controller import groups, manifests
from tightrope.controller.findings import said
from tightrope.controller.orders import (
    APPLIED,
    BudgetChange,
    Order,
    Rendering,
    adopted,
    budget_change,
    digest_of,
    renderings,
    replacement_ready,
    with_digest,
)
from tightrope.controller.ownership import FIELD_MANAGER, controller_uid, hand_back, owner_in_words
from tightrope.controller.store import Store
from tightrope.controller.telemetry import say
from tightrope.domain.plan import SetReplicas
from tightrope.ports import Cluster, WriteConflict, WriteRefused

_FIRST_RETRY_SECONDS: Final = 15.0
_LAST_RETRY_SECONDS: Final = 600.0


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What carrying out ran into, and which targets are ours now (variant to uid)."""

    met: list[Finding] = field(default_factory=list)
    adopted: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """A rendering that the server refused: not tried again before `retry_at`, then after twice the wait."""

    digest: str
    message: str
    retry_at: float
    wait_seconds: float


class Actuator:
    """Writes for all services. Remembers only what the server refused, so as not to ask at every tick."""

    def __init__(self, *, cluster: Cluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store
        self._refusals: dict[tuple[str, str], _Refusal] = {}

    async def carry_out(self, order: Order) -> Outcome:
        """Raises ClusterUnavailable, and nothing else of the port's: a refused write is a finding, and the next one
        is tried all the same."""
        outcome = Outcome(adopted=adopted(order))
        created: set[str] = set()
        if order.member.parsed.template is not None:
            created = await self._apply_deployments(order, outcome)
            await self._apply_service(order, outcome)
        growing = [write for write in order.decision.writes if write.replicas > write.previous]
        descending = [write for write in order.decision.writes if write.replicas < write.previous]
        for write in growing:
            if write.variant not in created:
                await self._scale(order, write, outcome)
        budget = budget_change(order)
        if budget is not None and budget.lowers:
            await self._apply_budget(order, budget, outcome)
        for write in descending:
            await self._scale(order, write, outcome)
        if budget is not None and not budget.lowers:
            await self._apply_budget(order, budget, outcome)
        await self._remove_leftovers(order, outcome)
        return outcome

    def forget_all_but(self, uids: set[str]) -> None:
        """Drop what is remembered of services that are gone."""
        self._refusals = {key: refusal for key, refusal in self._refusals.items() if key[0] in uids}

    def refused(self, uid: str) -> Mapping[str, str]:
        """Variants of this service whose Deployment the server would not take, and its sentence."""
        return {variant: refusal.message for (owner, variant), refusal in self._refusals.items() if owner == uid}

    async def _apply_deployments(self, order: Order, outcome: Outcome) -> set[str]:
        """Create and update; returns the variants created, which start at their size. All that changed is tried dry
        first: a template that the server refuses for one variant changes no Deployment that runs."""
        due = [rendered for rendered in renderings(order) if rendered.due]
        accepted = [rendered for rendered in due if await self._accepted(order, rendered, outcome)]
        if len(accepted) < len(due):
            accepted = [rendered for rendered in accepted if rendered.uid is None]
        return {rendered.variant for rendered in accepted if await self._apply_deployment(order, rendered, outcome)}

    async def _accepted(self, order: Order, rendered: Rendering, outcome: Outcome) -> bool:
        """Whether the server would take this rendering, as far as is known now."""
        refusal = self._refusals.get((order.member.parsed.uid, rendered.variant))
        if refusal is not None and refusal.digest == rendered.digest and order.now < refusal.retry_at:
            outcome.met.append(template_invalid(rendered.variant, refusal.message))
            return False
        try:
            await self._cluster.apply(rendered.manifest(replicas=rendered.at_creation), dry_run=True)
        except WriteConflict as conflict:
            self._taken("Deployment", rendered.name, conflict, outcome)
            return False
        except WriteRefused as refused:
            self._refuse(order, rendered, str(refused))
            outcome.met.append(template_invalid(rendered.variant, str(refused)))
            return False
        self._refusals.pop((order.member.parsed.uid, rendered.variant), None)
        return True

    def _refuse(self, order: Order, rendered: Rendering, message: str) -> None:
        key = (order.member.parsed.uid, rendered.variant)
        before = self._refusals.get(key)
        wait = _FIRST_RETRY_SECONDS
        if before is not None and before.digest == rendered.digest:
            wait = min(before.wait_seconds * 2, _LAST_RETRY_SECONDS)
        self._refusals[key] = _Refusal(
            digest=rendered.digest, message=message, retry_at=order.now + wait, wait_seconds=wait
        )

    async def _apply_deployment(self, order: Order, rendered: Rendering, outcome: Outcome) -> bool:
        """Write one Deployment; True if it was created.

        A new one is created at its size, by our main entry. Then the size moves to our /scale entry, and only then may
        the manifest be applied without it: the server would reset it to 1 otherwise. Killed in between, the next tick
        finds `hand_over` and goes on from there.
        """
        state = rendered.state
        uid, replicas, hand_over = rendered.uid, state.facts.wanted or 0, state.right.hand_over
        try:
            if uid is None:
                replicas = rendered.at_creation or 0
                uid, hand_over = await self._create(order, rendered, replicas), True
            if hand_over:
                await self._hand_over("Deployment", order.namespace, rendered.name, replicas)
            self._store.put("Deployment", await self._cluster.apply(rendered.manifest(uid=uid)))
        except WriteConflict as conflict:
            if uid is None:
                self._taken("Deployment", rendered.name, conflict, outcome)
            # Otherwise it changed or went under us: the next tick sees how.
        except WriteRefused as refused:
            self._refuse(order, rendered, str(refused))
            outcome.met.append(template_invalid(rendered.variant, str(refused)))
        return rendered.uid is None and uid is not None

    async def _create(self, order: Order, rendered: Rendering, replicas: int) -> str:
        stored = await self._cluster.apply(rendered.manifest(replicas=replicas))
        self._store.put("Deployment", stored)
        say("deployment created", namespace=order.namespace, name=rendered.name, replicas=replicas)
        uid: str = stored["metadata"]["uid"]
        return uid

    async def _apply_service(self, order: Order, outcome: Outcome) -> None:
        await self._apply_owned(order, "Service", manifests.service(order.member.parsed), outcome)

    async def _apply_budget(self, order: Order, budget: BudgetChange, outcome: Outcome) -> None:
        manifest = manifests.pdb(order.member.parsed, budget.min_available)
        await self._apply_owned(order, "PodDisruptionBudget", manifest, outcome)

    async def _apply_owned(self, order: Order, kind: str, manifest: dict[str, Any], outcome: Outcome) -> None:
        """Apply an object of the service's own name if it is missing or was rendered otherwise last time."""
        held = order.snapshot.get(kind, order.namespace, order.name)
        if held is not None and controller_uid(held) != order.member.parsed.uid:
            message = f"{kind} {order.name} exists already and is controlled by {owner_in_words(held)}: remove it"
            outcome.met.append(said("NameTaken", True, "NameTaken", message))
            return
        marked = with_digest(manifest)
        if held is not None and "deletionTimestamp" in held["metadata"]:
            return
        if held is not None:
            if held["metadata"]["annotations"].get(APPLIED) == digest_of(manifest):
                return
            marked["metadata"]["uid"] = held["metadata"]["uid"]
        try:
            self._store.put(kind, await self._cluster.apply(marked))
        except WriteConflict as conflict:
            self._taken(kind, order.name, conflict, outcome)
        except WriteRefused as refused:
            outcome.met.append(said("Writable", False, "WriteRefused", f"{kind} {order.name}: {refused}"))

    def _taken(self, kind: str, name: str, conflict: WriteConflict, outcome: Outcome) -> None:
        """An object that is there though the store has none of ours: somebody else's, or the watch is behind."""
        message = f"{kind} {name} exists already and is not this service's ({conflict}): remove it, or rename"
        outcome.met.append(said("NameTaken", True, "NameTaken", message))

    async def _scale(self, order: Order, write: SetReplicas, outcome: Outcome) -> None:
        """One replica write, unless somebody else owns them. A forced write is the adoption of a target, once: its uid
        goes into the status at the end of this tick."""
        state = order.cluster.workloads[write.variant]
        if state.wire is None or state.right.contested_by is not None:
            return
        kind, namespace, name = state.ref.kind, order.namespace, state.ref.name
        try:
            if state.right.hand_over:
                await self._hand_over(kind, namespace, name, state.facts.wanted or 0)
            await self._cluster.set_replicas(
                kind=kind, namespace=namespace, name=name, replicas=write.replicas, force=state.right.force,
                version=state.wire["metadata"]["resourceVersion"] if kind == groups.KIND else None,
            )  # fmt: skip
        except WriteConflict as conflict:
            writer = conflict.other_writer
            if writer is None or writer == FIELD_MANAGER:
                return  # the object changed under us: the next tick sees it
            message = hand_back(writer, state.wire, service=order.name)
            outcome.met.append(said("Conflict", True, "OtherWriter", message))
            return
        except WriteRefused as refused:
            outcome.met.append(said("Writable", False, "WriteRefused", f"{state.ref.kind} {state.ref.name}: {refused}"))
            return
        if not state.ref.owned and state.uid is not None:
            outcome.adopted[write.variant] = state.uid
        say(
            "replicas set", namespace=namespace, service=order.name, variant=write.variant, kind=kind, name=name,
            before=write.previous, after=write.replicas, reason=order.decision.reason.value,
        )  # fmt: skip

    async def _hand_over(self, kind: str, namespace: str, name: str, present: int) -> None:
        """Let our /scale entry own the size as it is: nobody is contradicted, unless the size changed just now.

        A size of 0 is left out of a Scale object, so that the server sees a contradiction to our own main entry.
        """
        await self._cluster.set_replicas(
            kind=kind, namespace=namespace, name=name, replicas=present, force=present == 0
        )

    async def _remove_leftovers(self, order: Order, outcome: Outcome) -> None:
        """Deployments of variants that the spec no longer names go when everything that is planned instead is ready,
        all at once: behind an even split the last pods of a fleet would each get the share of a whole one."""
        if order.member.parsed.service.descents_paused:
            return  # what was taken out of the spec is capacity all the same
        if not order.cluster.leftovers or not replacement_ready(order):
            return
        for wire in order.cluster.leftovers:
            metadata = wire["metadata"]
            if "deletionTimestamp" in metadata:
                continue
            name = metadata["name"]
            try:
                await self._cluster.delete(kind="Deployment", namespace=order.namespace, name=name, uid=metadata["uid"])
            except (WriteConflict, WriteRefused) as refused:
                outcome.met.append(said("Writable", False, "WriteRefused", f"Deployment {name}: {refused}"))
                continue
            say("deployment of a removed variant deleted", namespace=order.namespace, name=name)


def template_invalid(variant: str, message: str) -> Finding:
    return said("TemplateValid", False, "TemplateInvalid", f"variant {variant}, what runs stays as it is: {message}")
