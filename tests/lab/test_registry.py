"""What runs on this machine: no port twice, and nothing left of a killed lab."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tightrope.lab import registry
from tightrope.lab.errors import LabError


@pytest.fixture(autouse=True)
def own_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen(["/bin/sleep", "300"], start_new_session=True)
    yield child
    child.kill()
    child.wait()


def entry_files(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.glob("tightrope-lab-*/lab-*.json"))


def orphan(tmp_path: Path, **changes: object) -> None:
    """Rewrite the only entry as if its owner had been killed: the process id is taken, but by a younger process."""
    (file,) = entry_files(tmp_path)
    file.write_text(json.dumps({**json.loads(file.read_text()), "owner_started": "long ago", **changes}))


def test_two_labs_never_share_a_port() -> None:
    first, second = registry.register(None), registry.register(None)
    ports = [lab.port() for _ in range(20) for lab in (first, second)]
    assert len(set(ports)) == len(ports)
    assert all(port in registry.PORTS for port in ports)


def test_a_port_somebody_listens_on_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        monkeypatch.setattr(registry, "PORTS", range(busy, busy + 1))
        with pytest.raises(LabError, match="no free port"):
            registry.register(None).port()


def test_a_killed_labs_children_and_directory_are_removed_by_the_next_start(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    killed = registry.register(None)
    killed.add_child("etcd", sleeper.pid)
    orphan(tmp_path)
    registry.register(None)
    assert sleeper.wait(5) == -signal.SIGKILL
    assert not killed.directory.exists()
    assert len(entry_files(tmp_path)) == 1


def test_a_process_that_only_inherited_the_number_is_left_alone(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    registry.register(None).add_child("etcd", sleeper.pid)
    children = [{"name": "etcd", "pid": sleeper.pid, "started": "another time"}]
    orphan(tmp_path, children=children)
    assert len(registry.sweep()) == 1
    assert sleeper.poll() is None


def test_a_living_lab_and_one_on_another_machine_are_left_alone(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    lab = registry.register(None)
    lab.add_child("etcd", sleeper.pid)
    assert registry.sweep() == []
    orphan(tmp_path, machine="elsewhere")
    assert registry.sweep() == []
    assert sleeper.poll() is None
    assert lab.directory.exists()


def test_a_directory_that_was_given_is_kept_and_cannot_have_two_labs(tmp_path: Path) -> None:
    first = registry.register(tmp_path / "mine")
    first.directory.mkdir()
    with pytest.raises(LabError, match=f"a lab already runs in {tmp_path / 'mine'} \\(process {os.getpid()}\\)"):
        registry.register(tmp_path / "mine")
    first.close()
    registry.register(tmp_path / "mine").close()
    assert (tmp_path / "mine").exists()
    assert entry_files(tmp_path) == []


def test_a_temporary_directory_goes_with_its_lab_unless_somebody_wants_to_read_it() -> None:
    lab, failed = registry.register(None), registry.register(None)
    failed.keep_directory()
    for one in (lab, failed):
        one.close()
        one.close()
    assert not lab.directory.exists()
    assert failed.directory.exists()


def test_half_an_entry_does_not_stop_the_next_lab(tmp_path: Path) -> None:
    registry.register(None)
    entry_files(tmp_path)[0].write_text('{"owner": 1')
    registry.register(None)


def test_a_registry_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    registry.register(None)
    home = next(tmp_path.glob("tightrope-lab-*"))
    home.chmod(0o777)
    with pytest.raises(LabError, match="not a private directory"):
        registry.register(None)


def test_a_process_is_known_by_its_start_and_a_dead_one_by_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert registry.started(child.pid) == registry.started(child.pid) is not None
    child.communicate(b"\n")
    assert registry.started(child.pid) is None
