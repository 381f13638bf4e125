"""Recorded demand as users have it, and what is said of files that cannot be read."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tightrope.replay.inputs.table import read_demand
from tightrope.replay.profiles import ReplayError


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_counts_per_minute_become_rates_until_the_next_row(tmp_path: Path) -> None:
    demand = read_demand(written(tmp_path / "a.csv", "minute,requests\n0,600\n1,1200\n2,0\n"))

    assert demand.duration_seconds == 180.0
    assert list(demand.expected(np.array([0.0, 60.0, 120.0, 180.0]))) == pytest.approx([600.0, 1200.0, 0.0])
    assert demand.gaps == ()


def test_a_missing_row_and_an_empty_cell_are_unknown_and_not_zero(tmp_path: Path) -> None:
    demand = read_demand(written(tmp_path / "a.csv", "second,rate\n0,5\n10,5\n20,\n30,5\n60,5\n"))

    assert demand.gaps == ((20.0, 30.0), (40.0, 60.0))
    assert "gaps: 2, 30 s in all" in demand.notes[0]
    assert list(demand.expected(np.array([0.0, 20.0, 30.0, 40.0, 60.0, 70.0]))) == pytest.approx([100, 0, 50, 0, 50])


def test_one_of_several_columns_must_be_chosen_and_tokens_are_no_demand(tmp_path: Path) -> None:
    several = written(tmp_path / "a.csv", "minute,job0,job1\n0,60,120\n1,60,120\n")
    with pytest.raises(ReplayError, match=r"job0, job1.*--column"):
        read_demand(several)
    assert read_demand(several, column="job1").expected(np.array([0.0, 60.0])) == pytest.approx([120.0])

    tokens = written(tmp_path / "b.csv", "second,requests,input_tokens,output_tokens\n0,2,9,9\n1,4,9,9\n")
    assert read_demand(tokens).expected(np.array([0.0, 2.0])) == pytest.approx([6.0])


def test_single_requests_keep_their_own_times(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"t,input_tokens,output_tokens\n5.0,10,20\n6.5,30,40\n8.0,50,60\n"))
    demand = read_demand(path)

    assert demand.times is not None and list(demand.times) == [0.0, 1.5, 3.0]
    assert list(demand.expected(np.array([0.0, 1.5, 3.0]))) == [2.0, 1.0]


def test_counts_keep_their_sum_where_a_row_is_shorter_or_longer_than_most(tmp_path: Path) -> None:
    demand = read_demand(written(tmp_path / "a.csv", "second,requests\n0,10\n60,10\n90,10\n150,10\n230,10\n290,10\n"))
    edges = np.array([0.0, 60.0, 90.0, 150.0, 230.0, 290.0, 350.0])

    assert list(demand.expected(edges)) == pytest.approx([10.0] * 6)


def test_known_columns_are_known_however_they_are_capitalised(tmp_path: Path) -> None:
    demand = read_demand(written(tmp_path / "a.csv", "Second,Rate\n0,100\n60,100\n"))
    assert demand.expected(np.array([0.0, 60.0])) == pytest.approx([6000.0])


def test_timestamps_say_when_the_trace_began(tmp_path: Path) -> None:
    rows = "timestamp,rate\n2026-03-01T08:00:00Z,5\n2026-03-01T09:01:00+01:00,5\n"
    demand = read_demand(written(tmp_path / "a.csv", rows))

    assert (demand.start_unix, demand.duration_seconds) == (1772352000.0, 120.0)
    with pytest.raises(ReplayError, match=r"line 2.*with its zone"):
        read_demand(written(tmp_path / "b.csv", "timestamp,rate\n2026-03-01T08:00:00,5\n2026-03-01T08:01:00,5\n"))


def test_a_file_of_numbers_alone_needs_no_header(tmp_path: Path) -> None:
    assert read_demand(written(tmp_path / "a.csv", "0,5\n60,7\n")).expected(np.array([60.0, 120.0])) == 420.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("time,rate\n", "nothing under it"),
        ("time,rate\n0,5\n", "one row only"),
        ("time,rate\n0,5\n9,5\n4,5\n", "line 4.*sort"),
        ("time,rate\n0,5\n9,5\n9,6\n", "line 4.*leave one"),
        ("time,rate\n0,5\n9,-1\n", "line 3: rate is -1"),
        ("time,rate\n0,5\n9,inf\n", "line 3: rate is inf"),
        ("time,rate\n0,5\n9,many\n", "line 3: rate is 'many': write a number"),
        ("time,rate\n0,5\n9\n", "line 3: it has 1 columns"),
        ("when,rate\n0,5\n9,5\n", "first column is 'when'"),
        ("time,rate\n0,\n9,\n", "every cell"),
        ("0,1,2\n1,2,3\n", "need a header"),
        ("second,mean_input_tokens\n0,5\n1,5\n", "mean_input_tokens are no demand"),
        ("second,requests,job\n0,5,5\n1,5,5\n", "requests, job.*--column"),
        ("time,rate,rate\n0,5,5\n1,5,5\n", "2 columns rate"),
        ("\n  \n# a comment\n", "the file is empty"),
        ("time;rate\n0;5\n60;5\n", "line 1: its columns are separated by semicolons: write commas"),
        ("time\trate\n0\t5\n60\t5\n", "line 1: its columns are separated by tabs"),
        ('time,rate\n0,"5\n60,5\n', "line 2: a quote is opened there and not closed"),
        ('time,rate\n0,5\n60,"1,200"\n', "line 3: rate is '1,200': write a number"),
        ("time,rate\n0,1_000\n60,5\n", "line 2: rate is '1_000': write a number"),
        ("time,rate\n0,\u0663\n60,5\n", "line 2: rate is '\u0663': write a number"),
        ("time,rate\n0,5\n60,1e300\n", "line 3: rate is 1e.300.*write no more than"),
        ("minute,requests\n0,5\n1,1e12\n", "line 3: requests is 1e.12, which is 1.667e.10 requests per second"),
        ("time,rate\n0,5\n60,5\n1e12,5\n", "line 4: it comes 1.157e.07 days after the line above"),
        ("time,rate\n0,5\n1e-9,5\n", "line 3: its time is less than a millisecond after"),
        ("time,rate\n2026-03-01T08:00:00Z,5\n", "line 2: time is .*: call the column timestamp"),
        ("timestamp,rate\n1772352000000,5\n1772352060000,5\n", "line 2: .*divide by 1000 if it is in milliseconds"),
        ("timestamp,rate\n03/29/2026 10:00,5\n03/29/2026 10:01,5\n", "line 2: timestamp is '03/29/2026 10:00'"),
        ("time,rate,\n0,5,\n60,5,\n", "line 1: column 3 has no name"),
        ("# made by hand\n\ntime,rate\n0,5\n\n60,-5\n", "line 6: rate is -5"),
    ],
)
def test_a_file_that_cannot_be_played_is_named_with_its_line_and_what_to_write(
    tmp_path: Path, text: str, words: str
) -> None:
    path = written(tmp_path / "junk.csv", text)
    with pytest.raises(ReplayError, match=words) as failed:
        read_demand(path)
    assert str(path) in str(failed.value)


@pytest.mark.parametrize(
    "text",
    [
        "\ufefftime,rate\n0,5\n60,7\n",
        "time,rate\r\n0,5\r\n60,7\r\n",
        "time,rate\r0,5\r60,7\r",
        '"time","rate"\n"0","5"\n"60","7"\n',
        "# x\n\ntime,rate\n0,5\n\n60,7",
    ],
)
def test_marks_of_other_programs_are_no_hindrance(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode())
    assert list(read_demand(tmp_path / "a.csv").expected(np.array([0.0, 60.0, 120.0]))) == [300.0, 420.0]


def test_a_fault_among_many_numbers_is_found(tmp_path: Path) -> None:
    rows = [f"{second},{5 + second % 7}\n" for second in range(100_000)]
    path = written(tmp_path / "a.csv", "time,rate\n" + "".join(rows))
    assert read_demand(path).duration_seconds == 100_000.0
    for fault, words in (("70000,-1\n", "line 70002: rate is -1"), ("6,1\n", "line 70002: its time lies before")):
        with pytest.raises(ReplayError, match=words):
            read_demand(written(path, "time,rate\n" + "".join([*rows[:70_000], fault, *rows[70_001:]])))
    with pytest.raises(ReplayError, match="line 3: its time lies before"):
        read_demand(written(path, "0,1\n60,1\n9,1\n"))


def test_files_that_are_no_text_or_not_there_say_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"time,rate\n0,5\n60,5\xe9\n")
    (tmp_path / "n.csv").write_bytes(b"time,rate\n0,\x00\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"time,rate\n0,1\n")[:12])
    with pytest.raises(ReplayError, match="line 3: this is not text in UTF-8"):
        read_demand(tmp_path / "a.csv")
    with pytest.raises(ReplayError, match="line 2: this is not text, but has zero bytes"):
        read_demand(tmp_path / "n.csv")
    for name in ("b.csv.gz", "c.csv", "."):
        with pytest.raises(ReplayError, match="write the path of a CSV file"):
            read_demand(tmp_path / name)
