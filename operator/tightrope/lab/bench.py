"""Timings, printed with the figure, the unit, the machine and the command: `make bench` runs it.

The real operator on the lab with very many InferenceDeployments, which `scale` measures.
"""

import argparse
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from tightrope.lab.process import ended_by_signals
from tightrope.lab.scale import measure


def report(figure: str, value: float, unit: str) -> None:
    print(f"  {figure:<46} {value:10.3f} {unit}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="tightrope.lab.bench", description=__doc__)
    parser.add_argument("--services", type=int, default=10_000, help="InferenceDeployments on the lab")
    parser.add_argument("--profile", type=Path, help="write here in which functions the operator's time went")
    options = parser.parse_args(arguments)
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    profile = "" if options.profile is None else f" --profile {options.profile}"
    print(f"command: python -m tightrope.lab.bench --services {options.services}{profile}")
    print(f"the operator with {options.services} InferenceDeployments on the lab")
    with ended_by_signals():
        measure(options.services, report=report, profile=options.profile)


if __name__ == "__main__":
    main()
