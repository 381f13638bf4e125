"""Cost against attainment: every policy as a numbered dot, further right and higher up is dearer and better.

A dot above the objective's line met it; of those, the leftmost is the cheapest. Small dots are other settings of the
same policies. The lower limits are lines that no schedule can be left of.
"""

import math
from collections.abc import Iterator, Sequence

from tightrope.replay.report.axes import CostScale, NinesScale
from tightrope.replay.report.markup import Markup, Value, element
from tightrope.replay.report.panels import style
from tightrope.replay.report.standing import Entrant, Standing
from tightrope.replay.report.words import amount, money
from tightrope.replay.score import Score
from tightrope.replay.table import share

HEIGHT, FOOT, LEFT = 300, 36, 52
NEAR_SHARE, NEAR_PIXELS = 0.012, 8  # dots closer than this hide each other
OTHERS_WITHIN = 1.5  # times the dearest numbered dot: other settings further out would press the rest together


def frontier(standing: Standing) -> Markup:
    """The picture, with its own legend."""
    scored = [entrant for entrant in standing.entrants if entrant.score.attainment is not None]
    limits = [] if standing.bound is None else [standing.bound.relaxed]
    dearest = max((entrant.score.cost for entrant in scored), default=0.0)
    others = [course.score for course in standing.others if course.score.attainment is not None]
    others = [score for score in others if score.cost <= OTHERS_WITHIN * dearest]
    costs = CostScale.over([*(score.cost for score in others), *(entrant.score.cost for entrant in scored), *limits])
    reached = [score.attainment or 0.0 for score in (*(entrant.score for entrant in scored), *others)]
    nines = NinesScale.over(reached, standing.ours.score.objective)
    plot = element(
        "svg",
        {"class": "frontier", "width": "100%", "height": HEIGHT + FOOT, "role": "img",
         "aria-label": "Cost against attainment of every policy; the table below has the figures."},
        *_axes(costs, nines, standing.ours.score.currency),
        *_objective(standing, nines),
        *_limits(standing, costs),
        *(_small(score, costs, nines) for score in others),
        *(_numbered(together, standing, costs, nines) for together in reversed(_clusters(scored, costs, nines))),
    )  # fmt: skip
    labels = [
        element("text", {"x": LEFT - 6, "y": HEIGHT * (1 - tick.at) + 4, "class": "label end"}, tick.label)
        for tick in nines.ticks()
    ]
    left = element("svg", {"class": "amounts", "width": LEFT, "height": HEIGHT, "aria-hidden": "true"}, *labels)
    return element("div", {"class": "frame"}, left, plot)


def _axes(costs: CostScale, nines: NinesScale, currency: str) -> Iterator[Markup]:
    for tick in nines.ticks():
        y = HEIGHT * (1 - tick.at)
        yield element("line", {"x1": 0, "x2": "100%", "y1": y, "y2": y, "class": "grid"})
    for tick in costs.ticks():
        x = f"{tick.at:.2%}"
        yield element("line", {"x1": x, "x2": x, "y1": 0, "y2": HEIGHT, "class": "grid"})
        anchor = "start" if tick.at < 0.02 else ("end" if tick.at > 0.97 else "middle")
        yield element("text", {"x": x, "y": HEIGHT + 15, "class": f"label {anchor}"}, tick.label)
    scale = f"cost in {currency}{', logarithmic' if costs.logarithmic else ''}"
    yield element("text", {"x": "100%", "y": HEIGHT + 31, "class": "label end"}, scale)


def _objective(standing: Standing, nines: NinesScale) -> Iterator[Markup]:
    objective = standing.ours.score.objective
    y = HEIGHT * (1 - nines.place(objective))
    yield element("rect", {"x": 0, "y": y, "width": "100%", "height": HEIGHT - y, "class": "missed"})
    yield element("line", {"x1": 0, "x2": "100%", "y1": y, "y2": y, "class": "mark"})
    words = f"objective {objective * 100:g}%: dots below it missed"
    yield element("text", {"x": "100%", "y": y + 14, "class": "label end"}, words)


def _limits(standing: Standing, costs: CostScale) -> Iterator[Markup]:
    if standing.bound is None:
        return
    x = f"{costs.place(standing.bound.relaxed):.2%}"
    yield element("line", {"x1": x, "x2": x, "y1": 0, "y2": HEIGHT, "class": "limit"},
                  element("title", {}, f"lower limit {standing.bound.relaxed:,.2f}"))  # fmt: skip
    yield element("text", {"x": x, "dx": 4, "y": HEIGHT - 6, "class": "label"}, "lower limit")


def _small(score: Score, costs: CostScale, nines: NinesScale) -> Markup:
    x, y = f"{costs.place(score.cost):.2%}", HEIGHT * (1 - nines.place(score.attainment or 0.0))
    said = f"{score.title}, other settings: {share(score.attainment)} for {money(score)}"
    return element("circle", {"cx": x, "cy": y, "r": 2.5, "class": "small"}, element("title", {}, said))


def _clusters(entrants: Sequence[Entrant], costs: CostScale, nines: NinesScale) -> list[list[Entrant]]:
    """Those whose dots would hide each other, in the order of their numbers; never one that met the objective with one
    that missed it."""
    found: list[list[Entrant]] = []
    for entrant in entrants:
        x, y = _place(entrant, costs, nines)
        for together in found:
            at, same = _place(together[0], costs, nines), together[0].score.met == entrant.score.met
            if same and abs(at[0] - x) < NEAR_SHARE and abs(at[1] - y) < NEAR_PIXELS:
                together.append(entrant)
                break
        else:
            found.append([entrant])
    return found


def _place(entrant: Entrant, costs: CostScale, nines: NinesScale) -> tuple[float, float]:
    """The share of the width from the left, and pixels from the top."""
    return costs.place(entrant.score.cost), HEIGHT * (1 - nines.place(entrant.score.attainment or 0.0))


def _numbered(together: Sequence[Entrant], standing: Standing, costs: CostScale, nines: NinesScale) -> Markup:
    """One dot with the number of the first, and the numbers of those that lie under it."""
    left, y = _place(together[0], costs, nines)
    x = f"{left:.2%}"
    said = "; ".join(f"{one.name}: {share(one.score.attainment)} for {money(one.score)}" for one in together)
    parts = [
        element("circle", {"cx": x, "cy": y, "r": 9}),
        element("text", {"x": x, "y": y + 3.5, "class": "number"}, str(together[0].number)),
    ]
    if len(together) > 1:
        side: dict[str, Value] = {"dx": 13, "class": "label"} if left < 0.6 else {"dx": -13, "class": "label end"}
        numbers = ", ".join(str(one.number) for one in together[1:])
        parts.append(element("text", {"x": x, "y": y + 4, **side}, f"and {numbers}"))
    return element("g", {"class": f"dot {style(together[0], standing)}"}, *parts, element("title", {}, said))


def limits_in_words(standing: Standing) -> str:
    """What the two lower limits mean; empty without them."""
    bound = standing.bound
    if bound is None:
        return ""
    currency = standing.ours.score.currency
    found = (
        f"The clairvoyant is the best schedule found for somebody who knows every arrival: "
        f"{amount(bound.clairvoyant, currency)}. No schedule that changes by the minute can meet the objective for "
        f"less than {amount(bound.relaxed, currency)} (the line): the best there is lies between the two."
    )
    if math.isnan(bound.unreachable):
        return found
    cost = amount(bound.unreachable, currency)
    return f"{found} Without any start-up time, and never over capacity, it would be {cost}."
