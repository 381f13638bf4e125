"""The table of all policies, ours first: on a narrow page every row becomes a card.

The numbers are those of the dots in `frontier`. A cost is compared with ours and with the clairvoyant's only where the
objective was met.
"""

from collections.abc import Iterator, Mapping

from tightrope.replay.report.markup import Markup, element
from tightrope.replay.report.standing import Entrant, Standing
from tightrope.replay.report.words import difference, money
from tightrope.replay.table import duration, share

NOTHING = "–"
HEADINGS: Mapping[str, str] = {
    "No.": "its dot above",
    "Policy": "",
    "Within the SLO": "share of requests within the threshold",
    "Objective": "",
    "Cost": "of the nodes, over the whole replay",
    "Tightrope costs": "beside this policy",
    "/ clairvoyant": "its cost beside that of somebody who knows every arrival",
    "Below objective": "minutes with fewer good requests than the objective asks",
    "Longest": "the longest such stretch",
    "Worst hour": "",
    "Worst day": "",
    "Changes": "writes of replicas",
    "Switches": "changes of the set of variants that serve",
    "Dropped": "requests",
}


def table(standing: Standing) -> Markup:
    """Ours, then who met the objective by cost, then who missed it by attainment, then the clairvoyant."""
    peers = sorted(standing.peers, key=lambda peer: _place(peer))
    order = [standing.ours, *peers, *([standing.oracle] if standing.oracle else [])]
    heads = [element("th", {"scope": "col", "title": said or None}, name) for name, said in HEADINGS.items()]
    return element(
        "table",
        {"class": "scores"},
        element("thead", {}, element("tr", {}, *heads)),
        element("tbody", {}, *(_row(entrant, standing) for entrant in order)),
    )


def _place(peer: Entrant) -> tuple[bool, float]:
    score = peer.score
    return (not score.met, score.cost if score.met else -(score.attainment or 0.0))


def _row(entrant: Entrant, standing: Standing) -> Markup:
    cells = [_cell(name, said) for name, said in zip(HEADINGS, _cells(entrant, standing), strict=True)]
    kind = "ours" if entrant is standing.ours else ("met" if entrant.score.met else "missed")
    return element("tr", {"class": kind}, *cells)


def _cell(heading: str, said: str) -> Markup:
    """A cell that knows its heading, for the cards of a narrow page."""
    if heading == "Policy":
        return element("th", {"scope": "row"}, said)
    return element("td", {"data-label": heading, "class": "none" if said == NOTHING else None}, said)


def _cells(entrant: Entrant, standing: Standing) -> Iterator[str]:
    score, ours, bound = entrant.score, standing.ours.score, standing.bound
    comparable = score.met and ours.met and entrant is not standing.ours
    yield str(entrant.number)
    yield element("span", {}, entrant.name, element("small", {}, described(entrant)))
    yield share(score.attainment)
    yield "no requests" if score.attainment is None else ("met" if score.met else "MISSED")
    yield money(score)
    yield difference(ours, score).removesuffix(" than").removesuffix(" as") if comparable else NOTHING
    clairvoyant = bound.clairvoyant if bound is not None and bound.course.score.met else 0.0
    yield f"{score.cost / clairvoyant:.2f}" if score.met and clairvoyant > 0 else NOTHING
    yield duration(score.violation_seconds)
    yield duration(score.longest_violation_seconds)
    yield share(score.worst_hour)
    yield share(score.worst_day)
    yield f"{score.changes:,}"
    yield f"{score.switches:,}"
    yield f"{score.dropped:,}"


def described(entrant: Entrant) -> str:
    """What the policy is, and with which settings it ran."""
    score = entrant.score
    knobs = ", ".join(f"{name} {value:g}" for name, value in score.knobs.items())
    return "; ".join(part for part in (entrant.source, knobs) if part)
