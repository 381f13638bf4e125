"""Cron expressions of schedules, in their time zones."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tightrope.api.cron import Cron, fault_of_cron, fault_of_zone

BERLIN = ZoneInfo("Europe/Berlin")


def latest(expression: str, until: datetime, zone: str = "Europe/Berlin") -> datetime | None:
    found = Cron(expression=expression, time_zone=zone).latest(until.timestamp())
    return None if found is None else datetime.fromtimestamp(found, tz=UTC)


@pytest.mark.parametrize(
    ("until", "began"),
    [
        (datetime(2026, 11, 23, 8, 0, tzinfo=BERLIN), datetime(2026, 11, 23, 7, 0, tzinfo=UTC)),
        (datetime(2026, 11, 23, 7, 59, 59, tzinfo=BERLIN), datetime(2026, 11, 20, 7, 0, tzinfo=UTC)),
        (datetime(2026, 7, 1, 12, 0, tzinfo=BERLIN), datetime(2026, 7, 1, 6, 0, tzinfo=UTC)),
    ],
    ids=["the moment itself", "a second before, over the weekend", "in summer"],
)
def test_a_schedule_of_working_days_began_last_at_eight_there(until: datetime, began: datetime) -> None:
    assert latest("0 8 * * 1-5", until) == began


def test_a_time_that_the_clock_leaves_out_begins_when_it_has_jumped() -> None:
    assert latest("30 2 * * *", datetime(2026, 3, 29, 12, 0, tzinfo=BERLIN)) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_time_that_comes_twice_begins_once() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert latest("30 2 * * *", datetime(2026, 10, 25, 0, 31, tzinfo=UTC)) == first
    assert latest("30 2 * * *", datetime(2026, 10, 25, 1, 45, tzinfo=UTC)) == first


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("61 * * * *", "bad minute"),
        ("* * * *", "must have five fields"),
        ("* * * * * *", "must have five fields"),
        ("0 0 30 2 *", "bad day-of-month"),
    ],
)
def test_what_is_no_cron_expression_is_said_in_words(expression: str, fault: str) -> None:
    assert fault in (fault_of_cron(expression) or "")
    assert fault_of_cron("*/5 8-18 * 1,7 MON-FRI") is None


def test_a_time_zone_must_be_one() -> None:
    assert "write an IANA name" in (fault_of_zone("Europe/Atlantis") or "")
    assert fault_of_zone("America/Sao_Paulo") is None
