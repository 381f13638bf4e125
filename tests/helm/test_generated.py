"""What follows from the chart is in step with it, and the chart with what it carries."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from helm.chart import CHART, ROOT, program

from tightrope.lab import chart

VALUES = (CHART / "values.yaml").read_text()


@pytest.mark.lab
def test_every_file_that_is_made_from_the_chart_is_as_it_would_be_made_now() -> None:
    for path, text in chart.written(program()).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)}: run make chart"


def test_the_chart_has_the_version_of_the_operator() -> None:
    described = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert described["version"] == described["appVersion"] == project["version"]
    image = yaml.safe_load((ROOT / "deploy" / "kustomization.yaml").read_text())["images"][0]
    assert image["newTag"] == project["version"]


def leaves(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    for name, field in schema["properties"].items():
        if "properties" in field:
            assert field["additionalProperties"] is False, f"{path}.{name} lets typing mistakes through"
            yield from leaves(field, (*path, name))
        else:
            yield (*path, name), field


def test_every_value_has_a_default_a_comment_and_a_description() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load(VALUES)
    declared = {path for path, _ in leaves(schema)} - {("global",)}
    for path, field in leaves(schema):
        assert field["description"].endswith("."), path
    given: set[tuple[str, ...]] = set()
    for path in declared:
        node = values
        for name in path:
            assert name in node, f"values.yaml has no {'.'.join(path)}"
            node = node[name]
        given.add(path)
    assert given == declared
    for number, line in enumerate(lines := VALUES.splitlines()):
        if re.match(r"\s*\w+: *\S", line) and not line.strip().startswith(("#", "requests", "limits")):
            assert lines[number - 1].strip().startswith("#"), f"values.yaml:{number + 1} has no comment: {line}"


def test_the_table_has_a_row_for_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    text = chart.table(schema, yaml.safe_load(VALUES))
    rows = set(re.findall(r"^\| `([\w.]+)`", text, re.MULTILINE))
    assert rows == {".".join(path) for path, _ in leaves(schema)} - {"global"}
    assert "From 5 to 300." in text
