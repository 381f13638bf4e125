"""The lines of a CSV file as a user has it, plain or gzipped. `table` and `events` read them."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tightrope.replay.profiles import ReplayError

_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}


def text_of(path: Path) -> str:
    """The whole file. Raises ReplayError for one that is not there or no text."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or "it is no whole gzip file"
        raise ReplayError(f"{path}: {why}: write the path of a CSV file, plain or .gz") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ReplayError(f"{path}, line {line}: this is not text in UTF-8: write a CSV file, saved as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ReplayError(f"{path}, line {line}: this is not text, but has zero bytes in it: write a CSV file")
    return text


def lines(text: str, path: Path, *, shape: str) -> Iterator[tuple[int, list[str]]]:
    """Every line that is neither empty nor a comment, with its number; `shape` says what to write. Raises
    ReplayError."""
    reader = csv.reader(io.StringIO(text, newline=""))
    line = 1
    try:
        for row in reader:
            if row and any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#"):
                if any("\n" in cell or "\r" in cell for cell in row):
                    raise ReplayError(f"{path}, line {line}: a quote is opened there and not closed: {shape}")
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise ReplayError(f"{path}, line {line}: this is no CSV ({error}): {shape}") from None


def check_separator(path: Path, line: int, row: list[str]) -> None:
    """Refuse a first line whose columns are separated by something else than commas. Raises ReplayError."""
    for mark, name in _SEPARATORS.items():
        if len(row) == 1 and mark in row[0]:
            raise ReplayError(
                f"{path}, line {line}: its columns are separated by {name}: write commas, and points in numbers"
            )
