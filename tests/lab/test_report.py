"""The table: its figures against runs whose figures are known."""

from dataclasses import replace
from io import StringIO

import records
from rich.console import Console

from tightrope.lab import checks, report
from tightrope.lab.record import Record, Second, ServiceRecord


def rendered(record: Record) -> str:
    console = Console(width=80, record=True, file=StringIO())
    console.print(report.render(record, report.broken(record, list(checks.CHECKS))))
    return console.export_text()


def steady(rate: int, *, seconds: int = 60, good: int | None = None) -> tuple[Second, ...]:
    return tuple(
        Second(at=records.START + at, arrivals=rate, good=rate if good is None else good, finished=rate, dropped=0)
        for at in range(seconds)
    )


def with_seconds(seconds: tuple[Second, ...]) -> ServiceRecord:
    return replace(records.a_service(), seconds=seconds)


def test_the_table_of_a_calm_run_has_every_figure_and_fits_80_columns() -> None:
    text = rendered(records.a_record())
    for part in ("requests", "attainment", "objective 99%", "fixed fleet", "switches", "replica writes", "0 s"):
        assert part in text
    assert "BROKEN" not in text and text.count("ok ") == 3
    assert max(len(line) for line in text.splitlines()) <= 80


def test_a_broken_check_says_how() -> None:
    service = records.with_write(records.a_service(), 150, "gpu", 2, 1)
    text = rendered(replace(records.a_record(), services=(service,)))
    assert "BROKEN  no-blind-descent" in text and "gpu was lowered from 2 to 1" in " ".join(text.split())


def test_the_fixed_fleet_is_the_cheapest_one_for_the_busiest_half_minute() -> None:
    few = report.fixed_fleet(with_seconds(steady(100)))
    assert few is not None and (few.variant, few.replicas, round(few.cost_per_hour, 2)) == ("cpu", 4, 0.68)
    many = report.fixed_fleet(with_seconds(steady(600)))
    assert many is not None and (many.variant, many.replicas, round(many.cost_per_hour, 2)) == ("gpu", 2, 1.6)


def test_a_spike_shorter_than_half_a_minute_counts_with_its_mean() -> None:
    seconds = (*steady(10, seconds=60), *steady(40, seconds=15), *steady(10, seconds=60))
    assert report.busiest(seconds) == 25.0


def test_the_fixed_fleet_fills_nodes() -> None:
    service = with_seconds(steady(100))
    packed = replace(service, variants=(replace(records.CPU, replicas_per_node=3),))
    fleet = report.fixed_fleet(packed)
    assert fleet is not None and round(fleet.cost_per_hour, 2) == 0.34


def test_a_run_without_requests_has_no_fixed_fleet() -> None:
    assert report.fixed_fleet(with_seconds(())) is None


def test_the_mean_cost_weighs_samples_by_how_long_they_held() -> None:
    first = records.a_service().samples[0]
    samples = [replace(first, at=0.0, cost_per_hour=1.0), replace(first, at=30.0, cost_per_hour=2.0)]
    assert report.mean_cost([*samples, replace(first, at=40.0, cost_per_hour=9.0)]) == (30 * 1.0 + 10 * 2.0) / 40


def test_the_longest_violation_is_counted_over_ten_seconds_of_requests() -> None:
    seconds = (*steady(100, seconds=20), *steady(100, seconds=5, good=0), *steady(100, seconds=30))
    service = with_seconds(seconds)
    assert report.longest_violation(service) == 14  # five bad seconds, and nine that still have one in their last ten
    assert report.longest_violation(with_seconds(steady(100))) == 0
