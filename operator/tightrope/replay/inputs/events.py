"""Shortages, nodes taken back and price changes from the user's own file, CSV or YAML. `cli` calls `read_events`.

Both forms have the same fields, a line or an object an event; docs/replay.md shows them:

    event,pool,from,to,count,share,notice,probability,price
    shortage,spot,2h,3h,,,,0.5,
    reclaim,spot,5h,,,50%,2m,,
    room,spot,6h,,4,,2m,,
    price,spot,7h,,,,,,0.31
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from tightrope.replay.events import Events, PriceChange, Reclaim, Room, Shortage
from tightrope.replay.inputs.lengths import length
from tightrope.replay.inputs.manifests import parts
from tightrope.replay.inputs.rows import check_separator, lines, text_of
from tightrope.replay.profiles import ReplayError

# Which fields each kind must have, and which it may have.
FIELDS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "shortage": (("pool", "from", "to"), ("probability",)),
    "reclaim": (("pool", "from"), ("count", "share", "notice")),
    "room": (("pool", "from", "count"), ("notice",)),
    "price": (("pool", "from", "price"), ()),
}
COLUMNS: Final = ("event", "pool", "from", "to", "count", "share", "notice", "probability", "price")
SHAPE: Final = f"write the columns event, pool and from, and what the event needs of {', '.join(COLUMNS[3:])}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One event as written: where it stands, and the text of each field that is not empty."""

    where: str
    cells: Mapping[str, str]
    start_unix: float | None

    @property
    def kind(self) -> str:
        return self.cells["event"]

    def seconds(self, name: str) -> float:
        """A field that says when, as seconds since the replay began."""
        text = self.cells[name]
        if (found := length(text)) is not None:
            return found
        try:
            at = datetime.fromisoformat(text).timestamp() if datetime.fromisoformat(text).tzinfo else None
        except ValueError:
            at = None
        if at is None:
            raise self.wrong(name, "write when as in 90m or 2h since the beginning, or a time with its zone")
        if self.start_unix is None:
            raise self.wrong(name, "the demand does not say when it began: write a time since then, as in 90m or 2h")
        return at - self.start_unix

    def length(self, name: str) -> float:
        """A field that says how long; 0 where it is left out."""
        text = self.cells.get(name, "0s")
        found = length(text)
        if found is None:
            raise self.wrong(name, "write a length of time such as 30s or 2m")
        return found

    def share(self, name: str) -> float:
        """A field of 0..1 or 0 %..100 %."""
        text = self.cells[name]
        found = self._number(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
        if not 0.0 <= found <= 1.0:
            raise self.wrong(name, "write a share from 0 to 1, or in percent as in 50%")
        return found

    def count(self, name: str) -> int:
        """A field of whole nodes."""
        found = self._number(self.cells[name])
        if not (0 <= found < 1e9 and found == int(found)):
            raise self.wrong(name, "write a whole number of nodes, 0 or more")
        return int(found)

    def money(self, name: str) -> float:
        """A field in the pools' currency."""
        found = self._number(self.cells[name])
        if not 0.0 <= found < 1e9:
            raise self.wrong(name, "write what a node costs an hour, 0 or more")
        return found

    def _number(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return math.nan

    def wrong(self, name: str, instead: str) -> ReplayError:
        return ReplayError(f"{self.where}: {name} is {self.cells[name]!r}: {instead}")


def read_events(path: Path, *, pools: Collection[str], start_unix: float | None) -> Events:
    """The events in this file; `start_unix` is when the demand began, None if nobody knows. Raises ReplayError."""
    rows = [_checked(row, pools) for row in _rows(path, start_unix)]
    if not rows:
        raise ReplayError(f"{path}: there is no event in it: {SHAPE}")
    return Events(
        shortages=tuple(_shortage(row) for row in rows if row.kind == "shortage"),
        reclaims=tuple(_reclaim(row) for row in rows if row.kind == "reclaim"),
        rooms=tuple(_room(row) for row in rows if row.kind == "room"),
        prices=tuple(_price(row) for row in rows if row.kind == "price"),
    )


def _shortage(row: _Row) -> Shortage:
    start, end = row.seconds("from"), row.seconds("to")
    if end <= start:
        raise row.wrong("to", f"write a time after from, which is {row.cells['from']}")
    probability = row.share("probability") if "probability" in row.cells else 1.0
    return Shortage(pool=row.cells["pool"], start=start, end=end, probability=probability)


def _reclaim(row: _Row) -> Reclaim:
    if ("count" in row.cells) == ("share" in row.cells):
        raise ReplayError(f"{row.where}: a reclaim says how many nodes go: write either count or share")
    return Reclaim(
        pool=row.cells["pool"],
        at=row.seconds("from"),
        count=row.count("count") if "count" in row.cells else None,
        share=row.share("share") if "share" in row.cells else None,
        notice_seconds=row.length("notice"),
    )


def _room(row: _Row) -> Room:
    return Room(
        pool=row.cells["pool"], at=row.seconds("from"), count=row.count("count"), notice_seconds=row.length("notice")
    )


def _price(row: _Row) -> PriceChange:
    return PriceChange(pool=row.cells["pool"], at=row.seconds("from"), price_per_node_hour=row.money("price"))


def _checked(row: _Row, pools: Collection[str]) -> _Row:
    """The row, if its kind is known, has the fields that it needs and no other, and names a pool that there is."""
    if row.cells.get("event") not in FIELDS:
        kinds = ", ".join(FIELDS)
        raise ReplayError(f"{row.where}: event is {row.cells.get('event', '')!r}: write one of {kinds}")
    needed, allowed = FIELDS[row.kind]
    for name in needed:
        if name not in row.cells:
            raise ReplayError(f"{row.where}: {name} is missing: a {row.kind} needs {', '.join(needed)}")
    for name in row.cells.keys() - {"event", *needed, *allowed}:
        has = ", ".join((*needed, *allowed))
        raise ReplayError(f"{row.where}: {name} is {row.cells[name]!r}: a {row.kind} has {has} only: leave it out")
    if row.cells["pool"] not in pools:
        raise row.wrong("pool", f"write one of the pools of --pools: {', '.join(sorted(pools))}")
    return row


def _rows(path: Path, start_unix: float | None) -> Iterator[_Row]:
    for where, cells in _objects(path) if path.suffix in (".yaml", ".yml", ".json") else _table(path):
        for name in cells:
            if name not in COLUMNS:
                raise ReplayError(f"{where}: there is no field {name!r}: {SHAPE}")
        texts = {name: str(cell).strip() for name, cell in cells.items() if cell is not None}
        yield _Row(where=where, cells={name: text for name, text in texts.items() if text}, start_unix=start_unix)


def _table(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    header: list[str] = []
    for line, row in lines(text_of(path), path, shape=SHAPE):
        if not header:
            check_separator(path, line, row)
            header = [cell.strip().lower() for cell in row]
            for name in header:
                if name not in COLUMNS or header.count(name) > 1:
                    raise ReplayError(f"{path}, line {line}: the header has {', '.join(header)}: {SHAPE}, each once")
            continue
        if len(row) != len(header):
            raise ReplayError(f"{path}, line {line}: it has {len(row)} columns, the header has {len(header)}: {SHAPE}")
        yield f"{path}, line {line}", dict(zip(header, row, strict=True))


def _objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    number = 0
    for part in parts(path):
        for one in part if isinstance(part, list) else [part]:
            number += 1
            if not isinstance(one, dict):
                raise ReplayError(f"{path}, event {number}: it is no object: {SHAPE}")
            yield f"{path}, event {number}", {str(name): cell for name, cell in one.items()}
