"""What the documents show can be used as it stands: objects are accepted, commands and links exist."""

import re
from pathlib import Path

import pytest
import typer
import yaml
from docs.documents import DOCUMENTS, ROOT, Block, blocks, commands

from tightrope.api.parse import parse_pool, parse_service
from tightrope.cli.main import app

BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
YAML = [block for block in BLOCKS if block.language == "yaml" and "apiVersion: tightrope.dev" in block.text]
SHELL = [block for block in BLOCKS if block.language in ("sh", "console", "")]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)")
PARSERS = {"InferenceDeployment": parse_service, "ComputePool": parse_pool}


@pytest.mark.parametrize("block", YAML, ids=str)
def test_every_object_of_ours_is_accepted(block: Block) -> None:
    for wire in yaml.safe_load_all(block.text):
        if wire["apiVersion"].startswith("tightrope.dev/"):
            known = {"uid": "1", "namespace": "nlp", "resourceVersion": "1", "generation": 1}
            PARSERS[wire["kind"]](wire | {"metadata": known | wire["metadata"]})


def ours() -> list[tuple[Block, list[str]]]:
    found = []
    for block in SHELL:
        if "tightrope " not in block.text:
            continue
        try:
            found += [(block, words) for words in commands(block) if words[0] == "tightrope" and words[-1] != "..."]
        except ValueError:
            continue  # a block without a language may be no shell at all
    return found


@pytest.mark.parametrize(
    ("block", "words"), ours(), ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_every_command_of_ours_and_its_options_exist(block: Block, words: list[str]) -> None:
    command = typer.main.get_command(app)
    name, *rest = (word for word in words[1:])
    found = command.commands[name]  # type: ignore[attr-defined]
    options = {spelled for parameter in found.params for spelled in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        if word.startswith("-") and word != "-":
            assert word.split("=")[0] in options, f"{block}: {name} has no option {word}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for place, anchor in LINK.findall(document.read_text()):
        target = (document.parent / place).resolve() if place else document
        assert target.exists(), f"{document.relative_to(ROOT)} links to {place}, which is not there"
        if anchor and target.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{document.relative_to(ROOT)} links to #{anchor}, which {place} has not"


def test_troubleshooting_names_every_condition_and_reason() -> None:
    sources = [path.read_text() for path in (ROOT / "operator" / "tightrope" / "controller").glob("*.py")]
    said = {pair for text in sources for pair in re.findall(r'said\(\s*"(\w+)", (?:True|False|met), "(\w+)"', text)}
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    good = {"Accepted", "Available", "Usable", "BudgetLeft"}

    assert len(said) > 10
    for condition, reason in said:
        if reason not in good:
            assert f"`{condition}=" in page and f"`{reason}`" in page, f"{condition} with {reason} is not explained"
