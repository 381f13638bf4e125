"""The demand of the ten jobs, and what was published about it. `__main__` reads both.

Requests come as the published load generator sends them: in each minute exactly as many as the trace says, the first of
each job as the minute begins, with exponential gaps, so that the last ones may fall into the next minute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tightrope.dataplane.outcomes import Floats
from tightrope.replay.faro.world import MINUTE
from tightrope.replay.inputs.rows import lines, text_of
from tightrope.replay.inputs.table import read_demands
from tightrope.replay.profiles import ReplayError

SEEDS = (42, 24, 32, 40, 62)  # of the published runs, the first for those that ran once
_SHAPE = "write policy,cpus,trials,slo_attainment_pct as columns"


@dataclass(frozen=True, slots=True)
class Load:
    """Requests in each minute: `counts` is (jobs, minutes)."""

    names: tuple[str, ...]
    counts: Floats

    @property
    def seconds(self) -> float:
        return float(self.counts.shape[1] * MINUTE)

    def cut(self, minutes: int) -> "Load":
        """The first minutes of it."""
        return Load(self.names, self.counts[:, :minutes])


def read_load(path: Path) -> Load:
    """A CSV of requests a minute, one column a job. Raises ReplayError."""
    demands = read_demands(path)
    if len(demands) < 2:
        raise ReplayError(f"{path}: there is one job in it: write a column a job, as in minute,job0,job1")
    if any(demand.gaps for demand in demands):
        raise ReplayError(f"{path}: a minute is missing or empty: write a row a minute and a number a job")
    seconds = demands[0].duration_seconds
    edges = np.arange(0.0, seconds + MINUTE / 2, MINUTE)
    counts = np.array([demand.expected(edges) for demand in demands])
    return Load(tuple(demand.name.rpartition(":")[2] for demand in demands), np.rint(counts))


def arrivals(load: Load, *, seed: int) -> list[Floats]:
    """When the requests of each job come, ascending seconds."""
    random = np.random.default_rng(seed)
    found: list[list[Floats]] = [[] for _ in load.names]
    for minute in range(load.counts.shape[1]):
        for job, count in enumerate(load.counts[:, minute].astype(int).tolist()):
            if count > 0:
                gaps = random.exponential(MINUTE / count, count)
                found[job].append(minute * MINUTE + np.concatenate(([0.0], np.cumsum(gaps[:-1]))))
    return [np.sort(np.concatenate(parts)) if parts else np.empty(0) for parts in found]


def read_published(path: Path) -> Mapping[tuple[str, int], float]:
    """Attainment in percent by policy, named as it was published, and CPUs. Raises ReplayError."""
    rows = list(lines(text_of(path), path, shape=_SHAPE))
    columns = [cell.strip() for cell in rows[0][1]] if rows else []
    wanted = ("policy", "cpus", "slo_attainment_pct")
    if not set(wanted) <= set(columns):
        raise ReplayError(
            f"{path}, line 1: {','.join(columns) or 'nothing'} is no header of published results: {_SHAPE}"
        )
    places = [columns.index(name) for name in wanted]
    return dict(_published(path, line, row, places) for line, row in rows[1:])


def _published(path: Path, line: int, row: Sequence[str], places: Sequence[int]) -> tuple[tuple[str, int], float]:
    try:
        policy, cpus, percent = (row[place] for place in places)
        return (policy, int(cpus)), float(percent)
    except (IndexError, ValueError):
        raise ReplayError(f"{path}, line {line}: {','.join(row)} is no result: {_SHAPE}") from None
