"""Traffic from a file: a rate over time, or every single request.

Two shapes of CSV, told apart by their columns. `time,rate`: seconds and requests per second, points of a rate curve.
One column `time`: when each request arrived, in seconds. A header is optional; lines that start with # are skipped.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.outcomes import Floats

Row: TypeAlias = tuple[float, ...]

SHAPES = "write `time,rate` (seconds, requests per second) or one request time in seconds per line"


class TraceError(ValueError):
    """The file cannot be used; the message names the file, the line and what to write instead."""


def read_trace(path: Path, *, repeat_seconds: float | None = None) -> RateCurve | Floats:
    """The rate curve in this file, or the ascending times of its requests (seconds). Raises TraceError."""
    rows = list(_rows(path))
    if not rows:
        raise TraceError(f"{path}: the file holds no numbers: {SHAPES}")
    if len(rows[0][1]) == 2:
        try:
            return RateCurve([(row[0], row[1]) for _, row in rows], repeat_seconds=repeat_seconds)
        except ValueError as error:
            raise TraceError(f"{path}: {error}") from None
    if repeat_seconds is not None:
        raise TraceError(f"{path}: single requests are played once: leave out repeat_seconds, or write `time,rate`")
    return np.array([row[0] for _, row in rows])


def _rows(path: Path) -> Iterator[tuple[int, Row]]:
    """(line number, numbers), checked one by one and against the line before."""
    previous: Row = ()
    for number, line in _lines(path):
        row = _numbers(path, number, line)
        if row is None and not previous:
            previous = (-math.inf,) * len(line.split(","))  # the header fixes how many columns follow
            continue
        if row is None or (previous and len(row) != len(previous)) or len(row) > 2:
            raise TraceError(f"{path}, line {number}: {line!r} does not fit: {SHAPES}")
        if previous and row[0] < previous[0]:
            raise TraceError(
                f"{path}, line {number}: the time {row[0]:g} comes after {previous[0]:g}: sort the file by time"
            )
        previous = row
        yield number, row


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if (text := line.strip()) and not text.startswith("#"):
                    yield number, text
    except UnicodeDecodeError:
        raise TraceError(f"{path}: this is not text: unpack it first; {SHAPES}") from None
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror}: write the path of a CSV file") from None


def _numbers(path: Path, number: int, line: str) -> Row | None:
    """The numbers of one line; None if a field is none at all."""
    try:
        row = tuple(float(field) for field in line.split(","))
    except ValueError:
        return None
    for value in row:
        if not (math.isfinite(value) and value >= 0):
            raise TraceError(f"{path}, line {number}: {value:g} is no time or rate: write a number of 0 or more")
    return row
