"""Recorded demand from a CSV file: rates, counts per step, or single requests. See docs/replay.md for the shapes."""

import csv
import gzip
import io
import math
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from tightrope.dataplane.curve import RateCurve
from tightrope.replay.demand import Demand
from tightrope.replay.profiles import ReplayError

TIMES = {"time": 1.0, "t": 1.0, "second": 1.0, "minute": 60.0, "timestamp": 1.0}  # seconds a unit
RATES = ("rate", "rate_rps")
TOKENS = ("input_tokens", "output_tokens")
DESCRIPTIVE = (
    *TOKENS, "mean_input_tokens", "mean_output_tokens",
    "client_cv_rate_weighted", "top_client_share", "token_coverage",
)  # fmt: skip
KNOWN = {*TIMES, *RATES, "requests", *DESCRIPTIVE}
SHAPES = "write `time,rate` (seconds, requests per second), `minute,requests`, or one request `time` a line"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """The file's cells: the header, and per row its line number and its text."""

    path: Path
    header: list[str]
    rows: list[tuple[int, list[str]]]

    def numbers(self, name: str, *, blank: bool = False) -> list[float]:
        """One column; NaN for an empty cell where `blank` cells are allowed."""
        place = self.header.index(name)
        return [self._number(line, name, row[place].strip(), blank) for line, row in self.rows]

    def instants(self) -> list[float]:
        """The first column as unix seconds, written so or as in RFC 3339."""
        return [self._instant(line, row[0].strip()) for line, row in self.rows]

    def _instant(self, line: int, text: str) -> float:
        if _is_number(text):
            return self._number(line, "timestamp", text, False)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise ReplayError(
                f"{self.path}, line {line}: timestamp is {text!r}: write unix seconds, or a time with its zone as in "
                "2026-03-01T08:00:00Z"
            )
        return found.timestamp()

    def _number(self, line: int, name: str, text: str, blank: bool) -> float:
        if blank and text.lower() in ("", "nan", "null"):
            return math.nan
        try:
            value = float(text)
        except ValueError:
            raise ReplayError(f"{self.path}, line {line}: {name} is {text!r}: write a number") from None
        if not (math.isfinite(value) and value >= 0):
            raise ReplayError(f"{self.path}, line {line}: {name} is {text}: write a finite number of 0 or more")
        return value


def read_demand(path: Path, *, column: str | None = None, dispersion: float = 1.0) -> Demand:
    """The demand in this file; `column` chooses among several, `dispersion` is that of arrivals within a step.
    Raises ReplayError, which names the file, the line and what to write instead."""
    if not (math.isfinite(dispersion) and 0.01 <= dispersion <= 10_000):
        raise ReplayError(f"--dispersion is {dispersion:g}: write 1 for Poisson, more for bursts, from 0.01 to 10000")
    sheet = _sheet(path)
    times = _times(sheet)
    start_unix = times[0] if sheet.header[0] == "timestamp" else None
    times = times - times[0]
    candidates = [name for name in sheet.header[1:] if name not in DESCRIPTIVE]
    if not candidates:
        if column is not None:
            raise ReplayError(f"{path}: --column {column} is not there: every line is one request")
        if others := [name for name in sheet.header[1:] if name not in TOKENS]:
            raise ReplayError(
                f"{path}: {', '.join(others)} are no demand: add a column of rates or of counts; {SHAPES}"
            )
        return _requests(sheet.path, times, start_unix)
    return _steps(sheet, times, _chosen(sheet, candidates, column), dispersion, start_unix)


def read_demands(path: Path, *, dispersion: float = 1.0) -> list[Demand]:
    """Every demand in this file: one a column where it has several. Raises ReplayError."""
    sheet = _sheet(path)
    candidates = [name for name in sheet.header[1:] if name not in DESCRIPTIVE]
    chosen = candidates if len(candidates) > 1 else [None]
    return [read_demand(path, column=column, dispersion=dispersion) for column in chosen]


def _requests(path: Path, times: np.ndarray, start_unix: float | None) -> Demand:
    if times[-1] <= 0:
        raise ReplayError(f"{path}: all requests came at one time: write more of the trace")
    return Demand(
        name=path.name,
        duration_seconds=float(times[-1]),
        source=f"{len(times):,} recorded requests from {path.name}, each at its own time",
        times=times,
        start_unix=start_unix,
    )


def _steps(sheet: _Sheet, times: np.ndarray, name: str, dispersion: float, start_unix: float | None) -> Demand:
    """Piecewise constant: a value holds from its row to the next; a missing row or cell is a gap."""
    if len(times) < 2:
        raise ReplayError(f"{sheet.path}: there is one row only: write at least two, so that the step is known")
    _check_ascending(sheet, times)
    step = Counter(np.round(np.diff(times), 6).tolist()).most_common(1)[0][0]
    values = np.array(sheet.numbers(name, blank=True))
    if np.isnan(values).all():
        raise ReplayError(f"{sheet.path}: every cell of column {name} is empty: choose another with --column")
    points: list[tuple[float, float]] = []
    gaps: list[tuple[float, float]] = []
    for index, (start, value) in enumerate(zip(times.tolist(), values.tolist(), strict=True)):
        follows = float(times[index + 1]) if index + 1 < len(times) else start + step
        end = start + step if follows > start + 1.5 * step else follows
        if math.isnan(value):
            _extend(gaps, start, end)
        rate = 0.0 if math.isnan(value) else value if name in RATES else value / (end - start)
        points += [(start, rate), (end, rate)]
        if end < follows:
            _extend(gaps, end, follows)
            points += [(end, 0.0), (follows, 0.0)]
    unknown = sum(end - start for start, end in gaps)
    notes = (
        (f"gaps: {len(gaps)}, {unknown:g} s in all, are unknown: not served, not billed, not scored",) if gaps else ()
    )
    kind = "requests per second" if name in RATES else f"requests per {step:g} s"
    return Demand(
        name=f"{sheet.path.name}:{name}",
        duration_seconds=points[-1][0],
        source=f"{kind}, column {name} of {sheet.path.name}; arrivals in a step are drawn, dispersion {dispersion:g}",
        curve=RateCurve(points),
        gaps=tuple(gaps),
        dispersion=dispersion,
        start_unix=start_unix,
        notes=notes,
    )


def _extend(gaps: list[tuple[float, float]], start: float, end: float) -> None:
    """Add a gap, as part of the last one where they touch."""
    if gaps and gaps[-1][1] >= start:
        gaps[-1] = (gaps[-1][0], end)
    else:
        gaps.append((start, end))


def _chosen(sheet: _Sheet, candidates: Sequence[str], column: str | None) -> str:
    listed = ", ".join(candidates)
    if column is not None and column not in candidates:
        raise ReplayError(f"{sheet.path}: --column {column} is not there; there is: {listed}")
    if column is None and len(candidates) > 1:
        raise ReplayError(f"{sheet.path}: there are several columns ({listed}): choose one with --column")
    return column or candidates[0]


def _times(sheet: _Sheet) -> np.ndarray:
    name = sheet.header[0]
    if name not in TIMES:
        raise ReplayError(f"{sheet.path}: the first column is {name!r}: name it {', '.join(TIMES)}; {SHAPES}")
    times = np.array(sheet.instants() if name == "timestamp" else sheet.numbers(name)) * TIMES[name]
    for index in np.flatnonzero(np.diff(times) < 0)[:1].tolist():
        line = sheet.rows[index + 1][0]
        raise ReplayError(
            f"{sheet.path}, line {line}: its time lies before that of the line above: sort the file by time"
        )
    return times


def _check_ascending(sheet: _Sheet, times: np.ndarray) -> None:
    for index in np.flatnonzero(np.diff(times) == 0)[:1].tolist():
        line = sheet.rows[index + 1][0]
        raise ReplayError(f"{sheet.path}, line {line}: its time is that of the line above: leave one of them out")


def _sheet(path: Path) -> _Sheet:
    """Header and rows; a file without a header gets one by the number of its columns."""
    lines = _lines(path)
    if not lines:
        raise ReplayError(f"{path}: the file is empty: {SHAPES}")
    header = [known if (known := cell.strip().lower()) in KNOWN else cell.strip() for cell in lines[0][1]]
    rows = lines[1:]
    if _is_number(header[0]):
        if len(header) > 2:
            raise ReplayError(f"{path}: {len(header)} columns need a header in the first line: {SHAPES}")
        header, rows = ["time", "rate"][: len(header)], lines
    for name in header:
        if header.count(name) > 1:
            raise ReplayError(f"{path}: there are {header.count(name)} columns {name}: give each a name of its own")
    if not rows:
        raise ReplayError(f"{path}: there is a header and nothing under it: {SHAPES}")
    for line, row in rows:
        if len(row) != len(header):
            raise ReplayError(f"{path}, line {line}: it has {len(row)} columns, the header has {len(header)}: {SHAPES}")
    return _Sheet(path=path, header=header, rows=rows)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Every line that is neither empty nor a comment, with its number."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        numbered = enumerate(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")), start=1)
        return [(line, row) for line, row in numbered if row and any(row) and not row[0].startswith("#")]
    except (UnicodeDecodeError, csv.Error):
        raise ReplayError(f"{path}: this is not text: {SHAPES}") from None
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or "it is no whole gzip file"
        raise ReplayError(f"{path}: {why}: write the path of a CSV file, plain or .gz") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
