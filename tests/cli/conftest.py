"""Fixtures: a cluster that can be asked over HTTP, and the command line as its user types it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli.clusters import Cluster, cluster
from cli.prometheus import Prometheus, prometheus
from typer.testing import CliRunner, Result

from tightrope.cli.main import app

Type = Callable[..., Result]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Cluster]:
    """An empty cluster, whose kubeconfig is the one in use."""
    with cluster(tmp_path) as made:
        yield made


@pytest.fixture
def typed(here: Cluster) -> Type:
    """`typed("top", "-A")` types that, in the cluster `here`."""
    environment = {
        "KUBECONFIG": str(here.kubeconfig),
        "KUBERNETES_SERVICE_HOST": None,
        "TIGHTROPE_PROMETHEUS_URL": None,
    }
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env=environment)


@pytest.fixture
def asked() -> Iterator[Prometheus]:
    """A Prometheus without any pod yet."""
    with prometheus() as made:
        yield made
