"""The committed CRDs and the reference are what the models make, and structural in the API server's sense."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import Field

from tightrope.api.crd import KINDS, Kind, as_yaml, crd, structural, write
from tightrope.api.reference import reference
from tightrope.api.schema import PRESERVE, RULES, OpenWire, Wire

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "crds"


def schema_of(kind: Kind) -> dict[str, Any]:
    return crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]  # type: ignore[no-any-return]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            yield from nodes(schema[part], f"{path}[]")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_committed_crd_is_what_the_models_make(kind: Kind) -> None:
    committed = (CRDS / kind.file_name).read_text(encoding="utf-8")
    assert committed == as_yaml(crd(kind)), "run: python -m tightrope.api.crd crds/"
    assert yaml.safe_load(committed) == crd(kind)


def test_there_is_no_other_file_among_the_crds(tmp_path: Path) -> None:
    assert {file.name for file in write(tmp_path)} == {file.name for file in CRDS.iterdir()}


def test_the_reference_is_what_the_models_make() -> None:
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == reference(), (
        "run: python -m tightrope.api.reference docs/api.md"
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_is_typed_described_and_bounded(kind: Kind) -> None:
    for path, node in nodes(schema_of(kind)):
        assert "type" in node or "x-kubernetes-int-or-string" in node, f"{path} has no type"
        if path.startswith((".spec", ".status")) and not path.endswith("[]"):
            assert node.get("description"), f"{path} has no description"
        if node.get("type") == "array":
            assert "maxItems" in node or path == ".spec.variants[].patch.containers", f"{path} is not bounded"
        if node.get("type") == "string" and path not in (".apiVersion", ".kind"):
            assert {"maxLength", "enum"} & node.keys(), f"{path} is not bounded"
        if node.get("type") in ("integer", "number") and path.startswith(".spec") and "patch" not in path:
            assert {"minimum", "maximum"} <= node.keys(), f"{path} is not bounded"
        if "additionalProperties" in node:
            assert "maxProperties" in node, f"{path} is not bounded"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_rule_has_a_sentence_of_its_own(kind: Kind) -> None:
    for path, node in nodes(schema_of(kind)):
        messages = [rule["message"] for rule in node.get(RULES, ())]
        assert len(messages) == len(set(messages)), path
        assert all("\n" not in message for message in messages), path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_column_prints_the_first_item_of_a_list_that_can_have_more(kind: Kind) -> None:
    for column in crd(kind)["spec"]["versions"][0]["additionalPrinterColumns"]:
        assert "[*]" not in column["jsonPath"]
        assert "variants" not in column["jsonPath"]


def test_a_number_that_must_be_greater_says_so_beside_its_bound() -> None:
    class Sample(Wire):
        rate: float = Field(gt=0, lt=100)

    assert structural(Sample.model_json_schema(), {})["properties"]["rate"] == {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 100,
        "exclusiveMaximum": True,
    }


def test_an_optional_field_has_no_null_and_no_default() -> None:
    class Sample(Wire):
        kind: Literal["one"] | None = None

    assert structural(Sample.model_json_schema(), {})["properties"]["kind"] == {"type": "string", "enum": ["one"]}


def test_an_open_object_keeps_what_it_does_not_know() -> None:
    class Sample(OpenWire):
        name: str = ""

    assert structural(Sample.model_json_schema(), {})[PRESERVE] is True


def test_what_has_no_structural_schema_is_refused() -> None:
    class Union(Wire):
        value: int | str

    class Pair(Wire):
        value: tuple[int, str]

    for model in (Union, Pair):
        with pytest.raises(ValueError, match="no structural schema"):
            structural(model.model_json_schema(), {})
