"""How the operator is watched: JSON lines on stderr, one per change, and a few metrics and probes over HTTP.

`tick`, `actuate` and `process` report here; `wiring` puts `CountedCluster` around the adapter, so that every write is
counted where it leaves.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tightrope import __version__
from tightrope.controller.self_metrics import Present, TickSummary
from tightrope.ports import Cluster, ClusterUnavailable, WriteConflict, WriteRefused

_LOG: Final = logging.getLogger("tightrope")
TICK_PARTS: Final = ("parse", "query", "gather", "observe", "decide", "write")
_TICK_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
T = TypeVar("T")


class _JsonLines(logging.Formatter):
    """One JSON object a line: time, level, what happened, then the figures of `extra={"figures": ...}`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.name != _LOG.name:
            line["logger"] = record.name
        line |= getattr(record, "figures", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """kopf logs each try of each of its watches while the API server is away; `process` says that once."""
    return not (record.name.startswith("kopf") and str(record.msg).startswith("Request attempt"))


def configure_logging(level: str) -> None:
    """Send all logs of this process to stderr as JSON lines; libraries speak up only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    if level != "debug":
        handler.addFilter(_worth_a_line)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _LOG.setLevel(level.upper())


def say(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **figures: object) -> None:
    """One log line: a short phrase and its figures."""
    _LOG.log(level, event, extra={"figures": figures}, exc_info=error)


class _Queries(Collector):
    """How many queries have been sent and bytes read, asked of the one who does."""

    def __init__(self) -> None:
        self.sent: Callable[[], int] = lambda: 0
        self.read: Callable[[], int] = lambda: 0

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily("tightrope_prometheus_queries", "Prometheus queries sent.", self.sent())
        yield CounterMetricFamily("tightrope_prometheus_read_bytes", "Bytes of Prometheus' answers.", self.read())


class _Learned(Collector):
    """A gauge that has no sample before it is set: the library's own would say zero."""

    def __init__(self, name: str, meaning: str, *, registry: CollectorRegistry) -> None:
        self._name, self._meaning = name, meaning
        self._value: float | None = None
        registry.register(self)

    def set(self, value: float) -> None:
        self._value = value

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(self._name, self._meaning, value=self._value)


class Telemetry:
    """The operator's own metrics, in a registry of their own."""

    def __init__(self) -> None:
        # One more series for each counter, which nothing of ours asks for; the library gives it no types.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = own = CollectorRegistry()
        self._present, self._queries = Present(), _Queries()
        own.register(self._present)
        own.register(self._queries)
        ProcessCollector(registry=own)
        Info("tightrope_build", "Which version runs.", registry=own).info({"version": __version__})
        self.tick_seconds = Histogram(
            "tightrope_tick_seconds", "Wall time of a tick.", buckets=_TICK_BUCKETS, registry=own
        )
        self.tick_parts = Counter(
            "tightrope_tick_part_seconds", "Wall time of ticks, by what they did.", ("part",), registry=own
        )
        for part in TICK_PARTS:
            self.tick_parts.labels(part)
        self.tick_period = _Learned("tightrope_tick_period_seconds", "Time from tick to tick, as set.", registry=own)
        self.tick_failures = Counter("tightrope_tick_failures", "Ticks that ended in an error.", registry=own)
        self.query_failures = Counter(
            "tightrope_prometheus_query_failures", "Queries that gave no answer.", ("preset", "signal"), registry=own
        )
        self.writes = Counter(
            "tightrope_writes", "Writes to the API server.", ("verb", "kind", "outcome"), registry=own
        )
        self.listed_at = _Learned(
            "tightrope_store_listed_timestamp_seconds", "When all kinds were last listed whole.", registry=own
        )
        self.repairs = Counter(
            "tightrope_store_repairs", "Objects that a listing had to put right: late or lost by the watch.",
            ("kind", "what"), registry=own,
        )  # fmt: skip

    def stand_by(self) -> None:
        """A process that does not lead has no present: its last tick's figures are the leader's to show."""
        self._present.forget()

    def show_lead(self, write_seconds: Callable[[], float]) -> None:
        """Where it is to be asked whether this process may write now."""
        leading = Gauge(
            "tightrope_leading", "1 while this process leads and may write, else 0.", registry=self.registry
        )
        leading.set_function(lambda: float(write_seconds() > 0.0))

    def count_queries(self, sent: Callable[[], int], read: Callable[[], int]) -> None:
        """Where the number of queries sent so far is to be asked, and of the bytes of their answers."""
        self._queries.sent, self._queries.read = sent, read

    def queried(self, failures: Iterable[tuple[str, str]]) -> None:
        for preset, signal in failures:
            self.query_failures.labels(preset, signal).inc()

    def ticked(self, summary: TickSummary, *, seconds: float) -> None:
        self._present.show(summary)
        self.tick_period.set(summary.period_seconds)
        self.tick_seconds.observe(seconds)


class CountedCluster:
    """`ports.Cluster` that counts what passes and how it ended. Dry runs are counted as such."""

    def __init__(self, inner: Cluster, telemetry: Telemetry) -> None:
        self._inner = inner
        self._writes = telemetry.writes

    async def _counted(self, verb: str, kind: str, call: Awaitable[T]) -> T:
        outcome = "done"
        try:
            return await call
        except WriteConflict:
            outcome = "conflict"
            raise
        except WriteRefused:
            outcome = "refused"
            raise
        except ClusterUnavailable:
            outcome = "unavailable"
            raise
        finally:
            self._writes.labels(verb, kind, outcome).inc()

    async def apply(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Mapping[str, Any]:
        verb = "dry-run" if dry_run else "apply"
        return await self._counted(verb, manifest["kind"], self._inner.apply(manifest, dry_run=dry_run))

    async def set_replicas(
        self, *, kind: str, namespace: str, name: str, replicas: int, force: bool = False, version: str | None = None
    ) -> None:
        call = self._inner.set_replicas(
            kind=kind, namespace=namespace, name=name, replicas=replicas, force=force, version=version
        )
        await self._counted("scale", kind, call)

    async def delete(self, *, kind: str, namespace: str, name: str, uid: str) -> None:
        await self._counted("delete", kind, self._inner.delete(kind=kind, namespace=namespace, name=name, uid=uid))

    async def patch_status(
        self, *, kind: str, namespace: str | None, name: str, status: Mapping[str, Any], resource_version: str | None
    ) -> None:
        call = self._inner.patch_status(
            kind=kind, namespace=namespace, name=name, status=status, resource_version=resource_version
        )
        await self._counted("status", kind, call)

    async def record_event(
        self, *, regarding: Mapping[str, Any], reason: str, message: str, warning: bool = False
    ) -> None:
        call = self._inner.record_event(regarding=regarding, reason=reason, message=message, warning=warning)
        await self._counted("event", regarding["kind"], call)

    async def list_objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Reads are not counted."""
        return await self._inner.list_objects(kind)


async def serve(
    telemetry: Telemetry, *, host: str, port: int, alive: Callable[[], str | None], ready: Callable[[], str | None]
) -> tuple[web.AppRunner, int]:
    """/metrics, /healthz and /readyz. `alive` and `ready` say what is wrong, or None. Returns the runner, for
    cleanup, and the port it listens on."""

    async def metrics(_: web.Request) -> web.Response:
        # Ten thousand services are many lines: neither ticks nor the renewal of the lead wait for them.
        body = await asyncio.to_thread(generate_latest, telemetry.registry)
        return web.Response(body=body, content_type="text/plain", charset="utf-8")

    def probe(check: Callable[[], str | None]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(_: web.Request) -> web.Response:
            wrong = check()
            return web.Response(text=f"{wrong or 'ok'}\n", status=503 if wrong else 200)

        return answer

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", probe(alive))
    app.router.add_get("/readyz", probe(ready))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, int(runner.addresses[0][1])
