"""`tightrope top`: all services at a glance, the dearest first. Read from their statuses alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from tightrope.api.figures import money_text, parse_number
from tightrope.cli.cluster import connected
from tightrope.cli.explain import Document, budget, colour, document, switched
from tightrope.cli.output import DOUBTFUL, GOOD, columns, text
from tightrope.cli.where import Where

_HEADINGS = ("NAME", "MODE", "SLO", "ATTAINED", "BUDGET LEFT", "COVERS", "READY", "PLAN", "COST/H", "STATE")
_WOULD_SAVE = "WOULD SAVE/H"


async def top(where: Where, *, everywhere: bool, selector: str | None) -> tuple[list[Document], str]:
    """The documents of the services, the dearest first, and where they were looked for. Raises Failure."""
    async with connected(where) as cluster:
        found = await cluster.services(everywhere=everywhere, selector=selector)
        looked_in = "any namespace" if everywhere else f"namespace {cluster.namespace}"
    return sorted((overview(wire) for wire in found), key=dearest_first), looked_in


def overview(wire: Mapping[str, Any]) -> Document:
    """One service, without what `explain` is for."""
    whole = document(wire)
    decision = whole.pop("decision", {})
    ready = next((one for one in whole.pop("conditions") if one["type"] == "Ready"), None)
    for part in ("variants", "history"):
        del whole[part]
    if "coveredDemand" in decision:
        whole["coveredDemand"] = decision["coveredDemand"]
    return whole | ({"state": {key: ready[key] for key in ("type", "status", "reason", "message")}} if ready else {})


def dearest_first(said: Document) -> tuple[bool, float, str, str]:
    """Services whose cost is not known come last."""
    cost = per_hour(said)
    return cost is None, -(cost or 0.0), said["namespace"], said["name"]


def per_hour(said: Document) -> float | None:
    return parse_number(said.get("cost", {}).get("perHour"), 0.0, float("inf"))


def lines(services: Sequence[Document], *, everywhere: bool) -> Iterator[Text]:
    """A line a service, and what they cost together."""
    headings: tuple[str, ...] = _HEADINGS
    rows = [row(said) for said in services]
    if any("recommendation" in said for said in services):
        headings = (*headings[:-1], _WOULD_SAVE, headings[-1])
        rows = [[*cells[:-1], would_save(said), cells[-1]] for said, cells in zip(services, rows, strict=True)]
    if everywhere:
        headings = ("NAMESPACE", *headings)
        rows = [[text(said["namespace"]), *cells] for said, cells in zip(services, rows, strict=True)]
    yield from columns(headings, rows)
    if len(services) > 1:
        yield Text()
        yield text(f"{len(services)} services, {' + '.join(totals(services)) or 'at unknown cost'}")


def row(said: Document) -> list[Text]:
    slo: Mapping[str, str] = next(iter(said.get("slo", ())), {})
    cost, state = said.get("cost", {}), said.get("state")
    return [
        text(said["name"]),
        switched(said),
        text(slo.get("objective")),
        text(f"{slo['attainment']}%" if "attainment" in slo else None),
        budget(slo.get("budgetRemaining")),
        text(said.get("coveredDemand")),
        text(said.get("ready")),
        text(said.get("plan")),
        text(f"{cost['perHour']} {cost.get('currency', '')}".strip() if "perHour" in cost else None),
        text(state["reason"], colour(state)) if state else text("NotDecided"),
    ]


def would_save(said: Document) -> Text:
    """What the recommendations of a service in mode Recommend would have saved, a mean over the hours compared;
    negative where they would have cost more. Nothing for others: what these save is told by the metrics."""
    found = said.get("recommendation")
    if found is None or not float(found["hours"]):
        return text(None)
    cost, plan = float(found["cost"]), float(found["planCost"])
    saved = (cost - plan) / float(found["hours"])
    share = f" ({100 * (cost - plan) / cost:.0f}%)" if cost > 0 else ""
    sign = "-" if saved < 0 else ""
    return text(f"{sign}{money_text(abs(saved))} {found['currency']}{share}", DOUBTFUL if saved < 0 else GOOD)


def totals(services: Sequence[Document]) -> list[str]:
    """Cost per hour by currency: they are never added."""
    sums: dict[str, float] = {}
    for said in services:
        cost: Any = per_hour(said)
        if cost is not None:
            currency = said["cost"].get("currency", "")
            sums[currency] = sums.get(currency, 0.0) + cost
    return [f"{money_text(amount)} {currency}/h" for currency, amount in sorted(sums.items())]
