import numpy as np
import pytest

from tightrope.replay.faro.load import Load, arrivals, read_load, read_published
from tightrope.replay.profiles import ReplayError


def file(tmp_path, text):
    path = tmp_path / "file.csv"
    path.write_text(text)
    return path


def test_a_column_a_job_and_a_row_a_minute(tmp_path):
    load = read_load(file(tmp_path, "minute,a,b\n0,60,0\n1,120,7\n"))
    assert (load.names, load.counts.tolist(), load.seconds) == (("a", "b"), [[60.0, 120.0], [0.0, 7.0]], 120.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("minute,a\n0,1\n1,1\n", "write a column a job"),
        ("minute,a,b\n0,1,1\n1,,1\n2,1,1\n", "a minute is missing"),
    ],
)
def test_what_is_wrong_with_a_trace_is_said(tmp_path, text, words):
    with pytest.raises(ReplayError, match=words):
        read_load(file(tmp_path, text))


def test_each_minute_sends_exactly_its_requests_beginning_at_once():
    load = Load(("a", "b"), np.array([[600.0, 0.0, 60.0], [1.0, 1.0, 1.0]]))
    first, second = arrivals(load, seed=42)
    assert len(first) == 660
    assert first[0] == 0.0 and 120.0 in first
    assert second.tolist() == [0.0, 60.0, 120.0]
    assert (np.diff(first) >= 0).all()


def test_the_same_seed_sends_the_same_and_another_does_not():
    load = Load(("a", "b"), np.array([[50.0], [50.0]]))
    once, again, other = (arrivals(load, seed=seed)[0] for seed in (1, 1, 2))
    assert (once == again).all() and not (once == other).all()


def test_published_results_are_found_by_policy_and_size(tmp_path):
    path = file(tmp_path, "policy,cpus,trials,slo_attainment_pct\naiad,32,5,88.943\n")
    assert read_published(path) == {("aiad", 32): 88.943}


@pytest.mark.parametrize(
    ("text", "words"), [("policy,cpus\n", "line 1: policy,cpus is no header"), ("", "nothing is no header")]
)
def test_a_file_of_something_else_is_refused(tmp_path, text, words):
    with pytest.raises(ReplayError, match=words):
        read_published(file(tmp_path, text))


def test_a_bad_line_is_named(tmp_path):
    with pytest.raises(ReplayError, match=r"line 3: aiad,x,1 is no result"):
        read_published(file(tmp_path, "policy,cpus,slo_attainment_pct\naiad,32,88\naiad,x,1\n"))
