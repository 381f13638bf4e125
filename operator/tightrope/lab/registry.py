"""Which labs run on this machine: their owners, children and ports. `Lab.start` registers, so that two labs never share
a port and a start cleans up what a killed lab left behind.

One file a lab under the temporary directory, changed only under one lock. Entries of another host, container or user
are not ours to judge and are left alone.
"""

import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tightrope.lab.errors import LabError

# Below what Linux and macOS hand out for outgoing connections: a port stays ours while its program is restarted.
PORTS: Final = range(20000, 32000)
_TRIES: Final = 1000


@dataclass(slots=True, kw_only=True)
class Child:
    name: str
    pid: int
    started: str


@dataclass(slots=True, kw_only=True)
class Entry:
    """One lab: who owns it, on which machine, where it lives. `temporary` directories go with it."""

    owner: int
    owner_started: str
    machine: str
    directory: str
    temporary: bool
    ports: list[int] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)


class Registration:
    """A lab's place in the registry; `close` gives it up. Safe to use from several threads."""

    def __init__(self, path: Path, entry: Entry) -> None:
        self._path = path
        self._entry = entry

    @property
    def directory(self) -> Path:
        return Path(self._entry.directory)

    def port(self) -> int:
        """A port on 127.0.0.1 that is free now and that no other lab will take."""
        with _locked():
            taken = {port for _, entry in _entries() for port in entry.ports} | set(self._entry.ports)
            port = _free_port(taken)
            self._entry.ports.append(port)
            self._write()
        return port

    def add_child(self, name: str, pid: int) -> None:
        with _locked():
            self._entry.children.append(Child(name=name, pid=pid, started=started(pid) or ""))
            self._write()

    def close(self) -> None:
        """Forget this lab, and its directory if that was a temporary one."""
        with _locked():
            self._path.unlink(missing_ok=True)
        if self._entry.temporary:
            shutil.rmtree(self._entry.directory, ignore_errors=True)

    def keep_directory(self) -> None:
        """Leave a temporary directory behind: somebody will want to read its logs."""
        self._entry.temporary = False

    def _write(self) -> None:
        _write(self._path, self._entry)


def register(directory: Path | None) -> Registration:
    """A place for a new lab in `directory`, or in a temporary one. Cleans up after killed labs first."""
    with _locked():
        _sweep()
        temporary = directory is None
        home = Path(tempfile.mkdtemp(prefix="lab-", dir=_home())) if directory is None else directory.absolute()
        _refuse_shared(home)
        entry = Entry(
            owner=os.getpid(),
            owner_started=started(os.getpid()) or "",
            machine=_machine(),
            directory=str(home),
            temporary=temporary,
        )
        handle, name = tempfile.mkstemp(prefix="lab-", suffix=".json", dir=_home())
        os.close(handle)
        registration = Registration(Path(name), entry)
        _write(Path(name), entry)
    return registration


def sweep() -> list[str]:
    """Clean up after labs whose owner is gone; returns their directories."""
    with _locked():
        return _sweep()


def started(pid: int) -> str | None:
    """When this process started, in whatever words the system has: with the id it names a process for good, for ids
    are used again. None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return shown.stdout.strip() or None
    except ProcessLookupError:
        return None
    # The second field, the command's name, may hold spaces and brackets; field 22 is counted from after it.
    state, *rest = stat.rpartition(")")[2].split()
    return None if state == "Z" else rest[18]


def _sweep() -> list[str]:
    swept = []
    for path, entry in _entries():
        if entry.machine != _machine() or started(entry.owner) == entry.owner_started:
            continue
        for child in reversed(entry.children):
            if child.started and started(child.pid) == child.started:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
        if entry.temporary:
            shutil.rmtree(entry.directory, ignore_errors=True)
        path.unlink(missing_ok=True)
        swept.append(entry.directory)
    return swept


def _refuse_shared(directory: Path) -> None:
    for _, entry in _entries():
        if Path(entry.directory) == directory:
            raise LabError(f"a lab already runs in {directory} (process {entry.owner}); stop it or name another place")


def _free_port(taken: set[int]) -> int:
    for _ in range(_TRIES):
        port = random.choice(PORTS)
        if port in taken:
            continue
        with socket.socket() as probe:
            # As the programs themselves do: a port in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise LabError(f"no free port on 127.0.0.1 between {PORTS.start} and {PORTS.stop} in {_TRIES} tries")


def _entries() -> list[tuple[Path, Entry]]:
    entries = []
    for path in sorted(_home().glob("lab-*.json")):
        # Half a file is a registration that was cut off before its lab had any child.
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            entries.append((path, _parse(json.loads(path.read_text()))))
    return entries


def _parse(data: dict[str, Any]) -> Entry:
    return Entry(**{**data, "children": [Child(**child) for child in data["children"]]})


def _write(path: Path, entry: Entry) -> None:
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps(asdict(entry), indent=1))
    whole.replace(path)


def _home() -> Path:
    """A directory that only we can write to, or somebody else could have us kill and remove what they like."""
    home = Path(tempfile.gettempdir()) / f"tightrope-lab-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    state = home.lstat()
    if state.st_uid != os.getuid() or state.st_mode & 0o077 or home.is_symlink():
        raise LabError(f"{home} is not a private directory of ours; remove it, or set TMPDIR to one that is")
    return home


def _machine() -> str:
    """Where process ids mean the same: this host and, on Linux, this container."""
    with contextlib.suppress(OSError):
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    return socket.gethostname()


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    with (_home() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
