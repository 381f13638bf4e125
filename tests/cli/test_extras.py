"""A plain installation has all that a live cluster needs; what it has not, it names."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tightrope.cli.extras import needed

ROOT = Path(__file__).resolve().parents[2]
FILES = ["--spec", "examples/sentiment.yaml", "--pools", "examples/pools.yaml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", *FILES, "--generate", "diurnal", "--rate", "20"],
        ["compare", *FILES, "--traces", "examples"],
    ],
)
def test_without_the_extra_a_command_says_in_one_sentence_what_to_install(arguments: list[str]) -> None:
    script = (
        "import sys; sys.modules['numba'] = None\n"  # as if it were not installed
        f"from tightrope.cli.main import app; app({arguments!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f'`tightrope {arguments[0]}` needs numba: pip install "tightrope[replay]"\n'


def test_a_module_of_ours_that_is_missing_is_our_mistake_and_told_as_it_is() -> None:
    with pytest.raises(ModuleNotFoundError), needed("replay", by="replay"):
        import tightrope.nowhere  # noqa: F401


def test_what_is_there_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    with needed("replay", by="replay"):
        import json  # noqa: F401
    with pytest.raises(typer.Exit) as ended, needed("replay", by="replay"):
        import no_such_module  # noqa: F401
    assert ended.value.exit_code == 2
    assert "no_such_module" in capsys.readouterr().err
