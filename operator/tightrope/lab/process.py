"""Children that never outlive their owner. `lab` starts every program of the control plane through one `Children`.

Each child leads its own session, so that a Ctrl-C in the terminal reaches the owner alone, who then stops the children
in order. If the owner dies without a word, Linux kills them (parent-death signal); elsewhere the next start does, from
the owner's entry in the `registry`.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Final

from tightrope.lab.errors import LabError

_TAIL_LINES: Final = 15

# Runs in a fresh, single-threaded interpreter between us and the program: the same in a preexec_fn would run Python in
# a fork of a process with threads, which may deadlock. PR_SET_PDEATHSIG is 1; it survives the exec. If the owner died
# before the call, nobody would send the signal, hence the look at the parent.
_LEASH: Final = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)\n"
    "os.getppid() == int(sys.argv[1]) or os._exit(1)\n"
    "try: os.execvp(sys.argv[2], sys.argv[2:])\n"
    "except OSError as error: sys.exit(f'{sys.argv[2]}: {error.strerror}')\n"
)


def leashed(argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` and dies with the thread that starts it (on Linux; elsewhere `argv` itself)."""
    if not sys.platform.startswith("linux"):
        return list(argv)
    return [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *argv]


class Program:
    """One supervised child. Its process id stays the same from start to end; `log` has what it said."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """As `poll`, after waiting for its end for at most this long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.poll()

    def terminate(self) -> None:
        """Ask it to end; a frozen program is thawed, or it would never hear of it."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it and everything it started, at once."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self, seconds: float) -> None:
        """Ask, wait for at most this long, then kill. Returns when it is gone."""
        self.terminate()
        if self.wait(seconds) is None:
            self.kill()
            self._process.wait()

    def tail(self) -> str:
        """The last lines of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").strip().splitlines()[-_TAIL_LINES:])
        return ""

    def _signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)


class Children:
    """All children of one lab, in the order they were started. `on_start` hears of each before anyone can use it.

    One thread of ours starts them all, because the parent-death signal is sent when the starting *thread* ends. That
    thread also keeps the list, so that an interrupt in the caller cannot lose a child that was just born.
    """

    def __init__(self, *, directory: Path, logs: Path, on_start: Callable[[Program], None]) -> None:
        self._directory = directory
        self._logs = logs
        self._on_start = on_start
        self._programs: list[Program] = []
        self._closed = False
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab-children")

    def spawn(self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Program:
        """Start a program; `env` is added to ours. Raises LabError once the lab is being stopped."""
        with self._lock:
            if self._closed:
                raise LabError(f"cannot start {name}: the lab has been stopped")
            future = self._thread.submit(self._spawn, name, list(argv), {**os.environ, **(env or {})})
        return future.result()

    def _spawn(self, name: str, argv: list[str], env: dict[str, str]) -> Program:
        log = self._logs / f"{name}.log"
        with log.open("ab") as said:
            process = subprocess.Popen(
                leashed(argv),
                cwd=self._directory,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        program = Program(name, process, log)
        self._programs.append(program)
        self._on_start(program)
        return program

    def __iter__(self) -> Iterator[Program]:
        return iter(tuple(self._programs))

    def stop_all(self, *, last: Mapping[str, float], seconds: float) -> None:
        """Stop every child, newest first and together, then those named in `last`, one after the other.

        Kills what has not ended after `seconds`, for each of the last after its own. Whatever happens in between, an
        impatient second Ctrl-C included, nothing is left running."""
        with self._lock:
            self._closed = True
        try:
            # A start in flight is waited for without ending the thread: its end would kill every child out of order.
            # It has ended already if this is a second call, or the interpreter's last.
            with contextlib.suppress(RuntimeError):
                self._thread.submit(lambda: None).result()
            running = [program for program in reversed(self._programs) if program.poll() is None]
            _stop_together([program for program in running if program.name not in last], seconds)
            for name, patience in last.items():
                _stop_together([program for program in running if program.name == name], patience)
        finally:
            for program in self._programs:
                program.kill()
            for program in self._programs:
                program.wait(seconds)
            self._thread.shutdown(wait=False)


def _stop_together(group: Sequence[Program], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for program in group:
        program.terminate()
    for program in group:
        if program.wait(max(0.0, deadline - time.monotonic())) is None:
            program.kill()
            program.wait(seconds)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt or SystemExit in the main thread, so that `with Lab`
    cleans up; also where the shell had SIGINT ignored, as it does for a command put in the background."""

    def end(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
