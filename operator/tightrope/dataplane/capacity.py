"""What one server carries at an SLO, found by driving it in virtual time.

A replay asks for every variant whose server is described, the lab for every variant of a scenario: what they conclude
then rests on the server as it works, and not on a capacity that somebody states or has learned.
"""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Final

import numpy as np

from tightrope.dataplane.arrivals import RandomArrivals
from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.goals import Goal, Quantity
from tightrope.dataplane.llm import LlmServer
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.llm_outcomes import LlmOutcomes
from tightrope.dataplane.outcomes import Floats
from tightrope.dataplane.server_model import ServerModel
from tightrope.dataplane.servers import Server
from tightrope.dataplane.tokens import Lengths

_REQUESTS: Final = 400_000  # misses come in clusters: fewer would leave a tenth of doubt or more
_HALVINGS: Final = 8
_STEPS: Final = 50
# Two seeds: gaps and service times out of one stream would rise and fall together, and nobody would ever wait.
_ARRIVALS_SEED: Final = 1
_SERVER_SEED: Final = 1001

Serve = Callable[[Floats, float], Floats]  # arrivals, until: seconds of those that ended, NaN for the dropped


@cache
def capacity(model: ServerModel, *, threshold_seconds: float, percent: float) -> float:
    """The most Poisson requests per second of which `percent` still end within the threshold; 0 if none do."""
    return _largest(
        lambda rate: good_fraction(model, rate, threshold_seconds) * 100 >= percent, saturation=model.saturation
    )


@lru_cache(maxsize=64)  # several demands of a comparison have the same lengths
def llm_capacity(model: LlmModel, lengths: Lengths, *, goal: Goal, percent: float) -> float:
    """The same for a server of a language model, with requests of these lengths in no order: of those that count for
    the goal, `percent` meet it."""
    mixed = lengths.shuffled()

    def within(rate: float) -> bool:
        return llm_good_fraction(model, mixed, rate, goal) * 100 >= percent

    return _largest(within, saturation=model.saturation(mixed.averages()))


def good_fraction(model: ServerModel, rate: float, threshold_seconds: float) -> float:
    """Of the requests that arrive at this rate, the fraction that finish within the threshold."""
    server = Server(model, seed=_SERVER_SEED)

    def serve(arrivals: Floats, until: float) -> Floats:
        ended = server.advance(arrivals, until)
        return np.where(ended.finished, ended.latency, np.nan)

    return _good(serve, rate, threshold_seconds)


def llm_good_fraction(model: LlmModel, lengths: Lengths, rate: float, goal: Goal) -> float:
    """Of the requests with these lengths that count for the goal, the fraction that meets it."""
    server, tokens = LlmServer(model), lengths.stream(seed=_SERVER_SEED)

    def serve(arrivals: Floats, until: float) -> Floats:
        ended = server.advance(tokens.of(arrivals), until)
        taken = _TAKEN[goal.quantity](ended)
        counted = ~(ended.finished & np.isnan(taken))
        return np.where(ended.finished, taken, np.nan)[counted]

    return _good(serve, rate, goal.threshold_seconds)


_TAKEN: Final[Mapping[Quantity, Callable[[LlmOutcomes], Floats]]] = {
    Quantity.LATENCY: lambda ended: ended.end_to_end,
    Quantity.FIRST_TOKEN: lambda ended: ended.first_token,
    Quantity.INTER_TOKEN: lambda ended: ended.inter_token,
}


def _largest(within: Callable[[float], bool], *, saturation: float) -> float:
    """By bisection below the saturation rate; the miss fraction grows with the rate."""
    low, high = 0.0, saturation
    for _ in range(_HALVINGS):
        rate = (low + high) / 2
        if within(rate):
            low = rate
        else:
            high = rate
    return low


def _good(serve: Serve, rate: float, threshold_seconds: float) -> float:
    seconds = _REQUESTS / rate
    arrivals = RandomArrivals(RateCurve([(0.0, rate)]), seed=_ARRIVALS_SEED)
    good = total = 0
    for end in np.linspace(seconds / _STEPS, seconds, _STEPS).tolist():
        ended = serve(arrivals.until(end), end)
        good += int(np.count_nonzero(ended <= threshold_seconds))
        total += len(ended)
    return good / total if total else 1.0
