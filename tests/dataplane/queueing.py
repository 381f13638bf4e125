"""Closed forms of queueing theory, and a run of the emulated server to hold against them."""

import math
from dataclasses import dataclass

import numpy as np

from tightrope.dataplane.arrivals import RandomArrivals
from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.outcomes import Outcomes, Status, together
from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.dataplane.servers import Server


def erlang_b(servers: int, load: float) -> float:
    """Probability of refusal in M/M/c/c, by the stable recursion over servers (Cooper 1981)."""
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """Probability of waiting in M/M/c at a load of lambda/mu."""
    blocked = erlang_b(servers, load)
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


def mm1k_refused(places: int, load: float) -> float:
    """Probability of refusal in M/M/1/K, where `places` counts the one being worked on (Kleinrock I, 3.6)."""
    return (1 - load) * load**places / (1 - load ** (places + 1))


def mdc_mean_wait(servers: int, rate: float, service: float, most: int = 200) -> float:
    """Mean wait in M/D/c (Crommelin 1932): those inside one service time later are those who waited now, and all who
    came since; the mean number inside of that chain in its steady state, less those being worked on, by Little."""
    states = np.arange(most)
    logs = np.cumsum(np.log(np.maximum(states, 1)))
    came = np.exp(states * math.log(rate * service) - rate * service - logs)
    step = np.array([np.concatenate([np.zeros(left), came[: most - left]]) for left in np.maximum(states - servers, 0)])
    inside = steady(step / step.sum(axis=1, keepdims=True)) @ states
    return float(inside - rate * service) / rate


def shortest_of_two_mean_inside(rate: float, service: float, most: int = 25) -> float:
    """Mean number inside two M/M/1 servers whose clients join the shorter queue: the steady state of its Markov chain,
    cut off at `most` each (the queue of Haight, Two queues in parallel, 1958)."""
    step = np.zeros((most, most, most, most))
    for one in range(most):
        for other in range(most):
            for came, share in (((one + 1, other), one <= other), ((one, other + 1), other <= one)):
                if max(came) < most:
                    step[one, other, *came] += rate * share / (2 if one == other else 1)
            step[one, other, max(one - 1, 0), other] += 1 / service
            step[one, other, one, max(other - 1, 0)] += 1 / service
    chain = step.reshape(most**2, most**2)
    # Where nobody can be sent or finish, the chain stays where it is for that share of the time.
    np.fill_diagonal(chain, chain.diagonal() + (rate + 2 / service) - chain.sum(axis=1))
    found = steady(chain / (rate + 2 / service)).reshape(most, most)
    return float((found * np.add.outer(np.arange(most), np.arange(most))).sum())


def steady(step: np.ndarray) -> np.ndarray:
    """The steady state of a chain with these transition probabilities."""
    balance = step.T - np.eye(len(step))
    balance[-1] = 1.0
    return np.linalg.solve(balance, np.append(np.zeros(len(step) - 1), 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    outcomes: Outcomes
    server: Server

    @property
    def mean_wait(self) -> float:
        return float(self.outcomes.wait.mean())

    @property
    def refused(self) -> float:
        """Share of all that came."""
        return self.outcomes.count(Status.REFUSED) / len(self.outcomes)

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
