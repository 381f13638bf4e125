"""The same commands as a kubectl plugin, with completion, and what stays cheap about the operator's own start."""

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tightrope.cli import plugin
from tightrope.cli.main import app

ROOT = Path(__file__).resolve().parents[2]


def python(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT / "operator", capture_output=True, text=True).stdout


def test_every_program_that_is_installed_can_be_called() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert {"tightrope", "kubectl-tightrope", "kubectl_complete-tightrope"} <= scripts.keys()
    for target in scripts.values():
        module, name = target.split(":")
        assert callable(getattr(import_module(module), name))


def test_help_speaks_kubectls_language(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["kubectl-tightrope", "top", "--help"])
    with pytest.raises(SystemExit) as ended:
        plugin.run()
    assert ended.value.code == 0 and "Usage: kubectl tightrope top" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ex"], ["explain"]),
        (["top", "--all"], ["--all-namespaces"]),
        (["top", "-o", "y"], ["yaml"]),
        (["pause", "--d"], ["--descents"]),
    ],
)
def test_kubectl_is_told_the_words_that_may_follow(words: list[str], expected: list[str]) -> None:
    script = f"import sys; sys.argv[1:] = {words!r}; from tightrope.cli.plugin import complete; complete()"
    assert python(script).splitlines() == [*expected, ":4"]


def test_the_command_line_starts_without_the_rooms_of_its_commands() -> None:
    heavy = ("numba", "matplotlib", "kopf", "kubernetes", "pydantic", "prometheus_api_client")
    script = f"import sys; import tightrope.cli.main; print([name for name in {heavy!r} if name in sys.modules])"
    assert python(script).strip() == "[]"


def test_the_operator_never_loads_what_only_replays_need() -> None:
    script = (
        "import sys; import tightrope.cli.main, tightrope.controller.wiring, tightrope.cli.check, tightrope.cli.plan; "
        "print([name for name in ('numba', 'matplotlib', 'scipy', 'tightrope.replay') if name in sys.modules])"
    )
    assert python(script).strip() == "[]"


def test_every_command_has_its_section_in_the_docs_and_no_other() -> None:
    sections = re.findall(r"^## tightrope (\S+)$", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(command.name or command.callback.__name__ for command in app.registered_commands)
