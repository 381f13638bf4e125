"""One lab for the whole folder; each test gets a namespace of its own and a running operator."""

import itertools
from collections.abc import Iterator

import pytest
from e2e.world import World

COUNT = itertools.count(1)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    built = World.start(tmp_path_factory.mktemp("lab"))
    try:
        built.start_operator()
        yield built
    finally:
        built.stop()


@pytest.fixture
def namespace(world: World) -> Iterator[str]:
    """A fresh namespace; at the end its service goes, and faults are lifted. A failure shows what the operator said."""
    name = f"test-{next(COUNT)}"
    world.ensure_operator()
    yield world.namespace(name)
    print(*(line for line in world.operator_log() if line.get("namespace") == name), sep="\n")
    world.fault()
    world.quiet(name)
    world.kubectl("delete", "infd", "--all", "-n", name, "--wait=false", check=False)
