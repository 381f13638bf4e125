"""Courses over time as SVG: drawn in steps, as wide as the page, legible without scripts.

Lines are drawn in a box of their own, in timeline steps across and thousandths down, that stretches with the page;
words and grid stand outside it and keep their size. What is not a number is not drawn. `script.js` adds a crosshair to
every element of class `plot`, from the readings that `readings` gives.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tightrope.dataplane.outcomes import Floats
from tightrope.replay.report.axes import Tick, TimeAxis
from tightrope.replay.report.markup import Markup, Value, element, joined

HEIGHT = 150  # of the plot, in CSS pixels
FOOT = 20  # for the labels of the time axis
DOWN = 1000  # thousandths of the height
NARROWEST_NAMED_GAP = 0.07  # narrower ones are shaded without a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One value a timeline step, NaN where there is none. `style` are CSS classes; `entrant` is whose it is, None for
    everybody's; `filled` shades what lies under it."""

    name: str
    values: Floats
    style: str
    entrant: int | None = None
    filled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A picture over time. `mark` is a level with its name that is drawn across; `absent` is said where a line has no
    value outside the gaps; `entrant` is whose chart this is, None if it holds several."""

    key: str
    title: str
    remark: str
    unit: str
    lines: Sequence[Line]
    low: float
    high: float
    ticks: Sequence[Tick]
    mark: tuple[float, str] | None = None
    absent: str = "unknown"
    entrant: int | None = None
    keys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all charts share: the time axis, how many timeline steps it is long, the stretches that nobody knows in
    seconds, and which entrants are shown first."""

    axis: TimeAxis
    steps: float
    gaps: Sequence[tuple[float, float]]
    shown: frozenset[int]

    def off(self, entrant: int | None) -> str:
        """The class that hides what is not shown first."""
        return "" if entrant is None or entrant in self.shown else " off"


def figure(chart: Chart, frame: Frame) -> Markup:
    """The chart with its heading, its key and its axes."""
    return element(
        "figure",
        {"class": f"chart{frame.off(chart.entrant)}", "data-entrant": chart.entrant},
        element(
            "figcaption",
            {},
            element("b", {}, chart.title),
            element("span", {"class": "remark"}, f" {chart.remark}"),
            *(_key(line) for line in chart.lines if chart.keys),
        ),
        element("div", {"class": "frame"}, _amounts(chart), _plot(chart, frame)),
        element("output", {"class": "reading", "data-for": chart.key}),
    )


def readings(chart: Chart) -> dict[str, object]:
    """What the crosshair reads out: of each line its name, whose it is (ours first), and its values to four digits."""
    lines = [
        {"name": line.name, "entrant": line.entrant, "values": [digits(value) for value in line.values.tolist()]}
        for line in sorted(chart.lines, key=lambda line: line.entrant or 0)
    ]
    return {"unit": chart.unit, "absent": chart.absent, "lines": lines}


def digits(value: float) -> float | int | None:
    """Four significant digits, as short as they can be written; None for what is no number."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.4g}")
    return int(short) if short == int(short) else short


def _key(line: Line) -> Markup:
    sample = element("svg", {"width": 22, "height": 10, "aria-hidden": "true"},
                     element("path", {"d": "M0 5h22", "class": f"line {line.style}"}))  # fmt: skip
    return element("span", {"class": "key"}, sample, line.name)


def _amounts(chart: Chart) -> Markup:
    """The labels left of the plot."""
    labels = [
        element("text", {"x": 40, "y": HEIGHT * (1 - tick.at) + 4, "class": "label end"}, tick.label)
        for tick in chart.ticks
    ]
    return element("svg", {"class": "amounts", "width": 44, "height": HEIGHT + FOOT, "aria-hidden": "true"}, *labels)


def _plot(chart: Chart, frame: Frame) -> Markup:
    described = f"{chart.title}, {chart.unit}. {chart.remark} {spoken(chart)}"
    box: dict[str, Value] = {
        "width": "100%", "height": HEIGHT, "viewBox": f"0 0 {frame.steps:.6g} {DOWN}", "preserveAspectRatio": "none",
        "class": "lines",
    }  # fmt: skip
    return element(
        "svg",
        {"class": "plot", "height": HEIGHT + FOOT, "width": "100%", "role": "img", "tabindex": 0,
         "aria-label": described, "data-chart": chart.key},
        *_grid(chart),
        *_gaps(frame),
        element("svg", box, *(_line(line, chart, frame) for line in chart.lines)),
        *_mark(chart),
        *_times(frame),
        element("line", {"class": "cross", "x1": 0, "x2": 0, "y1": 0, "y2": HEIGHT}),
    )  # fmt: skip


def spoken(chart: Chart) -> str:
    """The chart for those who hear it: the range of every line."""
    said = []
    for line in chart.lines:
        known = line.values[np.isfinite(line.values)]
        if len(known):
            said.append(f"{line.name}: {known.min():.3g} to {known.max():.3g}")
    return "; ".join(said)


def _grid(chart: Chart) -> list[Markup]:
    return [
        element("line", {"x1": 0, "x2": "100%", "y1": y, "y2": y, "class": "grid"})
        for y in (HEIGHT * (1 - tick.at) for tick in chart.ticks)
    ]


def _gaps(frame: Frame) -> list[Markup]:
    found = []
    for start, end in frame.gaps:
        left, width = start / frame.axis.seconds, (end - start) / frame.axis.seconds
        place: dict[str, Value] = {
            "x": f"{left:.3%}",
            "y": 0,
            "width": f"{width:.3%}",
            "height": HEIGHT,
            "class": "gap",
        }
        found.append(element("rect", place, element("title", {}, "unknown: nothing was recorded here")))
        if width >= NARROWEST_NAMED_GAP:
            found.append(element("text", {"x": f"{left + width / 2:.3%}", "y": 13, "class": "label middle"}, "unknown"))
    return found


def _mark(chart: Chart) -> list[Markup]:
    if chart.mark is None:
        return []
    level, name = chart.mark
    y = HEIGHT * (1 - (level - chart.low) / (chart.high - chart.low))
    return [
        element("line", {"x1": 0, "x2": "100%", "y1": y, "y2": y, "class": "mark"}),
        element("text", {"x": "100%", "y": y - 4, "class": "label end"}, name),
    ]


def _times(frame: Frame) -> list[Markup]:
    """The labels under the plot; those at its very edges lean inwards."""
    found = []
    for tick in frame.axis.ticks():
        anchor = "start" if tick.at < 0.02 else ("end" if tick.at > 0.98 else "middle")
        place: dict[str, Value] = {
            "x": f"{tick.at:.3%}",
            "y": HEIGHT + 15,
            "class": f"label {anchor}{' minor' if tick.minor else ''}",
        }
        found.append(element("text", place, tick.label))
    return found


def _line(line: Line, chart: Chart, frame: Frame) -> Markup:
    """The line, and where it leaves the chart, a bar at that edge."""
    off = frame.off(line.entrant)
    levels = (line.values - chart.low) / (chart.high - chart.low)
    shape = stairs(levels, frame.steps)
    whose: dict[str, Value] = {"data-entrant": line.entrant} if line.entrant is not None else {}
    parts = [element("path", {"d": shape, "class": f"line {line.style}{off}", **whose})]
    if line.filled:
        parts.insert(0, element("path", {"d": under(shape), "class": f"area {line.style}{off}", **whose}))
    outside = [(levels > 1.0, 0), (levels < 0.0, DOWN)]
    for beyond, edge in outside:
        if beyond.any():
            bar = stairs(np.where(beyond, 1.0 - edge / DOWN, math.nan), frame.steps)
            parts.append(element("path", {"d": bar, "class": f"beyond {line.style}{off}", **whose}))
    return joined(*parts)


def stairs(levels: Floats, steps: float) -> str:
    """A path through one level (0 at the bottom, 1 at the top, clipped there) a step; broken where there is none. The
    last step may be shorter than the others: `steps` is where it ends."""
    heights = [None if math.isnan(one) else round(DOWN * (1 - min(max(one, 0.0), 1.0))) for one in levels.tolist()]
    path: list[str] = []
    current: int | None = None
    for place, height in enumerate([*heights, None]):
        if height == current:
            continue
        if current is not None:
            path.append(f"H{min(place, steps):.6g}")
        if height is not None:
            path.append(f"M{place} {height}" if current is None else f"V{height}")
        current = height
    return "".join(path)


def under(path: str) -> str:
    """The area between a path of stairs and the bottom."""
    pieces = [piece for piece in path.split("M") if piece]
    closed = []
    for piece in pieces:
        left, _, rest = piece.partition(" ")
        closed.append(f"M{left} {DOWN}V{rest}V{DOWN}Z")
    return "".join(closed)
