"""A queue whose rate of service depends on how many are inside: what WVA's SLO mode sizes with (`wva_slo`).

M/M(n)/1/K, a birth-death chain: with n requests inside a server finishes mu(n) of them a second (Kleinrock, Queueing
Systems I, 1975, 3.1); a batch of n that takes s(n) has mu(n) = n / s(n).
"""

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
    weight, total, inside, last = 1.0, 1.0, 0.0, 1.0
    most = len(rates) + QUEUE_PLACES
    for count in range(1, most + 1):
        weight *= rate / rates[min(count, len(rates)) - 1]
        total += weight
        inside += count * weight
        last = weight
        if total > 1e200:  # only ratios matter
            weight, total, inside, last = weight / total, 1.0, inside / total, last / total
    let_in = rate * (1.0 - last / total)
    return inside / total / let_in if let_in > 0 else 0.0


def largest_rate(profile: VariantProfile, latency_seconds: float) -> float:
    """The highest rate per replica at which the mean latency stays within this; 0 if none does."""
    rates = finish_rates(profile)
    low, high = 0.0, max(rates)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        if mean_latency(middle, rates) <= latency_seconds:
            low = middle
        else:
            high = middle
    return low
