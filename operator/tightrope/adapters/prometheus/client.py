"""`ports.Metrics` and `ports.Prices` on prometheus-api-client: asks all pods at once, in threads, within one deadline.

`controller.wiring` builds it; `tick` calls it. A snapshot never takes longer than the connection's timeout, whatever
Prometheus does: refusals are tried again at once and briefly; silence is not, since the next tick asks anew.
"""

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from prometheus_api_client import PrometheusConnect
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from urllib3 import Retry

from tightrope.adapters.prometheus.gateway import GatewayNames, gateway_demand, gateway_query
from tightrope.adapters.prometheus.presets import HISTOGRAMS, Preset, TargetLabels
from tightrope.adapters.prometheus.presets.generic import GenericNames
from tightrope.adapters.prometheus.prices import price_queries, price_snapshot
from tightrope.adapters.prometheus.queries import (
    NEWEST,
    SHARED,
    Query,
    Span,
    catalogue,
    demand_query,
    history_queries,
    matchers,
    snapshot_queries,
    spans,
)
from tightrope.adapters.prometheus.samples import (
    Gathered,
    GatheredHistory,
    evaluated_at,
    gather,
    gather_history,
    pod_of,
    rates_of,
)
from tightrope.adapters.prometheus.session import CheckedSession, Connection, QueryFailed
from tightrope.ports import (
    GATEWAY,
    Clock,
    MetricsSnapshot,
    MetricsUnavailable,
    PodHistory,
    PodKey,
    PodNames,
    PodSample,
    PriceSnapshot,
    ServiceName,
)

_ATTEMPTS: Final = 3
_SHORTEST_WAIT: Final = 0.05  # with less time left there is no point in asking

Answer: TypeAlias = list[Any] | QueryFailed


class PrometheusMetrics:
    """Metrics of all pods from one Prometheus. `queries_sent` counts every query sent, tried again or not."""

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Clock,
        rate_window_seconds: float = 60.0,
        labels: TargetLabels | None = None,
        generic: GenericNames | None = None,
        gateway: GatewayNames | None = None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._window = rate_window_seconds
        self._labels = labels or TargetLabels()
        self._presets = catalogue(self._labels, generic or GenericNames())
        self._gateway = gateway or GatewayNames()
        self._session = CheckedSession(connection, monotonic=clock.monotonic)
        self._prometheus = PrometheusConnect(
            url=connection.url.rstrip("/"), session=self._session, retry=Retry(total=0, redirect=0)
        )
        self._threads = ThreadPoolExecutor(max_workers=connection.concurrency, thread_name_prefix="prometheus")
        self._counting = threading.Lock()
        self.queries_sent = 0

    @property
    def bytes_read(self) -> int:
        """The bytes of all answers so far."""
        return self._session.bytes_read

    async def snapshot(self, presets: Sequence[str]) -> MetricsSnapshot:
        """Samples of all pods for these presets; whatever failed is in `failures`, by preset and signal."""
        chosen = [self._presets[name] for name in sorted(set(presets)) if name in self._presets]
        queries = snapshot_queries(chosen, self._labels, self._window)
        in_front = gateway_query(self._gateway, self._window)
        if queries and in_front is not None:
            queries.append(in_front)
        answers = await self._ask(queries, self._connection.timeout_seconds)
        # Ten thousand pods take seconds to sort: the event loop serves probes and watches meanwhile.
        return await asyncio.to_thread(self._snapshot, presets, chosen, list(zip(queries, answers, strict=True)))

    async def history(
        self, presets: Sequence[str], *, start: float, end: float, step_seconds: float, pods: PodNames | None = None
    ) -> Mapping[str, Mapping[PodKey, PodHistory]]:
        """Earlier samples by preset and pod, of all pods or of these, on multiples of the step (whole seconds). Rates
        are over the step, or over the rate window if that is longer. Raises MetricsUnavailable if any part fails."""
        step = max(round(step_seconds), 1)
        result: dict[str, dict[PodKey, PodHistory]] = {}
        for name in sorted(set(presets) & set(self._presets)):
            within = None if pods is None else matchers(self._labels, *pods)
            queries = history_queries(self._presets[name], self._labels, max(step, self._window), within)
            gathered: dict[PodKey, GatheredHistory] = {}
            for span in spans(start, end, step):
                answers = await self._ask(queries, self._connection.history_timeout_seconds, span=span, step=step)
                for query, answer in zip(queries, answers, strict=True):
                    if isinstance(answer, QueryFailed):
                        raise MetricsUnavailable(str(answer)) from answer
                    gather_history(query, answer, gathered)
            result[name] = {key: pod.history() for key, pod in gathered.items()}
        return result

    async def earlier_demand(
        self, preset: str, pods: PodNames, *, start: float, end: float, step_seconds: int, within_seconds: int = 0
    ) -> Sequence[tuple[float, float]]:
        """Arrivals per second of these pods together; see `ports.Metrics`. One query for each 11,000 points."""
        if preset not in self._presets:
            return []
        within = matchers(self._labels, *pods)
        window = max(within_seconds or step_seconds, self._window)
        query = demand_query(
            self._presets[preset], self._labels, within, window_seconds=window,
            step_seconds=step_seconds if within_seconds else None,
        )  # fmt: skip
        found: list[tuple[float, float]] = []
        for span in spans(start, end, step_seconds):
            [answer] = await self._ask([query], self._connection.history_timeout_seconds, span=span, step=step_seconds)
            if isinstance(answer, QueryFailed):
                raise MetricsUnavailable(str(answer)) from answer
            found += await asyncio.to_thread(rates_of, query, answer)
        return found

    async def prices(self, sources: Sequence[str]) -> PriceSnapshot:
        """What these sources say that nodes cost; a query that failed is in `failures`."""
        queries = price_queries(sources)
        answers = await self._ask(list(queries.values()), self._connection.timeout_seconds)
        return price_snapshot(dict(zip(queries, answers, strict=True)))

    def close(self) -> None:
        """Give back connections and threads; queries under way end by themselves at their deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    async def _ask(
        self, queries: Sequence[Query], seconds: float, *, span: Span | None = None, step: int = 0
    ) -> list[Answer]:
        """The answers in order, all within so many seconds together."""
        deadline = self._clock.monotonic() + seconds
        return list(await asyncio.gather(*(self._ask_one(query, deadline, span, step) for query in queries)))

    async def _ask_one(self, query: Query, deadline: float, span: Span | None, step: int) -> Answer:
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, self._try, query, deadline, span, step)
        try:
            # A server that sends its headers byte by byte outlasts every time-out of the socket, not this one.
            return await asyncio.wait_for(future, max(deadline - self._clock.monotonic(), 0.0) + 2 * _SHORTEST_WAIT)
        except QueryFailed as failed:
            return failed
        except TimeoutError:
            return self._too_late()

    def _try(self, query: Query, deadline: float, span: Span | None, step: int) -> list[Any]:
        attempts = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=0.5),
            retry=retry_if_exception(lambda error: isinstance(error, QueryFailed) and error.passing),
            reraise=True,
        )
        return attempts(self._send, query, deadline, span, step)

    def _send(self, query: Query, deadline: float, span: Span | None, step: int) -> list[Any]:
        left = deadline - self._clock.monotonic()
        if left < _SHORTEST_WAIT:
            raise self._too_late()
        with self._counting:
            self.queries_sent += 1
        if span is None:
            result: list[Any] = self._prometheus.custom_query(query.text, timeout=left)
        else:
            start, end = (datetime.fromtimestamp(at, UTC) for at in (span.start, span.end))
            result = self._prometheus.custom_query_range(query.text, start, end, f"{step}s", timeout=left)
        if query.about_pods and result and not any(pod_of(series, query.labels) for series in result):
            names = f"{query.labels.namespace!r} and {query.labels.pod!r}"
            raise QueryFailed(f"no series of {query.metric} carries the labels {names}: does its scrape add them?")
        return result

    def _too_late(self) -> QueryFailed:
        return QueryFailed(f"Prometheus at {self._connection.shown} did not answer in time")

    def _snapshot(
        self, asked: Sequence[str], chosen: Sequence[Preset], answers: Sequence[tuple[Query, Answer]]
    ) -> MetricsSnapshot:
        used = [preset.name for preset in chosen]
        own: dict[str, dict[PodKey, Gathered]] = {name: {} for name in used}
        shared: dict[PodKey, Gathered] = {}
        in_front: Mapping[ServiceName, float] = {}
        failures = {
            (name, signal): f"there is no preset {name!r}: write one of {', '.join(sorted(self._presets))}"
            for name in set(asked) - set(used)
            for signal in ("arrivals", *HISTOGRAMS, "errors", "in_flight", NEWEST, *SHARED)
        }
        for query, answer in answers:
            if isinstance(answer, QueryFailed):
                failures |= {(name, query.signal): str(answer) for name in _concerned(query, used)}
            elif (query.preset, query.signal) == GATEWAY:
                in_front = gateway_demand(self._gateway, answer)
            else:
                gather(query, answer, shared if query.preset is None else own[query.preset])
        times = [at for _, answer in answers if isinstance(answer, list) and (at := evaluated_at(answer)) is not None]
        return MetricsSnapshot(
            at=max(times, default=self._clock.now()),
            pods=_joined(own, shared),
            failures=failures,
            metric_names={
                (name, query.signal): query.metric for query, _ in answers for name in _concerned(query, used)
            },
            gateway=in_front,
        )


def _concerned(query: Query, used: Iterable[str]) -> Iterable[str]:
    """The presets that a query speaks for."""
    return used if query.preset is None else (query.preset,)


def _joined(
    own: Mapping[str, Mapping[PodKey, Gathered]], shared: Mapping[PodKey, Gathered]
) -> dict[str, dict[PodKey, PodSample]]:
    """Samples by preset and pod. A pod that only the node's exporters know has the same sample in every preset."""
    alone = {key: gathered.sample() for key, gathered in shared.items()}
    result: dict[str, dict[PodKey, PodSample]] = {}
    for preset, pods in own.items():
        samples = dict(alone)
        for key, gathered in pods.items():
            node = shared.get(key, Gathered())
            whole = Gathered(values=gathered.values | node.values, faults=gathered.faults + node.faults)
            samples[key] = whole.sample()
        result[preset] = samples
    return result
