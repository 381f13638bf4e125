"""A queue whose rate of service depends on how many are inside: what WVA's SLO mode sizes with (`wva_slo`).

M/M(n)/1/K, a birth-death chain: with n requests inside a server finishes mu(n) of them a second (Kleinrock, Queueing
Systems I, 1975, 3.1); a batch of n that takes s(n) has mu(n) = n / s(n).
"""

import math
from collections.abc import Sequence

from tightrope.replay.seat import VariantProfile

QUEUE_PLACES = 100
HALVINGS = 40


def finish_rates(profile: VariantProfile) -> list[float]:
    """Requests per second that a replica finishes with 1, 2, ... inside, up to all of its slots and batches full."""
    rates = []
    for inside in range(1, profile.slots * profile.batch_limit + 1):
        batch = -(-inside // profile.slots)  # spread over the slots
        rates.append(inside / profile.service_seconds(batch))
    return rates


def mean_latency(rate: float, rates: list[float]) -> float:
    """Seconds in the system on average at this rate of arrivals (per second), by Little's law over those let in."""
    chances = state_chances(rate, rates)
    return _mean(chances, range(len(chances))) / _let_in(rate, chances) if rate > 0 else 0.0


def mean_judged(rate: float, rates: list[float], profile: VariantProfile) -> float:
    """Seconds on average, at this rate, of what the leading objective is about where that is not the whole answer: the
    wait to be let in, if it counts, and then what it takes with as many inside as there are."""
    chances, places = state_chances(rate, rates), len(rates)
    busy = [profile.judged_seconds(-(-min(max(n, 1), places) // profile.slots)) for n in range(len(chances))]
    waiting = _mean(chances, [max(n - places, 0) for n in range(len(chances))])
    wait = waiting / _let_in(rate, chances) if profile.judged_with_wait and rate > 0 else 0.0
    return wait + _mean(chances, busy)


def state_chances(rate: float, rates: list[float]) -> list[float]:
    """The chance of 0, 1, 2, ... inside, up to the largest number let in."""
    log_weight, logs = 0.0, [0.0]
    for count in range(1, len(rates) + QUEUE_PLACES + 1):
        if rate <= 0:
            break
        log_weight += math.log(rate / rates[min(count, len(rates)) - 1])
        logs.append(log_weight)
    largest = max(logs)
    weights = [math.exp(one - largest) for one in logs]
    total = sum(weights)
    return [one / total for one in weights]


def _let_in(rate: float, chances: list[float]) -> float:
    return rate * (1.0 - chances[-1])


def _mean(chances: list[float], values: Sequence[float]) -> float:
    return sum(chance * value for chance, value in zip(chances, values, strict=True))


def largest_rate(profile: VariantProfile, latency_seconds: float) -> float:
    """The highest rate per replica at which the mean of what is judged stays within this; 0 if none does."""
    rates = finish_rates(profile)

    def seconds(rate: float) -> float:
        return mean_latency(rate, rates) if profile.judged is None else mean_judged(rate, rates, profile)

    low, high = 0.0, max(rates)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        if seconds(middle) <= latency_seconds:
            low = middle
        else:
            high = middle
    return low
