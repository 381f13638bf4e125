"""The composition root: the only place that knows which adapter stands behind which port, and that reads a clock.

`cli` calls `run` with parsed settings.
"""

import asyncio
import os
import socket
import time
from functools import partial

from tightrope import __version__
from tightrope.adapters.kubernetes import ApiServer, KubernetesCluster
from tightrope.adapters.kubernetes.resources import RESOURCES
from tightrope.adapters.prometheus import Connection, GenericNames, PrometheusMetrics
from tightrope.controller import handlers
from tightrope.controller.actuate import Actuator
from tightrope.controller.execution import Execution
from tightrope.controller.history import History
from tightrope.controller.observe import Freshness
from tightrope.controller.process import Process, Pulse
from tightrope.controller.settings import Settings
from tightrope.controller.statuses import Statuses
from tightrope.controller.store import Store
from tightrope.controller.telemetry import CountedCluster, Telemetry, configure_logging, say, serve
from tightrope.controller.tick import Pace, Tick


class SystemClock:
    """The real time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def run(settings: Settings) -> int:
    """Run the operator until it ends; returns the exit code."""
    configure_logging(settings.log_level)
    if settings.kubeconfig is not None:
        os.environ["KUBECONFIG"] = settings.kubeconfig  # kopf logs in by itself, with the same file
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    clock, telemetry, store, wake = SystemClock(), Telemetry(), Store(), asyncio.Event()
    server = ApiServer(kubeconfig=settings.kubeconfig)
    cluster = CountedCluster(KubernetesCluster(server=server, instance=socket.gethostname(), now=clock.now), telemetry)
    metrics = prometheus(settings, clock)
    telemetry.count_queries(lambda: metrics.queries_sent)
    pulse = Pulse(clock=clock, tick_seconds=settings.tick_seconds, reconcile_seconds=settings.reconcile_seconds)
    process = Process(
        cluster=cluster,
        store=store,
        ticker=tick(settings, clock=clock, telemetry=telemetry, store=store, cluster=cluster, metrics=metrics),
        start_watching=partial(_watch, store, wake),
        telemetry=telemetry,
        clock=clock,
        pulse=pulse,
        wake=wake,
    )
    runner, port = await serve(
        telemetry, host=settings.metrics_host, port=settings.metrics_port, alive=pulse.alive, ready=pulse.ready
    )
    say("started", version=__version__, prometheus=settings.prometheus_url, metrics_port=port)
    try:
        return await process.run()
    finally:
        await runner.cleanup()
        await server.close()
        metrics.close()


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
) -> Tick:
    pace = Pace(
        tick_seconds=settings.tick_seconds,
        metrics_delay_seconds=settings.metrics_delay_seconds,
        freshness=Freshness(
            rate_window_seconds=settings.rate_window_seconds, max_age_seconds=settings.max_sample_age_seconds
        ),
    )
    history = History(
        metrics=metrics, length_seconds=settings.history_seconds, step_seconds=max(round(settings.tick_seconds), 1)
    )
    execution = Execution(actuator=Actuator(cluster=cluster, store=store), statuses=Statuses(cluster=cluster))
    return Tick(
        store=store,
        metrics=metrics,
        clock=clock,
        pace=pace,
        history=history,
        execution=execution,
        telemetry=telemetry,
    )


async def _watch(store: Store, wake: asyncio.Event, stop: asyncio.Event, ready: asyncio.Event) -> "asyncio.Task[None]":
    registry = handlers.registry(store, addresses=RESOURCES, wake=wake.set)
    return await handlers.spawn(registry, handlers.kopf_settings(RESOURCES), stop=stop, ready=ready)
