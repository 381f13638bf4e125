"""The verdict on a run: each check holds on a calm run, and fails when its rule is broken."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import records

from tightrope.lab import checks
from tightrope.lab.record import Record, ServiceRecord

Counts = Mapping[str, tuple[int, int]]


def record_of(service: ServiceRecord, **overrides: object) -> Record:
    return replace(records.a_record(), services=(service,), **overrides)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", list(checks.CHECKS))
def test_a_calm_run_passes_every_check(name: str) -> None:
    assert checks.CHECKS[name](records.a_record()) == []


def test_a_run_with_too_many_slow_requests_misses_the_slo() -> None:
    (sentence,) = checks.slo(record_of(records.a_service(good=0.98)))
    assert "objective is 99%" in sentence and "97.94%" in sentence


def test_dropped_requests_count_as_misses() -> None:
    service = records.a_service()
    dropping = tuple(replace(row, dropped=row.arrivals // 50) for row in service.seconds)
    assert checks.slo(record_of(replace(service, seconds=dropping)))


def test_a_run_without_answers_does_not_pass() -> None:
    assert checks.slo(record_of(replace(records.a_service(), seconds=()))) == [
        "nlp/sentiment: no request was answered."
    ]


def test_a_switch_that_breaks_before_it_makes_is_found() -> None:
    def broken(second: float) -> Counts:
        """The CPU pods go when the GPU is ordered, not when it is ready."""
        return {**records.fleet_at(second), "cpu": (0, 0)} if 76 <= second < 200 else records.fleet_at(second)

    (sentence,) = checks.make_before_break(record_of(records.a_service(fleet=broken)))
    assert "from cpu to gpu" in sentence and "carried 0/s" in sentence


def test_a_switch_that_ends_on_too_small_a_fleet_is_found() -> None:
    def broken(second: float) -> Counts:
        """One CPU pod (30/s) instead of two takes over a demand of 45/s."""
        fleet = records.fleet_at(second)
        return {**fleet, "cpu": (min(fleet["cpu"][0], 1), min(fleet["cpu"][1], 1))} if second >= 240 else fleet

    (sentence,) = checks.make_before_break(record_of(records.a_service(fleet=broken)))
    assert "from gpu to cpu" in sentence and "carried 30/s" in sentence


def test_a_mixed_fleet_counts_with_its_slowest_pod() -> None:
    assert checks.carried({"cpu": 3, "gpu": 1}, {"cpu": 30.0, "gpu": 500.0}) == 120.0
    assert checks.carried({"cpu": 0, "gpu": 2}, {"cpu": 30.0, "gpu": 500.0}) == 1000.0
    assert checks.carried({}, {"cpu": 30.0}) == 0.0


def test_a_fleet_that_is_still_growing_has_not_lost_anything() -> None:
    def late(second: float) -> Counts:
        """The switch begins while two CPU pods are already too few; nothing is taken away before the GPU is ready."""
        fleet = records.fleet_at(second)
        return {**fleet, "cpu": (2, 2)} if second < 92 else fleet

    assert checks.make_before_break(record_of(records.a_service(fleet=late))) == []


def test_both_switches_of_the_run_are_seen_and_growth_is_not_one() -> None:
    found = checks.switches(records.a_service())
    assert [(checks.label(switch.before), checks.label(switch.after)) for switch in found] == [
        ("cpu", "gpu"),
        ("gpu", "cpu"),
    ]
    assert [round(switch.end - records.START) for switch in found] == [92, 250]


def test_a_switch_that_is_taken_back_is_not_counted() -> None:
    def taken_back(second: float) -> Counts:
        return {"cpu": (4, 4), "gpu": (1, 0) if 100 <= second < 110 else (0, 0)}

    (switch,) = checks.switches(records.a_service(fleet=taken_back))
    assert not switch.completed


def test_old_and_new_side_by_side_for_a_while_are_one_switch() -> None:
    def slow(second: float) -> Counts:
        return {"cpu": (4, 4) if second < 140 else (0, 0), "gpu": (0, 0) if second < 100 else (1, 1)}

    (switch,) = checks.switches(records.a_service(fleet=slow))
    assert (checks.label(switch.before), checks.label(switch.after)) == ("cpu", "gpu")


def test_a_mix_that_stays_is_where_a_switch_ends() -> None:
    def mixed(second: float) -> Counts:
        return {"cpu": (2, 2), "gpu": (0, 0) if second < 100 else (1, 1)}

    (switch,) = checks.switches(records.a_service(fleet=mixed))
    assert checks.label(switch.after) == "cpu+gpu"


def test_a_descent_while_prometheus_is_down_is_found() -> None:
    service = records.with_write(records.a_service(), 150, "gpu", 2, 1)
    (sentence,) = checks.no_blind_descent(record_of(service))
    assert sentence == "nlp/sentiment: gpu was lowered from 2 to 1 20 s into 'Prometheus down'."


def test_a_workload_removed_while_blind_is_a_descent() -> None:
    assert checks.no_blind_descent(record_of(records.with_write(records.a_service(), 150, "cpu", 2, None)))


@pytest.mark.parametrize(
    ("second", "after", "why"),
    [
        (150, 3, "growth is allowed"),
        (131, 1, "the tick that had its data just before may still write"),
        (171, 1, "the data is back"),
    ],
)
def test_other_writes_around_the_outage_are_no_blind_descents(second: int, after: int, why: str) -> None:
    service = records.with_write(records.a_service(), second, "gpu", 2, after)
    assert checks.no_blind_descent(record_of(service)) == [], why


def test_a_fault_that_hides_nothing_allows_descents() -> None:
    harmless = replace(records.outage(130, 170), blinding=False)
    service = records.with_write(records.a_service(), 150, "gpu", 2, 1)
    assert checks.no_blind_descent(record_of(service, faults=(harmless,))) == []


def test_an_outage_without_end_blinds_until_the_end() -> None:
    service = records.with_write(records.a_service(), 290, "gpu", 2, 1)
    assert checks.no_blind_descent(record_of(service, faults=(records.outage(130, None),)))


def test_a_whole_hundred_percent_is_only_said_when_nothing_was_missed() -> None:
    assert [checks.shown(value) for value in (1.0, 0.99999, 0.9912, None)] == ["100.00%", "99.99%", "99.12%", "-"]
