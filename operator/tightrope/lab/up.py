"""`make lab`: a lab alone, in the foreground, for trying things by hand. Ctrl-C ends it."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tightrope.lab.errors import LabError
from tightrope.lab.lab import CRDS, Lab, NodePool
from tightrope.lab.process import ended_by_signals
from tightrope.lab.programs import say

POOLS: Final = (
    NodePool(name="cpu", cpu="8", memory="32Gi", initial_nodes=2, max_nodes=6, provision_seconds=10, idle_seconds=120),
    NodePool(
        name="gpu",
        cpu="8",
        memory="64Gi",
        accelerators=1,
        initial_nodes=0,
        max_nodes=4,
        provision_seconds=15,
        idle_seconds=120,
    ),
)
_LOOK_SECONDS = 1.0
_HINT = """
  export KUBECONFIG={kubeconfig}
  export PATH={programs}:$PATH

  kubectl get nodes -L tightrope.dev/pool
  kubectl create deployment hello --image=any --replicas=3
  kubectl get pods -o wide -w

Prometheus: {prometheus}    logs: {logs}
Ctrl-C stops everything."""


def main(argv: Sequence[str] | None = None) -> int:
    """Start, wait for Ctrl-C, stop. Exit code 0 after Ctrl-C, 1 if the lab could not start or a program of it ended."""
    parser = argparse.ArgumentParser(prog="python -m tightrope.lab.up", description=__doc__)
    parser.add_argument("--directory", type=Path, help="where the lab lives; default: a temporary directory")
    options = parser.parse_args(argv)
    try:
        with ended_by_signals(), Lab.start(pools=POOLS, directory=options.directory) as lab:
            if CRDS.is_dir() and any(CRDS.glob("*.yaml")):
                lab.apply(CRDS)
            print(_hint(lab), flush=True)
            return _watch(lab)
    except LabError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("the lab has been stopped")
        return 0


def _hint(lab: Lab) -> str:
    return _HINT.format(
        kubeconfig=lab.kubeconfig,
        programs=Path(lab.programs["kubectl"]).parent,
        prometheus=lab.prometheus_url,
        logs=lab.directory / "logs",
    )


def _watch(lab: Lab) -> int:
    """Until interrupted, or until a program of the lab ends by itself."""
    while not (dead := lab.dead()):
        time.sleep(_LOOK_SECONDS)
    for program in dead:
        say(f"{program.name} ended with {program.poll()}; its log {program.log} ends:\n{program.tail()}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
