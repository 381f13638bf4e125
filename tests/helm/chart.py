"""The chart as the real helm renders it, and what its files say. Tests ask `render`; a refusal comes back as text."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tightrope.lab.programs import SOURCES, find

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "tightrope"
NAMESPACE = "tightrope-system"
URL = "http://prometheus.monitoring:9090"


def program(name: str = "helm") -> str:
    found = find(next(source for source in SOURCES if source.name == name))
    assert found is not None, "the lab's programs are not there: make programs"
    return str(found)


def helm(*arguments: str, values: Mapping[str, Any] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the lab's helm; `values` go in as a file on stdin."""
    given = ["--values", "-"] if values is not None else []
    text = yaml.safe_dump(dict(values)) if values is not None else None
    return subprocess.run(
        [program(), *arguments, *given],
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def render(release: str = "tightrope", namespace: str = NAMESPACE, **values: Any) -> list[dict[str, Any]]:
    """What an installation with these values would send, in helm's order; `prometheus.url` is set unless given."""
    done = template(release, namespace, **values)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def template(
    release: str = "tightrope", namespace: str = NAMESPACE, **values: Any
) -> "subprocess.CompletedProcess[str]":
    return helm("template", release, str(CHART), "-n", namespace, values={"prometheus": {"url": URL}} | values)


def refusal(**values: Any) -> str:
    """What helm says to values that it must refuse, without its frame."""
    done = template(**values)
    assert done.returncode != 0, f"accepted: {values}"
    return done.stderr


def one(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    found = [document for document in documents if document["kind"] == kind]
    assert len(found) == 1, [document["kind"] for document in documents]
    return found[0]
