"""`tightrope explain`: why one service has the plan it has. Read from its status alone: no Prometheus is asked.

Pure but for `explain`, the command's body: `document` takes the object as stored, `lines` the document.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from rich.text import Text

from tightrope.api.figures import money_text, parse_number, parse_time
from tightrope.api.invalid import SpecInvalid
from tightrope.api.pause import Pause, pause_of
from tightrope.api.persisted import read_status
from tightrope.api.recommendation import comparison
from tightrope.api.servicestatus import InferenceDeploymentStatus
from tightrope.cli.cluster import Wire, connected
from tightrope.cli.output import BAD, DOUBTFUL, FAINT, GOOD, Cell, ago, columns, heading, text
from tightrope.cli.where import Where
from tightrope.domain.plan import Reason

Document: TypeAlias = dict[str, Any]

_PARTS = ("ready", "plan", "cost", "recommendation", "decision", "slo", "past")
# What the operator keeps for itself across a restart.
_INTERNAL = ("capacityLogMean", "capacityLogSd", "targetUID", "backOff")
_BAD_IF_TRUE = ("Conflict", "NameTaken", "RolloutBlocked")
_LITTLE_BUDGET = 0.25


async def explain(name: str, where: Where) -> Document:
    """The document of this service. Raises Failure."""
    async with connected(where) as cluster:
        return document(await cluster.service(name))


def document(wire: Wire) -> Document:
    """What the status says, in the status' own words, with how the service is switched beside it."""
    metadata, spec = wire["metadata"], wire.get("spec") or {}
    status = read_status(wire.get("status") or {})
    said = status.model_dump(by_alias=True, exclude_none=True)
    if comparison(status.recommendation, now=math.inf) is None:
        said.pop("recommendation", None)  # of what makes no sense nothing is told
    observed = status.observed_generation or 0
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "mode": spec.get("mode", "Auto"),
        "paused": paused(metadata),
        "pausedForAll": paused_for_all(status, mode=spec.get("mode", "Auto"), own=paused(metadata)),
        "upToDate": observed >= metadata.get("generation", 0) and status.decision is not None,
        **{part: said[part] for part in _PARTS if part in said},
        "variants": [
            {key: value for key, value in variant.items() if key not in _INTERNAL}
            for variant in said.get("variants", ())
        ],
        "conditions": said.get("conditions", []),
        "history": said.get("history", []),
    }


def paused(metadata: Mapping[str, Any]) -> str | None:
    """What the annotation pauses; a word that is not understood pauses everything."""
    try:
        return pause_of(metadata.get("annotations"))
    except SpecInvalid:
        return Pause.ALL


def paused_for_all(status: InferenceDeploymentStatus, *, mode: str, own: str | None) -> str | None:
    """What the operator was told to pause of every service, as far as the last decision shows it: where neither spec
    nor annotation says so."""
    reason = status.decision.reason if status.decision is not None else None
    if reason == Reason.PAUSED and mode != "Paused" and own != Pause.ALL:
        return Pause.ALL
    return Pause.DESCENTS if reason == Reason.HOLD_DESCENTS_PAUSED and own is None else None


def lines(said: Document, *, now: float) -> Iterator[Text]:
    """For people. `now` in unix seconds, for ages."""
    yield headline(said)
    yield Text()
    decision = said.get("decision")
    if decision is None:
        yield text("Nothing has been decided yet: is the operator running, and does it see this namespace?", DOUBTFUL)
    else:
        yield text(decision["message"])
        yield text(f"{decision['reason']}, decided {since(decision['time'], now)}", FAINT)
    if "past" in said:
        yield text(said["past"], FAINT)
    if not said["upToDate"] and decision is not None:
        yield text("The spec has been changed since, and that has not been acted on yet.", DOUBTFUL)
    yield from paragraph(plan_lines(said))
    yield from paragraph(compared_lines(said))
    yield from paragraph(variant_lines(said["variants"]))
    yield from paragraph(alternative_lines(said))
    yield from paragraph(condition_lines(said["conditions"], now))
    yield from paragraph(history_lines(said["history"], now))


def paragraph(found: Sequence[Text]) -> Iterator[Text]:
    """The lines after an empty one; nothing for nothing."""
    if found:
        yield Text()
        yield from found


def headline(said: Document) -> Text:
    """Who, how it is switched, and whether all is well."""
    line = heading(f"{said['namespace']}/{said['name']}")
    line.append("   ").append_text(switched(said))
    ready = next((one for one in said["conditions"] if one["type"] == "Ready"), None)
    if ready is not None:
        line.append("   ").append_text(text(f"Ready {ready['status']}: {ready['reason']}", colour(ready)))
    return line


def switched(said: Document) -> Text:
    """The mode and the pause in one word or two."""
    match said["paused"]:
        case Pause.ALL:
            return text("Paused (by annotation)", DOUBTFUL)
        case Pause.DESCENTS:
            return text(f"{said['mode']}, descents paused", DOUBTFUL)
    match said["pausedForAll"]:
        case Pause.ALL:
            return text("Paused (all services)", DOUBTFUL)
        case Pause.DESCENTS:
            return text(f"{said['mode']}, descents paused (all services)", DOUBTFUL)
    return text(said["mode"], "" if said["mode"] == "Auto" else DOUBTFUL)


def plan_lines(said: Document) -> list[Text]:
    """The plan, what it is sized for and what it costs; the objective and what is left of its budget."""
    if "plan" not in said:
        return []
    cost, decision = said.get("cost", {}), said.get("decision", {})
    price = f"{cost.get('perHour', '-')} {cost.get('currency', '')}".strip()
    cells = [said["plan"], said.get("ready", ""), decision.get("coveredDemand", ""), price]
    rows = columns(("PLAN", "READY", "COVERS UP TO", "COST/H"), [cells])
    for slo in said.get("slo", ()):
        rows += [Text(), *objective_lines(slo)]
    return rows


def compared_lines(said: Document) -> list[Text]:
    """Both fleets of mode Recommend over the same hours: what they cost, and what they missed."""
    found = said.get("recommendation")
    if found is None:
        return []
    money, hours = found["currency"], f"{float(found['hours']):.3g}h"
    headings = [f"COMPARED OVER {hours}", "COST", *(f"{slo['metric'].upper()} MISSED" for slo in found["slo"])]
    ran: list[Cell] = ["as it ran", f"{money_text(float(found['cost']))} {money}"]
    would: list[Cell] = ["as recommended", f"{money_text(float(found['planCost']))} {money}"]
    ran += [missed_share(slo, "missed") for slo in found["slo"]]
    would += [f"{missed_share(slo, 'predictedMissed')} predicted" for slo in found["slo"]]
    return [*columns(headings, [ran, would]), text(saving_sentence(found))]


def missed_share(slo: Mapping[str, str], which: str) -> str:
    """In percent of the requests that finished."""
    finished = float(slo["finished"])
    return f"{100 * float(slo[which]) / finished:.2f}%" if finished > 0 else "-"


def saving_sentence(found: Mapping[str, Any]) -> str:
    cost, plan = float(found["cost"]), float(found["planCost"])
    difference, money = f"{money_text(abs(cost - plan))} {found['currency']}", "saved" if plan <= cost else "cost"
    share = f" ({100 * abs(cost - plan) / cost:.0f}%)" if cost > 0 else ""
    more = "" if plan <= cost else " more"
    return f"Following the recommendations would have {money} {difference}{more}{share}."


def objective_lines(slo: Mapping[str, str]) -> list[Text]:
    """One objective, with how much of its window has been seen."""
    attained = f"{slo['attainment']}%" if "attainment" in slo else ""
    left, covered = budget(slo.get("budgetRemaining")), slo.get("covered", "")
    burning = slo.get("burning")
    burn = text(f"{slo['burnRate']}, {burning.lower()}", BAD) if burning else slo.get("burnRate", "")
    name = slo["objective"] if slo["metric"] in ("latency", "errors") else f"{slo['metric']} {slo['objective']}"
    cells: list[Cell] = [name, attained, left, burn, covered]
    return columns(("SLO", "ATTAINED", "BUDGET LEFT", "BURN RATE", "OVER"), [cells])


def budget(remaining: str | None) -> Text:
    """What is left of the error budget in percent: red once it is overspent."""
    share = parse_number(remaining, float("-inf"), float("inf"))
    if share is None:
        return text(None)
    return text(f"{100 * share:.0f}%", BAD if share < 0 else DOUBTFUL if share < _LITTLE_BUDGET else "")


def variant_lines(variants: Sequence[Mapping[str, Any]]) -> list[Text]:
    """What runs, what is planned, what is known of each variant."""
    if not variants:
        return []
    headings = ("VARIANT", "READY", "WANTED", "PLANNED", "CAPACITY", "TIME TO READY", "COST/H", "NOTE")
    fields = ("name", "ready", "wanted", "planned", "capacity", "timeToReady", "perHour", "note")
    return columns(headings, [[str(one.get(field, "")) for field in fields] for one in variants])


def alternative_lines(said: Document) -> list[Text]:
    """The plans that were not chosen, with their price."""
    others = said.get("decision", {}).get("alternatives", ())
    if not others:
        return []
    rows = [[other["plan"], other["perHour"], other["whyNot"]] for other in others]
    return columns(("NOT CHOSEN", "COST/H", "BECAUSE IT"), rows)


def condition_lines(conditions: Sequence[Mapping[str, Any]], now: float) -> list[Text]:
    if not conditions:
        return []
    rows = [
        [one["type"], text(one["status"], colour(one)), one["reason"], since(one["lastTransitionTime"], now),
         one["message"]]
        for one in conditions
    ]  # fmt: skip
    return columns(("CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"), rows)


def history_lines(history: Sequence[Mapping[str, Any]], now: float) -> list[Text]:
    """The decisions before the latest, which is told above."""
    if len(history) < 2:
        return []
    rows = [[since(one["time"], now), one["plan"], one["reason"], one["message"]] for one in history[1:]]
    return columns(("BEFORE", "PLAN", "REASON", "MESSAGE"), rows)


def colour(condition: Mapping[str, Any]) -> str:
    """Good, bad, or not known: most types name what should be, a few what should not."""
    if condition["status"] == "Unknown":
        return DOUBTFUL
    return GOOD if (condition["status"] == "True") != (condition["type"] in _BAD_IF_TRUE) else BAD


def since(rfc3339: str, now: float) -> str:
    at = parse_time(rfc3339)
    return "-" if at is None else f"{ago(now - at)} ago"
