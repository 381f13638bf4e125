"""Trace files: what is read, and what a person is told about a bad one."""

from pathlib import Path

import numpy as np
import pytest

from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.traces import TraceError, read_trace


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("header", ["", "time,rate\n", "# from a bench\nseconds,requests per second\n"])
def test_two_columns_are_a_rate_curve(tmp_path: Path, header: str) -> None:
    curve = read_trace(written(tmp_path, header + "0,10\n10,20\n\n20,20\n"))
    assert isinstance(curve, RateCurve)
    assert curve.rate(5.0) == pytest.approx(15.0)


@pytest.mark.parametrize("header", ["", "time\n"])
def test_one_column_is_the_time_of_each_request(tmp_path: Path, header: str) -> None:
    times = read_trace(written(tmp_path, header + "0.5\n0.75\n0.75\n3\n"))
    assert isinstance(times, np.ndarray)
    assert times.tolist() == [0.5, 0.75, 0.75, 3.0]


def test_a_rate_file_can_repeat(tmp_path: Path) -> None:
    curve = read_trace(written(tmp_path, "0,10\n10,30\n"), repeat_seconds=20.0)
    assert isinstance(curve, RateCurve)
    assert curve.rate(25.0) == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the file holds no numbers: write `time,rate`"),
        ("time,rate\n", "the file holds no numbers"),
        ("time,rate\n0,10\nten,20\n", "line 3: 'ten,20' does not fit: write `time,rate`"),
        ("0,10\n5\n", "line 2: '5' does not fit"),
        ("time,rate\n5\n", "line 2: '5' does not fit"),
        ("0,1,2\n", "line 1: '0,1,2' does not fit"),
        ("0,10\n5,20\n4,30\n", "line 3: the time 4 comes after 5: sort the file by time"),
        ("0.5\n0.25\n", "line 2: the time 0.25 comes after 0.5"),
        ("0,10\n5,-1\n", "line 2: -1 is no time or rate: write a number of 0 or more"),
        ("0,nan\n", "line 1: nan is no time or rate"),
    ],
)
def test_a_bad_line_is_named_with_the_fix(tmp_path: Path, text: str, complaint: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(TraceError) as refused:
        read_trace(path)
    assert complaint in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"nowhere\.csv: No such file or directory: write the path"):
        read_trace(tmp_path / "nowhere.csv")


def test_a_packed_file_is_said_to_be_packed(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00\xff\xfe\x9c")
    with pytest.raises(TraceError, match="unpack it first"):
        read_trace(path)


def test_single_requests_cannot_repeat(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="leave out repeat_seconds"):
        read_trace(written(tmp_path, "0.5\n"), repeat_seconds=10.0)
