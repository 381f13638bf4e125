"""Errors that replicas do not mend: those that come however little there is to do.

`accounts` asks before it learns from failed requests or counts them as debts. A bug fails the same share of requests at
any load; chasing it with replicas would only make it dearer. So what fails while a variant is hardly loaded is its
background, what fails beyond that share under load is a matter of load. The error budget counts them all.
"""

import math

from tightrope.domain.memory import Background
from tightrope.domain.observation import Known, Outcomes, VariantState
from tightrope.domain.spec import Objective

LITTLE = 0.5  # of the capacity, or of what the pods request
HALF_LIFE_SECONDS = 3600.0
SURE = 2.0  # standard deviations of a Poisson count: a few failures at night excuse nothing at noon


def has_little_to_do(state: VariantState, capacity: float | None) -> bool:
    """Whether the variant is loaded so lightly that load explains no failure. `capacity` is requests per second per
    replica at the other objectives, None where none is known: then utilisation says, and without it nothing does."""
    if capacity is not None and isinstance(state.serving_demand, Known) and state.ready > 0:
        return state.serving_demand.value < LITTLE * capacity * state.ready
    return isinstance(state.utilisation, Known) and state.utilisation.value < LITTLE


def after(background: Background, seen: Outcomes, *, seconds: float, idle: bool) -> Background:
    """The background after `seconds` with these outcomes. Under load only a smaller share says anything of it; what
    says nothing makes it no less sure."""
    failed, finished = (seen.total - seen.good_low) * seconds, seen.total * seconds
    if finished <= 0.0 or not (idle or failed < share(background) * finished):
        return background
    fade = 0.5 ** (seconds / HALF_LIFE_SECONDS)
    return Background(finished=background.finished * fade + finished, failed=background.failed * fade + failed)


def share(background: Background) -> float:
    """The share of requests that fails at any load, at the least (0..1)."""
    if background.finished <= 0.0:
        return 0.0
    return max(background.failed - SURE * math.sqrt(background.failed), 0.0) / background.finished


def from_load(seen: Outcomes, background: Background, *, idle: bool) -> Outcomes:
    """The same outcomes with the background taken for good; while there is little to do, every failure is."""
    excused = seen.total if idle else share(background) * seen.total
    return Outcomes(
        total=seen.total,
        good_low=min(seen.good_low + excused, seen.total),
        good_high=min(seen.good_high + excused, seen.total),
    )


def sentence(objective: Objective, shares: dict[str, float]) -> str | None:
    """Which variants fail more than the objective allows at any load, and what to do; None if none does."""
    found = {name: part for name, part in sorted(shares.items()) if part > objective.allowed_miss_fraction}
    if not found:
        return None
    named = ", ".join(f"{100 * part:.2g}% on {name}" for name, part in found.items())
    return f"errors that replicas do not mend: {named} fail at low load too; look at the server's own log"
