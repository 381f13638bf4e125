"""One API server with the committed CRDs for all tests of this room that need a real one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from apiserver import ApiServer, api_server

from tightrope.lab import programs

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api-server"), programs.prepare()) as started:
        applied = started.kubectl("apply", "--server-side", "-f", str(CRDS))
        assert applied.returncode == 0, applied.stderr
        established = started.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))
        assert established.returncode == 0, established.stderr
        yield started
