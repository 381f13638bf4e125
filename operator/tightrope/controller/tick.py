"""One tick, top to bottom: snapshot, samples, observations, decisions, writes, status.

`process` calls `tick` on its period; `wiring` builds it. One service's trouble never stops the others: whatever goes
wrong with it becomes its own condition and a log line. Only an error in what all share ends the tick early, and the
next one starts afresh.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias, TypeVar

from tightrope.api.pause import Pause
from tightrope.controller.execution import Execution, Pass
from tightrope.controller.facts import ClusterFacts, gather, index
from tightrope.controller.health import Pulse
from tightrope.controller.history import History
from tightrope.controller.namespaces import namespace_budgets
from tightrope.controller.observe import Freshness, HistoryRead, ServiceFacts, observe
from tightrope.controller.ownership import TAKE_REPLICAS_FROM
from tightrope.controller.prices import PriceBook
from tightrope.controller.roster import Member, ParsedOnce, Refused, enrol, internal_error
from tightrope.controller.seeding import Seeding, wishes
from tightrope.controller.self_metrics import ServiceFigures, TickSummary
from tightrope.controller.store import Snapshot, Store, Wire
from tightrope.controller.telemetry import Telemetry, say
from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory, ServiceMemory
from tightrope.domain.plan import Decision
from tightrope.domain.situation import Clock as Moment
from tightrope.domain.spec import Service, ServiceKey
from tightrope.ports import Clock, Metrics, MetricsSnapshot

Each = TypeVar("Each")
Poison: TypeAlias = tuple[Each, Exception]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, and how old things may be; seconds."""

    tick_seconds: float
    metrics_delay_seconds: float
    freshness: Freshness


class Tick:
    """Ticks; between them it keeps the decision's memory and what was parsed."""

    def __init__(
        self,
        *,
        store: Store,
        metrics: Metrics,
        clock: Clock,
        pace: Pace,
        history: History,
        execution: Execution,
        telemetry: Telemetry,
        pulse: Pulse,
        prices: PriceBook,
        seeding: Seeding | None = None,
        paused: Pause | None = None,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._prices = prices
        self._clock = clock
        self._pace = pace
        self._history = history
        self._seeding = seeding
        self._execution = execution
        self._telemetry = telemetry
        self._pulse = pulse
        self._parsed = ParsedOnce(paused)
        self._memory = Memory()
        self._uids: dict[ServiceKey, str] = {}
        self._failures: Mapping[tuple[str, str], str] = {}
        self._failed_with = ""
        self._took = 0.0
        self._slow = False

    @property
    def _period_seconds(self) -> float:
        """From tick to tick: as set, or as long as the last one took if that is longer, since ticks never overlap."""
        return max(self._pace.tick_seconds, self._took)

    async def tick(self) -> None:
        """One pass. Logs and counts what goes wrong with the pass itself, and never raises it."""
        began = self._clock.monotonic()
        try:
            done = await self._pass()
        except Exception as error:
            self._telemetry.tick_failures.inc()
            if repr(error) != self._failed_with:
                say("the tick failed; the next one starts afresh", level=logging.ERROR, error=error)
            self._failed_with = repr(error)
            return
        self._failed_with = ""
        summary = self._summary(done)
        self._took = self._clock.monotonic() - began
        self._telemetry.ticked(summary, seconds=self._took)
        self._say_whether_slow()

    def _say_whether_slow(self) -> None:
        """Once when ticks begin to take longer than their period, and once when they keep it again."""
        slow = self._took > self._pace.tick_seconds
        if slow and not self._slow:
            say(
                "ticks take longer than their period: each begins when the one before has ended",
                level=logging.WARNING, seconds=round(self._took, 1), period_seconds=self._pace.tick_seconds,
            )  # fmt: skip
        elif self._slow and not slow:
            say("ticks keep their period again", seconds=round(self._took, 1))
        self._slow = slow

    async def _pass(self) -> Pass:
        """Whatever takes longer the more services there are runs beside the event loop, which renews the lead, answers
        probes and takes in what the watches bring meanwhile."""
        snapshot, now = self._store.snapshot(), self._clock.now()
        with self._part("parse"):
            roster = await asyncio.to_thread(enrol, snapshot, parse=partial(self._parsed.parse, now=now))
        self._forget_the_gone(snapshot)
        self._pulse.services = len(roster.members)
        presets = sorted({member.parsed.preset for member in roster.members})
        with self._part("query"):
            samples, offered = await asyncio.gather(self._samples(presets), self._prices.read(roster.pools))
        prices = self._prices.priced(roster.pools, offered, now=now)
        roster = replace(roster, pools=prices.pools)
        with self._part("gather"):
            budgets = namespace_budgets(snapshot, roster)
            seen = Pass(snapshot=snapshot, roster=roster, now=now, prices=prices, budgets=budgets)
            gathered = await asyncio.to_thread(self._gathered, seen)
        history = self._earlier(gathered, samples, presets)
        self._ask_for_the_past(gathered, samples)
        with self._part("observe"):
            observed = await asyncio.to_thread(self._observed, gathered, samples, history)
        with self._part("decide"):
            decided = await asyncio.to_thread(self._decided, observed)
        with self._part("write"):
            await self._execution.carry_out(decided)
        return decided

    @contextlib.contextmanager
    def _part(self, name: str) -> Iterator[None]:
        """Counts the time of one part of the tick, and shows the watchdog that the tick gets on."""
        began = self._clock.monotonic()
        try:
            yield
        finally:
            self._telemetry.tick_parts.labels(name).inc(self._clock.monotonic() - began)
            self._pulse.stir()

    async def _samples(self, presets: Sequence[str]) -> MetricsSnapshot:
        if not presets:
            return MetricsSnapshot(at=self._clock.now(), pods={})
        samples = await self._metrics.snapshot(presets)
        self._telemetry.queried(samples.failures)
        for why, signals in new_failures(samples.failures, self._failures).items():
            say("queries failed", level=logging.WARNING, signals=signals, why=why)
        if self._failures and not samples.failures:
            say("all queries answer again")
        self._failures = samples.failures
        return samples

    def _gathered(self, seen: Pass) -> Pass:
        """Facts of every member; live pods may correct what a replica requests."""
        found = index(seen.snapshot)
        facts: dict[ServiceKey, ClusterFacts] = {}
        members: list[Member] = []
        errors: dict[ServiceKey, Exception] = {}
        for member in seen.roster.members:
            key, metadata = member.parsed.service.key, member.wire["metadata"]
            try:
                facts[key] = gather(
                    found,
                    namespace=key.namespace,
                    uid=member.parsed.uid,
                    refs=member.refs,
                    take_from=(metadata.get("annotations") or {}).get(TAKE_REPLICAS_FROM),
                    refused=self._execution.refused_templates(member.parsed.uid),
                    now=seen.now,
                )
            except Exception as error:
                errors[key] = error
                continue
            service = with_live_requests(member.parsed.service, facts[key])
            members.append(replace(member, parsed=replace(member.parsed, service=service)))
        sound = without(seen, errors)
        return replace(sound, cluster=facts, roster=replace(sound.roster, members=members))

    def _earlier(self, seen: Pass, samples: MetricsSnapshot, presets: Sequence[str]) -> HistoryRead | None:
        """Earlier samples, if they have just been read."""
        uids = {member.parsed.uid for member in seen.roster.members}
        return self._history.read(presets, uids=uids, failing=cannot_see(samples), now=seen.now)

    def _ask_for_the_past(self, seen: Pass, samples: MetricsSnapshot) -> None:
        """Of services whose memory has not been seeded."""
        if self._seeding is not None:
            unseeded = [member for member in seen.roster.members if not self._knows_the_past(member)]
            wanted = wishes(unseeded, seen.cluster, seen.roster.pools)
            self._seeding.ask(wanted, seeing=not cannot_see(samples), now=seen.now)

    def _knows_the_past(self, member: Member) -> bool:
        key = member.parsed.service.key
        return self._uids.get(key) == member.parsed.uid and self._memory.of(key).seeded is not None

    def _observed(self, seen: Pass, samples: MetricsSnapshot, history: HistoryRead | None) -> Pass:
        services = [
            ServiceFacts(
                service=member.parsed.service,
                preset=member.parsed.preset,
                workloads=[state.facts for state in seen.cluster[member.parsed.service.key].workloads.values()],
                pods=seen.cluster[member.parsed.service.key].pods,
                history_awaited=self._history.awaited(member.parsed.uid)
                or (self._seeding is not None and self._seeding.reading(member.parsed.uid, now=seen.now)),
                past_unknown=self._seeding.unknown(member.parsed.uid) if self._seeding else None,
                past_awaited=self._seeding is not None and self._seeding.awaited(member.parsed.uid, now=seen.now),
            )
            for member in seen.roster.members
        ]
        see = partial(observe, metrics=samples, now=seen.now, freshness=self._pace.freshness, history=history)
        try:
            return replace(seen, observations=see(services))
        except Exception:
            sound, errors = sifted(services, see)
        seen = without(seen, {facts.service.key: error for facts, error in errors})
        return replace(seen, observations=see(sound))

    def _decided(self, seen: Pass) -> Pass:
        """All services together, since they share pools. If that fails, each alone, to find the one that poisons it."""
        pools = {name: parsed.pool for name, parsed in seen.roster.pools.items()}
        services = [member.parsed.service for member in seen.roster.members]
        memory = self._with_the_past(self._remembered(seen), seen)

        def decided(those: Sequence[Service]) -> tuple[Mapping[ServiceKey, Decision], Memory]:
            return decide(
                services=those,
                pools=pools,
                observations=seen.observations,
                memory=memory,
                now=seen.now,
                tick_seconds=self._period_seconds,
                metrics_delay_seconds=self._pace.metrics_delay_seconds,
                budgets=seen.budgets.per_hour,
            )

        try:
            decisions, self._memory = decided(services)
        except Exception:
            sound, errors = sifted(services, decided)
            seen = without(seen, {service.key: error for service, error in errors})
            decisions, self._memory = decided(sound)
        return replace(seen, decisions=decisions)

    def _with_the_past(self, memory: Memory, seen: Pass) -> Memory:
        """With what was read of the past, of as many services as the tick has time for."""
        if self._seeding is None:
            return memory
        moment = Moment(
            now=seen.now,
            tick_seconds=self._period_seconds,
            metrics_delay_seconds=self._pace.metrics_delay_seconds,
        )
        services = {member.parsed.uid: member.parsed.service for member in seen.roster.members}
        pools = {name: parsed.pool for name, parsed in seen.roster.pools.items()}
        return self._seeding.lived(memory, services, pools=pools, moment=moment)

    def _remembered(self, seen: Pass) -> Memory:
        """Last tick's memory; for a service not in it, what its status kept. A namesake of another uid is another."""
        services: dict[ServiceKey, ServiceMemory] = {}
        uids = {member.parsed.service.key: member.parsed.uid for member in seen.roster.members}
        for member in seen.roster.members:
            key = member.parsed.service.key
            known = self._memory.services.get(key) if self._uids.get(key) == member.parsed.uid else None
            services[key] = known or ServiceMemory(persisted=member.parsed.persisted)
        self._uids = uids
        return Memory(services=services)

    def _summary(self, done: Pass) -> TickSummary:
        """What the metrics say until the next tick."""
        services = [
            ServiceFigures(
                service=member.parsed.service,
                currency=done.roster.pools[member.parsed.service.variants[0].pool].pool.currency,
                observation=done.observations[member.parsed.service.key],
                decision=done.decisions[member.parsed.service.key],
                troubles=self._execution.troubles(member.parsed.uid),
            )
            for member in done.roster.members
        ]
        return TickSummary(
            at=done.now,
            period_seconds=self._pace.tick_seconds,
            lasting_seconds=self._period_seconds,
            prices_read_at=done.prices.read_at,
            services=services,
            refused={key_of(refused.wire): refused.finding for refused in done.roster.refused},
        )

    def _forget_the_gone(self, snapshot: Snapshot) -> None:
        uids = {wire["metadata"]["uid"] for wire in snapshot.all("InferenceDeployment")}
        self._parsed.forget_all_but(uids)
        self._execution.forget_all_but(uids | {wire["metadata"]["uid"] for wire in snapshot.all("ComputePool")})


def sifted(those: Sequence[Each], work: Callable[[Sequence[Each]], object]) -> tuple[list[Each], list[Poison[Each]]]:
    """Each alone, after all together have failed: the sound ones, and those that fail with why. Raises the error if
    nobody fails alone: then it is nobody's own."""
    sound: list[Each] = []
    errors: list[Poison[Each]] = []
    for one in those:
        try:
            work([one])
            sound.append(one)
        except Exception as error:
            errors.append((one, error))
    if not errors:
        work(those)
    return sound, errors


def without(seen: Pass, errors: Mapping[ServiceKey, Exception]) -> Pass:
    """The pass with these services among the refused."""
    members = [member for member in seen.roster.members if member.parsed.service.key not in errors]
    refused = list(seen.roster.refused)
    for member in seen.roster.members:
        error = errors.get(member.parsed.service.key)
        if error is not None:
            refused.append(Refused(wire=member.wire, finding=internal_error(error), error=error))
    return replace(seen, roster=replace(seen.roster, members=members, refused=refused))


def new_failures(
    failures: Mapping[tuple[str, str], str], before: Mapping[tuple[str, str], str]
) -> dict[str, list[str]]:
    """Which signals fail now and did not before, by reason: one outage is one line."""
    found: dict[str, list[str]] = {}
    for (preset, signal), why in sorted(failures.items()):
        if (preset, signal) not in before:
            found.setdefault(why, []).append(f"{preset}/{signal}")
    return found


def cannot_see(samples: MetricsSnapshot) -> bool:
    """Whether demand or latency of any preset could not be asked for."""
    return any(signal in ("arrivals", "latency") for _, signal in samples.failures)


def key_of(wire: Wire) -> ServiceKey:
    return ServiceKey(namespace=wire["metadata"]["namespace"], name=wire["metadata"]["name"])


def with_live_requests(service: Service, cluster: ClusterFacts) -> Service:
    """The service with what its pods really request: a LimitRange or a default may have added to the template. How many
    pods make a replica only the workload says."""
    variants = []
    for variant in service.variants:
        state = cluster.workloads.get(variant.name)
        if state is not None:
            requests = state.requests or variant.requests
            variant = replace(variant, requests=requests, pods_per_replica=state.pods_per_replica)
        variants.append(variant)
    return replace(service, variants=tuple(variants))
