"""The security model names tests that exist, and its manifest is one that the API server takes."""

import re
from pathlib import Path

import pytest
import yaml
from tenants.town import Town

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "security-model.md").read_text()


def test_every_test_that_is_named_exists_and_every_test_here_is_named() -> None:
    named = set(re.findall(r"`([a-z]+/test_\w+\.py)`", DOCUMENT))
    assert len(named) >= 10
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []
    here = {f"tenants/{file.name}" for file in Path(__file__).parent.glob("test_*.py")} - {
        f"tenants/{Path(__file__).name}"
    }
    assert here <= named


@pytest.mark.lab
def test_the_manifest_is_accepted(town: Town) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert blocks
    for block in blocks:
        town.apply(yaml.safe_load(block))
