"""`python -m tightrope.replay.faro --trace FILE [--published FILE] [--cpus 32 36 40]`: the table of the validation."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tightrope.replay.faro.load import SEEDS, Load, read_load, read_published
from tightrope.replay.faro.play import Course, play
from tightrope.replay.faro.table import ENTRANTS, FORECASTS, Entrant, Line, line, rendered
from tightrope.replay.faro.world import WHAT_IF, World, what_if
from tightrope.replay.profiles import ReplayError


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line; leaves with code 2 where it is wrong."""
    changes = "; ".join(f"{name}: {words}" for name, (words, _) in WHAT_IF.items())
    parser = argparse.ArgumentParser(prog="python -m tightrope.replay.faro", description=__doc__)
    parser.add_argument("--trace", type=Path, required=True, help="CSV: requests a minute, one column a job")
    parser.add_argument("--published", type=Path, help="CSV with policy, cpus and slo_attainment_pct to stand beside")
    parser.add_argument(
        "--cpus", type=int, nargs="+", default=[32, 36, 40], help="sizes of the cluster, a CPU a replica"
    )
    parser.add_argument("--policy", nargs="+", choices=[e.name for e in ENTRANTS], help="only these; default: all")
    parser.add_argument(
        "--forecast", choices=list(FORECASTS), default="level", help="what planners believe of minutes ahead"
    )
    parser.add_argument("--what-if", choices=list(WHAT_IF), help=f"change one assumption. {changes}")
    parser.add_argument(
        "--seeds", type=int, default=1, choices=range(1, len(SEEDS) + 1), help="runs to take the mean of"
    )
    parser.add_argument("--minutes", type=int, help="play only the first so many minutes")
    parser.add_argument("-o", "--output", choices=["table", "csv", "json"], default="table")
    found = parser.parse_args(arguments)
    if found.minutes is not None and found.minutes < 1:
        parser.error(f"--minutes is {found.minutes}: write 1 or more")
    return found


def table(load: Load, chosen: argparse.Namespace, progress: bool) -> Iterator[Line]:
    """A line for each size and policy. Raises ReplayError."""
    published = read_published(chosen.published) if chosen.published else {}
    world = what_if(chosen.what_if) if chosen.what_if else World()
    entrants = [entrant for entrant in ENTRANTS if chosen.policy is None or entrant.name in chosen.policy]
    for cpus in chosen.cpus:
        if cpus < len(load.names):
            raise ReplayError(f"--cpus {cpus} is less than a replica for each of {len(load.names)} jobs: write more")
        for entrant in entrants:
            courses = []
            for seed in SEEDS[: chosen.seeds]:
                if progress:
                    sys.stderr.write(f"\r\033[K{entrant.name} on {cpus} CPUs, seed {seed} ")
                    sys.stderr.flush()
                courses.append(one(load, entrant, chosen.forecast, cpus, world, seed))
            yield line(entrant, cpus, courses, published)
    if progress:
        sys.stderr.write("\r\033[K")


def one(load: Load, entrant: Entrant, forecast: str, cpus: int, world: World, seed: int) -> Course:
    """One policy once."""
    return play(
        load,
        entrant.build(load, FORECASTS[forecast](load)),
        cpus=cpus,
        replicas=entrant.replicas(cpus, len(load.names)),
        period=entrant.period,
        world=world,
        seed=seed,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit code."""
    chosen = parsed(arguments)
    try:
        load = read_load(chosen.trace)
        if chosen.minutes is not None:
            load = load.cut(chosen.minutes)
        print(rendered(list(table(load, chosen, sys.stderr.isatty())), chosen.output), end="")
    except ReplayError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
