"""Writing what was decided and found into the status, and saying aloud what is new in it.

The status is the operator's only memory besides Prometheus: `ahead` writes the plan before anything is done about it,
`after` writes what came of it. What is unchanged is not written, what was said before is not said again: both are
judged against the status itself, so they hold across restarts too.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tightrope.api.conditions import Finding, pool_status
from tightrope.api.status import render_status, status_patch
from tightrope.controller.orders import Order
from tightrope.controller.roster import Refused
from tightrope.controller.store import Wire
from tightrope.controller.telemetry import say
from tightrope.ports import Cluster, ClusterUnavailable, WriteConflict, WriteRefused

Status = Mapping[str, Any]

_FIGURES_EVERY_SECONDS: Final = 60.0
# Figures of so many services may be written in one tick. Where there are more they take turns: what has moved a little
# everywhere at once, such as the first hour that is covered, must not make a tick of ten thousand writes.
_FIGURES_A_TICK: Final = 500
_MEASURED: Final = ("capacity", "capacityLogMean", "capacityLogSd", "timeToReady")


class Statuses:
    """Writes the statuses of services and pools. `current` is what the next write is compared with.

    `pools` is False for an operator of some namespaces: pools belong to the cluster, and several operators would write
    the same status."""

    def __init__(self, *, cluster: Cluster, pools: bool = True) -> None:
        self._cluster = cluster
        self._pools = pools
        # Our own last write, as long as the watch has not brought anything newer: by uid, with the version it was
        # written over.
        self._written: dict[str, tuple[str, Status]] = {}
        self._written_at: dict[str, float] = {}
        self._round, self._turns = 0, 1

    def begin(self, services: int) -> None:
        """A tick over so many services begins to write."""
        self._round += 1
        self._turns = max(1, math.ceil(services / _FIGURES_A_TICK))

    def current(self, wire: Wire) -> Status:
        """The status as stored, or as we wrote it since."""
        stored: Status = wire.get("status") or {}
        version, written = self._written.get(wire["metadata"]["uid"], ("", {}))
        return written if version == wire["metadata"]["resourceVersion"] else stored

    async def ahead(self, order: Order, findings: Sequence[Finding], currency: str) -> None:
        """The plan, before the first write that it leads to; nothing if the status has it already."""
        before = self.current(order.member.wire)
        planned = {v["name"]: v.get("planned", 0) for v in before.get("variants") or ()}
        names = [variant.name for variant in order.member.parsed.service.variants]
        if all(planned.get(name, 0) == order.decision.plan.get(name, 0) for name in names) and before.get("plan"):
            return
        status = _rendered(order, before, findings, order.member.parsed.adopted, currency)
        await self._write(order.member.wire, status, order.now)

    async def after(self, order: Order, findings: Sequence[Finding], adopted: Mapping[str, str], currency: str) -> None:
        """What was decided, found and done, if anything of it is news."""
        before = self.current(order.member.wire)
        await self._write(order.member.wire, _rendered(order, before, findings, adopted, currency), order.now)

    async def refuse(self, refused: Refused, *, now: float) -> None:
        """Only the conditions of a service that cannot be acted on; the rest stays as it was."""
        before = self.current(refused.wire)
        generation = refused.wire["metadata"].get("generation", 0)
        status = render_status(previous=before, generation=generation, now=now, findings=[refused.finding])
        await self._write(refused.wire, status, now)

    async def pool(
        self, wire: Wire, findings: Sequence[Finding], price: Mapping[str, Any] | None = None, *, now: float
    ) -> None:
        """Whether a pool can be used, and the price that was read of it, if any."""
        if not self._pools:
            return
        generation = wire["metadata"].get("generation", 0)
        before = self.current(wire)
        status = pool_status(findings, previous=before, generation=generation, now=now, price=price)
        await self._write(wire, status, now)

    def forget_all_but(self, uids: set[str]) -> None:
        self._written = {uid: entry for uid, entry in self._written.items() if uid in uids}
        self._written_at = {uid: at for uid, at in self._written_at.items() if uid in uids}

    async def _write(self, wire: Wire, status: Status, now: float) -> None:
        before, metadata = self.current(wire), wire["metadata"]
        patch = status_patch(before, status)
        if patch is None:
            return
        if only_figures(before, status, patch) and not self._figures_due(metadata["uid"], now):
            return
        await self._cluster.patch_status(
            kind=wire["kind"],
            namespace=metadata.get("namespace"),
            name=metadata["name"],
            status=patch,
            resource_version=None,
        )
        self._written[metadata["uid"]] = (metadata["resourceVersion"], status)
        self._written_at[metadata["uid"]] = now
        await self._announce(wire, before, status)

    def _figures_due(self, uid: str, now: float) -> bool:
        """Whether it is this object's turn, and not too soon after its last write."""
        recent = now - self._written_at.get(uid, -math.inf) < _FIGURES_EVERY_SECONDS
        return not recent and (self._round + zlib.crc32(uid.encode())) % self._turns == 0

    async def _announce(self, wire: Wire, before: Status, status: Status) -> None:
        """An Event and a log line for each thing that is new: the decision, and conditions that changed sides."""
        decision = status.get("decision") or {}
        if decision and decision.get("time") != (before.get("decision") or {}).get("time"):
            await self._event(wire, decision["reason"], decision["message"], warning=False)
        known = {condition["type"]: condition for condition in before.get("conditions") or ()}
        for condition in status.get("conditions") or ():
            old = known.get(condition["type"])
            if old is not None and (old["status"], old["reason"]) == (condition["status"], condition["reason"]):
                continue
            # Ready repeats the condition that it follows from; a first good state is no news.
            if condition["type"] != "Ready" and (old is not None or _troubles(condition)):
                await self._event(wire, condition["reason"], condition["message"], warning=_troubles(condition))

    async def _event(self, wire: Wire, reason: str, message: str, *, warning: bool) -> None:
        metadata = wire["metadata"]
        say(message, namespace=metadata.get("namespace"), service=metadata["name"], reason=reason)
        try:
            await self._cluster.record_event(regarding=wire, reason=reason, message=message, warning=warning)
        except (WriteConflict, WriteRefused, ClusterUnavailable) as error:
            say("an Event could not be recorded", reason=reason, why=str(error))


def only_figures(before: Status, status: Status, patch: Status) -> bool:
    """Whether nothing has changed but measured figures, which move a little all the time and can wait for a while."""
    if not patch.keys() <= {"slo", "variants", "recommendation"}:
        return False
    if [_alarm(objective) for objective in before.get("slo") or ()] != [
        _alarm(objective) for objective in status.get("slo") or ()
    ]:
        return False
    olds = [_stated(variant) for variant in before.get("variants") or ()]
    return olds == [_stated(variant) for variant in status.get("variants") or ()]


def _stated(variant: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in variant.items() if key not in _MEASURED}


def _alarm(objective: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of an objective is more than a figure."""
    return objective.get("metric"), objective.get("objective"), objective.get("burning")


def _troubles(condition: Mapping[str, Any]) -> bool:
    bad_if_true = condition["type"] in ("Conflict", "NameTaken", "RolloutBlocked")
    return bool(condition["status"] == ("True" if bad_if_true else "False"))


def _rendered(
    order: Order, before: Status, findings: Sequence[Finding], adopted: Mapping[str, str], currency: str
) -> Status:
    parsed = order.member.parsed
    return render_status(
        previous=before,
        generation=parsed.generation,
        now=order.now,
        findings=findings,
        service=parsed.service,
        decision=order.decision,
        observation=order.observation,
        currency=currency,
        adopted=adopted,
    )
