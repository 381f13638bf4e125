"""The demo as a command: exit codes, keeping and taking down, and one run from end to end."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import records

from tightrope.lab import checks, demo, registry, scenario
from tightrope.lab.record import Record, read_json

SOURCES = str(Path(demo.__file__).parents[2])


def performed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, record: Record) -> int:
    """`perform` with a drive that has this record at once."""
    drive = SimpleNamespace(start=lambda: None, run=lambda watch: record)
    monkeypatch.setattr(demo, "Drive", lambda lab, plan, progress: drive)
    lab: Any = None
    return demo.perform(lab, scenario.load(scenario.SCENARIOS / "demo.yaml"), tmp_path / "demo.png")


def test_a_run_in_which_all_held_exits_with_0_and_leaves_picture_and_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = records.a_record()
    assert performed(monkeypatch, tmp_path, record) == 0
    assert (tmp_path / "demo.png").exists() and read_json(tmp_path / "demo.json") == record
    assert f"picture: {tmp_path / 'demo.png'}" in capsys.readouterr().out


def test_a_run_in_which_something_broke_exits_with_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    service = records.a_service(good=0.9)
    assert performed(monkeypatch, tmp_path, records.a_record(services=(service,))) == 1


def test_an_unknown_scenario_exits_with_2_and_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--scenario", "nowhere"]) == 2
    assert re.search(r"nowhere: No such file.*demo", capsys.readouterr().err)


def test_the_command_without_a_scenario_runs_the_demo() -> None:
    options = demo._parser().parse_args([])
    assert demo.scenario_at(options.scenario).name == "demo"
    assert demo.scenario_at(str(scenario.SCENARIOS / "switch.yaml")).name == "switch"


def test_taking_down_what_is_not_up_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--down", "--directory", str(tmp_path)]) == 0
    assert "no lab was left up" in capsys.readouterr().err


def test_taking_down_never_ends_a_process_that_only_has_the_number(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        note = tmp_path / "keeper.json"
        note.write_text(json.dumps({"pid": stranger.pid, "started": "long ago"}))
        assert demo.down(tmp_path) == 0
        assert stranger.poll() is None and not note.exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_taking_down_ends_the_keeper_and_waits_for_it(tmp_path: Path) -> None:
    keeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    note = {"pid": keeper.pid, "started": registry.started(keeper.pid)}
    (tmp_path / "keeper.json").write_text(json.dumps(note))
    assert demo.down(tmp_path) == 0
    assert keeper.wait(5) == -signal.SIGTERM


def test_a_keeper_ends_when_the_command_that_started_it_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(demo.os, "kill", lambda pid, number: ended.append(number))
    for told, expected in ((False, [signal.SIGTERM]), (True, [])):
        ended.clear()
        read, write = os.pipe()
        os.close(write)
        verdict = demo.threading.Event()
        if told:
            verdict.set()
        demo._end_with_front(read, verdict)
        os.close(read)
        assert ended == expected


@contextlib.contextmanager
def command(*args: str, cwd: Path) -> Iterator["subprocess.Popen[str]"]:
    """The demo as a person starts it, without a terminal."""
    environment = {**os.environ, "PYTHONPATH": SOURCES}
    process = subprocess.Popen(
        [sys.executable, "-m", "tightrope.lab.demo", *args],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # As in a terminal, whatever the shell that runs the tests has done with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(60)


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def processes_in(directory: Path) -> list[str]:
    """Command lines that name this directory: every program of a lab does."""
    shown = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in shown.splitlines() if str(directory) in line and "ps -ww" not in line]


@pytest.mark.lab
def test_a_scenario_holds_from_end_to_end_and_its_lab_stays_until_it_is_taken_down(tmp_path: Path) -> None:
    with command("--scenario", "switch", "--keep", cwd=tmp_path) as process:
        said, _ = process.communicate(timeout=280)
    lab = tmp_path / "build" / "lab"
    try:
        assert process.returncode == 0, said
        (service,) = read_json(tmp_path / "build" / "demo.json").services
        assert [checks.label(switch.after) for switch in checks.switches(service) if switch.completed] == ["gpu"]
        assert {fault.label for fault in read_json(tmp_path / "build" / "demo.json").faults} == {
            "operator killed",
            "Prometheus down",
        }
        assert (tmp_path / "build" / "demo.png").stat().st_size > 50_000
        told = re.search(r"export (KUBECONFIG)=(\S+)\s+(\S+ get infd -n nlp)", said)
        assert told is not None, said
        listed = subprocess.run(
            told.group(3).split(), env={**os.environ, told.group(1): told.group(2)}, capture_output=True, text=True
        )
        assert "sentiment" in listed.stdout, listed.stderr
    finally:
        with command("--down", cwd=tmp_path) as taking_down:
            answer, _ = taking_down.communicate(timeout=60)
    assert "has been stopped" in answer
    assert processes_in(lab) == []


@pytest.mark.lab
@pytest.mark.parametrize("keep", [(), ("--keep",)], ids=["plain", "kept"])
def test_ctrl_c_leaves_nothing_running(tmp_path: Path, keep: tuple[str, ...]) -> None:
    with command("--scenario", "switch", "--directory", str(tmp_path / "lab"), *keep, cwd=tmp_path) as process:
        assert process.stdout is not None
        line = next((line for line in process.stdout if line.startswith("starting the operator")), None)
        assert line is not None and processes_in(tmp_path / "lab")
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(30) == 130
    assert eventually(lambda: processes_in(tmp_path / "lab") == [], 10)


@pytest.mark.lab
def test_a_command_that_is_killed_takes_its_keeper_along(tmp_path: Path) -> None:
    with command("--scenario", "switch", "--keep", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert next(line for line in process.stdout if line.startswith("starting the emulated servers"))
        process.kill()
    assert eventually(lambda: processes_in(tmp_path / "build" / "lab") == [], 20)
