"""A Prometheus over HTTP for tests of commands. It knows what each pod exports, and answers the queries of the preset
`generic` and of `check` by their shape. Tests marked `lab` ask a real one.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from replay.answers import served

Parameters = Mapping[str, list[str]]

BOUNDS = ("0.1", "0.3", "1", "+Inf")


@dataclass
class Pod:
    """A pod that gets `rate` requests per second, all good; `lacks` names what it does not export, `also` what else it
    does. It is `up` unless told otherwise; None for one that nobody scrapes."""

    rate: float = 10.0
    lacks: set[str] = field(default_factory=set)
    also: set[str] = field(default_factory=set)
    bounds: tuple[str, ...] = BOUNDS
    up: bool | None = True
    age: float = 5.0
    pod_label: str = "pod"

    def has(self, metric: str) -> bool:
        return self.up is not None and metric not in self.lacks

    def names(self) -> set[str]:
        if self.up is None or self.pod_label != "pod":
            return {"container_cpu_usage_seconds_total"}
        own = {"http_requests_total", "http_request_duration_seconds_bucket", "http_requests_in_flight"}
        return {"up"} | self.also | (own - self.lacks if self.up else set())


class Prometheus:
    """`pods` by namespace and name; `broken` is what it answers instead, if anything. `ranged` are those of the
    `queries` that asked for the past."""

    def __init__(self) -> None:
        self.pods: dict[tuple[str, str], Pod] = {}
        self.broken: tuple[int, Any] | None = None
        self.queries: list[str] = []
        self.ranged: list[str] = []
        self.url = ""

    def answer(self, asked: Parameters) -> tuple[int, Any]:
        query = asked["query"][0]
        self.queries.append(query)
        if "start" in asked:
            self.ranged.append(query)
        if self.broken:
            return self.broken
        kind = "matrix" if "start" in asked else "vector"
        return 200, {"status": "success", "data": {"resultType": kind, "result": list(self._result(asked, query))}}

    def _result(self, asked: Parameters, query: str) -> Iterator[dict[str, Any]]:
        now = time.time()
        if "__name__" in query or query.startswith("up{"):
            yield from self._evidence(query, now)
            return
        for (namespace, name), pod in self.pods.items():
            labels = {"namespace": namespace, pod.pod_label: name}
            for extra, value in self._samples(query, pod, now):
                yield {"metric": {**labels, **extra}, **points(asked, value, now)}

    def _samples(self, query: str, pod: Pod, now: float) -> Iterator[tuple[dict[str, str], float]]:
        if "_bucket" in query:
            if pod.has("http_request_duration_seconds_bucket"):
                yield from (({"le": bound}, pod.rate) for bound in pod.bounds)
        elif not pod.has("http_requests_total"):
            return
        elif query.startswith("label_replace"):
            yield {"seen": "before"}, 8.0
            yield {}, now - pod.age
        elif "5.." in query:
            yield {}, 0.0
        elif query.startswith("clamp_min"):
            yield {}, pod.rate
        elif "in_flight" in query:
            yield {}, 1.0

    def _evidence(self, query: str, now: float) -> Iterator[dict[str, Any]]:
        wanted = re.search(r'pod(?:!)?="([^"]+)"', query)
        for (namespace, name), pod in self.pods.items():
            if wanted is None or name != wanted[1]:
                continue
            if query.startswith("count by"):
                for metric in sorted(pod.names()):
                    yield {"metric": {"__name__": metric}, "value": [now, "1"]}
            elif query.startswith("up{"):
                if not pod.up:
                    yield {"metric": {"__name__": "up", "pod": name}, "value": [now, "0"]}
            elif pod.pod_label != "pod":
                yield {"metric": {"namespace": namespace, pod.pod_label: name}, "value": [now, "1"]}


def points(asked: Parameters, value: float, now: float) -> dict[str, Any]:
    """One value now, or at every step of the range that is asked for."""
    if "start" not in asked:
        return {"value": [now, str(value)]}
    start, end, step = (float(asked[part][0].rstrip("s")) for part in ("start", "end", "step"))
    return {"values": [[start + step * count, str(value)] for count in range(int((end - start) // step) + 1)]}


@contextmanager
def prometheus() -> Iterator[Prometheus]:
    """It answers until the end of the block."""
    made = Prometheus()
    with served(made.answer) as url:
        made.url = url
        yield made
