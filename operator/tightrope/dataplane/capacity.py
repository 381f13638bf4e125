"""What one server carries at an SLO, found by driving it in virtual time.

A replay asks for every variant whose server is described, the lab for every variant of a scenario: what they conclude
then rests on the server as it works, and not on a capacity that somebody states or has learned.
"""

from functools import cache
from typing import Final

import numpy as np

from tightrope.dataplane.arrivals import RandomArrivals
from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.server_model import ServerModel
from tightrope.dataplane.servers import Server

_REQUESTS: Final = 400_000  # misses come in clusters: fewer would leave a tenth of doubt or more
_HALVINGS: Final = 8
_STEPS: Final = 50
# Two seeds: gaps and service times out of one stream would rise and fall together, and nobody would ever wait.
_ARRIVALS_SEED: Final = 1
_SERVER_SEED: Final = 1001


@cache
def capacity(model: ServerModel, *, threshold_seconds: float, percent: float) -> float:
    """The most Poisson requests per second of which `percent` still end within the threshold; 0 if none do.

    By bisection below the saturation rate; the miss fraction grows with the rate.
    """
    low, high = 0.0, model.saturation
    for _ in range(_HALVINGS):
        rate = (low + high) / 2
        if good_fraction(model, rate, threshold_seconds) * 100 >= percent:
            low = rate
        else:
            high = rate
    return low


def good_fraction(model: ServerModel, rate: float, threshold_seconds: float) -> float:
    """Of the requests that arrive at this rate, the fraction that finish within the threshold."""
    seconds = _REQUESTS / rate
    arrivals = RandomArrivals(RateCurve([(0.0, rate)]), seed=_ARRIVALS_SEED)
    server = Server(model, seed=_SERVER_SEED)
    good = total = 0
    for end in np.linspace(seconds / _STEPS, seconds, _STEPS).tolist():
        ended = server.advance(arrivals.until(end), end)
        good += int(np.count_nonzero(ended.finished & (ended.latency <= threshold_seconds)))
        total += len(ended)
    return good / total if total else 1.0
