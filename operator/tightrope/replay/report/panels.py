"""Which charts the page shows: demand, ready replicas, latency, error budget, cost by the hour and cost so far.

Demand is everybody's. Replicas and latency have a chart for each entrant; budget and cost have one line for each.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from tightrope.dataplane.outcomes import Floats
from tightrope.domain.spec import Metric
from tightrope.replay.report.axes import amount_ticks
from tightrope.replay.report.charts import Chart, Line
from tightrope.replay.report.standing import Entrant, Standing
from tightrope.replay.report.words import length, milliseconds
from tightrope.replay.run import Case
from tightrope.replay.score import Timeline

MOSTLY_UNKNOWN = 0.01  # a step with less of it known says nothing
HEADROOM = 1.08
LATENCY_TOP = 3.0  # thresholds; what is slower is a bar at the top
COST_TOP = 3.0  # times the dearest hour of those shown first
COLOURS = 7
CHARTED = {Metric.LATENCY: "latency", Metric.TTFT: "time to the first token", Metric.ITL: "gaps between tokens"}


def charts(case: Case, standing: Standing) -> Iterator[list[Chart]]:
    """Groups of charts, one heading each."""
    known = known_share(case, standing.ours.course.timeline)
    yield [demand_chart(case, standing.ours.course.timeline, known)]
    yield [ready_chart(case, entrant, known) for entrant in standing.entrants]
    yield [latency_chart(case, entrant) for entrant in standing.entrants]
    yield [budget_chart(standing)]
    yield [cost_chart(case, standing, known), spent_chart(case, standing, known)]


def known_share(case: Case, timeline: Timeline) -> Floats:
    """The share (0..1) of each timeline step in which demand is known; NaN where there is next to nothing."""
    steps = np.arange(len(timeline.demand) + 1) * timeline.step_seconds
    share = case.demand.known_share(np.minimum(steps, case.demand.duration_seconds))
    return np.where(share < MOSTLY_UNKNOWN, math.nan, share)


def style(entrant: Entrant, standing: Standing) -> str:
    """Ours stands out; the others differ by colour, and by dashes where the colours come round again."""
    if entrant is standing.ours:
        return "ours"
    if entrant is standing.oracle:
        return "oracle"
    place = entrant.number - 2
    return f"c{place % COLOURS} d{place // COLOURS % 3}"


def demand_chart(case: Case, timeline: Timeline, known: Floats) -> Chart:
    rates = timeline.demand / known
    high = top(rates)
    step = length(timeline.step_seconds)
    return Chart(
        key="demand",
        title="Demand",
        remark=f"requests per second, mean of every {step}",
        unit="requests/s",
        lines=[Line(name="demand", values=rates, style="ours", filled=True)],
        low=0.0,
        high=high,
        ticks=amount_ticks(0.0, high),
    )


def ready_chart(case: Case, entrant: Entrant, known: Floats) -> Chart:
    timeline = entrant.course.timeline
    here = np.where(np.isnan(known), math.nan, 1.0)
    lines = []
    for place, variant in enumerate(case.service.variants):
        if variant.name not in entrant.score.variants:
            continue
        colour = f"v{place % COLOURS}"
        lines.append(Line(name=f"{variant.name} ready", values=timeline.ready[variant.name] * here, style=colour))
        wanted = timeline.wanted[variant.name] * here
        lines.append(Line(name=f"{variant.name} wanted", values=wanted, style=f"{colour} wanted"))
    high = top(*(line.values for line in lines))
    return Chart(
        key=f"ready-{entrant.number}",
        title=entrant.name,
        remark="replicas by variant",
        unit="replicas",
        lines=lines,
        low=0.0,
        high=high,
        ticks=amount_ticks(0.0, high, whole=True),
        entrant=entrant.number,
        keys=True,
    )


def latency_chart(case: Case, entrant: Entrant) -> Chart:
    timeline, threshold = entrant.course.timeline, case.service.objective.threshold_seconds
    quantiles = {"p99": timeline.p99, "p95": timeline.p95, "median": timeline.p50}
    slowest = top(timeline.p99)
    high = max(1.5 * threshold, min(slowest, LATENCY_TOP * threshold))
    beyond = ", a bar at the top where it is higher still" if slowest / HEADROOM > high else ""
    return Chart(
        key=f"latency-{entrant.number}",
        title=entrant.name,
        remark=f"{CHARTED[case.service.objective.metric]} in ms{beyond}",
        unit="ms",
        lines=[Line(name=name, values=values * 1000, style=f"quantile {name}") for name, values in quantiles.items()],
        low=0.0,
        high=high * 1000,
        ticks=amount_ticks(0.0, high * 1000),
        mark=(threshold * 1000, f"threshold {milliseconds(threshold)}"),
        absent="nothing answered",
        entrant=entrant.number,
        keys=True,
    )


def budget_chart(standing: Standing) -> Chart:
    lines = each(standing, lambda entrant: entrant.course.timeline.budget_left * 100)
    lowest = {line.entrant: float(np.nanmin(line.values, initial=0.0)) for line in lines}
    low = max(-100.0, HEADROOM * min(lowest[number] for number in standing.shown_first))
    beyond = "; a bar at the bottom where it is overspent further" if min(lowest.values()) < low else ""
    return Chart(
        key="budget",
        title="Error budget left",
        remark=f"in % of the misses that the objective allows over the whole replay{beyond}",
        unit="%",
        lines=lines,
        low=low,
        high=100.0,
        ticks=amount_ticks(low, 100.0),
        mark=(0.0, "spent") if low < 0 else None,
    )


def cost_chart(case: Case, standing: Standing, known: Floats) -> Chart:
    here = np.where(np.isnan(known), math.nan, 1.0)
    lines = each(standing, lambda entrant: entrant.course.timeline.cost_per_hour * here)
    shown = [line.values for line in lines if line.entrant in standing.shown_first]
    everybody = top(*(line.values for line in lines))
    high = min(everybody, COST_TOP * top(*shown))
    beyond = "; a bar at the top where it is more" if everybody > high else ""
    return Chart(
        key="cost",
        title="Cost by the hour",
        remark=f"{standing.ours.score.currency} per hour for the nodes{beyond}",
        unit=f"{standing.ours.score.currency}/h",
        lines=lines,
        low=0.0,
        high=high,
        ticks=amount_ticks(0.0, high),
    )


def spent_chart(case: Case, standing: Standing, known: Floats) -> Chart:
    lines = each(standing, lambda entrant: spent(case, entrant.course.timeline, known))
    shown = [line.values for line in lines if line.entrant in standing.shown_first]
    high = min(top(*(line.values for line in lines)), COST_TOP * top(*shown))
    bills = {entrant.number: entrant.score.cost for entrant in standing.entrants}
    differs = any(
        abs(float(line.values[-1]) - bills[line.entrant or 0]) > 0.01 * bills[line.entrant or 0] for line in lines
    )
    billing = "; the bill comes to more, since nodes are billed for a minimum" if differs else ""
    return Chart(
        key="spent",
        title="Cost so far",
        remark=f"{standing.ours.score.currency} for the nodes' time{billing}",
        unit=standing.ours.score.currency,
        lines=lines,
        low=0.0,
        high=high,
        ticks=amount_ticks(0.0, high),
    )


def spent(case: Case, timeline: Timeline, known: Floats) -> Floats:
    """What the nodes' time has cost by the end of each step, in currency; unknown time costs nothing."""
    ends = np.minimum(np.arange(1, len(known) + 1) * timeline.step_seconds, case.demand.duration_seconds)
    hours = np.diff(ends, prepend=0.0) / 3600.0 * np.nan_to_num(known)
    found: Floats = np.cumsum(timeline.cost_per_hour * hours)
    return found


def each(standing: Standing, values: Callable[[Entrant], Floats]) -> list[Line]:
    """One line for each entrant, ours last: on top of the others."""
    ordered = [*standing.entrants[1:], standing.ours]
    return [Line(name=one.name, values=values(one), style=style(one, standing), entrant=one.number) for one in ordered]


def top(*lines: Floats) -> float:
    """The highest value of all lines with some room above it; 1 where there is none above zero."""
    highest = max((float(np.nanmax(line, initial=0.0)) for line in lines), default=0.0)
    return highest * HEADROOM if highest > 0 else 1.0
