"""How misses rise with load, per kind of objective: what `performance` learns along and `shadows` plays with.

Whole answers follow the queueing curve of `performance`: its steepness is the threshold itself. First tokens, gaps
between tokens and errors come from servers that work on many requests at once. There the share of misses stays low
until the batch or the queue is full and then rises sharply, whatever the threshold: a batch grows with load (Little's
law) and gaps grow with the batch. So their curve is steep in shares of the capacity: e exp(k (load / capacity - 1)),
e being the allowed share at the capacity itself. Where requests are so few that they hardly ever meet, misses cannot
rise that sharply: there it is no steeper than at one request at a time.
"""

import math
from typing import TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from tightrope.domain.spec import LatencyObjective, Metric, Objective

Floats: TypeAlias = NDArray[np.float64]

STEEPNESS = 10.0  # half the capacity misses e^-5 of what the capacity itself does
GIVE_UP_SECONDS = 5.0  # clients and queues do not wait for ever
ANSWER_SECONDS = 10.0  # how long an answer of some hundred tokens takes


def is_queueing(objective: Objective) -> TypeGuard[LatencyObjective]:
    """Whether the objective is about whole answers, whose misses follow the queueing curve."""
    return objective.metric is Metric.LATENCY


def over(load: float | Floats, capacity: Floats, objective: Objective) -> Floats:
    """ln of the miss fraction over the allowed one at this load, for each capacity (both per second per replica)."""
    found: Floats
    if is_queueing(objective):
        found = (load - capacity) * objective.threshold_seconds
    else:
        found = STEEPNESS * (load - capacity) / np.maximum(capacity, one_at_a_time(objective))
    return found


def room(capacity: Floats, objective: Objective) -> Floats | float:
    """How much more than its capacity a replica can work off when everybody may miss, requests per second."""
    log_odds = math.log(1.0 / objective.allowed_miss_fraction)
    if is_queueing(objective):
        return log_odds / objective.threshold_seconds
    found: Floats = np.maximum(capacity, one_at_a_time(objective)) * log_odds / STEEPNESS
    return found


def within(saturation: float, objective: Objective) -> float:
    """The capacity of a replica that works off so many requests per second at the most; <= 0 if none is left."""
    log_odds = math.log(1.0 / objective.allowed_miss_fraction)
    if is_queueing(objective):
        return saturation - log_odds / objective.threshold_seconds
    return min(saturation / (1.0 + log_odds / STEEPNESS), saturation - one_at_a_time(objective) * log_odds / STEEPNESS)


def patience_seconds(objective: Objective) -> float:
    """How long a request may wait in a queue until it counts as missed."""
    if isinstance(objective, LatencyObjective) and objective.metric is not Metric.ITL:
        return objective.threshold_seconds
    return GIVE_UP_SECONDS


def together_seconds(objective: Objective) -> float:
    """How long a request can make another one miss: a first token as long as the threshold, gaps between tokens and
    failures as long as it is under way."""
    if not isinstance(objective, LatencyObjective):
        return GIVE_UP_SECONDS
    return ANSWER_SECONDS if objective.metric is Metric.ITL else objective.threshold_seconds


def one_at_a_time(objective: Objective) -> float:
    """The load at which requests just begin to meet, requests per second per replica."""
    return 1.0 / together_seconds(objective)


def least_capacity(objective: Objective) -> float:
    """The capacity under which even lone requests must be missing, requests per second per replica.

    Requests meet in a share of about load x time together, so a server that is fast enough alone carries about e over
    that time whatever its speed. Errors of lone requests never rule a variant out: `background_errors` has them.
    """
    if not isinstance(objective, LatencyObjective):
        return 0.0
    return objective.allowed_miss_fraction / together_seconds(objective)
