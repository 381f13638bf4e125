"""One look at the live cluster with the operator's own eyes: its listing, its queries, its tick, and no write.

`check` and `plan` call `look`. It runs one tick of `controller.tick` over a store filled from listings: what they show
is what a running operator would see and decide, because it is the same code. Where an operator has memory that the
status does not keep, this one has none, and says so.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from tightrope.api.figures import parse_time
from tightrope.api.persisted import read_status
from tightrope.cli.cluster import LiveCluster, Wire
from tightrope.cli.failure import Exit, Failure
from tightrope.controller import wiring
from tightrope.controller.actuate import Actuator
from tightrope.controller.execution import Execution, Pass
from tightrope.controller.health import Pulse
from tightrope.controller.history import FINE_SECONDS, History
from tightrope.controller.observe import Freshness, HistoryRead
from tightrope.controller.prices import PriceBook
from tightrope.controller.roster import ParsedOnce, enrol
from tightrope.controller.settings import Settings, SettingsInvalid, parse
from tightrope.controller.statuses import Statuses
from tightrope.controller.store import KINDS, OPTIONAL, Store
from tightrope.controller.telemetry import Telemetry
from tightrope.controller.tick import Pace, Tick
from tightrope.domain.memory import Memory, ServiceMemory
from tightrope.domain.spec import ServiceKey
from tightrope.ports import Cluster, Metrics, MetricsSnapshot, MetricsUnavailable, PodHistory, PodKey, PodNames, Prices

# Kinds that a tenant may not be allowed to list, and without which the rest is still worth a look.
_DISPENSABLE: Final = ("Namespace", *OPTIONAL)
_SOUGHT: Final = (*KINDS, *OPTIONAL)
_ANY_PRESET: Final = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was seen, and decided if `look` was given a hand to write with; `samples` are Prometheus' answers."""

    seen: Pass
    samples: MetricsSnapshot
    settings: Settings
    execution: "Rehearsal"
    statuses: Statuses


def settings_of(prometheus_url: str | None) -> Settings:
    """The operator's settings from the environment, with this URL if one was given. Raises Failure."""
    try:
        return parse(flags={"prometheus_url": prometheus_url}, environment=os.environ)
    except SettingsInvalid as invalid:
        raise Failure(f"{invalid}; from outside the cluster forward a port to it first", ends=Exit.USAGE) from None


async def survey(cluster: LiveCluster, *, namespace: str | None) -> dict[str, Sequence[Wire]]:
    """All objects of every kind that the operator watches, of one namespace or (None) of all. Raises Failure."""

    async def one(kind: str) -> Sequence[Wire]:
        try:
            return await cluster.listed(kind, namespace=namespace)
        except Failure:
            if kind in _DISPENSABLE:
                return ()
            raise

    objects = dict(zip(_SOUGHT, await asyncio.gather(*(one(kind) for kind in _SOUGHT)), strict=True))
    if not objects["Namespace"]:
        # Not everybody may read their labels; the API server and the operator say who may use which pool.
        objects["ComputePool"] = [open_to_all(pool) for pool in objects["ComputePool"]]
    return objects


def open_to_all(pool: Wire) -> Wire:
    """The pool without its allowedNamespaces."""
    return {**pool, "spec": {key: value for key, value in pool["spec"].items() if key != "allowedNamespaces"}}


async def look(
    objects: Mapping[str, Sequence[Wire]],
    settings: Settings,
    *,
    hand: Callable[[Store], Cluster],
    with_history: bool = False,
) -> Sight:
    """One tick over these objects. `hand` makes what would carry the decisions out. Raises Failure where Prometheus
    does not answer a single query."""
    store, now = Store(_SOUGHT), wiring.SystemClock().now()
    for kind in _SOUGHT:
        store.reconcile(kind, objects.get(kind, ()), held_before=frozenset())
    writer = hand(store)
    statuses = Statuses(cluster=writer)
    execution = Rehearsal(actuator=Actuator(cluster=writer, store=store), statuses=statuses)
    async with asking(settings) as metrics:
        presets = presets_of(store, now) or [_ANY_PRESET]
        samples = await metrics.snapshot(presets)
        reachable(samples)
        history = await read_back(metrics, presets, settings, now=now) if with_history else None
        clock = wiring.SystemClock()
        ticker = Glance(
            store=store,
            metrics=_Answered(samples),
            clock=clock,
            pulse=Pulse(clock=clock, tick_seconds=settings.tick_seconds, reconcile_seconds=settings.reconcile_seconds),
            pace=pace(settings),
            history=_Read(history),
            execution=execution,
            telemetry=Telemetry(),
            prices=PriceBook(metrics),
        )
        await ticker.tick()
    if execution.seen is None:
        raise Failure(
            "the decision failed: an error of tightrope, not yours; TIGHTROPE_DEBUG=1 shows it", ends=Exit.OURS
        )
    return Sight(seen=execution.seen, samples=samples, settings=settings, execution=execution, statuses=statuses)


class Prometheus(Metrics, Prices, Protocol):
    """What the operator asks of Prometheus."""


@contextlib.asynccontextmanager
async def asking(settings: Settings) -> AsyncIterator[Prometheus]:
    """The operator's own way to Prometheus."""
    metrics = wiring.prometheus(settings, wiring.SystemClock())
    try:
        yield metrics
    finally:
        metrics.close()


def presets_of(store: Store, now: float) -> list[str]:
    """The presets in use by services that can be acted on."""
    roster = enrol(store.snapshot(), parse=partial(ParsedOnce().parse, now=now))
    return sorted({member.parsed.preset for member in roster.members})


def reachable(samples: MetricsSnapshot) -> None:
    """Raises Failure if Prometheus answered none of the queries: then it is Prometheus, not a metric."""
    asked, failed = set(samples.metric_names), set(samples.failures)
    if asked and asked <= failed:
        raise Failure(
            f"{next(iter(samples.failures.values()))}: is --prometheus-url right? From outside the cluster, forward a "
            "port first, as in kubectl -n monitoring port-forward svc/prometheus 9090, and write "
            "--prometheus-url http://localhost:9090",
            ends=Exit.UNREACHABLE,
        )


async def read_back(metrics: Metrics, presets: Sequence[str], settings: Settings, *, now: float) -> HistoryRead | None:
    """The history as the operator reads it at start; None if there is none to be had."""
    step = max(round(settings.tick_seconds), 1)
    if settings.history_seconds <= 0:
        return None
    start = now - min(settings.history_seconds, FINE_SECONDS)
    try:
        pods = await metrics.history(presets, start=start, end=now, step_seconds=step)
    except MetricsUnavailable:
        return None
    return HistoryRead(step_seconds=step, pods=pods)


def pace(settings: Settings) -> Pace:
    """As `wiring` paces the operator."""
    freshness = Freshness(
        rate_window_seconds=settings.rate_window_seconds, max_age_seconds=settings.max_sample_age_seconds
    )
    return Pace(
        tick_seconds=settings.tick_seconds,
        metrics_delay_seconds=settings.metrics_delay_seconds,
        freshness=freshness,
    )


class Rehearsal(Execution):
    """Keeps the pass instead of carrying it out; `perform` carries out what is chosen of it."""

    seen: Pass | None = None

    async def carry_out(self, done: Pass) -> None:
        self.seen = done

    async def perform(self, done: Pass) -> None:
        """All writes of this pass, by the hand that was given."""
        await super().carry_out(done)


class Glance(Tick):
    """A tick without a tick before it."""

    def _remembered(self, seen: Pass) -> Memory:
        """What the status keeps, and since when the data has been whole by its conditions: an operator that has been
        running knows that too, and would otherwise seem to hold every descent."""
        known = super()._remembered(seen)
        services: dict[ServiceKey, ServiceMemory] = {}
        for member in seen.roster.members:
            key = member.parsed.service.key
            services[key] = replace(known.of(key), healthy_since=healthy_since(member.wire, now=seen.now))
        return Memory(services=services)


def healthy_since(wire: Wire, *, now: float) -> float | None:
    """Unix seconds since which demand and latency are known, None if they are not or nobody has looked."""
    for condition in read_status(wire.get("status") or {}).conditions:
        if condition.type == "MetricsHealthy" and condition.status == "True":
            since = parse_time(condition.last_transition_time)
            return since if since is not None and since <= now else None
    return None


class _Answered:
    """Metrics that were asked for already."""

    def __init__(self, samples: MetricsSnapshot) -> None:
        self._samples = samples

    async def snapshot(self, presets: Sequence[str]) -> MetricsSnapshot:
        return self._samples

    async def history(
        self, presets: Sequence[str], *, start: float, end: float, step_seconds: float, pods: PodNames | None = None
    ) -> Mapping[str, Mapping[PodKey, PodHistory]]:
        return {}

    async def earlier_demand(
        self, preset: str, pods: PodNames, *, start: float, end: float, step_seconds: int, within_seconds: int = 0
    ) -> Sequence[tuple[float, float]]:
        return []


class _Read(History):
    """A history that was read already."""

    def __init__(self, history: HistoryRead | None) -> None:
        super().__init__(metrics=_Answered(MetricsSnapshot(at=0.0, pods={})), length_seconds=0.0, step_seconds=1.0)
        self._history = history

    def read(self, presets: Sequence[str], *, uids: set[str], failing: bool, now: float) -> HistoryRead | None:
        return self._history
