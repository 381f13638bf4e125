"""Children never outlive their owner, however it ends, and are stopped in order."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import processes_with, until

from tightrope.lab import process
from tightrope.lab.errors import LabError
from tightrope.lab.process import Children, Program, ended_by_signals

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the parent-death signal is Linux's")

# Says its name when it is asked to end, so that the order can be seen.
POLITE = (
    "import signal, sys\n"
    "signal.signal(15, lambda *_: sys.exit(print('ended', flush=True)))\n"
    "print('up', flush=True)\nwhile True: signal.pause()"
)
STUBBORN = "import signal\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\nwhile True: signal.pause()"


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    (tmp_path / "logs").mkdir()
    children = Children(directory=tmp_path, logs=tmp_path / "logs", on_start=lambda program: None)
    yield children
    children.stop_all(last={}, seconds=0.1)


def start(children: Children, name: str, script: str = POLITE) -> Program:
    program = children.spawn(name, [sys.executable, "-c", script])
    until(lambda: "up" in program.tail(), seconds=10, what=f"{name} is up")
    return program


def state(program: Program) -> str:
    return Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_child_runs_in_its_own_session_with_our_environment_and_what_was_added(children: Children) -> None:
    program = children.spawn("env", ["/usr/bin/env"], env={"ADDED": "yes"})
    assert program.wait(10) == 0
    assert "ADDED=yes" in program.log.read_text()
    assert f"PATH={os.environ['PATH']}" in program.log.read_text()
    other = start(children, "session")
    assert os.getsid(other.pid) == other.pid != os.getsid(0)


def test_a_program_that_does_not_exist_is_named_in_its_log(children: Children) -> None:
    program = children.spawn("nothing", ["/no/such/program"])
    assert program.wait(10) != 0
    assert "/no/such/program: No such file or directory" in program.tail()


@linux
def test_a_child_survives_the_thread_that_asked_for_it(children: Children) -> None:
    started: list[Program] = []
    thread = threading.Thread(target=lambda: started.append(start(children, "asked")))
    thread.start()
    thread.join()
    time.sleep(0.2)  # nothing to poll for: the signal would come with the end of the thread
    assert started[0].poll() is None


@linux
def test_children_of_a_killed_owner_are_gone_at_once(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\nfrom pathlib import Path\nfrom tightrope.lab.process import Children\n"
            "here = Path(sys.argv[1])\n"
            "children = Children(directory=here, logs=here / 'logs', on_start=lambda p: None)\n"
            "for n in range(3): children.spawn(f'c{n}', [sys.executable, '-c', sys.argv[2], sys.argv[1]])\n"
            "print('started', flush=True)\ntime.sleep(60)",
            str(tmp_path),
            STUBBORN,
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(process.__file__).parents[2])},
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"started\n"
    until(lambda: len(processes_with(str(tmp_path))) == 4, seconds=10, what="three children are up")
    owner.kill()
    owner.communicate()
    until(lambda: not processes_with(str(tmp_path)), seconds=5, what="no child is left")


def test_stopping_takes_the_newest_first_and_the_last_ones_after_all_others(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    terminate = Program.terminate

    def note(program: Program) -> None:
        running = [other.name for other in children if other.poll() is None]
        asked.append(f"{program.name} of {len(running)}")
        terminate(program)

    monkeypatch.setattr(Program, "terminate", note)
    for name in ("etcd", "api", "first", "second"):
        start(children, name)
    children.stop_all(last={"api": 5, "etcd": 5}, seconds=5)
    assert [line.split()[0] for line in asked] == ["second", "first", "api", "etcd"]
    assert asked[-2:] == ["api of 2", "etcd of 1"]
    assert all("ended" in program.tail() for program in children)


def test_a_child_that_will_not_listen_is_killed_when_its_time_is_up(children: Children) -> None:
    program = start(children, "stubborn", STUBBORN)
    began = time.monotonic()
    children.stop_all(last={}, seconds=0.3)
    assert program.poll() == -signal.SIGKILL
    assert time.monotonic() - began < 5


def test_an_interrupt_while_stopping_leaves_nothing(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = [start(children, f"child-{number}", STUBBORN) for number in range(3)]

    def impatient(program: Program) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Program, "terminate", impatient)
    with pytest.raises(KeyboardInterrupt):
        children.stop_all(last={}, seconds=30)
    assert all(program.poll() is not None for program in programs)


def test_nothing_starts_once_the_lab_is_being_stopped(children: Children) -> None:
    children.stop_all(last={}, seconds=1)
    with pytest.raises(LabError, match="cannot start late: the lab has been stopped"):
        children.spawn("late", ["/bin/true"])


@linux
def test_a_frozen_child_stands_still_until_thawed_and_can_be_stopped_while_frozen(children: Children) -> None:
    program = start(children, "frozen")
    program.freeze()
    until(lambda: state(program) == "T", seconds=5, what="it stands still")
    program.thaw()
    until(lambda: state(program) != "T", seconds=5, what="it goes on")
    program.freeze()
    program.stop(seconds=10)
    assert program.poll() == 0


def test_stopping_a_child_twice_is_harmless(children: Children) -> None:
    program = start(children, "twice")
    program.stop(seconds=5)
    program.stop(seconds=5)
    program.kill()
    assert program.poll() == 0


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_signals_become_exceptions_only_inside_the_block(number: signal.Signals, raised: type[BaseException]) -> None:
    before = signal.getsignal(number)
    with pytest.raises(raised), ended_by_signals():
        signal.raise_signal(number)
    assert signal.getsignal(number) == before
