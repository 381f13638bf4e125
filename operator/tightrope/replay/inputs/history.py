"""Recorded demand from a user's own Prometheus: range queries, read in stretches, every point checked.

`cli` calls `read_history` with a query of the user's, or with `arrivals_query`: what the operator itself asks for this
kind of server, summed over the pods of one service. Prometheus takes care of counters that start again. A point that
is missing or no number is a gap: unknown, not zero.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import numpy as np
from prometheus_api_client import PrometheusConnect
from urllib3 import Retry

from tightrope.adapters.prometheus.presets import Preset, TargetLabels
from tightrope.adapters.prometheus.queries import Span, demand_query, matchers, spans
from tightrope.adapters.prometheus.samples import BadNumber, finite
from tightrope.adapters.prometheus.session import CheckedSession, Connection, QueryFailed
from tightrope.replay.demand import Demand
from tightrope.replay.inputs.lengths import length
from tightrope.replay.inputs.steps import check_dispersion, demand_in_steps
from tightrope.replay.profiles import ReplayError

MOST_STEPS: Final = 3_000_000  # a month by the second
LATEST: Final = 1e11  # unix seconds of the year 5138: what is larger is in milliseconds
_PROBES: Final = 100  # points over the whole range when it is asked why there was no answer
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """From when to when (unix seconds), in steps of so many seconds."""

    start: float
    end: float
    step_seconds: int

    def __str__(self) -> str:
        return f"{shown(self.start)} to {shown(self.end)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """The pods of one service: their namespace, and a regular expression that their whole names match."""

    namespace: str
    pattern: str

    def matchers(self, labels: TargetLabels) -> str:
        """As PromQL writes it inside braces."""
        return matchers(labels, self.namespace, self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. `metric` and `pods` say what lies behind the query, where we wrote it and not the user."""

    text: str
    metric: str | None = None
    pods: Pods | None = None
    labels: TargetLabels = field(default_factory=TargetLabels)

    def __str__(self) -> str:
        """For messages: what it is about, since our own queries are long."""
        if self.metric is None or self.pods is None:
            return self.text
        return f"{self.metric}{{{self.pods.matchers(self.labels)}}}"


class Asks(Protocol):
    """A Prometheus that answers range queries: the series of the matrix. Raises QueryFailed."""

    def __call__(self, query: str, span: Span, step_seconds: int) -> list[Any]: ...


def range_of(*, start: str, end: str, step: str, now: float) -> Range:
    """The range that these words mean. Raises ReplayError, which names the option and what to write instead."""
    seconds = _seconds("--step", step)
    if seconds < 1 or seconds != int(seconds):
        raise ReplayError(f"--step {step} is no whole number of seconds: write one such as 60s or 5m")
    found = Range(start=_instant("--from", start, now), end=_instant("--to", end, now), step_seconds=int(seconds))
    if found.end > now + 1:
        raise ReplayError(f"--to {end} lies in the future: leave it out for now")
    if found.end - found.start < 2 * seconds:
        raise ReplayError(f"--from {start} --to {end} holds less than two steps of {step}: write an earlier --from")
    if (found.end - found.start) / seconds > MOST_STEPS:
        raise ReplayError(
            f"--from {start} --to {end} has more than {MOST_STEPS:,} steps of {step}: write a longer --step"
        )
    return found


def arrivals_query(preset: Preset, pods: Pods, *, step_seconds: int, labels: TargetLabels) -> Question:
    """Requests per second that arrived at these pods, over one step: the preset's own expression, narrowed to them."""
    query = demand_query(preset, labels, pods.matchers(labels), window_seconds=step_seconds)
    return Question(text=query.text, metric=preset.arrivals.metric, pods=pods, labels=labels)


def prometheus(connection: Connection, *, monotonic: Callable[[], float]) -> Asks:
    """The Prometheus behind this connection; each answer may take its `history_timeout_seconds`."""
    session = CheckedSession(connection, monotonic=monotonic)
    client = PrometheusConnect(url=connection.url.rstrip("/"), session=session, retry=Retry(total=0, redirect=0))

    def ask(query: str, span: Span, step_seconds: int) -> list[Any]:
        start, end = (datetime.fromtimestamp(at, UTC) for at in (span.start, span.end))
        seconds = connection.history_timeout_seconds
        found: list[Any] = client.custom_query_range(query, start, end, f"{step_seconds}s", timeout=seconds)
        return found

    return ask


def read_history(ask: Asks, question: Question, over: Range, *, dispersion: float, where: str) -> Demand:
    """The demand in this range; a value is the rate of the step that ends at its time. Starts and ends with what is
    known. `where` is the address for messages. Raises ReplayError."""
    check_dispersion(dispersion)
    step = over.step_seconds
    # The first step ends one step after the start; points lie on multiples of the step.
    asked = list(spans(over.start + step, over.end, step))
    points: dict[float, float] = {}
    refused = 0
    for span in asked:
        try:
            series = ask(question.text, span, step)
        except QueryFailed as failed:
            raise ReplayError(f"--prometheus {where}: {failed}{_advice(str(failed))}") from failed
        refused += _read_into(points, series, question, over)
    if not points:
        raise ReplayError(_nothing(ask, question, over, where, refused))
    return _demand(points, question, asked[0].start - step, asked[-1].end, step, dispersion, where, refused)


def _read_into(points: dict[float, float], series: Sequence[Any], question: Question, over: Range) -> int:
    """Add the points of one answer; returns how many were no rate."""
    if len(series) > 1:
        labels = ", ".join(sorted(series[0].get("metric", {}))) or "no labels"
        raise ReplayError(
            f"--query {question.text} gives {len(series)} series (with {labels}): write one that gives a single rate, "
            "as in sum(...) around it"
        )
    refused = 0
    for point in series[0].get("values", ()) if series else ():
        try:
            points[float(point[0])] = finite(point[1])
        except BadNumber:
            refused += 1
        except (TypeError, ValueError, IndexError, KeyError):
            raise ReplayError(f"--query {question.text}: a point of the answer is no pair of time and number") from None
    return refused


def _demand(
    points: Mapping[float, float], question: Question, start: float, end: float, step: int, dispersion: float,
    where: str, refused: int,
) -> Demand:  # fmt: skip
    first, last = min(points) - step, max(points)
    count = round((last - first) / step)
    rates = np.full(count, math.nan)
    places = np.round((np.array(list(points)) - first) / step).astype(np.intp) - 1
    rates[places] = list(points.values())
    notes = []
    if first > start:
        notes.append(
            f"nothing is known before {shown(first)}: the replay begins there (does Prometheus keep as much as "
            f"{shown(start)} on?)"
        )
    if last < end - step:  # the newest step is often not scraped yet
        notes.append(f"nothing is known after {shown(last)}: the replay ends there")
    if refused:
        notes.append(f"{refused} values are no rate (NaN, infinite or negative): each is a gap")
    starts = step * np.arange(count, dtype=np.float64)
    return demand_in_steps(
        name="prometheus",
        source=(
            f"requests per second in steps of {step} s from {shown(first)} to {shown(last)}, as Prometheus at {where} "
            f"answers {question.text}; arrivals in a step are drawn, dispersion {dispersion:g}"
        ),
        starts=starts,
        ends=starts + step,
        rates=rates,
        dispersion=dispersion,
        start_unix=first,
        notes=tuple(notes),
    )


def _nothing(ask: Asks, question: Question, over: Range, where: str, refused: int) -> str:
    """Why there is no point at all, as far as further questions tell."""
    empty = f"--prometheus {where}: there is nothing from {over} for {question}"
    if refused:
        return f"{empty} but {refused} values that are no rate (NaN, infinite or negative): write another --query"
    if question.metric is None or question.pods is None:
        return (
            f"{empty}: try it in Prometheus' own graph, check that Prometheus keeps data for that long, and that each "
            "of its windows spans two scrapes or more"
        )
    labels, metric = question.labels, question.metric
    if _names(ask, f"count({metric}{{{question.pods.matchers(labels)}}})", over):
        return (
            f"{empty}: {metric} of these pods is there, but scraped less than twice in {over.step_seconds} s: write a "
            "longer --step, such as 5m"
        )
    within = f"{labels.namespace}={json.dumps(question.pods.namespace)}"
    if pods := _names(ask, f"count by ({labels.pod}) ({metric}{{{within}}})", over, labels.pod):
        return (
            f"{empty}: in namespace {question.pods.namespace} it is there for pods {_listed(pods)}: write --pods REGEX"
        )
    if namespaces := _names(ask, f"count by ({labels.namespace}) ({metric})", over, labels.namespace):
        return f"{empty}: the metric is there in namespace {_listed(namespaces)}: write --namespace, and --pods REGEX"
    return (
        f"{empty}: the metric {metric} is not there at all: check spec.metrics.preset, and that Prometheus keeps data "
        "for that long, or write your own --query"
    )


def _names(ask: Asks, query: str, over: Range, label: str = "") -> list[str]:
    """The values of a label in a coarse answer over the whole range; nothing where there is no answer."""
    step = max(int((over.end - over.start) / _PROBES), 1)
    try:
        series = ask(query, Span(start=over.start, end=over.end), step)
    except QueryFailed:
        return []
    return sorted({str(one.get("metric", {}).get(label, "")) for one in series})


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _advice(words: str) -> str:
    """What helps against some of Prometheus' own complaints."""
    if "too many samples" in words or "in time" in words or "timed out" in words:
        return ": write a longer --step, or a later --from"
    if "refused the connection" in words or "does not resolve" in words:
        return ": is it running, and can it be reached from here (kubectl port-forward)?"
    return ""


def _seconds(option: str, text: str) -> float:
    found = length(text)
    if found is None:
        raise ReplayError(f"{option} {text!r} is no length of time: write a number with s, m, h, d or w, as in 60s")
    return found


def _instant(option: str, text: str, now: float) -> float:
    """Unix seconds of `now`, `30d` or `30d ago`, unix seconds, or RFC 3339."""
    words = text.strip()
    if words == "now":
        return now
    if (ago := length(words.removesuffix("ago"))) is not None:
        return now - ago
    try:
        return _unix(words)
    except (ValueError, OverflowError):
        raise ReplayError(
            f"{option} {text!r} is no time: write 30d for thirty days ago, unix seconds, or a time with its zone as in "
            "2026-03-01T08:00:00Z"
        ) from None


def _unix(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) and len(text) > len("20260301"):
        if float(text) > LATEST:
            raise ValueError
        return float(text)
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError
    return found.timestamp()


def shown(at: float) -> str:
    """Unix seconds as RFC 3339."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
