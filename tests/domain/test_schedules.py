"""Minimums at known times, as whole episodes show them."""

from dataclasses import dataclass

import build
from episode import Episode
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.plan import Reason
from tightrope.domain.schedules import in_force
from tightrope.domain.spec import Schedule

HOUR = 3600.0


@dataclass(frozen=True)
class Hourly:
    """Begins so many minutes after each full hour."""

    minute: float = 0.0

    def latest(self, until: float) -> float | None:
        begins = (until - self.minute * 60.0) // HOUR * HOUR + self.minute * 60.0
        return begins if begins >= 0 else None


def schedule(least: int, minutes: float, *, minute: float = 30.0) -> Schedule:
    return Schedule(begins=Hourly(minute), duration_seconds=minutes * 60.0, min_replicas=least)


def episode(*schedules: Schedule, max_replicas: int = 40) -> Episode:
    service = build.service(variants=(build.variant("cpu"),), schedules=schedules, max_replicas=max_replicas)
    return Episode(
        service=service,
        pools=build.pools("cpu"),
        true_capacity={"cpu": 25.0},
        start_seconds={"cpu": 120.0},
        demand=lambda now: 20.0,
    )


def ready_at(played: Episode, at: float) -> int:
    return sum(next(row for row in reversed(played.rows) if row["at"] <= at)["ready"].values())


def test_replicas_are_ready_when_a_schedule_begins_and_go_when_it_is_over() -> None:
    played = episode(schedule(6, 10)).run(1.2 * HOUR)

    assert ready_at(played, 25 * 60) < 6
    assert all(ready_at(played, at) >= 6 for at in range(30 * 60, 40 * 60, 15))
    assert ready_at(played, 55 * 60) < 3


def test_a_schedule_is_named_as_the_reason() -> None:
    played = episode(schedule(6, 10)).run(35 * 60)
    decision = played.rows[-1]["decision"]

    assert decision.reason is Reason.SCHEDULED_MINIMUM
    assert "at least 6 are asked for until 1970-01-01T00:40:00Z" in decision.message


def test_max_wins_over_a_schedule() -> None:
    played = episode(schedule(6, 10), max_replicas=4).run(0.6 * HOUR)
    assert ready_at(played, 35 * 60) == 4


@given(
    now=st.floats(0, 1e6),
    lead=st.floats(0, 600),
    asked=st.lists(st.tuples(st.integers(1, 9), st.floats(1, 50), st.floats(0, 59)), max_size=4),
)
def test_the_largest_of_those_that_last_counts(now: float, lead: float, asked: list[tuple[int, float, float]]) -> None:
    schedules = tuple(schedule(least, minutes, minute=minute) for least, minutes, minute in asked)
    found = in_force(build.service(schedules=schedules), now=now, lead_seconds=lead)
    lasting = [
        one.min_replicas
        for one in schedules
        if (began := one.begins.latest(now)) is not None and now < began + one.duration_seconds
    ]
    assert (found.schedule.min_replicas if found else 1) >= max(lasting, default=1)
    assert found is None or (found.begins_at <= now + lead and now < found.ends_at)
