"""The picture is written, whatever the run was like. What it looks like was looked at."""

from dataclasses import replace
from pathlib import Path

import pytest
import records
from matplotlib.image import imread

from tightrope.lab import picture
from tightrope.lab.record import DecisionSeen, Record


def test_one_picture_for_one_service(tmp_path: Path) -> None:
    (written,) = picture.write(records.a_record(), tmp_path / "new" / "demo.png")
    height, width, _ = imread(written).shape
    assert written == tmp_path / "new" / "demo.png" and width > 1200 and height > 1000


def test_one_picture_for_each_of_several_services(tmp_path: Path) -> None:
    service = records.a_service()
    record = replace(records.a_record(), services=(service, replace(service, name="nlp/other")))
    names = [path.name for path in picture.write(record, tmp_path / "demo.png")]
    assert names == ["demo-nlp-sentiment.png", "demo-nlp-other.png"]


@pytest.mark.parametrize(
    "record",
    [
        replace(records.a_record(), services=(records.a_service(seconds=0),)),
        replace(records.a_record(), services=(records.a_service(decisions=()),)),
        replace(records.a_record(), faults=(records.outage(130, None),)),
    ],
    ids=["an empty run", "no decisions", "an outage that never ended"],
)
def test_an_unlucky_run_has_a_picture_too(tmp_path: Path, record: Record) -> None:
    assert picture.write(record, tmp_path / "demo.png")[0].stat().st_size > 10_000


def test_a_record_without_answers_has_a_picture_too(tmp_path: Path) -> None:
    service = records.a_service()
    silent = tuple(replace(row, good=0, finished=0, p50=None, p99=None) for row in service.seconds)
    record = replace(records.a_record(), services=(replace(service, seconds=silent),))
    assert picture.write(record, tmp_path / "demo.png")


def seen(second: float, plan: str) -> DecisionSeen:
    return DecisionSeen(at=records.START + second, reason="R", message="m", plan=plan)


def test_only_decisions_that_changed_the_plan_are_marked() -> None:
    decisions = [seen(1, "cpu:2"), seen(5, "cpu:2"), seen(9, "gpu:1 cpu:0"), seen(12, "gpu:1 cpu:0")]
    assert [mark.at - records.START for mark in picture.marked(decisions)] == [1, 9]


def test_where_marks_crowd_only_switches_stay() -> None:
    sizes = [seen(second, f"cpu:{second % 5 + 1}") for second in range(30)]
    marks = picture.marked([*sizes, seen(40, "gpu:1"), seen(50, "gpu:2"), seen(60, "cpu:2")])
    assert [mark.plan for mark in marks] == ["cpu:1", "gpu:1", "cpu:2"]
