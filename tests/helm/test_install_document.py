"""docs/install.md promises nothing that is not there: values, files, and helm's own options."""

import json
import re

import pytest
from helm.chart import CHART, ROOT, helm

TEXT = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?:helm|kubectl) .*(?:\\\n.*)*", TEXT, re.MULTILINE)


def test_every_value_it_names_is_one() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    named = set(re.findall(r"--set '?([\w.]+)=", TEXT)) | set(
        re.findall(r"`([a-z]\w+\.\w+(?:\.\w+)?)(?:: \w+)?`", TEXT)
    )
    assert {"prometheus.url", "paused", "crds.install", "monitoring.podMonitor.enabled"} <= named
    for path in named:
        node = schema
        for name in path.split("."):
            assert name in node.get("properties", {}), f"{path} is no value"
            node = node["properties"][name]


def test_every_file_and_page_it_names_is_there() -> None:
    paths = set(re.findall(r"(?:-k|-f) ([\w./-]+)", TEXT)) | set(re.findall(r"helm/tightrope", TEXT))
    assert {"deploy", "deploy/teams", "deploy/monitoring", "helm/tightrope", "crds"} <= paths
    for path in paths:
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (ROOT / "docs" / link).exists(), link


@pytest.mark.lab
def test_every_option_it_gives_to_helm_is_one_of_helms() -> None:
    options = {
        (command.split()[1], option)
        for command in COMMANDS
        if command.startswith("helm")
        for option in re.findall(r"--[\w-]+", command)
    }
    options |= {("install", "--take-ownership"), ("upgrade", "--force-conflicts"), ("install", "--dry-run")}
    assert len(options) > 6
    for command, option in options:
        assert option in helm(command, "--help").stdout, f"helm {command} {option}"
