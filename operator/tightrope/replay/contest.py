"""Several policies over one case: each with its defaults, or tuned in hindsight, on the pools it can use."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tightrope.replay.run import Bar, Case, Progress, play
from tightrope.replay.score import Course, Score
from tightrope.replay.seat import PolicyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run of a contest: a policy with these knobs, on these variants only."""

    kind: PolicyKind
    knobs: Mapping[str, float]
    variants: tuple[str, ...]


def entries(case: Case, kind: PolicyKind, *, tuned: bool) -> list[Entry]:
    """What must be played to know how well this policy does: every pool in turn where it can use only one, and every
    combination of its knobs when it is tuned in hindsight."""
    names = tuple(variant.name for variant in case.service.variants)
    reaches = [names] if kind.reach == "all pools" else [(name,) for name in names]
    settings = list(_combinations(kind)) if tuned else [dict(kind.defaults)]
    return [Entry(kind=kind, knobs=knobs, variants=reach) for reach in reaches for knobs in settings]


def played(case: Case, entry: Entry, progress: Progress | None = None, bar: Bar | None = None) -> Course:
    """The course of one entry. Raises run.Beaten where it is over the bar."""
    return play(case, entry.kind, knobs=entry.knobs, variants=entry.variants, progress=progress, bar=bar)


def best(courses: list[Course]) -> Course:
    """The cheapest that met the objective; where none did, the one that came closest."""
    return min(courses, key=lambda course: merit(course.score))


def merit(score: Score) -> tuple[bool, float, float]:
    """Smaller is better: met first, then cheap; not met, then attainment."""
    if score.met:
        return (False, score.cost, 0.0)
    return (True, -(score.attainment or 0.0), score.cost)


def _combinations(kind: PolicyKind) -> Iterator[dict[str, float]]:
    """The defaults, and every combination of the values to try."""
    yield dict(kind.defaults)
    names = sorted(kind.knobs)
    for values in itertools.product(*(kind.knobs[name] for name in names)):
        chosen = {**kind.defaults, **dict(zip(names, values, strict=True))}
        if names and chosen != dict(kind.defaults):
            yield chosen
