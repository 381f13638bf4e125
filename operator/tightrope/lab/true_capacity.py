"""What one emulated replica truly carries at an SLO, found by driving it in virtual time.

`drive` asks for every variant of a scenario, so that the checks and the fixed fleet rest on the server as it is built
and not on the capacity that a manifest states or that the operator has learned.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

import numpy as np

from tightrope.dataplane.arrivals import RandomArrivals
from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.server_model import ServerModel
from tightrope.dataplane.servers import Server

_REQUESTS: Final = 100_000  # misses come in clusters: fewer would leave a tenth of doubt or more
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


def of_variants(
    servers: Mapping[str, ServerModel], variants: Iterable[str], *, threshold_seconds: float, percent: float
) -> dict[str, float]:
    """Capacity per variant; `servers` may name one model for all others under "*"."""
    return {
        name: capacity(servers.get(name) or servers["*"], threshold_seconds=threshold_seconds, percent=percent)
        for name in variants
    }
