"""After the decision: each service's status, writes and findings, some services side by side, none in another's way.

`tick` calls `carry_out` with what it gathered and decided. A service in trouble gets a condition and a log line; once
the API server is not to be had, the rest waits for the next tick, which decides from what is there then.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tightrope.api.conditions import Finding
from tightrope.controller.actuate import Actuator, Outcome
from tightrope.controller.facts import ClusterFacts
from tightrope.controller.findings import findings, said
from tightrope.controller.namespaces import NamespaceBudgets
from tightrope.controller.orders import Order
from tightrope.controller.prices import Priced
from tightrope.controller.roster import Member, Refused, Roster, internal_error
from tightrope.controller.statuses import Statuses
from tightrope.controller.store import Snapshot, Wire
from tightrope.controller.telemetry import say
from tightrope.domain.observation import Observation
from tightrope.domain.plan import Decision
from tightrope.domain.spec import Mode, ServiceKey
from tightrope.ports import ClusterUnavailable, WriteConflict, WriteRefused

_SIDE_BY_SIDE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one tick gathered and decided. `now` is unix seconds."""

    now: float
    snapshot: Snapshot
    roster: Roster
    cluster: Mapping[ServiceKey, ClusterFacts] = field(default_factory=dict)
    observations: Mapping[ServiceKey, Observation] = field(default_factory=dict)
    decisions: Mapping[ServiceKey, Decision] = field(default_factory=dict)
    prices: Priced = field(default_factory=Priced)
    budgets: NamespaceBudgets = field(default_factory=NamespaceBudgets)


class Execution:
    """Carries out passes. `stir` is called when one piece of work is done, be it well or not. `_troubles` is what was
    said of whom, so that it is said once."""

    def __init__(self, *, actuator: Actuator, statuses: Statuses, stir: Callable[[], None] = lambda: None) -> None:
        self._actuator = actuator
        self._statuses = statuses
        self._stir = stir
        self._unavailable: str | None = None
        self._troubles: dict[str, str] = {}
        self._hindering: dict[str, Sequence[Finding]] = {}

    def troubles(self, uid: str) -> Sequence[Finding]:
        """What hinders this service, as of the last time that its writes had their turn."""
        return self._hindering.get(uid, ())

    def refused_templates(self, uid: str) -> Mapping[str, str]:
        """Variants of this service whose Deployment the server would not take, and why."""
        return self._actuator.refused(uid)

    def forget_all_but(self, uids: set[str]) -> None:
        """Drop what is remembered of objects that are gone."""
        self._actuator.forget_all_but(uids)
        self._statuses.forget_all_but(uids)
        self._troubles = {uid: trouble for uid, trouble in self._troubles.items() if uid in uids}
        self._hindering = {uid: found for uid, found in self._hindering.items() if uid in uids}

    async def carry_out(self, done: Pass) -> None:
        """All writes of one tick."""
        unavailable_before, self._unavailable = self._unavailable, None
        self._statuses.begin(len(done.roster.members))
        turns = asyncio.Semaphore(_SIDE_BY_SIDE)
        await asyncio.gather(*(self._guarded(turns, wire, work, done.now) for wire, work in self._work(done)))
        if self._unavailable is not None and unavailable_before is None:
            say("writes wait", level=logging.WARNING, why=self._unavailable)
        elif self._unavailable is None and unavailable_before is not None:
            say("writes go on")

    def _work(self, done: Pass) -> Iterator[tuple[Wire, Coroutine[Any, Any, None]]]:
        """Decided services first: their pods matter more than anybody's conditions."""
        for member in done.roster.members:
            if member.parsed.service.key in done.decisions:
                yield member.wire, self._act(order_of(done, member))
        for refused in done.roster.refused:
            if refused.error is not None:
                self._complain(refused.wire, refused.error)
            yield refused.wire, self._statuses.refuse(refused, now=done.now)
        for wire, found_of_pool in pool_findings(done):
            price = done.prices.statuses.get(wire["metadata"]["name"])
            yield wire, self._statuses.pool(wire, found_of_pool, price, now=done.now)

    async def _guarded(self, turns: asyncio.Semaphore, wire: Wire, work: Coroutine[Any, Any, None], now: float) -> None:
        """One piece of work: whatever it raises stays with it."""
        async with turns:
            if self._unavailable is not None:
                work.close()
                return
            try:
                await work
            except ClusterUnavailable as error:
                self._unavailable = str(error)
            except (WriteConflict, WriteRefused) as error:
                self._say_once(wire, "a status could not be written", str(error))
            except Exception as error:
                self._complain(wire, error)
                await self._confess(wire, error, now)
            finally:
                self._stir()

    async def _act(self, order: Order) -> None:
        """Plan into the status, then the writes, then the status with what came of them."""
        parsed = order.member.parsed
        currency = order.pools[parsed.service.variants[0].pool].pool.currency
        if parsed.service.mode is Mode.AUTO:
            await self._statuses.ahead(order, found(order, ()), currency)
            outcome = await self._actuator.carry_out(order)
        else:
            # Recommend and Paused change nothing but the status.
            outcome = Outcome(adopted=dict(parsed.adopted))
        conditions = found(order, outcome.met)
        self._hindering[parsed.uid] = [finding for finding in conditions if finding.hinders]
        await self._statuses.after(order, conditions, outcome.adopted, currency)
        self._troubles.pop(parsed.uid, None)

    async def _confess(self, wire: Wire, error: Exception, now: float) -> None:
        refused = Refused(wire=wire, finding=internal_error(error))
        self._hindering[wire["metadata"]["uid"]] = [refused.finding]
        try:
            await self._statuses.refuse(refused, now=now)
        except (ClusterUnavailable, WriteConflict, WriteRefused) as unwritten:
            self._say_once(wire, "a status could not be written", str(unwritten))

    def _complain(self, wire: Wire, error: Exception) -> None:
        uid, trouble = wire["metadata"]["uid"], f"{type(error).__name__}: {error}"
        if self._troubles.get(uid) != trouble:
            self._troubles[uid] = trouble
            metadata = wire["metadata"]
            say(
                "a service cannot be handled: this is an error of the operator", level=logging.ERROR, error=error,
                namespace=metadata.get("namespace"), service=metadata["name"],
            )  # fmt: skip

    def _say_once(self, wire: Wire, event: str, why: str) -> None:
        metadata = wire["metadata"]
        if self._troubles.get(metadata["uid"]) != why:
            self._troubles[metadata["uid"]] = why
            say(event, level=logging.WARNING, namespace=metadata.get("namespace"), name=metadata["name"], why=why)


def order_of(done: Pass, member: Member) -> Order:
    key = member.parsed.service.key
    unkept = done.budgets.invalid.get(key.namespace)
    return Order(
        member=member,
        pools=done.roster.pools,
        cluster=done.cluster[key],
        observation=done.observations[key],
        decision=done.decisions[key],
        snapshot=done.snapshot,
        now=done.now,
        told=() if unkept is None else (unkept,),
    )


def found(order: Order, met: Sequence[Finding]) -> list[Finding]:
    return findings(
        order.member.parsed.service,
        cluster=order.cluster,
        observation=order.observation,
        decision=order.decision,
        met=(*order.told, *met),
    )


def pool_findings(done: Pass) -> Iterator[tuple[Wire, list[Finding]]]:
    """Ready for each pool: usable, or why not; and what was found of its price, where it asks for one."""
    for refused in done.roster.refused_pools:
        finding = refused.finding
        yield refused.wire, [Finding(type="Ready", status="False", reason=finding.reason, message=finding.message)]
    for name in done.roster.pools:
        wire = done.snapshot.get("ComputePool", "", name)
        if wire is not None and "deletionTimestamp" not in wire["metadata"]:
            price = done.prices.findings.get(name)
            ready = said("Ready", True, "Usable", "services may use this pool")
            yield wire, [ready, *([price] if price is not None else [])]
