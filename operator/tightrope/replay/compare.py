"""Many demands, every policy: a row a demand, with the best peer tuned in hindsight beside ours with its defaults.

Runs are independent of each other, so that they go to as many processes as there are cores; each leaves its score in a
file of the results folder, named after everything that it depends on, the code included. Started again, only what is
missing is played. What comes out depends on neither the processes nor the order in which they end.

Defaults and static fleets are played first and to the end. Of the searched settings only the cheapest that meets the
objective is asked for, so that a run ends as soon as it has cost more than the best of those, or has missed more than
the objective allows: most of the search is over early, and what it finds is the same.
"""

import ast
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import tightrope
from tightrope.replay import contest
from tightrope.replay.bounds import bound
from tightrope.replay.policies.register import KINDS, kind_named
from tightrope.replay.run import Bar, Beaten, Case
from tightrope.replay.score import Score
from tightrope.replay.seat import PolicyKind

OURS = KINDS[0].name
CLAIRVOYANT = "clairvoyant"
PLAYED_WHOLE = (OURS, CLAIRVOYANT, "static-peak", "static-mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run: a demand, a policy with these knobs, the variants it may use; to its end without a bar."""

    demand: str
    policy: str
    knobs: tuple[tuple[str, float], ...] = ()
    variants: tuple[str, ...] = ()
    bar: Bar | None = None

    @property
    def searched(self) -> bool:
        """Whether these are settings that only a search in hindsight comes upon."""
        return self.policy not in PLAYED_WHOLE and dict(self.knobs) != dict(kind_named(self.policy).defaults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One demand. `peer` is the best of the others with defaults, `tuned` the best of them tuned in hindsight (defaults
    included); None where nobody met the objective. `clairvoyant` is None where it was not asked for."""

    demand: str
    ours: Score
    peer: Score | None
    tuned: Score | None
    clairvoyant: Score | None

    @property
    def over_tuned(self) -> float | None:
        """Our cost over the best tuned peer's; None unless both met the objective."""
        return (
            self.ours.cost / self.tuned.cost if self.tuned is not None and self.ours.met and self.tuned.cost else None
        )

    @property
    def over_clairvoyant(self) -> float | None:
        """Our cost over the clairvoyant's; None unless both met the objective."""
        known = self.clairvoyant
        return self.ours.cost / known.cost if known is not None and known.met and self.ours.met and known.cost else None


def jobs_of(case: Case, name: str, kinds: Sequence[PolicyKind], *, tuned: bool, bounds: bool) -> list[Job]:
    """Every run that this demand's row needs."""
    entries = [entry for kind in kinds for entry in contest.entries(case, kind, tuned=tuned and kind.name != OURS)]
    jobs = [
        Job(demand=name, policy=e.kind.name, knobs=tuple(sorted(e.knobs.items())), variants=e.variants) for e in entries
    ]
    return [*jobs, Job(demand=name, policy=CLAIRVOYANT)] if bounds else jobs


def compared(
    cases: Mapping[str, Case],
    kinds: Sequence[PolicyKind],
    *,
    tuned: bool,
    bounds: bool,
    results: Path,
    processes: int,
    done: Callable[[int, int], None] = lambda finished, total: None,
) -> list[Row]:
    """The rows, in the order of `cases`; `kinds` are ours and the peers to compare it with. `done` hears how many runs
    of how many are finished. Raises ReplayError."""
    results.mkdir(parents=True, exist_ok=True)
    jobs = [job for name, case in cases.items() for job in jobs_of(case, name, kinds, tuned=tuned, bounds=bounds)]
    first = [job for job in jobs if not job.searched]
    scores = outcomes(cases, first, results, processes, done=lambda finished: done(finished, len(jobs)))
    bars = {name: bar_of(scores, name, case) for name, case in cases.items()}
    rest = [replace(job, bar=bars[job.demand]) for job in jobs if job.searched]
    scores |= outcomes(cases, rest, results, processes, done=lambda n: done(len(first) + n, len(jobs)))
    return [row_of(name, {job: score for job, score in scores.items() if job.demand == name}) for name in cases]


def outcomes(
    cases: Mapping[str, Case], jobs: Sequence[Job], results: Path, processes: int, *,
    done: Callable[[int], None],
) -> dict[Job, Score]:  # fmt: skip
    """The scores of these jobs but for those that were beaten, each played unless it was before."""
    if not jobs:
        return {}
    code = {policy: code_of(policy) for policy in {job.policy for job in jobs}}
    files = {job: results / f"{key_of(job, cases[job.demand], code[job.policy])}.json" for job in jobs}
    missing = [job for job in jobs if not files[job].exists()]
    done(len(jobs) - len(missing))
    with ProcessPoolExecutor(max_workers=processes) as pool:
        running = [pool.submit(leave, cases[job.demand], job, files[job]) for job in missing]
        for finished, future in enumerate(as_completed(running), start=len(jobs) - len(missing) + 1):
            future.result()
            done(finished)
    found = {job: read(file) for job, file in files.items()}
    return {job: score for job, score in found.items() if score is not None}


def bar_of(scores: Mapping[Job, Score], demand: str, case: Case) -> Bar:
    """What a searched setting must stay under. A few requests more or less are seen to end, as the end of the replay
    finds them; the bar on misses leaves room for that."""
    mine = {job: score for job, score in scores.items() if job.demand == demand}
    best = cheapest([score for job, score in mine.items() if job.policy not in (OURS, CLAIRVOYANT)])
    requests = max(score.requests for score in mine.values())
    allowed = case.service.objective.allowed_miss_fraction * requests
    return Bar(cost=math.inf if best is None else best.cost, misses=1.02 * allowed + 10.0)


def leave(case: Case, job: Job, file: Path) -> None:
    """Play one run and write its score, or null where it was beaten, whole or not at all."""
    score = score_of(case, job)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(None if score is None else asdict(score)))
    part.replace(file)


def score_of(case: Case, job: Job) -> Score | None:
    """The score of one run; None where it was beaten."""
    if job.policy == CLAIRVOYANT:
        return bound(case).course.score
    entry = contest.Entry(kind=kind_named(job.policy), knobs=dict(job.knobs), variants=job.variants)
    try:
        return contest.played(case, entry, bar=job.bar).score
    except Beaten:
        return None


def read(file: Path) -> Score | None:
    """What `leave` wrote."""
    values = json.loads(file.read_text())
    if values is None:
        return None
    return Score(**{**values, "variants": tuple(values["variants"])})


def row_of(name: str, scores: Mapping[Job, Score]) -> Row:
    """The row of one demand from all of its runs."""
    ours = next(score for job, score in scores.items() if job.policy == OURS)
    others = {job: score for job, score in scores.items() if job.policy not in (OURS, CLAIRVOYANT)}
    defaults = [score for job, score in others.items() if dict(job.knobs) == dict(kind_named(job.policy).defaults)]
    known = next((score for job, score in scores.items() if job.policy == CLAIRVOYANT), None)
    return Row(
        demand=name, ours=ours, peer=cheapest(defaults), tuned=cheapest(list(others.values())), clairvoyant=known
    )


def cheapest(scores: Sequence[Score]) -> Score | None:
    """The cheapest that met the objective; None if none did."""
    return min((score for score in scores if score.met), key=lambda score: score.cost, default=None)


def key_of(job: Job, case: Case, code: str) -> str:
    """A name for everything that a run's score depends on."""
    demand = case.demand
    hashed = hashlib.sha256(code.encode())
    hashed.update(repr((asdict(job), case.service, sorted(case.pools.items()), case.assumptions, case.seed)).encode())
    hashed.update(repr((demand.duration_seconds, demand.gaps, demand.dispersion)).encode())
    if case.assumptions.lengths is not None:
        hashed.update(case.assumptions.lengths.fingerprint())
    if demand.times is not None:
        hashed.update(demand.times.tobytes())
    if demand.curve is not None:
        hashed.update(demand.curve.fingerprint())
    return hashed.hexdigest()[:32]


def digest_of_code(*modules: str) -> str:
    """A digest of these modules' source and of all that they import of this package: a score played by other code is
    not a score of this one, and a change of one policy leaves the scores of the others as they are."""
    hashed = hashlib.sha256()
    for name, path in sorted(imported(modules).items()):
        hashed.update(name.encode() + path.read_bytes())
    return hashed.hexdigest()


def imported(modules: Iterable[str]) -> dict[str, Path]:
    """The source files of these modules and of those that they import, directly or not, by name."""
    found: dict[str, Path] = {}
    asked = list(modules)
    while asked:
        name = asked.pop()
        path = source_of(name)
        if path is None or name in found:
            continue
        found[name] = path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                asked += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                asked += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def source_of(module: str) -> Path | None:
    """The file of a module of this package; None for all others, and for names that are no modules."""
    first, *rest = module.split(".")
    if first != tightrope.__name__:
        return None
    place = Path(tightrope.__file__).parent.joinpath(*rest)
    files = (place.with_suffix(".py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def code_of(policy: str) -> str:
    """The digest of what a run of this policy executes."""
    if policy == CLAIRVOYANT:
        return digest_of_code(bound.__module__)
    return digest_of_code(contest.__name__, kind_named(policy).build.__module__)
