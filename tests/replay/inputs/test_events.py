"""Shortages, nodes taken back and prices, as a user writes them."""

from pathlib import Path

import pytest

from tightrope.replay.events import Events, PriceChange, Reclaim, Room, Shortage
from tightrope.replay.inputs.events import read_events
from tightrope.replay.profiles import ReplayError

START = 1_772_352_000.0  # 2026-03-01T08:00:00Z
HEADER = "event,pool,from,to,count,share,notice,probability,price\n"
EVENTS = Events(
    shortages=(Shortage(pool="spot", start=7200.0, end=10_800.0, probability=0.5),),
    reclaims=(
        Reclaim(pool="spot", at=18_000.0, share=0.5, notice_seconds=120.0),
        Reclaim(pool="spot", at=18_060.0, count=3),
    ),
    rooms=(Room(pool="spot", at=21_600.0, count=4, notice_seconds=30.0),),
    prices=(PriceChange(pool="cpu", at=25_200.0, price_per_node_hour=0.31),),
)


def read(tmp_path: Path, text: str, *, name: str = "events.csv", start_unix: float | None = START) -> Events:
    path = tmp_path / name
    path.write_text(text)
    return read_events(path, pools={"cpu", "spot"}, start_unix=start_unix)


def test_a_table_and_a_list_say_the_same(tmp_path: Path) -> None:
    table = HEADER + (
        "shortage,spot,2h,3h,,,,0.5,\n"
        "reclaim,spot,5h,,,50%,2m,,\n"
        "reclaim,spot,301m,,3,,,,\n"
        "room,spot,2026-03-01T14:00:00Z,,4,,30s,,\n"
        "price,cpu,7h,,,,,,0.31\n"
    )
    listed = """
    - {event: shortage, pool: spot, from: 2h, to: 3h, probability: 50%}
    - {event: reclaim, pool: spot, from: 5h, share: 0.5, notice: 2m}
    - {event: reclaim, pool: spot, from: 301m, count: 3}
    - {event: room, pool: spot, from: 2026-03-01T14:00:00Z, count: 4, notice: 30s}
    - {event: price, pool: cpu, from: 2026-03-01T16:00:00+01:00, price: "0.31"}
    """
    assert read(tmp_path, table) == EVENTS
    assert read(tmp_path, listed, name="events.yaml") == EVENTS


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("strike,spot,2h,,,,,,", "line 2: event is 'strike': write one of shortage, reclaim, room, price"),
        ("shortage,spot,2h,,,,,,", "line 2: to is missing: a shortage needs pool, from, to"),
        ("shortage,spot,2h,1h,,,,,", "line 2: to is '1h': write a time after from, which is 2h"),
        ("shortage,spot,2h,3h,,,,1.5,", "line 2: probability is '1.5': write a share from 0 to 1"),
        ("shortage,moon,2h,3h,,,,,", "line 2: pool is 'moon': write one of the pools of --pools: cpu, spot"),
        ("shortage,spot,soon,3h,,,,,", "line 2: from is 'soon': write when as in 90m or 2h"),
        ("shortage,spot,2026-03-01T08:00:00,3h,,,,,", "a time with its zone"),
        ("reclaim,spot,2h,,,,,,", "line 2: a reclaim says how many nodes go: write either count or share"),
        ("reclaim,spot,2h,,1,50%,,,", "write either count or share"),
        ("reclaim,spot,2h,,1.5,,,,", "line 2: count is '1.5': write a whole number of nodes"),
        ("reclaim,spot,2h,,nan,,,,", "line 2: count is 'nan': write a whole number of nodes"),
        ("reclaim,spot,2h,,,-1,,,", "line 2: share is '-1': write a share"),
        ("reclaim,spot,2h,,1,,soon,,", "line 2: notice is 'soon': write a length of time"),
        ("price,spot,2h,,,,,,-1", "line 2: price is '-1': write what a node costs an hour"),
        ("price,spot,2h,,,,,,inf", "line 2: price is 'inf'"),
        ("price,spot,2h,3h,,,,,1", "line 2: to is '3h': a price has pool, from, price only: leave it out"),
        ("price,spot,2h", "line 2: it has 3 columns, the header has 9"),
    ],
)
def test_an_event_that_cannot_be_is_named_with_its_line_and_what_to_write(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(ReplayError) as failed:
        read(tmp_path, HEADER + row + "\n")
    assert words in str(failed.value)
    assert "events.csv" in str(failed.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("e.csv", "", "there is no event in it"),
        ("e.csv", "event,pool,when\n", "line 1: the header has event, pool, when: write the columns"),
        ("e.csv", "event,pool,pool\n", "each once"),
        ("e.yaml", "", "there is no event in it"),
        ("e.yaml", "- 5", "event 1: it is no object"),
        ("e.yaml", "[", "this is not YAML"),
        ("e.yaml", "- {event: price, pool: cpu, from: 1h, price: 1}\n- {kind: 1}", "event 2: there is no field 'kind'"),
    ],
)  # fmt: skip
def test_a_file_without_events_is_named_with_what_to_write(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(ReplayError) as failed:
        read(tmp_path, text, name=name)
    assert words in str(failed.value)


def test_a_clock_time_needs_a_demand_that_says_when_it_began(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="does not say when it began: write a time since then"):
        read(tmp_path, HEADER + "price,spot,2026-03-01T08:00:00Z,,,,,,1\n", start_unix=None)
