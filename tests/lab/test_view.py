"""The live view, rendered to text, and the lines of a run without a terminal."""

from dataclasses import replace
from io import StringIO

import records
from rich.console import Console

from tightrope.lab import view
from tightrope.lab.record import Record


def until(second: float) -> Record:
    """The calm run as it stood then."""
    at, whole = records.START + second, records.a_record()
    service = whole.services[0]
    seen = replace(
        service,
        samples=tuple(sample for sample in service.samples if sample.at <= at),
        seconds=tuple(row for row in service.seconds if row.at <= at),
        decisions=tuple(decision for decision in service.decisions if decision.at <= at),
    )
    faults = tuple(
        replace(fault, end=fault.end if fault.end is not None and fault.end <= at else None)
        for fault in whole.faults
        if fault.start <= at
    )
    return replace(whole, services=(seen,), faults=faults)


def screen(second: float, record: Record | None = None) -> str:
    console = Console(width=80, record=True, file=StringIO())
    console.print(view.render(record or until(second), records.START + second))
    return console.export_text()


def test_the_screen_shows_what_a_person_wants_to_know() -> None:
    text = screen(85)
    for part in (
        "1:25 of 5:00",
        "cpu           4/4 ready",
        "gpu           0/1 ready      ○  1 starting",
        "1:16  CheaperMix",
        "Another mix is cheaper",
        "1.48 USD/h",
        "objective 99%",
    ):
        assert part in text, part


def test_the_screen_fits_80_columns_and_24_lines_all_the_time() -> None:
    for second in range(0, 300, 7):
        lines = screen(second).splitlines()
        assert len(lines) <= 24 and max(map(len, lines)) <= 80


def test_an_outage_is_told_in_words_while_it_lasts_and_afterwards() -> None:
    assert "Prometheus down from 2:10 for 0:20 now" in screen(150)
    assert "Prometheus down from 2:10 until 2:50" in screen(200)
    assert "#" not in screen(100)


def test_a_missed_objective_is_told_in_words() -> None:
    record = until(60)
    slow = tuple(replace(row, good=0) for row in record.services[0].seconds)
    assert "BELOW the objective" in screen(60, replace(record, services=(replace(record.services[0], seconds=slow),)))
    assert "BELOW" not in screen(60)


def test_nothing_seen_yet_is_shown_as_such() -> None:
    record = replace(records.a_record(), services=(replace(records.a_service(), samples=(), seconds=(), decisions=()),))
    text = screen(0, record)
    assert "no decision yet" in text and "error budget  - " in text


def test_a_run_without_a_terminal_prints_each_change_once() -> None:
    changes, lines = view.Changes(), []
    for second in range(300):
        lines += changes.new(until(second))
    told = [line.partition(";")[0] for line in lines]
    assert told[0] == "0:00  replicas  nlp/sentiment: cpu 2/2 ready"
    assert told.count("1:00  replicas  nlp/sentiment: cpu 2/4 ready") == 1
    assert "2:10  fault     Prometheus down" in told and "2:50  fault     Prometheus down: over" in told
    assert sum("decision" in line for line in told) == 4
    assert len(told) == len(set(told)) < 20


def test_the_sparkline_is_flat_for_flat_demand_and_rises_with_it() -> None:
    rows = records.a_service().seconds
    assert set(view.sparkline([replace(row, arrivals=10) for row in rows[:20]])) == {"█"}
    assert view.sparkline([replace(row, arrivals=0) for row in rows[:4]]) == "▁▁"
    rising = view.sparkline([replace(row, arrivals=index) for index, row in enumerate(rows[:60])])
    assert list(rising) == sorted(rising) and len(rising) == 30
