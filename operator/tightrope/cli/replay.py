"""`tightrope replay`: what a policy would have done over recorded demand, and what it would have cost."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tightrope.cli.assumed import Assumed
from tightrope.cli.history import Asked, recorded
from tightrope.replay import contest, generators
from tightrope.replay.bounds import Bound, bound
from tightrope.replay.demand import Demand
from tightrope.replay.inputs.manifests import read_pools, read_service
from tightrope.replay.inputs.table import read_demand
from tightrope.replay.policies.register import KINDS, kind_named
from tightrope.replay.profiles import ReplayError
from tightrope.replay.report.page import page
from tightrope.replay.run import Case
from tightrope.replay.run import Progress as Advance
from tightrope.replay.score import Course
from tightrope.replay.seat import PolicyKind
from tightrope.replay.table import FORMATS, rendered


def case_of(
    *, demand: Demand, spec: Path, pools: Path, service_name: str | None, assumed: Assumed, seed: int
) -> Case:  # fmt: skip
    """The case that these files and options describe. Raises ReplayError."""
    service, known = read_service(spec, name=service_name), read_pools(pools)
    assumptions = assumed.assumptions(service, known, demand)
    case = Case(service=service, pools=known, demand=demand, assumptions=assumptions, seed=seed)
    case.profiles()
    return case


def courses(case: Case, kinds: list[PolicyKind], *, tuned: bool) -> list[list[Course]]:
    """All courses of each policy, those with its defaults first, with a progress bar on stderr."""
    found = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        for kind in kinds:
            entries = contest.entries(case, kind, tuned=tuned and bool(kind.knobs))
            task = bar.add_task(kind.title, total=case.demand.duration_seconds * len(entries), done="")
            played = [
                contest.played(case, entry, advancing(bar, task, number * case.demand.duration_seconds))
                for number, entry in enumerate(entries)
            ]
            found.append(sorted(played, key=lambda course: dict(course.score.knobs) != dict(kind.defaults)))
            bar.remove_task(task)
    return found


def advancing(bar: Progress, task: TaskID, offset: float) -> Advance:
    """What moves this task of the bar, for a run that begins `offset` seconds into it."""

    def advance(seconds: float, requests: int) -> None:
        bar.update(task, completed=offset + seconds, done=f"{requests:,} requests")

    return advance


def chosen_demand(
    *, trace: Path | None, column: str | None, history: Asked | None, spec: Path, service_name: str | None,
    generate: str | None, hours: float, rate: float | None, peak: float | None, dispersion: float, seed: int,
) -> Demand:  # fmt: skip
    """The recorded or the made-up demand that was asked for, and only one of them. Raises ReplayError."""
    if sum(source is not None for source in (trace, history, generate)) != 1:
        raise ReplayError(
            "write either --trace FILE or --prometheus URL or --generate KIND: one demand is replayed at a time"
        )
    if trace is not None:
        return read_demand(trace, column=column, dispersion=dispersion)
    if history is not None:
        return recorded(history, spec=spec, service_name=service_name, dispersion=dispersion)
    assert generate is not None
    if rate is None:
        raise ReplayError("--rate is missing: write the mean requests per second of --generate")
    return generators.generate(generate, hours=hours, rate=rate, peak=peak, seed=seed, dispersion=dispersion)


def replayed(
    *, demand: Demand, spec: Path, pools: Path, service_name: str | None, assumed: Assumed, policies: list[str],
    tuned: bool, bounds: bool, output: str, report: Path | None, command: str, seed: int,
) -> tuple[str, list[str]]:  # fmt: skip
    """What goes to stdout, and the notes for stderr. Raises ReplayError."""
    if output not in FORMATS:
        raise ReplayError(f"--output {output} is unknown: write {', '.join(FORMATS)}")
    kinds = [kind_named(name) for name in policies] or list(KINDS)
    case = case_of(demand=demand, spec=spec, pools=pools, service_name=service_name, assumed=assumed, seed=seed)
    if report is not None and kinds[0] is not KINDS[0]:
        kinds = [KINDS[0], *(kind for kind in kinds if kind is not KINDS[0])]
    found = courses(case, kinds, tuned=tuned)
    notes = [f"demand: {demand.source}", *demand.notes, *(f"assumed: {line}" for line in case.assumptions.sentences())]
    scores = [contest.best(played).score for played in found]
    limit = bound(case) if bounds else None
    if report is not None:
        written(report, page(case, [course for played in found for course in played], bound=limit, command=command))
        notes.append(f"report: {report}")
    if limit is None:
        return rendered(scores, output), notes
    notes.append(bound_in_words(limit))
    return rendered([*scores, limit.course.score], output, clairvoyant=limit.clairvoyant), notes


def written(report: Path, text: str) -> None:
    """Raises ReplayError where the file cannot be written."""
    try:
        report.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReplayError(f"--report {report}: {error.strerror}: write a path in a folder that is there") from None


def bound_in_words(limit: Bound) -> str:
    """What the clairvoyant's cost means, and how sure it is."""
    currency = limit.course.score.currency
    return (
        f"clairvoyant: {limit.clairvoyant:.2f} {currency} is the best schedule found for somebody who knows every "
        f"arrival; no schedule by the minute costs less than {limit.relaxed:.2f} (gap {limit.gap:.0%}); without any "
        f"start-up, and never over capacity, it would be {limit.unreachable:.2f}"
    )
