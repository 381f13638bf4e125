"""`tightrope compare`: a folder of recorded demands, every policy, a row a demand."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tightrope.cli.assumed import Assumed
from tightrope.cli.replay import case_of
from tightrope.replay import compare_table
from tightrope.replay.compare import OURS, compared
from tightrope.replay.demand import Demand
from tightrope.replay.inputs.table import read_demands
from tightrope.replay.policies.register import KINDS, kind_named
from tightrope.replay.profiles import ReplayError
from tightrope.replay.run import Case
from tightrope.replay.table import FORMATS

KINDS_OF_FILES = ("*.csv", "*.csv.gz", "*.jsonl", "*.jsonl.gz")


def comparison(
    *, traces: Path, dispersion: float, mean_rate: float | None, spec: Path, pools: Path, service_name: str | None,
    assumed: Assumed, policies: list[str], tuned: bool, bounds: bool, results: Path, processes: int,
    output: str, seed: int,
) -> tuple[str, list[str]]:  # fmt: skip
    """What goes to stdout, and the notes for stderr. Raises ReplayError."""
    if output not in FORMATS:
        raise ReplayError(f"--output {output} is unknown: write {', '.join(FORMATS)}")
    if processes < 1:
        raise ReplayError(f"--processes is {processes}: write 1 or more")
    kinds = [KINDS[0], *(kind_named(name) for name in policies if name != OURS)] if policies else KINDS
    cases: dict[str, Case] = {}
    for demand in demands_in(traces, dispersion=dispersion, mean_rate=mean_rate):
        cases[demand.name] = case_of(
            demand=demand, spec=spec, pools=pools, service_name=service_name, assumed=assumed, seed=seed
        )
    with Progress(
        TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        rows = compared(
            cases, kinds, tuned=tuned, bounds=bounds, results=results, processes=processes, done=counting(bar)
        )
    said = next(iter(cases.values())).assumptions.sentences()
    notes = [f"{name}: {note}" for name, case in cases.items() for note in case.demand.notes]
    return compare_table.rendered(rows, output), [*notes, *(f"assumed: {line}" for line in said)]


def counting(bar: Progress) -> Callable[[int, int], None]:
    """What moves the bar when a run is finished."""
    task = bar.add_task("runs", total=None)

    def count(finished: int, total: int) -> None:
        bar.update(task, completed=finished, total=total)

    return count


def demands_in(folder: Path, *, dispersion: float, mean_rate: float | None) -> list[Demand]:
    """Every demand of every file of the folder, or of one file, in the order of their names. Raises ReplayError."""
    files = [folder] if folder.is_file() else sorted(file for kind in KINDS_OF_FILES for file in folder.glob(kind))
    if not files:
        raise ReplayError(f"--traces {folder}: there is no .csv or .jsonl file: write a folder with at least one")
    found = [demand for file in files for demand in read_demands(file, dispersion=dispersion)]
    if mean_rate is None:
        return found
    if not 0 < mean_rate < 1e9:
        raise ReplayError(f"--mean-rate is {mean_rate:g}: write requests per second above 0")
    try:
        return [demand.at_mean(mean_rate) for demand in found]
    except ValueError as error:
        raise ReplayError(f"--mean-rate {mean_rate:g}: {error}") from None
