"""A run as one picture: demand, ready replicas, latency and cost over the same time, with decisions and faults marked.

`drive` writes it at the end of a run. Colours are Okabe and Ito's (Color Universal Design, 2008), which colour-blind
readers can tell apart; line styles and labels say the same once more.
"""

import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from matplotlib.transforms import blended_transform_factory

from tightrope.lab import checks, report
from tightrope.lab.record import DecisionSeen, FaultSpan, Record, ServiceRecord

VARIANT_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
INK, SOFT, FAINT = "#1a1a1a", "#6b6b6b", "#d9d9d9"
OUTAGE, OUTAGE_INK, OUTAGE_TEXT = "#efe3bd", "#b5a66a", "#6b5a1e"
MAX_MARKS = 9
WRAP = 190
SMOOTH_SECONDS = 5

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ececec",
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.fancybox": False,
    "legend.fontsize": 8.5,
    "hatch.linewidth": 0.4,
}


def write(record: Record, path: Path) -> list[Path]:
    """Write one PNG per service: to `path`, with the service's name added when there are several."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for service in record.services:
        name = service.name.replace("/", "-")
        target = path if len(record.services) == 1 else path.with_name(f"{path.stem}-{name}{path.suffix}")
        with mpl.rc_context(STYLE):
            draw(record, service, target)
        written.append(target)
    return written


def draw(record: Record, service: ServiceRecord, path: Path) -> None:
    """The four panels of one service, with the marked decisions spelt out below."""
    marks = marked(service.decisions)
    lines = [textwrap.wrap(sentence(record, mark), WRAP)[:2] for mark in marks]
    footer = 0.25 + 0.19 * sum(len(line) for line in lines)
    height = 9.6 + footer
    figure = Figure(figsize=(11, height), facecolor="white")
    FigureCanvasAgg(figure)
    panels: Sequence[Axes] = figure.subplots(
        4, 1, sharex=True, gridspec_kw={"height_ratios": [1.25, 1.0, 1.0, 0.85], "hspace": 0.16}
    )
    figure.subplots_adjust(left=0.075, right=0.975, top=1 - 0.95 / height, bottom=(footer + 0.5) / height)
    for panel, paint in zip(panels, (_demand, _replicas, _latency, _cost), strict=True):
        paint(panel, record, service)
        panel.yaxis.set_label_coords(-0.052, 0.5)
        for number, fault in enumerate(each for each in record.faults if service.name in each.services):
            # Every other name stands higher, for faults that follow closely.
            _shade(panel, record, fault, height=0.04 + 0.08 * (number % 3) if panel is panels[0] else None)
        for mark in marks:
            panel.axvline(mark.at - record.started_at, color=SOFT, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1.5)
    _number(panels[0], record, marks)
    _time_axis(panels[-1], record)
    _title(figure, record, service, height)
    _spell_out(figure, lines, height, footer)
    figure.savefig(path, dpi=130)


def marked(decisions: Sequence[DecisionSeen]) -> list[DecisionSeen]:
    """The decisions that changed the plan; where they crowd, only those that changed its set of variants."""
    changing = [
        now
        for before, now in pairwise((None, *decisions))
        if now is not None and (now.plan != before.plan if before else not now.reason.startswith("Hold"))
    ]
    if len(changing) <= MAX_MARKS:
        return changing
    return [
        now
        for before, now in pairwise((None, *changing))
        if now is not None and (before is None or _set(before.plan) != _set(now.plan))
    ][:MAX_MARKS]


def _set(plan: str) -> frozenset[str]:
    """The variants in `cpu:4 gpu:0` that have replicas."""
    return frozenset(part.split(":")[0] for part in plan.split() if not part.endswith(":0"))


def sentence(record: Record, decision: DecisionSeen) -> str:
    return f"{_clock(decision.at - record.started_at)}  {decision.message}"


def _clock(seconds: float, _position: object = None) -> str:
    whole = max(round(seconds), 0)
    return f"{whole // 60}:{whole % 60:02d}"


def _demand(panel: Axes, record: Record, service: ServiceRecord) -> None:
    times = [second.at - record.started_at for second in service.seconds]
    arrivals = [second.arrivals for second in service.seconds]
    capacities = {facts.name: facts.capacity for facts in service.variants}
    carried = [checks.carried(second.serving, capacities) for second in service.seconds]
    panel.fill_between(times, carried, step="post", color="#e4eef5", linewidth=0, label="ready pods carry")
    panel.plot(times, arrivals, color=FAINT, linewidth=0.8)
    panel.plot(times, _smooth(arrivals), color=INK, linewidth=1.8, label=f"demand (mean of {SMOOTH_SECONDS} s)")
    covered = [(seen.at - record.started_at, seen.covered) for seen in service.decisions if seen.covered is not None]
    if covered and times:
        covered.append((times[-1], covered[-1][1]))
        panel.step(
            *zip(*covered, strict=True), where="post", color=SOFT, linewidth=1.1, linestyle="--", label="plan covers"
        )
    panel.set_ylabel("requests / s")
    panel.set_ylim(0, max([2.2 * max(_smooth(arrivals), default=1.0), 1.0]))
    panel.legend(loc="upper left", ncols=3, borderaxespad=0.2)


def _smooth(values: Sequence[float]) -> list[float]:
    return [
        sum(values[max(0, i - SMOOTH_SECONDS + 1) : i + 1]) / len(values[max(0, i - SMOOTH_SECONDS + 1) : i + 1])
        for i in range(len(values))
    ]


def _replicas(panel: Axes, record: Record, service: ServiceRecord) -> None:
    times = [sample.at - record.started_at for sample in service.samples]
    most = 1
    for index, facts in enumerate(service.variants):
        colour = VARIANT_COLOURS[index % len(VARIANT_COLOURS)]
        counts = [sample.variants.get(facts.name) for sample in service.samples]
        ready = [count.ready if count else 0 for count in counts]
        wanted = [(count.wanted or 0) if count else 0 for count in counts]
        most = max([most, *ready, *wanted])
        panel.fill_between(times, ready, step="post", color=colour, alpha=0.16, linewidth=0)
        panel.step(times, ready, where="post", color=colour, linewidth=2.2, label=f"{facts.name} ready ({facts.pool})")
        panel.step(
            times, wanted, where="post", color=colour, linewidth=1.0, linestyle=":", label=f"{facts.name} wanted"
        )
    panel.set_ylabel("replicas")
    panel.set_ylim(0, most * 1.35)
    panel.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    panel.legend(loc="upper left", ncols=4, borderaxespad=0.2)


def _latency(panel: Axes, record: Record, service: ServiceRecord) -> None:
    threshold = service.threshold_seconds * 1000
    rows = [(s.at - record.started_at, s.p50 * 1000, s.p99 * 1000) for s in service.seconds if s.p50 and s.p99]
    times, p50, p99 = [[row[column] for row in rows] for column in range(3)]
    top = max(1.5 * threshold, min(1.15 * max(p99, default=0.0), 3 * threshold))
    panel.axhline(threshold, color=INK, linewidth=1.1, linestyle="--")
    edge = blended_transform_factory(panel.transAxes, panel.transData)
    panel.text(0.998, threshold, f"threshold {threshold:.0f} ms", transform=edge, ha="right", va="bottom", fontsize=8.5)
    panel.plot(times, p99, color="#7B3294", linewidth=1.3, label="p99 of each second")
    panel.plot(times, p50, color="#7B3294", linewidth=1.3, linestyle=(0, (4, 1.5)), alpha=0.55, label="median")
    over = [(time, top * 0.985) for time, value in zip(times, p99, strict=True) if value > top]
    if over:
        panel.plot(
            *zip(*over, strict=True), linestyle="", marker="^", color="#7B3294", markersize=5, label="higher still"
        )
    panel.set_ylim(0, top)
    panel.set_ylabel("latency, ms")
    panel.legend(loc="upper left", ncols=3, borderaxespad=0.2)


def _cost(panel: Axes, record: Record, service: ServiceRecord) -> None:
    times = [sample.at - record.started_at for sample in service.samples]
    cost = [sample.cost_per_hour for sample in service.samples]
    numbers = report.figures(service)
    panel.fill_between(times, cost, step="post", color="#009E73", alpha=0.18, linewidth=0)
    label = f"nodes in use, {numbers.cost_per_hour:.2f} {service.currency}/h on average"
    panel.step(times, cost, where="post", color="#009E73", linewidth=2.0, label=label)
    top = max(cost, default=1.0)
    if numbers.fixed is not None:
        fleet = numbers.fixed
        money = f"{fleet.cost_per_hour:.2f} {service.currency}/h"
        label = f"fleet fixed at what the peak needs ({fleet.variant} x {fleet.replicas}), {money}"
        panel.axhline(fleet.cost_per_hour, color=INK, linewidth=1.1, linestyle="--", label=label)
        top = max(top, fleet.cost_per_hour)
    panel.set_ylim(0, max(top * 1.4, 0.01))
    panel.set_ylabel(f"{service.currency} / h")
    panel.legend(loc="upper left", ncols=2, borderaxespad=0.2)


def _shade(panel: Axes, record: Record, fault: FaultSpan, *, height: float | None) -> None:
    """A fault that lasts as a hatched stretch, one of an instant as a line; named at this height of the panel."""
    start = fault.start - record.started_at
    end = record.duration_seconds if fault.end is None else fault.end - record.started_at
    lasts = fault.blinding or end - start > record.duration_seconds / 100
    if lasts:
        panel.axvspan(
            start, end, facecolor=OUTAGE, edgecolor=OUTAGE_INK, hatch="///", linewidth=0, alpha=0.5, zorder=1.2
        )
    else:
        panel.axvline(start, color=OUTAGE_INK, linewidth=1.6, linestyle="-.", zorder=1.2)
    if height is not None:
        edge = blended_transform_factory(panel.transData, panel.transAxes)
        text, at = (f"{fault.label}, {end - start:.0f} s", (start + end) / 2) if lasts else (fault.label, start)
        panel.text(at, height, text, transform=edge, ha="center", va="bottom", fontsize=8.5, color=OUTAGE_TEXT)


def _number(panel: Axes, record: Record, marks: Sequence[DecisionSeen]) -> None:
    """Numbered marks above the first panel, pushed apart where two decisions stand close together."""
    edge = blended_transform_factory(panel.transData, panel.transAxes)
    gap, last = record.duration_seconds * 0.022, float("-inf")
    for number, mark in enumerate(marks, start=1):
        last = max(mark.at - record.started_at, last + gap)
        panel.text(
            last,
            1.05,
            str(number),
            transform=edge,
            ha="center",
            va="center",
            fontsize=8,
            color="white",
            bbox={"boxstyle": "circle,pad=0.28", "facecolor": INK, "edgecolor": "none"},
        )


def _time_axis(panel: Axes, record: Record) -> None:
    step = next((step for step in (10, 30, 60, 300, 600, 1800) if record.duration_seconds / step <= 12), 3600)
    panel.xaxis.set_major_locator(MultipleLocator(step))
    panel.xaxis.set_major_formatter(FuncFormatter(_clock))
    panel.set_xlim(0, record.duration_seconds)
    panel.set_xlabel("minutes : seconds")


def _title(figure: Figure, record: Record, service: ServiceRecord, height: float) -> None:
    numbers = report.figures(service)
    held = numbers.attainment is not None and numbers.attainment * 100 >= service.percent
    headline = f"{service.name}: the SLO was {'held' if held else 'missed'}"
    figure.text(0.075, 1 - 0.32 / height, headline, fontsize=14, weight="bold")
    facts = (
        f"{checks.shown(numbers.attainment)} of {numbers.requests:,} requests within "
        f"{service.threshold_seconds * 1000:.0f} ms (objective {service.percent:g}%),  "
        f"switches: {numbers.switches},  replica writes: {numbers.replica_writes}"
    )
    if numbers.fixed is not None:
        cheaper = report.against(numbers.cost_per_hour, numbers.fixed)
        facts += f",  {cheaper} than a fleet fixed at what the peak needs"
    figure.text(0.075, 1 - 0.56 / height, facts, fontsize=9.5, color=SOFT)


def _spell_out(figure: Figure, lines: Sequence[Sequence[str]], height: float, footer: float) -> None:
    y = footer - 0.12
    for number, wrapped in enumerate(lines, start=1):
        figure.text(0.03, y / height, str(number), fontsize=8, weight="bold", va="top", ha="right", color=INK)
        figure.text(0.037, y / height, "\n".join(wrapped), fontsize=8, va="top", color=INK, linespacing=1.3)
        y -= 0.19 * len(wrapped)
