"""How long the requests to a language model are, as a user gives it: the `tokens` of a servers file, or --tokens.

tokens: {input: {mean: 1155, cv: 1}, output: {mean: 211, cv: 0.8, max: 4096}}
tokens: lengths.csv          # input_tokens,output_tokens: a request has those of a line, drawn at random
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from pydantic import BaseModel, Field, ValidationError

from tightrope.dataplane.token_records import TokenPairs, whole
from tightrope.replay.inputs.published import ALIASES
from tightrope.replay.inputs.rows import check_separator, lines, text_of
from tightrope.replay.inputs.wire import WIRE, wrong_field
from tightrope.replay.profiles import ReplayError
from tightrope.replay.token_choice import GivenTokens, TokenShape

COLUMNS: Final = ("input_tokens", "output_tokens")
SHAPE: Final = "write {input: {mean: 1155, cv: 1}, output: {mean: 211, cv: 0.8}}, or the path of a CSV file"
_LINES: Final = f"write a header with {' and '.join(COLUMNS)}, and a request a line"


class _Side(BaseModel):
    """Input or output."""

    model_config = WIRE
    mean: float | None = Field(default=None, ge=1, le=1e7)
    cv: float = Field(default=1.0, ge=0, le=10)
    max: float | None = Field(default=None, ge=1, le=1e7)


class _Tokens(BaseModel):
    model_config = WIRE
    input: _Side = _Side()
    output: _Side = _Side()


def option_tokens(text: str) -> GivenTokens:
    """What --tokens says. Raises ReplayError."""
    where = f"--tokens {text}"
    if not text.lstrip().startswith("{"):
        return read_pairs(Path(text))
    try:
        wire = yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        raise ReplayError(f"{where}: this is not YAML: {SHAPE}") from None
    return given_tokens(wire, where=where, folder=Path())


def given_tokens(wire: Any, *, where: str, folder: Path) -> GivenTokens:
    """As the replay reads it; a path begins in `folder`. Raises ReplayError."""
    if isinstance(wire, str):
        return read_pairs(folder / wire)
    if not isinstance(wire, dict):
        raise ReplayError(f"{where}: {wire!r} says nothing of lengths: {SHAPE}")
    try:
        found = _Tokens.model_validate(wire)
    except ValidationError as error:
        inside = any(len(finding["loc"]) > 1 for finding in error.errors() if finding["type"] == "extra_forbidden")
        raise wrong_field(error, where, _Side if inside else _Tokens) from None
    return TokenShape(
        mean_input=found.input.mean,
        mean_output=found.output.mean,
        cv_input=found.input.cv,
        cv_output=found.output.cv,
        max_input=131_072.0 if found.input.max is None else found.input.max,
        max_output=16_384.0 if found.output.max is None else found.output.max,
    )


def read_pairs(path: Path) -> TokenPairs:
    """The lengths in this CSV file. Raises ReplayError, which names the file, the line and what to write instead."""
    header: list[str] = []
    found: list[tuple[float, float]] = []
    for line, row in lines(text_of(path), path, shape=_LINES):
        if not header:
            check_separator(path, line, row)
            header = [ALIASES.get(cell.strip().lower(), cell.strip().lower()) for cell in row]
            for name in COLUMNS:
                if name not in header:
                    raise ReplayError(f"{path}, line {line}: there is no column {name}: {_LINES}")
            continue
        if len(row) != len(header):
            raise ReplayError(f"{path}, line {line}: it has {len(row)} columns, the header has {len(header)}")
        inputs, outputs = (_tokens(path, line, name, row[header.index(name)]) for name in COLUMNS)
        found.append((inputs, outputs))
    if not found:
        raise ReplayError(f"{path}: there is no request in it: {_LINES}")
    table = np.array(found)
    return TokenPairs(input_tokens=whole(table[:, 0]), output_tokens=whole(table[:, 1]))


def _tokens(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e7:
        raise ReplayError(f"{path}, line {line}: {name} is {text[:60]!r}: write a number of tokens")
    return value
