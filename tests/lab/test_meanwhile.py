"""What the very first run shows while its programs compile."""

import threading

import pytest

from tightrope.lab import meanwhile
from tightrope.lab.demo import scenario_at


def test_the_demos_own_service_is_replayed_while_programs_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanwhile, "missing", lambda: ["kube-apiserver"])
    monkeypatch.setattr(meanwhile, "GENERATED", ("--generate", "diurnal", "--hours", "0.5", "--rate", "40"))
    told, done = [], threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        done.set()

    with meanwhile.replayed(scenario_at("demo"), tell):
        assert done.wait(60)

    assert "Tightrope" in told[0] and "Static peak" in told[0] and "USD" in told[0]


def test_nothing_is_replayed_when_nothing_has_to_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanwhile, "missing", list)
    monkeypatch.setattr(meanwhile, "command", lambda *_: pytest.fail("a replay was started"))

    with meanwhile.replayed(scenario_at("demo"), lambda text: pytest.fail(text)):
        pass


def test_an_early_end_leaves_no_process_behind_and_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanwhile, "missing", lambda: ["kube-apiserver"])
    started = []
    real = meanwhile.subprocess.Popen

    def popen(*arguments, **named):
        started.append(real(*arguments, **named))
        return started[-1]

    monkeypatch.setattr(meanwhile.subprocess, "Popen", popen)
    with meanwhile.replayed(scenario_at("demo"), lambda text: pytest.fail(text)):
        pass

    assert started[0].poll() is not None
