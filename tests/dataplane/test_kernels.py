"""The compiler: where it may write nothing, and who must never load it."""

import subprocess
import sys

import pytest
from numba.core import caching

from tightrope.dataplane import kernels


def test_where_nothing_can_be_written_it_compiles_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    compiled = kernels.compiled(twice)
    assert compiled(21) == 42


def twice(number: int) -> int:
    return 2 * number


def test_the_operator_and_the_command_line_start_without_the_compiler() -> None:
    """It takes a second and a hundred megabytes to load, in every pod of the operator."""
    loads = "import sys, tightrope.cli.main, tightrope.controller.wiring; print('numba' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
