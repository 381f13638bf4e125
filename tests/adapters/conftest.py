"""Fixtures: one real Prometheus for all tests of a module, since it takes seconds to find its targets."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_server import RealPrometheus, Scraped, prometheus_program, real_prometheus

StartPrometheus = Callable[[Scraped], contextlib.AbstractContextManager[RealPrometheus]]


@pytest.fixture(scope="module")
def start_prometheus(tmp_path_factory: pytest.TempPathFactory) -> StartPrometheus:
    """Starts Prometheus over the given pods: `with start_prometheus(scraped) as prometheus`."""
    program = prometheus_program()
    if program is None:
        pytest.skip(
            "no prometheus yet: python -m tightrope.lab.programs builds it, or TIGHTROPE_LAB_BIN names its directory"
        )
    found: Path = program
    return lambda scraped: real_prometheus(found, tmp_path_factory.mktemp("prometheus"), scraped)
