"""Services as the API server holds them once an operator has acted on them: statuses in the words of `render_status`.
Written out, so that these tests speak of what is shown and not of what is decided.
"""

import copy
from typing import Any

import wire

from tightrope.api.figures import time_text

Wire = dict[str, Any]

NOW = 1_800_000_000.0


def condition(kind: str, status: str, reason: str, message: str, *, age: float = 60.0) -> Wire:
    return {
        "type": kind,
        "status": status,
        "observedGeneration": 1,
        "lastTransitionTime": time_text(NOW - age),
        "reason": reason,
        "message": message,
    }


_SWITCH = "Another mix is cheaper: demand is 200.0/s, up to 204.2/s must be covered until gpu would be ready (90s)."
_HOLD = "Hold: cpu was planned larger within the descent window."

_SENTIMENT: Wire = {
    "observedGeneration": 1,
    "conditions": [
        condition("Ready", "True", "AsPlanned", "as many replicas are ready as the plan needs"),
        condition("MetricsHealthy", "True", "Complete", "demand and latency are known"),
        condition("SLOMet", "False", "BudgetSpent", "-849% of the error budget is left", age=7200.0),
    ],
    "slo": [
        {
            "metric": "latency",
            "objective": "99% < 300ms",
            "attainment": "90.51",
            "budgetRemaining": "-8.49",
            "burnRate": "10.2",
            "covered": "10m",
        }
    ],
    "variants": [
        {
            "name": "cpu",
            "wanted": 8,
            "ready": 8,
            "planned": 0,
            "capacity": "31.5/s ± 3.4",
            "capacityLogMean": "3.450",
            "capacityLogSd": "0.107",
            "timeToReady": "30s",
            "perHour": "1.60",
        },
        {"name": "gpu", "wanted": 1, "ready": 1, "planned": 1, "capacity": "300/s ± 60", "perHour": "0.80"},
    ],
    "ready": "9/9",
    "plan": "cpu:0 gpu:1",
    "cost": {"perHour": "0.80", "currency": "USD"},
    "decision": {
        "time": time_text(NOW - 15.0),
        "reason": "CheaperMix",
        "message": _SWITCH,
        "coveredDemand": "204/s",
        "alternatives": [{"plan": "cpu:8 gpu:0", "perHour": "1.60", "whyNot": "dearer by 0.80/h"}],
    },
    "history": [
        {"time": time_text(NOW - 15.0), "reason": "CheaperMix", "message": _SWITCH, "plan": "cpu:0 gpu:1"},
        {"time": time_text(NOW - 75.0), "reason": "HoldDescentWindow", "message": _HOLD, "plan": "cpu:3 gpu:0"},
    ],
}

_VISION: Wire = {
    "observedGeneration": 1,
    "conditions": [condition("Ready", "True", "AsPlanned", "as many replicas are ready as the plan needs")],
    "slo": [{"metric": "latency", "objective": "99% < 300ms", "attainment": "100.00", "budgetRemaining": "1.00"}],
    "variants": [{"name": "cpu", "wanted": 1, "ready": 1, "planned": 1}],
    "ready": "1/1",
    "plan": "cpu:1 gpu:0",
    "cost": {"perHour": "0.20", "currency": "USD"},
    "decision": {"time": time_text(NOW - 600.0), "reason": "FirstPlan", "message": "First plan: demand is unknown."},
}


def sentiment() -> Wire:
    """nlp/sentiment has missed its objective and switches to the GPU."""
    return _acted("sentiment", _SENTIMENT)


def vision() -> Wire:
    """nlp/vision rests on one CPU replica, and costs a quarter."""
    return _acted("vision", _VISION)


def recommended(**overrides: Any) -> Wire:
    """nlp/sentiment in mode Recommend, half a day later."""
    made = _acted("sentiment", _SENTIMENT)
    made["spec"]["mode"] = "Recommend"
    made["status"]["recommendation"] = {
        "since": time_text(NOW - 45_000.0),
        "hours": "12.50",
        "cost": "12.30",
        "planCost": "7.100",
        "currency": "USD",
        "slo": [{"metric": "latency", "finished": "120000", "missed": "512.0", "predictedMissed": "600.0"}],
    } | overrides
    return made


def _acted(name: str, status: Wire) -> Wire:
    made = wire.inference_deployment(name)
    made["metadata"]["generation"] = 1
    return made | {"status": copy.deepcopy(status)}
