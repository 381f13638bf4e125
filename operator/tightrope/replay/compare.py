"""Many demands, every policy: a row a demand, with the best peer tuned in hindsight beside ours with its defaults.

Runs are independent of each other, so that they go to as many processes as there are cores; each leaves its score in a
file of the results folder, named after everything that it depends on, the code included. Started again, only what is
missing is played. What comes out depends on neither the processes nor the order in which they end.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import tightrope
from tightrope.replay import contest
from tightrope.replay.bounds import bound
from tightrope.replay.policies.register import KINDS, kind_named
from tightrope.replay.run import Case
from tightrope.replay.score import Score
from tightrope.replay.seat import PolicyKind

OURS = KINDS[0].name
CLAIRVOYANT = "clairvoyant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run: a demand, a policy with these knobs, the variants it may use."""

    demand: str
    policy: str
    knobs: tuple[tuple[str, float], ...] = ()
    variants: tuple[str, ...] = ()


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
    code = digest_of_code()
    jobs = [job for name, case in cases.items() for job in jobs_of(case, name, kinds, tuned=tuned, bounds=bounds)]
    files = {job: results / f"{key_of(job, cases[job.demand], code)}.json" for job in jobs}
    missing = [job for job in jobs if not files[job].exists()]
    done(len(jobs) - len(missing), len(jobs))
    with ProcessPoolExecutor(max_workers=processes) as pool:
        running = [pool.submit(leave, cases[job.demand], job, files[job]) for job in missing]
        for finished, future in enumerate(as_completed(running), start=len(jobs) - len(missing) + 1):
            future.result()
            done(finished, len(jobs))
    scores = {job: read(files[job]) for job in jobs}
    return [row_of(name, {job: scores[job] for job in jobs if job.demand == name}) for name in cases]


def leave(case: Case, job: Job, file: Path) -> None:
    """Play one run and write its score, whole or not at all."""
    if job.policy == CLAIRVOYANT:
        score = bound(case).course.score
    else:
        entry = contest.Entry(kind=kind_named(job.policy), knobs=dict(job.knobs), variants=job.variants)
        score = contest.played(case, entry).score
    part = file.with_suffix(".part")
    part.write_text(json.dumps(asdict(score)))
    part.replace(file)


def read(file: Path) -> Score:
    """A score that `leave` wrote."""
    values = json.loads(file.read_text())
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
    if demand.times is not None:
        hashed.update(demand.times.tobytes())
    if demand.curve is not None:
        hashed.update(demand.curve.fingerprint())
    return hashed.hexdigest()[:32]


def digest_of_code() -> str:
    """A digest of all source files: a score played by other code is not a score of this one."""
    root = Path(tightrope.__file__).parent
    hashed = hashlib.sha256()
    for path in sources(root):
        hashed.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return hashed.hexdigest()


def sources(root: Path) -> Iterable[Path]:
    """What a replay runs."""
    return sorted(path for room in ("domain", "dataplane", "replay") for path in (root / room).rglob("*.py"))
