"""While the very first run compiles the lab's programs: a replay of the scenario's first service over a made-up day.

It needs nothing but this package, and shows what the product is for ten minutes before the lab can. `demo` wraps the
lab's start in it. The replay runs as a process of its own, gently, and ends with us.
"""

import contextlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import yaml

from tightrope.lab.process import leashed
from tightrope.lab.programs import missing
from tightrope.lab.scenario import Scenario

POLICIES: Final = ("tightrope", "hpa", "keda", "static-peak")
GENERATED: Final = ("--generate", "diurnal", "--hours", "24", "--rate", "80", "--bounds")
INTRODUCTION: Final = (
    "While they compile: a made-up day of 80 requests/s on average, the service of this demo, and what each autoscaler "
    "would have cost (tightrope replay):"
)


@contextlib.contextmanager
def replayed(scenario: Scenario, tell: Callable[[str], None]) -> Iterator[None]:
    """If programs have yet to be compiled, replay in the background and `tell` the table when it is there."""
    if not missing():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="tightrope-replay-") as directory:
        process = subprocess.Popen(
            leashed(command(scenario, Path(directory))), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        teller = threading.Thread(target=_tell, args=(process, tell), name="meanwhile", daemon=True)
        teller.start()
        try:
            yield
        finally:
            process.terminate()
            process.wait()
            teller.join()


def command(scenario: Scenario, directory: Path) -> list[str]:
    """The replay's command line, with the scenario's own manifests written to this directory."""
    spec, pools = directory / "service.yaml", directory / "pools.yaml"
    spec.write_text(yaml.safe_dump(scenario.services[0].manifest))
    pools.write_text(yaml.safe_dump_all(pool.manifest for pool in scenario.pools))
    files = ["--spec", str(spec), "--pools", str(pools)]
    chosen = [part for name in POLICIES for part in ("--policy", name)]
    return ["nice", "-n", "10", sys.executable, "-m", "tightrope.cli", "replay", *files, *GENERATED, *chosen]


def _tell(process: "subprocess.Popen[str]", tell: Callable[[str], None]) -> None:
    """The table, if the replay came to its end."""
    assert process.stdout is not None
    table = process.stdout.read()
    if process.wait() == 0:
        tell(f"\n{INTRODUCTION}\n{table}")
