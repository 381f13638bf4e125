"""The rows of a comparison for people and for programs; where we lose, it says so."""

import csv
import io
import json
import math
from collections.abc import Sequence

from tightrope.replay.compare import Row
from tightrope.replay.score import Score
from tightrope.replay.table import aligned, share

HEADINGS = (
    "DEMAND", "TIGHTROPE", "ATTAINMENT", "BEST PEER, DEFAULTS", "COST", "BEST PEER, TUNED", "COST", "OURS / TUNED",
    "OURS / CLAIRVOYANT", "VERDICT",
)  # fmt: skip


def rendered(rows: Sequence[Row], form: str) -> str:
    """All rows in one of table.FORMATS, ending with a newline."""
    if form == "json":
        return json.dumps([figures(row) for row in rows], indent=2) + "\n"
    if form == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(figures(rows[0])))
        writer.writeheader()
        writer.writerows(figures(row) for row in rows)
        return text.getvalue()
    return aligned([HEADINGS, *(cells(row) for row in rows)]) + "".join(f"{line}\n" for line in summary(rows))


def summary(rows: Sequence[Row]) -> list[str]:
    """What the rows say together: where the objective was met, and the geometric means where a comparison is one."""
    met = sum(row.ours.met for row in rows)
    lines = [f"objective met on {met} of {len(rows)}"]
    for name, values in (
        ("the best peer tuned in hindsight", [row.over_tuned for row in rows if row.over_tuned is not None]),
        ("the clairvoyant", [row.over_clairvoyant for row in rows if row.over_clairvoyant is not None]),
    ):
        if values:
            mean = math.exp(sum(math.log(value) for value in values) / len(values))
            lines.append(f"cost over {name}: geometric mean {mean:.3f} on {len(values)}, worst {max(values):.3f}")
    return lines


def verdict(row: Row) -> str:
    """Whether we won, in a word."""
    if not row.ours.met:
        return "MISSED" if row.tuned is not None else "missed, as all did"
    if row.over_tuned is None:
        return "won: no peer met the objective"
    return "won" if row.over_tuned <= 1.0 else "LOST"


def cells(row: Row) -> tuple[str, ...]:
    """One demand, as a person reads it."""
    return (
        row.demand,
        f"{row.ours.cost:.2f} {row.ours.currency}",
        share(row.ours.attainment),
        named(row.peer),
        "-" if row.peer is None else f"{row.peer.cost:.2f}",
        named(row.tuned),
        "-" if row.tuned is None else f"{row.tuned.cost:.2f}",
        ratio(row.over_tuned),
        ratio(row.over_clairvoyant),
        verdict(row),
    )


def named(score: Score | None) -> str:
    """A policy with its settings and pools."""
    if score is None:
        return "none met it"
    knobs = " ".join(f"{name}={value:g}" for name, value in score.knobs.items())
    return f"{score.title} on {'+'.join(score.variants)}" + (f" ({knobs})" if knobs else "")


def ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def figures(row: Row) -> dict[str, str | float | bool | None]:
    """One demand, for programs; costs unrounded."""
    found: dict[str, str | float | bool | None] = {
        "demand": row.demand,
        "verdict": verdict(row),
        "met": row.ours.met,
        "attainment": row.ours.attainment,
        "worst_hour": row.ours.worst_hour,
        "worst_day": row.ours.worst_day,
        "cost": row.ours.cost,
        "currency": row.ours.currency,
        "cost_over_tuned": row.over_tuned,
        "cost_over_clairvoyant": row.over_clairvoyant,
    }
    for name, score in (("peer", row.peer), ("tuned", row.tuned)):
        found |= {f"{name}_policy": named(score), f"{name}_cost": None if score is None else score.cost}
        found[f"{name}_attainment"] = None if score is None else score.attainment
    return found
