"""What a command prints: a document for programs (JSON, YAML), or lines for people, coloured only on a terminal.

The commands build a document of plain values first and their lines from it, so that the three forms never disagree.
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

import yaml
from rich.console import Console
from rich.text import Text

Cell: TypeAlias = str | Text

GOOD, BAD, DOUBTFUL, FAINT, TITLE = "green", "red", "yellow", "dim", "bold"
_GAP = "   "
_STEPS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "m"))


class Form(StrEnum):
    """The forms of `-o`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def show(document: Any, form: Form, lines: Callable[[], Iterable[Text]]) -> None:
    """Print the document to stdout, in this form."""
    match form:
        case Form.JSON:
            print(json.dumps(document, indent=2, ensure_ascii=False))
        case Form.YAML:
            print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000), end="")
        case Form.TABLE:
            console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
            for line in lines():
                console.print(line)


def text(words: str | None, style: str = "") -> Text:
    """Words that somebody else wrote, without what could steer a terminal; `-` for nothing."""
    shown = "".join(char if char.isprintable() else " " for char in words) if words else "-"
    return Text(shown, style=style if words else FAINT)


def heading(words: str) -> Text:
    return Text(words, style=TITLE)


def columns(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[Text]:
    """Cells under their headings; the last column is as long as it likes."""
    table = [[heading(words) for words in headings]]
    table += [[cell if isinstance(cell, Text) else text(cell) for cell in row] for row in rows]
    widths = [max(row[position].cell_len for row in table) for position in range(len(headings))]
    return [_line(row, widths) for row in table]


def _line(row: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(row, widths, strict=True):
        line.append_text(cell)
        line.append(" " * (width - cell.cell_len) + _GAP)
    line.rstrip()
    return line


def ago(seconds: float) -> str:
    """How long ago, as kubectl says it: `45s`, `12m`, `3h`, `5d`."""
    for length, unit in _STEPS:
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(int(seconds), 0)}s"


def note(words: str) -> None:
    """Something for the person alone: on stderr, so that what programs read stays clean."""
    print(words, file=sys.stderr)
