"""One API server with the policies in force for the whole folder; each test has a namespace and people of its own."""

from collections.abc import Iterator

import pytest
from tenants.town import Town

from tightrope.lab.lab import Lab


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    directory = tmp_path_factory.mktemp("lab")
    with Lab.start(pools=[], directory=directory, progress=lambda _: None) as lab:
        yield Town.settle(lab)


@pytest.fixture
def namespace(town: Town) -> str:
    return town.namespace()
