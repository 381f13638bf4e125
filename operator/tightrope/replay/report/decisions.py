"""Our decisions, hour by hour: each opens for its sentence and the plans it beat. Thousands of them stay on the page.

Plain `details` elements, so that they open without scripts; `script.js` opens the one in force at a point of a chart.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise

from tightrope.replay.report.axes import DAY, HOUR, TimeAxis
from tightrope.replay.report.markup import Markup, element
from tightrope.replay.score import Beaten, Step

Change = tuple[Mapping[str, int] | None, Step]  # replicas before, and the step
MANY_DAYS = 2 * DAY  # longer replays are folded by days first


def decisions(steps: Sequence[Step], axis: TimeAxis, currency: str) -> Markup:
    """All steps, folded by hour, and by day where they are many."""
    if not steps:
        return element("p", {}, "Tightrope changed nothing: what it began with was right to the end.")
    changes = _changes(steps)
    if axis.seconds <= MANY_DAYS:
        return element("div", {"class": "decisions"}, *_hours(changes, axis, currency))
    days = [
        _folded(name, changed, "day", list(_hours(changed, axis, currency)))
        for name, changed in _grouped(changes, axis, DAY)
    ]
    return element("div", {"class": "decisions"}, *days)


def _changes(steps: Sequence[Step]) -> list[Change]:
    return [(None, steps[0]), *((before.replicas, now) for before, now in pairwise(steps))]


def _grouped(changes: Sequence[Change], axis: TimeAxis, span: int) -> Iterator[tuple[str, list[Change]]]:
    for (_, name), changed in groupby(changes, key=lambda change: axis.stretch(change[1].at, span)):
        yield name, list(changed)


def _hours(changes: Sequence[Change], axis: TimeAxis, currency: str) -> Iterator[Markup]:
    for name, changed in _grouped(changes, axis, HOUR):
        yield _folded(name, changed, "hour", [_decision(before, step, axis, currency) for before, step in changed])


def _folded(name: str, changed: Sequence[Change], kind: str, inside: Sequence[Markup]) -> Markup:
    """One stretch of time with what happened in it, closed."""
    count = f"{len(changed)} decision{'s' if len(changed) > 1 else ''}"
    summary = element("summary", {}, element("b", {}, name), element("span", {}, f"{count} · {_range(changed)}"))
    return element("details", {"class": kind}, summary, *inside)


def _range(changed: Sequence[Change]) -> str:
    """`cpu 2 to 7, gpu 0`: how many replicas the decisions of a stretch asked for."""
    said = []
    for name in changed[0][1].replicas:
        counts = [step.replicas[name] for _, step in changed]
        low, high = min(counts), max(counts)
        said.append(f"{name} {low}" if low == high else f"{name} {low} to {high}")
    return ", ".join(said)


def _decision(before: Mapping[str, int] | None, step: Step, axis: TimeAxis, currency: str) -> Markup:
    summary = element(
        "summary",
        {},
        element("time", {}, axis.clock(step.at)),
        element("b", {}, change(before, step.replicas)),
        *([element("i", {}, in_words(step.reason))] if step.reason else []),
    )
    sentence = step.sentence or "This policy does not explain itself."
    beaten = [element("li", {}, _beaten(one, currency)) for one in step.beaten]
    return element(
        "details",
        {"data-at": f"{step.at:g}"},
        summary,
        element("p", {}, sentence),
        *([element("ul", {}, *beaten)] if beaten else []),
    )


def _beaten(plan: Beaten, currency: str) -> str:
    return f"beat {plan.plan} at {plan.cost_per_hour:.2f} {currency}/h: {plan.why_not}"


def change(before: Mapping[str, int] | None, after: Mapping[str, int]) -> str:
    """`cpu 2 → 3, gpu 0`."""
    said = []
    for name, count in after.items():
        was = count if before is None else before.get(name, count)
        said.append(f"{name} {count}" if was == count else f"{name} {was} → {count}")
    return ", ".join(said)


def in_words(reason: str) -> str:
    """`DemandRose` as `Demand rose`, `SLOAtRisk` as `SLO at risk`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z0-9]+", reason)
    said = " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words)
    return said[:1].upper() + said[1:]
