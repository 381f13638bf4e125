"""Every manifest in bad/ has one fault; its first line says which words the refusal must hold, separated by ` | `."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver import ApiServer

from tightrope.api.parse import SpecInvalid, parse_pool, parse_service

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))
# Refused by kubectl, which is strict about unknown fields; other clients have them dropped, and nothing acts on them.
UNKNOWN_FIELDS = {"field-misspelled", "target-namespace"}


def expected_words(manifest: Path) -> list[str]:
    first = manifest.read_text().splitlines()[0]
    assert first.startswith("# expect: "), f"{manifest.name} does not say what is expected"
    return first.removeprefix("# expect: ").split(" | ")


def parse(wire: dict[str, Any]) -> object:
    return (parse_pool if wire["kind"] == "ComputePool" else parse_service)(wire)


def test_there_are_enough_of_them() -> None:
    assert len(BAD) >= 40


@pytest.mark.lab
@pytest.mark.parametrize("manifest", BAD, ids=lambda path: path.stem)
def test_kubectl_apply_refuses_it_in_a_sentence_that_names_the_field(manifest: Path, server: ApiServer) -> None:
    answer = server.apply(manifest.read_text(), "--dry-run=server")
    assert answer.returncode != 0, "it was accepted"
    for words in expected_words(manifest):
        assert words in answer.stderr


@pytest.mark.parametrize("manifest", [m for m in BAD if m.stem not in UNKNOWN_FIELDS], ids=lambda path: path.stem)
def test_the_operator_refuses_it_too_if_it_was_stored_under_an_older_schema(manifest: Path) -> None:
    with pytest.raises(SpecInvalid) as refusal:
        parse(yaml.safe_load(manifest.read_text()))
    assert refusal.value.remedy
    assert refusal.value.field.startswith(("spec", "metadata", "object"))


@pytest.mark.parametrize("manifest", [m for m in BAD if m.stem in UNKNOWN_FIELDS], ids=lambda path: path.stem)
def test_an_unknown_field_is_ignored_as_a_newer_schema_may_know_it(manifest: Path) -> None:
    parse(yaml.safe_load(manifest.read_text()))
