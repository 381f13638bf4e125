"""The composition root: the only place that knows which adapter stands behind which port, and that reads a clock.

`cli` calls `run` with parsed settings.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from functools import partial
from pathlib import Path
from typing import Final

from tightrope import __version__
from tightrope.adapters.kubernetes import ApiServer, KubernetesCluster, KubernetesLease
from tightrope.adapters.kubernetes.resources import RESOURCES
from tightrope.adapters.prometheus import Connection, GatewayNames, GenericNames, PrometheusMetrics
from tightrope.controller import handlers
from tightrope.controller.actuate import Actuator
from tightrope.controller.execution import Execution
from tightrope.controller.health import Pulse
from tightrope.controller.history import FINE_SECONDS, History
from tightrope.controller.leadership import Alone, Election, Leadership
from tightrope.controller.lease import Periods
from tightrope.controller.observe import Freshness
from tightrope.controller.prices import PriceBook
from tightrope.controller.process import Process
from tightrope.controller.seeding import Seeding
from tightrope.controller.settings import Settings
from tightrope.controller.statuses import Statuses
from tightrope.controller.store import KINDS, OPTIONAL, Store
from tightrope.controller.telemetry import CountedCluster, Telemetry, configure_logging, say, serve
from tightrope.controller.tick import Pace, Tick
from tightrope.controller.watchdog import Watchdog

LEASE_NAME: Final = "tightrope"
LEASE_NAMESPACE: Final = "tightrope-system"
# Longer than this a request is not tried again, whatever the tick: the next tick decides anew.
_RETRY_SECONDS: Final = 15.0
_POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
# CLOCK_MONOTONIC stands still while a machine sleeps, and a lease runs out all the same.
_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The real time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.clock_gettime(_STEADY)


def run(settings: Settings) -> int:
    """Run the operator until it ends; returns the exit code."""
    configure_logging(settings.log_level)
    if settings.kubeconfig is not None:
        os.environ["KUBECONFIG"] = settings.kubeconfig  # kopf logs in by itself, with the same file
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    clock, telemetry, store, wake = SystemClock(), Telemetry(), Store(_kinds(settings)), asyncio.Event()
    identity = f"{socket.gethostname()}_{secrets.token_hex(4)}"
    agent = f"tightrope/{__version__} ({identity})"
    periods = Periods(lease_seconds=settings.lease_seconds)
    # A connection of its own: a renewal must not wait behind writes.
    lease_server = ApiServer(kubeconfig=settings.kubeconfig, agent=agent)
    server = ApiServer(
        kubeconfig=settings.kubeconfig,
        fence=lambda: leadership.write_seconds(),
        retry_seconds=min(settings.tick_seconds, _RETRY_SECONDS),
        delivery_seconds=periods.delivery_seconds,
        agent=agent,
    )
    leadership = _leadership(
        settings, periods=periods, identity=identity, clock=clock, wake=wake, lease_server=lease_server, server=server
    )
    telemetry.show_lead(leadership.write_seconds)
    cluster = CountedCluster(
        KubernetesCluster(server=server, instance=identity, now=clock.now, namespaces=settings.namespaces), telemetry
    )
    metrics = prometheus(settings, clock)
    telemetry.count_queries(lambda: metrics.queries_sent, lambda: metrics.bytes_read)
    pulse = Pulse(
        clock=clock,
        tick_seconds=settings.tick_seconds,
        reconcile_seconds=settings.reconcile_seconds,
        unsure=leadership.unsure,
    )
    new_ticker = partial(
        tick, settings, clock=clock, telemetry=telemetry, store=store, cluster=cluster, metrics=metrics, pulse=pulse
    )
    process = Process(
        cluster=cluster,
        store=store,
        new_ticker=new_ticker,
        start_watching=partial(_watch, settings, store, wake),
        telemetry=telemetry,
        clock=clock,
        pulse=pulse,
        leadership=leadership,
        wake=wake,
    )
    runner, port = await serve(
        telemetry, host=settings.metrics_host, port=settings.metrics_port, alive=pulse.alive, ready=pulse.ready
    )
    watchdog = Watchdog(alive=pulse.alive)
    watchdog.start()
    say(
        "started", version=__version__, identity=identity, prometheus=settings.prometheus_url, metrics_port=port,
        namespaces=settings.namespaces, paused=settings.paused,
    )  # fmt: skip
    try:
        return await process.run()
    finally:
        watchdog.stop()
        await runner.cleanup()
        await server.close()
        await lease_server.close()
        metrics.close()


def _kinds(settings: Settings) -> tuple[str, ...]:
    """What this operator looks at."""
    return (*KINDS, *OPTIONAL) if settings.leader_worker_sets else KINDS


def _leadership(
    settings: Settings,
    *,
    periods: Periods,
    identity: str,
    clock: SystemClock,
    wake: asyncio.Event,
    lease_server: ApiServer,
    server: ApiServer,
) -> Leadership:
    if not settings.leader_election:
        return Alone()
    return Election(
        lease=KubernetesLease(server=lease_server, namespace=_lease_namespace(settings), name=LEASE_NAME),
        identity=identity,
        periods=periods,
        clock=clock,
        wake=wake.set,
        at_rest=lambda seconds: server.at_rest(seconds=seconds),
    )


def _lease_namespace(settings: Settings) -> str:
    """As said, else the pod's own, else where the chart installs: a process started by hand stands beside the pods'."""
    if settings.lease_namespace is not None:
        return settings.lease_namespace
    with contextlib.suppress(OSError):
        return _POD_NAMESPACE.read_text().strip()
    return LEASE_NAMESPACE


def prometheus(settings: Settings, clock: SystemClock) -> PrometheusMetrics:
    names = settings.generic
    return PrometheusMetrics(
        Connection(url=settings.prometheus_url, timeout_seconds=settings.query_timeout_seconds),
        clock=clock,
        rate_window_seconds=settings.rate_window_seconds,
        generic=GenericNames(
            requests_total=names.requests_total,
            latency_histogram=names.latency_histogram,
            in_flight=names.in_flight,
            status_label=names.status_label,
            ttft_histogram=names.ttft_histogram,
            itl_histogram=names.itl_histogram,
        ),
        gateway=GatewayNames(
            requests_total=settings.gateway.requests_total,
            namespace_label=settings.gateway.namespace_label,
            service_label=settings.gateway.service_label,
        ),
    )


def tick(
    settings: Settings,
    *,
    clock: SystemClock,
    telemetry: Telemetry,
    store: Store,
    cluster: CountedCluster,
    metrics: PrometheusMetrics,
    pulse: Pulse,
) -> Tick:
    pace = Pace(
        tick_seconds=settings.tick_seconds,
        metrics_delay_seconds=settings.metrics_delay_seconds,
        freshness=Freshness(
            rate_window_seconds=settings.rate_window_seconds, max_age_seconds=settings.max_sample_age_seconds
        ),
    )
    history = History(
        metrics=metrics,
        length_seconds=min(settings.history_seconds, FINE_SECONDS),
        step_seconds=max(round(settings.tick_seconds), 1),
    )
    seeding = Seeding(
        metrics=metrics,
        clock=clock,
        length_seconds=settings.history_seconds,
        tick_seconds=settings.tick_seconds,
    )
    execution = Execution(
        actuator=Actuator(cluster=cluster, store=store),
        statuses=Statuses(cluster=cluster, pools=not settings.namespaces),
        stir=pulse.stir,
    )
    return Tick(
        store=store,
        metrics=metrics,
        clock=clock,
        pace=pace,
        history=history,
        execution=execution,
        telemetry=telemetry,
        pulse=pulse,
        prices=PriceBook(metrics),
        seeding=seeding,
        paused=settings.paused,
    )


async def _watch(
    settings: Settings, store: Store, wake: asyncio.Event, stop: asyncio.Event, ready: asyncio.Event
) -> "asyncio.Task[None]":
    namespaces = settings.namespaces
    kinds = handlers.watched(namespaces, store.kinds)
    registry = handlers.registry(store, addresses=RESOURCES, wake=wake.set, kinds=kinds)
    return await handlers.spawn(
        registry, handlers.kopf_settings(RESOURCES), namespaces=namespaces, stop=stop, ready=ready
    )
