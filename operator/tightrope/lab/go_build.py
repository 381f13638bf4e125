"""Compiles the lab's programs from their Go modules into the cache. `programs.prepare` calls it for what is missing.

Each program is built in a temporary directory and moved into the cache when whole, so that an interrupted build goes
on with the next program; a lock lets two runs share one build. Ctrl-C ends the compiler and everything it started.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tightrope.lab.errors import LabError
from tightrope.lab.go_toolchain import Go, find_go
from tightrope.lab.process import leashed
from tightrope.lab.programs import MODULES, ProgramSource, Progress, build_flags

_HEARTBEAT_SECONDS = 30.0
_END_SECONDS = 5.0
_WORKPLACE: Final = "building-"
# Settings of the caller's that would compile something else, or somewhere else.
_NOT_OURS = ("GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOBIN", "GO111MODULE", "GODEBUG")


def build(sources: Sequence[ProgramSource], cache: Path, progress: Progress) -> dict[str, Path]:
    """Compile these programs into `cache` and return their paths by name. Raises LabError."""
    cache.mkdir(parents=True, exist_ok=True)
    with _only_one(cache, progress):
        paths = {source.name: cache / source.name for source in sources}
        # Another run may have built them while this one waited for the lock.
        missing = [source for source in sources if not paths[source.name].exists()]
        if missing:
            _remove_leftovers(cache)
            _build_all(missing, cache, progress)
    return paths


def _build_all(missing: Sequence[ProgramSource], cache: Path, progress: Progress) -> None:
    progress(
        f"compiling {len(missing)} programs of the lab from source: {', '.join(source.name for source in missing)}. "
        "The very first run takes ten minutes or more on two cores and about 7 GB of disk; later runs start at once."
    )
    go = find_go(cache.parent, progress)
    began = time.monotonic()
    workplace = Path(tempfile.mkdtemp(prefix=_WORKPLACE, dir=cache))
    try:
        for number, source in enumerate(missing, start=1):
            left = sum(other.minutes for other in missing[number - 1 :])
            progress(
                f"[{number}/{len(missing)}] compiling {source.name}; {_spell(time.monotonic() - began)} so far, "
                f"about {max(1, round(left))} min to go with nothing cached"
            )
            _compile(go, source, workplace / source.name, lambda line: progress(f"  {line}"))
            (workplace / source.name).replace(cache / source.name)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    progress(f"compiled the lab's programs in {_spell(time.monotonic() - began)}; kept in {cache}")


def _compile(go: Go, source: ProgramSource, output: Path, progress: Progress) -> None:
    argv = [str(go.program), "build", *build_flags(source), "-o", str(output), source.package]
    log = output.with_suffix(".log")
    began = time.monotonic()
    with log.open("wb") as said:
        compiler = subprocess.Popen(
            leashed(argv),
            cwd=MODULES / source.module,
            env=environment(go),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(compiler, lambda: progress(f"{source.name}: {_spell(time.monotonic() - began)}"))
        except BaseException:
            _end(compiler)
            raise
    if compiler.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").strip().splitlines()[-15:])
        raise LabError(
            f"compiling {source.name} failed ({' '.join(argv[:2])} ended with {compiler.returncode}):\n{tail}\n"
            "Modules come from GOPROXY; without network, name a directory with the programs in TIGHTROPE_LAB_BIN."
        )


def environment(go: Go) -> dict[str, str]:
    """The compiler's environment: the caller's, without what would change the programs. GOFLAGS is set rather than
    unset, since an unset one falls back to what `go env -w` wrote."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    fixed = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    return {**kept, **go.environment, **fixed}


def _wait(compiler: "subprocess.Popen[bytes]", heartbeat: Callable[[], None]) -> None:
    while True:
        try:
            compiler.wait(_HEARTBEAT_SECONDS)
        except subprocess.TimeoutExpired:
            heartbeat()
        else:
            return


def _end(compiler: "subprocess.Popen[bytes]") -> None:
    """End the compiler's whole group: go first asked, then everything it started killed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(compiler.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        compiler.wait(_END_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(compiler.pid, signal.SIGKILL)
    compiler.wait()


@contextlib.contextmanager
def _only_one(cache: Path, progress: Progress) -> Iterator[None]:
    """Hold the cache's lock; say so if another run holds it. The lock goes with its process, however that ends."""
    with (cache.parent / f"{cache.name}.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            progress(f"waiting for another run (process {lock.read().strip() or 'unknown'}) that compiles them already")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _remove_leftovers(cache: Path) -> None:
    """What a killed build left behind; the lock is held, so nobody works there now."""
    for leftover in cache.glob(f"{_WORKPLACE}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _spell(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
