"""Closed forms of queueing theory, and a run of the emulated server to hold against them."""

import math
from dataclasses import dataclass

import numpy as np

from tightrope.dataplane.arrivals import RandomArrivals
from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.outcomes import Outcomes, Status, together
from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.dataplane.servers import Server


def erlang_c(servers: int, load: float) -> float:
    """Probability of waiting in M/M/c at a load of lambda/mu; the stable recursion of Erlang B (Cooper 1981)."""
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def mmc_mean_wait(servers: int, rate: float, service: float) -> float:
    return erlang_c(servers, rate * service) * service / (servers - rate * service)


def mmc_wait_quantile(servers: int, rate: float, service: float, quantile: float) -> float:
    """P(W > t) = C exp(-(c mu - lambda) t)."""
    return math.log(erlang_c(servers, rate * service) / (1 - quantile)) * service / (servers - rate * service)


def pollaczek_khinchine(rate: float, service: float, cv: float) -> float:
    """Mean wait in M/G/1."""
    busy = rate * service
    return busy * service * (1 + cv**2) / (2 * (1 - busy))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    outcomes: Outcomes
    server: Server

    @property
    def mean_wait(self) -> float:
        return float(self.outcomes.wait.mean())

    def wait_quantile(self, quantile: float) -> float:
        return float(np.quantile(self.outcomes.wait, quantile))


def play(model: ServerModel, *, rate: float, requests: float, seed: int = 1, step: float | None = None) -> Run:
    """One server under Poisson arrivals, about so many of them, in steps of `step` seconds."""
    arrivals = RandomArrivals(RateCurve([(0.0, rate)]), seed=seed)
    server = Server(model, seed=seed + 1000)
    end, step = requests / rate, step or 20_000 / rate
    parts = []
    for until in np.arange(step, end + step / 2, step):
        parts.append(server.advance(arrivals.until(float(until)), float(until)))
    return Run(outcomes=together(parts), server=server)


def exponential(service: float, *, slots: int = 1) -> ServerModel:
    return ServerModel(base_seconds=service, slots=slots, distribution=Distribution.EXPONENTIAL, queue_limit=100_000)


def statuses(outcomes: Outcomes) -> dict[Status, int]:
    return {status: outcomes.count(status) for status in Status if outcomes.count(status)}
