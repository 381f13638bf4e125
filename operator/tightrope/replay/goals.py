"""A service's objectives as the data plane counts them, and how each was held: `run` counts, `record` and `meter` add
up, our own policy reads.

The leading objective is the first of the spec that has a threshold: of whole answers, first tokens or the gaps between
tokens. Latency as peers see it is of that quantity. Errors have no threshold; they are the requests that were dropped.
Where they are an objective they count there alone, and the others judge the requests that were answered, as in the
controller.
"""

from collections.abc import Mapping
from typing import Final, TypedDict

from tightrope.dataplane.goals import Goal, Quantity
from tightrope.domain.spec import LatencyObjective, Metric, Service

QUANTITIES: Final[Mapping[Metric, Quantity]] = {
    Metric.LATENCY: Quantity.LATENCY,
    Metric.TTFT: Quantity.FIRST_TOKEN,
    Metric.ITL: Quantity.INTER_TOKEN,
}


class Held(TypedDict):
    """How an objective was held: the share asked for (0..1), how many were good, of how many that count for it."""

    objective: float
    good: float
    counted: float


def goals_of(service: Service) -> dict[Metric, Goal]:
    """What is held against a threshold, the leading objective first."""
    return {
        one.metric: Goal(quantity=QUANTITIES[one.metric], threshold_seconds=one.threshold_seconds)
        for one in service.objectives
        if isinstance(one, LatencyObjective)
    }


def in_words(objective: LatencyObjective, within: str) -> str:
    """What a request must do to be good, as in `5,000 requests within 300ms`; `within` is the threshold as text."""
    return {
        Metric.LATENCY: f"within {within}",
        Metric.TTFT: f"with a first token within {within}",
        Metric.ITL: f"with gaps between tokens of at most {within}",
    }[objective.metric]


def counts_errors(service: Service) -> bool:
    """Whether dropped requests have an objective of their own."""
    return any(one.metric is Metric.ERRORS for one in service.objectives)


def was_held(held: Held) -> bool:
    """Whether at least the share asked for was good; nothing counted is nothing missed."""
    return held["good"] >= held["objective"] * held["counted"]
