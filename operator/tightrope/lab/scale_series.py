"""The metrics of very many pods from one process: `python -m tightrope.lab.scale_series --port P --services N`.

`scale` starts it. Nothing is emulated: every pod of `scale_objects` has a steady demand, so its counters are straight
lines in time, and a page is made by joining strings. Pages are served in shards, as Prometheus would scrape pods, with
the names of the generic preset, and the nodes' CPU counters on one page of their own.
"""

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from aiohttp import web

from tightrope.lab.exporters.generic import LATENCY_BUCKETS_SECONDS
from tightrope.lab.scale_objects import Place, places

SHARD_PODS: Final = 500
# Requests per second of one pod; a replica is declared to carry 25, so one is enough and the plan stands.
DEMANDS: Final = (4.0, 6.0, 8.0, 10.0)
_MEAN_SECONDS: Final = 0.04
_CPU_PER_REQUEST: Final = 0.005
_TEXT_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"


def demand_of(index: int) -> float:
    """The steady demand of one service, requests per second."""
    return DEMANDS[index % len(DEMANDS)]


def counters(demand: float, seconds: float) -> Mapping[str, float]:
    """What a pod's series say after so many seconds of this demand: series name with its own labels -> value. The
    latency is exponential with a mean of 40 ms."""
    done = demand * seconds
    values = {'http_requests_total{code="200"': done, 'http_requests_total{code="500"': 0.0}
    for bound in (*LATENCY_BUCKETS_SECONDS, math.inf):
        shown = "+Inf" if bound == math.inf else f"{bound:g}"
        share = 1.0 - math.exp(-bound / _MEAN_SECONDS)
        values[f'http_request_duration_seconds_bucket{{le="{shown}"'] = done * share
    values["http_request_duration_seconds_count{"] = done
    values["http_request_duration_seconds_sum{"] = done * _MEAN_SECONDS
    values["http_requests_in_flight{"] = demand * _MEAN_SECONDS
    return values


def node_counters(demand: float, seconds: float) -> Mapping[str, float]:
    """The CPU that the same pod has used, as the kubelet's cAdvisor counts it."""
    return {'container_cpu_usage_seconds_total{container="server"': demand * seconds * _CPU_PER_REQUEST}


def page(
    of: Sequence[tuple[int, Place]], seconds: float, values: Callable[[float, float], Mapping[str, float]]
) -> bytes:
    """The exposition of these pods, family by family as the format asks for."""
    by_demand: dict[float, list[str]] = {}
    for index, place in of:
        named = f'namespace="{place.namespace}",pod="{place.pod}"}}'
        by_demand.setdefault(demand_of(index), []).append(named)
    lines: dict[str, list[str]] = {}
    for demand, pods in by_demand.items():
        for series, value in values(demand, seconds).items():
            start, end = series if series.endswith("{") else f"{series},", f" {value!r}\n"
            lines.setdefault(series, []).extend(start + pod + end for pod in pods)
    return "".join(line for several in lines.values() for line in several).encode()


def app(pods: Sequence[Place], *, clock: Callable[[], float]) -> web.Application:
    """What Prometheus asks: `/sd` names the shards, each shard has its page."""
    began, numbered = clock(), list(enumerate(pods))
    shards = [numbered[start : start + SHARD_PODS] for start in range(0, len(numbered), SHARD_PODS)]

    async def discovery(request: web.Request) -> web.Response:
        return web.json_response(
            [{"targets": [request.host], "labels": {"__metrics_path__": f"/shards/{n}"}} for n in range(len(shards))]
        )

    async def shard(request: web.Request) -> web.Response:
        of = shards[int(request.match_info["number"])]
        return web.Response(body=page(of, clock() - began, counters), headers={"Content-Type": _TEXT_FORMAT})

    async def nodes(_: web.Request) -> web.Response:
        return web.Response(body=page(numbered, clock() - began, node_counters), headers={"Content-Type": _TEXT_FORMAT})

    application = web.Application()
    application.add_routes(
        [web.get("/sd", discovery), web.get("/shards/{number}", shard), web.get("/node-metrics", nodes)]
    )
    return application


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="tightrope.lab.scale_series", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--services", type=int, required=True)
    options = parser.parse_args(arguments)
    pods = list(places(options.services))
    web.run_app(app(pods, clock=time.time), host="127.0.0.1", port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
