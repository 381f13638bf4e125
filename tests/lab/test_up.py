"""`make lab` as a person meets it: what it prints, and Ctrl-C at any moment."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import processes_with, until

from tightrope.lab import up as lab_up

pytestmark = pytest.mark.lab

OPERATOR_ROOT = Path(lab_up.__file__).parents[2]


def up(directory: Path) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "tightrope.lab.up", "--directory", str(directory)]
    env = {**os.environ, "PYTHONPATH": str(OPERATOR_ROOT)}
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def programs_of(directory: Path) -> list[int]:
    return processes_with(f"{directory}/")


def test_make_lab_prints_how_to_use_it_and_ctrl_c_stops_everything(tmp_path: Path) -> None:
    run = up(tmp_path)
    assert run.stdout is not None
    shown = ""
    while "Ctrl-C stops everything" not in shown:
        line = run.stdout.readline()
        assert line, run.stderr.read() if run.stderr else ""
        shown += line
    assert f"export KUBECONFIG={tmp_path}/kubeconfig" in shown
    assert len(programs_of(tmp_path)) == 6
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=30)
    assert run.returncode == 0
    assert "the lab has been stopped" in said
    assert "Traceback" not in said
    assert programs_of(tmp_path) == []


@pytest.mark.parametrize(
    ("programs", "number"),
    [(1, signal.SIGINT), (2, signal.SIGTERM), (3, signal.SIGINT), (5, signal.SIGINT), (6, signal.SIGTERM)],
)
def test_a_signal_in_the_middle_of_the_start_leaves_nothing(
    tmp_path: Path, programs: int, number: signal.Signals
) -> None:
    run = up(tmp_path)
    until(lambda: len(programs_of(tmp_path)) >= programs, seconds=30, what=f"{programs} programs are up")
    run.send_signal(number)
    _, said = run.communicate(timeout=30)
    assert run.returncode == (0 if number == signal.SIGINT else 128 + number)
    assert "Traceback" not in said
    assert programs_of(tmp_path) == []
