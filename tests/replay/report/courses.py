"""Courses made by hand, for tests of the report: ten minutes of a service with a cpu and a gpu variant."""

from typing import Any

import numpy as np

from tightrope.replay.bounds import Bound
from tightrope.replay.score import Course, Score, Step, Timeline

STEPS = 40


def score(title: str = "Tightrope", **changes: Any) -> Score:
    """99.5 % of 1,000 requests for 10 USD, where 99 % were asked for."""
    values: dict[str, Any] = {
        "policy": title.lower(), "title": title, "knobs": {}, "variants": ("cpu", "gpu"), "requests": 1000,
        "good": 995, "dropped": 0, "attainment": 0.995, "objective": 0.99, "cost": 10.0, "currency": "USD",
        "violation_seconds": 120.0, "longest_violation_seconds": 60.0, "worst_hour": None, "worst_day": None,
        "changes": 3, "switches": 1, "unknown_seconds": 0.0,
    }  # fmt: skip
    return Score(**(values | changes))


def timeline(**changes: Any) -> Timeline:
    """Everything even; `changes` may give one value for all steps, or an array."""
    values: dict[str, Any] = {
        "demand": 40.0, "good_share": 0.995, "p50": 0.05, "p95": 0.1, "p99": 0.2, "cost_per_hour": 60.0,
        "budget_left": 0.5,
    }  # fmt: skip
    arrays = {name: np.full(STEPS, 1.0) * value for name, value in (values | changes).items()}
    counts = {"cpu": np.full(STEPS, 2.0), "gpu": np.zeros(STEPS)}
    return Timeline(step_seconds=15.0, start_unix=None, ready=counts, wanted=counts, **arrays)


def course(title: str = "Tightrope", *, steps: tuple[Step, ...] = (), course: Timeline | None = None, **changes: Any):
    return Course(score=score(title, **changes), timeline=course or timeline(), steps=steps)


def bound(cost: float = 8.0, *, relaxed: float = 7.5, **changes: Any) -> Bound:
    """Somebody who knows every arrival, at this cost."""
    found = course("Clairvoyant", cost=cost, **changes)
    return Bound(unreachable=7.0, relaxed=relaxed, clairvoyant=cost, attainment=found.score.attainment, course=found)
