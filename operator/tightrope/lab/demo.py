"""`make demo`: a scenario on a lab of its own, shown live, judged at the end. docs/demo.md explains what is shown.

Exit code 0 if everything held that the scenario asks for, 1 if something did not, 2 if it could not be run.

With `--keep` the lab outlives the command: a keeper in a session of its own owns the lab and runs the demo on this
terminal; this process waits for the verdict, prints how to go on and returns. Until the verdict both live and die
together; afterwards the keeper stays, until `--down` or until one of its programs ends.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from tightrope.lab import registry, report, view
from tightrope.lab.drive import Drive, node_pools
from tightrope.lab.lab import Lab, LabError
from tightrope.lab.meanwhile import replayed
from tightrope.lab.process import ended_by_signals
from tightrope.lab.programs import say
from tightrope.lab.record import Record, write_json
from tightrope.lab.scenario import SCENARIOS, Scenario, ScenarioInvalid, load

HELD, BROKEN, NOT_RUN, INTERRUPTED = 0, 1, 2, 130
PICTURE: Final = Path("build/demo.png")
KEPT: Final = Path("build/lab")
_KEEPER: Final = "keeper.json"
_LOOK_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 30.0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and do what it says; the exit code."""
    options = _parser().parse_args(argv)
    try:
        if options.down:
            return down(options.directory or KEPT)
        if options.keep:
            return front(sys.argv[1:] if argv is None else list(argv))
        with ended_by_signals():
            return keeper(options) if options.keeper else demo(options)
    except (LabError, ScenarioInvalid) as error:
        say(f"error: {error}")
        return NOT_RUN
    except KeyboardInterrupt:
        say("interrupted: the lab has been stopped")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tightrope.lab.demo", description="A scenario on a real control plane."
    )
    parser.add_argument("--scenario", default="demo", help="a name in lab/scenarios, or the path of a YAML file")
    parser.add_argument("--picture", type=Path, default=PICTURE, help=f"where the picture goes (default: {PICTURE})")
    parser.add_argument("--keep", action="store_true", help="leave the lab up afterwards")
    parser.add_argument("--down", action="store_true", help="stop the lab that --keep left up")
    parser.add_argument(
        "--directory", type=Path, help=f"where the lab lives (default: a temporary one, {KEPT} with --keep)"
    )
    parser.add_argument("--keeper", nargs=2, type=int, metavar="FD", help=argparse.SUPPRESS)
    return parser


def demo(options: argparse.Namespace) -> int:
    """The whole demo, and nothing left running."""
    scenario = scenario_at(options.scenario)
    with started(scenario, options.directory) as lab:
        return perform(lab, scenario, options.picture)


def started(scenario: Scenario, directory: Path | None) -> Lab:
    """The lab for this scenario; a replay shortens the wait of the very first start."""
    with replayed(scenario, say):
        return Lab.start(pools=node_pools(scenario), directory=directory, scrape_seconds=scenario.timing.scrape)


def scenario_at(name: str) -> Scenario:
    """A scenario of the lab's by name, or a file by path. Raises ScenarioInvalid."""
    known = SCENARIOS / f"{name}.yaml"
    return load(known if known.exists() else Path(name))


def perform(lab: Lab, scenario: Scenario, target: Path) -> int:
    """Run the scenario on this lab, show it, judge it; the exit code."""
    # Imported here: matplotlib takes a second or two, which belong to the lab's start and not before it.
    from tightrope.lab import picture

    console = Console()
    drive = Drive(lab, scenario, say)
    drive.start()
    say(f"running {scenario.name} for {scenario.duration:.0f} s")
    record = show(drive, console)
    findings = report.broken(record, scenario.hold)
    console.print(report.render(record, findings))
    write_json(record, target.with_suffix(".json"))
    for path in picture.write(record, target):
        console.print(f"picture: {path}", soft_wrap=True)
    return BROKEN if any(findings.values()) else HELD


def show(drive: Drive, console: Console) -> Record:
    """Let the scenario run: redrawn in a terminal, one line per change elsewhere."""
    if not console.is_terminal:
        changes = view.Changes()

        def tell(record: Record, now: float) -> None:
            for line in changes.new(record):
                print(line, flush=True)

        return drive.run(tell)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        return drive.run(lambda record, now: live.update(view.render(record, now), refresh=True))


def front(argv: Sequence[str]) -> int:
    """Start a keeper, wait for its verdict, and leave it behind."""
    verdict_read, verdict_write = os.pipe()
    life_read, life_write = os.pipe()
    command = [sys.executable, "-m", "tightrope.lab.demo", *(part for part in argv if part != "--keep")]
    with ended_by_signals():
        keeper = subprocess.Popen(
            [*command, "--keeper", str(verdict_write), str(life_read)],
            pass_fds=(verdict_write, life_read),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(verdict_write)
        os.close(life_read)
        try:
            with os.fdopen(verdict_read) as verdict:
                answer = verdict.read()
        except (KeyboardInterrupt, SystemExit):
            keeper.send_signal(signal.SIGINT)
            keeper.wait()
            return INTERRUPTED
        if not answer:
            return keeper.wait() or NOT_RUN
        os.close(life_write)
    told = json.loads(answer)
    print(told["hint"], flush=True)
    return int(told["code"])


def keeper(options: argparse.Namespace) -> int:
    """The demo in a process that stays: tells the verdict through one pipe, and ends before it if the other closes."""
    verdict, life = options.keeper
    told = threading.Event()
    threading.Thread(target=_end_with_front, args=(life, told), name="front", daemon=True).start()
    directory = (options.directory or KEPT).absolute()
    scenario = scenario_at(options.scenario)
    with started(scenario, directory) as lab:
        code = perform(lab, scenario, options.picture)
        note = directory / _KEEPER
        note.write_text(json.dumps({"pid": os.getpid(), "started": registry.started(os.getpid())}))
        try:
            told.set()
            with os.fdopen(verdict, "w") as pipe:
                json.dump({"code": code, "hint": hint(lab, scenario)}, pipe)
            _leave_terminal(directory / "logs" / "keeper.log")
            while not lab.dead():
                time.sleep(_LOOK_SECONDS)
        finally:
            note.unlink(missing_ok=True)
    return code


def _end_with_front(life: int, told: threading.Event) -> None:
    """The other end of the pipe is closed when the front goes away, however it goes."""
    while os.read(life, 1):
        pass
    if not told.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def _leave_terminal(log: Path) -> None:
    """From now on nothing is written to the terminal, which may be somebody else's soon."""
    sys.stdout.flush()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


def hint(lab: Lab, scenario: Scenario) -> str:
    """How to go on with a lab that stays up."""
    key, kubectl = scenario.services[0].parsed.service.key, lab.programs["kubectl"]
    return (
        f"\nThe lab stays up, and its traffic goes on.\n\n"
        f"  export KUBECONFIG={lab.kubeconfig}\n\n"
        f"  {kubectl} get infd -n {key.namespace}\n"
        f"  {kubectl} describe infd {key.name} -n {key.namespace}\n"
        f"  {kubectl} edit infd {key.name} -n {key.namespace}\n\n"
        f"logs: {lab.directory / 'logs'}\n"
        f"`make lab-down` stops it."
    )


def down(directory: Path) -> int:
    """Stop the lab that was left up in this directory, and wait until it is gone."""
    note = directory / _KEEPER
    try:
        told = json.loads(note.read_text())
    except (OSError, ValueError):
        say(f"no lab was left up in {directory}")
        return HELD
    pid, started = int(told["pid"]), told["started"]
    if registry.started(pid) != started:
        note.unlink(missing_ok=True)
        say(f"the lab in {directory} is gone already")
        return HELD
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if not _wait(lambda: registry.started(pid) != started, _STOP_SECONDS):
        say(f"process {pid} does not stop; look into {directory / 'logs'}")
        return NOT_RUN
    say(f"the lab in {directory} has been stopped")
    return HELD


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


if __name__ == "__main__":
    sys.exit(main())
