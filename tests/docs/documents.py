"""The documents as a reader takes them: code blocks with the file name before them, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_BLOCK = re.compile(
    r"(?:^`(?P<file>[\w.-]+)`:\n\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """One fenced block; `file` is the name that the line before it gives it."""

    document: Path
    language: str
    text: str
    file: str | None

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}: {self.text.splitlines()[0] if self.text else ''}"


def blocks(document: Path) -> list[Block]:
    return [
        Block(document=document, language=found["language"], text=found["text"], file=found["file"])
        for found in _BLOCK.finditer(document.read_text())
    ]


def commands(block: Block) -> Iterator[list[str]]:
    """The commands of a shell block, or those after a prompt of a console block, as words."""
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        if block.language == "console":
            if not line.startswith("$ "):
                continue
            line = line[2:]
        words = shlex.split(line, comments=True)
        if words:
            yield words
