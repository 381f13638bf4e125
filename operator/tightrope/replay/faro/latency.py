"""What Faro expects of a job with so many replicas: its latency, and what that is worth. For both of its seats.

Source: Faro, EuroSys 2025, and its artefact (beomyeol/faro at b595c4a, src/solver.py): requests queue as in an M/M/c,
whose waiting time is halved for service times that do not vary (Tijms, A First Course in Stochastic Models, chapter 9);
the utility of a latency is min(1, target / latency).
"""

import numpy as np

from tightrope.dataplane.outcomes import Floats

PERCENTILE = 99.0
MOST_BUSY = 0.95
_RARELY = 1e-4  # the smallest chance to wait that is reckoned with


def queueing_chance(offered: Floats, replicas: Floats) -> Floats:
    """The chance to wait (Erlang C) with `offered` erlangs, less than `replicas`, which need not be whole: whole ones
    count in the sum over states, all of them in the utilisation."""
    blocked = np.ones_like(offered)  # Erlang B, one replica after the other (Jagerman, Bell Sys. Tech. J. 53, 1974)
    whole = np.floor(replicas)
    for count in range(1, int(whole.max(initial=0)) + 1):
        one_more = offered * blocked / (count + offered * blocked)
        blocked = np.where(count <= whole, one_more, blocked)
    odds = blocked / np.maximum(1.0 - blocked, 1e-300) / (1.0 - offered / replicas)
    chance: Floats = np.where(blocked >= 1.0, 1.0, odds / (1.0 + odds))
    return chance


def expected_latency(rates: Floats, replicas: Floats, service: float | Floats) -> Floats:
    """Seconds that 99 % of requests stay under, for rates in requests per second and replicas of one shape.

    Beyond 95 % of what the replicas can finish it grows in proportion to the rate, so that an optimiser still sees
    which of two overloads is worse. Infinite without a replica.
    """
    some = np.maximum(replicas, 1e-9)
    carried = np.minimum(rates, MOST_BUSY * some / service)
    waiting = np.maximum(queueing_chance(carried * service, some), _RARELY)
    slack = some / service - carried
    wait = np.maximum(np.log(waiting / (1.0 - PERCENTILE / 100.0)), 0.0) / slack
    share = np.where(rates > carried, carried / np.maximum(rates, 1e-12), 1.0)
    latency: Floats = np.where(replicas > 0, (wait / 2.0 + service) / share, np.inf)
    return latency


def utility(rates: Floats, replicas: Floats, *, service: float | Floats, target: float) -> Floats:
    """0..1, what each rate is worth with so many replicas."""
    worth: Floats = np.minimum(1.0, target / np.maximum(expected_latency(rates, replicas, service), 1e-7))
    return worth
