"""Alerts played over a past: what the operator would have exported minute by minute, and when each alert fires.

Prometheus itself evaluates the expressions; `for` is applied here as its rule manager does: an alert is active from the
first evaluation that finds it, and fires once it has been active for so long without a gap.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from alerts.backfill import STALE, PastPrometheus, Series

RULES = Path(__file__).resolve().parents[2] / "alerts" / "tightrope.rules.yaml"
MINUTE = 60.0
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# By minutes since the beginning; None is a scrape that did not find the series.
Course: TypeAlias = Callable[[float], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the file; `expr` with every recorded figure written out, so that it can be asked about the past."""

    name: str
    expr: str
    group: str
    interval_seconds: float
    for_seconds: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    alerts: bool


def load() -> dict[str, Rule]:
    """All rules by name."""
    recorded: dict[str, str] = {}
    rules: dict[str, Rule] = {}
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for raw in group["rules"]:
            name = raw.get("alert") or raw["record"]
            expr = written_out(raw["expr"], recorded)
            if "record" in raw:
                recorded[name] = expr
            rules[name] = Rule(
                name=name,
                expr=expr,
                group=group["name"],
                interval_seconds=seconds(group.get("interval", "1m")),
                for_seconds=seconds(raw.get("for", "0s")),
                labels=raw.get("labels", {}),
                annotations=raw.get("annotations", {}),
                alerts="alert" in raw,
            )
    return rules


def written_out(expr: str, recorded: Mapping[str, str]) -> str:
    for name, meaning in recorded.items():
        expr = re.sub(rf"{re.escape(name)}\b", lambda _, meaning=meaning: f"({meaning})", expr)  # type: ignore[misc]
    return expr


def seconds(duration: str) -> float:
    return float(duration[:-1]) * _UNITS[duration[-1]]


def line(name: str, course: Course | float, *, until: float, start: float, labels: Mapping[str, str]) -> Series:
    """One series, scraped every minute from `start` (unix seconds) for `until` minutes."""
    samples = []
    before: float | None = None
    for minute in range(round(until) + 1):
        value = course(minute) if callable(course) else float(course)
        if value is not None or before is not None:
            samples.append((start + minute * MINUTE, STALE if value is None else value))
        before = value
    return Series(name=name, labels=labels, samples=samples)


def values(
    prometheus: PastPrometheus, rule: Rule, *, start: float, minutes: float
) -> dict[frozenset[tuple[str, str]], dict[float, float]]:
    """What the expression gives: by labels, at which minutes which value."""
    answer = prometheus.ask(
        "query_range", query=rule.expr, start=start, end=start + minutes * MINUTE, step=rule.interval_seconds
    )
    return {
        frozenset((key, value) for key, value in row["metric"].items()): {
            (at - start) / MINUTE: float(value) for at, value in row["values"]
        }
        for row in answer["result"]
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """An alert that fired: its labels, and the minutes at which it did."""

    labels: Mapping[str, str]
    minutes: tuple[float, ...]


def fired(prometheus: PastPrometheus, rule: Rule, *, start: float, minutes: float) -> list[Fired]:
    """Everything that this alert fired for."""
    found = []
    for labels, points in values(prometheus, rule, start=start, minutes=minutes).items():
        firing = tuple(_firing(sorted(points), rule))
        if firing:
            found.append(Fired(labels=dict(labels), minutes=firing))
    return found


def _firing(active: Iterable[float], rule: Rule) -> Iterable[float]:
    began = last = -1e9
    for minute in active:
        if minute - last > rule.interval_seconds / MINUTE + 1e-6:
            began = minute
        last = minute
        if minute - began >= rule.for_seconds / MINUTE - 1e-6:
            yield minute


def counter(rate_per_minute: Callable[[float], float] | float) -> Course:
    """A counter that grows by so much each minute, asked for in order."""
    total = 0.0

    def course(minute: float) -> float:
        nonlocal total
        if minute > 0:
            total += rate_per_minute(minute) if callable(rate_per_minute) else rate_per_minute
        return total

    return course


def rendered(text: str, labels: Mapping[str, Any]) -> str:
    """The annotation with the labels put in; a KeyError for a label that the alert does not have."""
    return re.sub(r"{{ \$labels\.(\w+) }}", lambda m: str(labels[m[1]]), text)
