"""Scores as a table for people, or as CSV or JSON for programs."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tightrope.replay.score import Score

FORMATS = ("table", "csv", "json")

HEADINGS = (
    "POLICY", "POOLS", "ATTAINMENT", "OBJECTIVE", "COST", "/ CLAIRVOYANT", "VIOLATION", "LONGEST", "WORST HOUR",
    "CHANGES", "SWITCHES", "DROPS",
)  # fmt: skip


def rendered(scores: Sequence[Score], form: str, *, clairvoyant: float | None = None) -> str:
    """All scores, in the order given and one of FORMATS, ending with a newline. `clairvoyant` is the cost that each is
    compared with, None if it was not asked for."""
    if form == "json":
        return json.dumps([figures(score, clairvoyant) for score in scores], indent=2) + "\n"
    if form == "csv":
        return as_csv(scores, clairvoyant)
    return aligned([HEADINGS, *(row(score, clairvoyant) for score in scores)])


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines whose columns stand under each other, the first being the headings."""
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows]
    return "\n".join(lines) + "\n"


def figures(score: Score, clairvoyant: float | None) -> dict[str, Any]:
    """Every figure of a score, for programs."""
    over = score.cost / clairvoyant if clairvoyant else None
    return asdict(score) | {"met": score.met, "cost_over_clairvoyant": over}


def as_csv(scores: Sequence[Score], clairvoyant: float | None) -> str:
    """One line a policy; knobs and pools as text."""
    text = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for score in scores:
        values = figures(score, clairvoyant) | {
            "knobs": " ".join(f"{name}={value:g}" for name, value in score.knobs.items()),
            "variants": "+".join(score.variants),
            "further": " ".join(further(score)),
        }
        if writer is None:
            writer = csv.DictWriter(text, fieldnames=list(values))
            writer.writeheader()
        writer.writerow(values)
    return text.getvalue()


def row(score: Score, clairvoyant: float | None) -> tuple[str, ...]:
    """One policy, as a person reads it. Cost counts only where the objective is met, and says so where it is not."""
    knobs = " ".join(f"{name}={value:g}" for name, value in score.knobs.items())
    return (
        f"{score.title} ({knobs})" if knobs else score.title,
        "+".join(score.variants),
        " ".join([share(score.attainment), *further(score)]),
        f"{score.objective:.4g}" if score.attainment is None else ("met" if score.met else "MISSED"),
        f"{score.cost:.2f} {score.currency}",
        f"{score.cost / clairvoyant:.3f}" if clairvoyant and score.met else "-",
        duration(score.violation_seconds),
        duration(score.longest_violation_seconds),
        share(score.worst_hour),
        str(score.changes),
        str(score.switches),
        str(score.dropped),
    )


def further(score: Score) -> list[str]:
    """The attainment of each objective beside the leading one: `ttft 94.21%`."""
    return [
        f"{name} {share(one['good'] / one['counted'] if one['counted'] else None)}"
        for name, one in score.further.items()
    ]


def share(value: float | None) -> str:
    """Rounded down, so that a miss never reads as met."""
    return "-" if value is None else f"{int(value * 1e4) / 1e2:.2f}%"


def duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m"
