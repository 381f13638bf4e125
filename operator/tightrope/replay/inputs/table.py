"""Recorded demand from a CSV file: rates, counts per step, or single requests, with tokens or without. See
docs/replay.md for the shapes."""

import io
import itertools
import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from tightrope.dataplane.outcomes import Floats
from tightrope.replay.demand import Demand
from tightrope.replay.inputs.published import ALIASES, JSON_COLUMNS, PASSED_OVER, is_json_lines, json_rows
from tightrope.replay.inputs.rows import check_separator, lines, text_of
from tightrope.replay.inputs.steps import check_dispersion, demand_in_steps
from tightrope.replay.inputs.trace_tokens import MEANS, TOKENS, of_requests, of_steps
from tightrope.replay.profiles import ReplayError

TIMES = {"time": 1.0, "t": 1.0, "second": 1.0, "minute": 60.0, "timestamp": 1.0}  # seconds a unit
RATES = ("rate", "rate_rps")
DESCRIPTIVE = (*TOKENS, *MEANS, "client_cv_rate_weighted", "top_client_share", "token_coverage")
KNOWN = {*TIMES, *RATES, "requests", *DESCRIPTIVE, *PASSED_OVER}
LONGEST = 5 * 366 * 86_400.0
SHORTEST_STEP = 1e-3
MOST_RATE = 1e7  # requests per second
EARLIEST_UNIX = 1e8  # the year 1973: what is smaller counts from some start of its own
LATEST_UNIX = 1e11  # the year 5138: what is larger is in milliseconds
SHAPES = "write `time,rate` (seconds, requests per second), `minute,requests`, or one request `time` a line"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """The file's cells: its header, `headed` if it stands in the first line, and what stands below. Where every cell is
    a plain number `grid` has them all, which is twenty times as fast; else `body` has the text of each line.
    `published` if the names of its columns are those of a published trace."""

    path: Path
    text: str
    header: list[str]
    headed: bool
    published: bool = False
    grid: Floats = field(default_factory=lambda: np.empty((0, 0)))
    body: list[tuple[int, list[str]]] | None = None

    @property
    def candidates(self) -> list[str]:
        """The columns that may be demand."""
        passed_over = {*DESCRIPTIVE, *(PASSED_OVER if self.published else ())}
        return [name for name in self.header[1:] if name not in passed_over]

    def row(self, index: int) -> tuple[int, list[str]]:
        """A line under the header, with its number."""
        if self.body is not None:
            return self.body[index]
        return next(itertools.islice(lines(self.text, self.path, shape=SHAPES), index + self.headed, None))

    def numbers(self, name: str, *, blank: bool = False) -> Floats:
        """One column; NaN for an empty cell where `blank` cells are allowed. Raises ReplayError."""
        place = self.header.index(name)
        if self.body is not None:
            return np.array([self._number(line, name, row[place].strip(), blank) for line, row in self.body])
        found: Floats = self.grid[:, place]
        fine = np.isfinite(found) & (found >= 0) | (np.isnan(found) if blank else False)
        for index in np.flatnonzero(~fine)[:1].tolist():
            line, row = self.row(index)
            self._number(line, name, row[place].strip(), blank)
        return found

    def instants(self) -> Floats:
        """The first column as unix seconds, written so or as in RFC 3339. Raises ReplayError."""
        if self.body is None:
            found = self.numbers("timestamp")
        else:
            found = np.array([self._instant(line, row[0].strip()) for line, row in self.body])
        for index in np.flatnonzero(found > LATEST_UNIX)[:1].tolist():
            raise self.error(index, "its timestamp is not in seconds: divide by 1000 if it is in milliseconds")
        return found

    def error(self, index: int, words: str) -> ReplayError:
        """What is wrong with a row."""
        return ReplayError(f"{self.path}, line {self.row(index)[0]}: {words}")

    def _instant(self, line: int, text: str) -> float:
        if _is_number(text):
            return self._number(line, "timestamp", text, False)
        found = _moment(text)
        if found is None and self.published:  # in UTC, as their authors say, and not every file does
            found = _moment(f"{text}+00:00")
        if found is None:
            raise ReplayError(
                f"{self.path}, line {line}: timestamp is {text!r}: write unix seconds, or a time with its zone as in "
                "2026-03-01T08:00:00Z"
            )
        return found

    def _number(self, line: int, name: str, text: str, blank: bool) -> float:
        if blank and text.lower() in ("", "nan", "null"):
            return math.nan
        where = f"{self.path}, line {line}: {name} is {text[:60]!r}"
        if not _is_number(text):
            if name in TIMES and _moment(text) is not None:
                raise ReplayError(f"{where}: call the column timestamp, if it is to hold such times")
            raise ReplayError(f"{where}: write a number")
        value = float(text)
        if not (math.isfinite(value) and value >= 0):
            raise ReplayError(f"{self.path}, line {line}: {name} is {text}: write a finite number of 0 or more")
        return value


def read_demand(path: Path, *, column: str | None = None, dispersion: float = 1.0) -> Demand:
    """The demand in this file; `column` chooses among several, `dispersion` is that of arrivals within a step.
    Raises ReplayError, which names the file, the line and what to write instead."""
    check_dispersion(dispersion)
    return _demand(_sheet(path), column, dispersion)


def read_demands(path: Path, *, dispersion: float = 1.0) -> list[Demand]:
    """Every demand in this file: one a column where it has several. Raises ReplayError."""
    check_dispersion(dispersion)
    sheet = _sheet(path)
    chosen = sheet.candidates if len(sheet.candidates) > 1 else [None]
    return [_demand(sheet, column, dispersion) for column in chosen]


def _demand(sheet: _Sheet, column: str | None, dispersion: float) -> Demand:
    path, times = sheet.path, _times(sheet)
    start_unix = times[0] if sheet.header[0] == "timestamp" and times[0] >= EARLIEST_UNIX else None
    times = times - times[0]
    if not (candidates := sheet.candidates):
        if column is not None:
            raise ReplayError(f"{path}: --column {column} is not there: every line is one request")
        if others := [name for name in sheet.header[1:] if name not in (*TOKENS, *PASSED_OVER)]:
            raise ReplayError(
                f"{path}: {', '.join(others)} are no demand: add a column of rates or of counts; {SHAPES}"
            )
        return _requests(sheet, times, start_unix)
    return _steps(sheet, times, _chosen(sheet, candidates, column), dispersion, start_unix)


def _requests(sheet: _Sheet, times: Floats, start_unix: float | None) -> Demand:
    path = sheet.path
    tokens, notes = of_requests(path, sheet.header, sheet.numbers)
    if times[-1] <= 0:
        raise ReplayError(f"{path}: all requests came at one time: write more of the trace")
    return Demand(
        name=path.name,
        duration_seconds=float(times[-1]),
        source=f"{len(times):,} recorded requests from {path.name}, each at its own time",
        times=times,
        start_unix=start_unix,
        tokens=tokens,
        notes=notes,
    )


def _steps(sheet: _Sheet, times: Floats, name: str, dispersion: float, start_unix: float | None) -> Demand:
    """Piecewise constant: a value holds from its row to the next; a missing row or cell is a gap."""
    if len(times) < 2:
        raise ReplayError(f"{sheet.path}: there is one row only: write at least two, so that the step is known")
    _check_ascending(sheet, times)
    step = Counter(np.round(np.diff(times), 6).tolist()).most_common(1)[0][0]
    values = sheet.numbers(name, blank=True)
    if np.isnan(values).all():
        raise ReplayError(f"{sheet.path}: every cell of column {name} is empty: choose another with --column")
    follows = np.append(times[1:], times[-1] + step)
    ends = np.where(follows > times + 1.5 * step, times + step, follows)
    kind = "requests per second" if name in RATES else f"requests per {step:g} s"
    rates = _rates(sheet, name, values, ends - times)
    found = demand_in_steps(
        name=f"{sheet.path.name}:{name}",
        source=f"{kind}, column {name} of {sheet.path.name}; arrivals in a step are drawn, dispersion {dispersion:g}",
        starts=times,
        ends=ends,
        rates=rates,
        dispersion=dispersion,
        start_unix=start_unix,
    )
    tokens = of_steps(
        sheet.path,
        sheet.header,
        lambda one: sheet.numbers(one, blank=True),
        name=name,
        starts=times,
        counts=rates * (ends - times),
    )
    return replace(found, tokens=tokens)


def _rates(sheet: _Sheet, name: str, values: Floats, lengths: Floats) -> Floats:
    """Requests per second in each step, of rates or of counts."""
    rates: Floats = values if name in RATES else values / lengths
    for index in np.flatnonzero(rates > MOST_RATE)[:1].tolist():
        raise sheet.error(
            index, f"{name} is {values[index]:g}, which is {rates[index]:.4g} requests per second: write no more than "
            f"{MOST_RATE:g}"
        )  # fmt: skip
    return rates


def _chosen(sheet: _Sheet, candidates: Sequence[str], column: str | None) -> str:
    listed = ", ".join(candidates)
    if column is not None and column not in candidates:
        raise ReplayError(f"{sheet.path}: --column {column} is not there; there is: {listed}")
    if column is None and len(candidates) > 1:
        raise ReplayError(f"{sheet.path}: there are several columns ({listed}): choose one with --column")
    return column or candidates[0]


def _times(sheet: _Sheet) -> Floats:
    name = sheet.header[0]
    if name not in TIMES:
        raise ReplayError(f"{sheet.path}: the first column is {name[:60]!r}: name it {', '.join(TIMES)}; {SHAPES}")
    times: Floats = (sheet.instants() if name == "timestamp" else sheet.numbers(name)) * TIMES[name]
    for index in np.flatnonzero(np.diff(times) < 0)[:1].tolist():
        raise sheet.error(index + 1, "its time lies before that of the line above: sort the file by time")
    if times[-1] - times[0] > LONGEST:
        index = int(np.argmax(np.diff(times)))
        days = (times[index + 1] - times[index]) / 86_400
        raise sheet.error(
            index + 1, f"it comes {days:,.4g} days after the line above, and all of it lasts more than five years: "
            "write a shorter part, and times in seconds"
        )  # fmt: skip
    return times


def _check_ascending(sheet: _Sheet, times: Floats) -> None:
    apart = np.diff(times)
    for index in np.flatnonzero(apart == 0)[:1].tolist():
        raise sheet.error(index + 1, "its time is that of the line above: leave one of them out")
    for index in np.flatnonzero(apart < SHORTEST_STEP)[:1].tolist():
        raise sheet.error(index + 1, "its time is less than a millisecond after the line above: write times in seconds")


def _sheet(path: Path) -> _Sheet:
    """Header and cells; a file without a header gets one by the number of its columns."""
    text = text_of(path)
    if is_json_lines(path):
        return _Sheet(
            path=path, text=text, header=list(JSON_COLUMNS), headed=False, published=True, grid=json_rows(text, path)
        )
    found = lines(text, path, shape=SHAPES)
    line, first = next(found, (0, []))
    if not first:
        raise ReplayError(f"{path}: the file is empty: {SHAPES}")
    check_separator(path, line, first)
    names = [cell.strip().lower() for cell in first]
    published = any(name in ALIASES for name in names)
    names = [ALIASES.get(name, name) for name in names]
    header = [name if name in KNOWN else cell.strip() for name, cell in zip(names, first, strict=True)]
    if headed := not _is_number(header[0]):
        _check_header(path, line, header)
    elif len(header) > 2:
        raise ReplayError(f"{path}: {len(header)} columns need a header in the first line: {SHAPES}")
    else:
        header = ["time", "rate"][: len(header)]
    grid = _grid(text, skipped=line if headed else 0, columns=len(header))
    if grid is not None:
        return _Sheet(path=path, text=text, header=header, headed=headed, published=published, grid=grid)
    rows = [*([] if headed else [(line, first)]), *found]
    if not rows:
        raise ReplayError(f"{path}: there is a header and nothing under it: {SHAPES}")
    for line, row in rows:
        if len(row) != len(header):
            raise ReplayError(f"{path}, line {line}: it has {len(row)} columns, the header has {len(header)}: {SHAPES}")
    return _Sheet(path=path, text=text, header=header, headed=headed, published=published, body=rows)


def _check_header(path: Path, line: int, header: list[str]) -> None:
    for number, name in enumerate(header, start=1):
        if not name and number > 1:
            raise ReplayError(
                f"{path}, line {line}: column {number} has no name: write one, or drop the comma before it"
            )
    for name, count in Counter(header).items():
        if count > 1:
            raise ReplayError(f"{path}: there are {count} columns {name}: give each a name of its own")


def _grid(text: str, *, skipped: int, columns: int) -> Floats | None:
    """The numbers below the header, if every cell is one and every line has as many; else None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # numpy warns of no data
            grid: Floats = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=skipped, ndmin=2, dtype=np.float64)
    except (ValueError, UserWarning):
        return None
    return grid if grid.shape[1] == columns else None


def _moment(text: str) -> float | None:
    """Unix seconds of an RFC 3339 time; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else found.timestamp()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text  # Python's own spellings are nobody's data
