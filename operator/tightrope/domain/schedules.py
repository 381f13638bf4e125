"""Minimums at known times: a user who knows that the doors open at eight need not wait for demand to say so.

`situation` asks at every tick, with the time that replicas need, so that they are ready when a schedule begins.
"""

from dataclasses import dataclass, replace

from tightrope.domain.spec import Schedule, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A schedule that lasts now, or begins before a replica that is started now would be ready; in unix seconds."""

    schedule: Schedule
    begins_at: float
    ends_at: float


def in_force(service: Service, *, now: float, lead_seconds: float) -> InForce | None:
    """Of the schedules that raise the minimum now the one that asks for the most, and lasts the longest of equals."""
    found = [
        InForce(schedule=schedule, begins_at=begins, ends_at=begins + schedule.duration_seconds)
        for schedule in service.schedules
        if schedule.min_replicas > service.min_replicas and (begins := begun(schedule, now, lead_seconds)) is not None
    ]
    return max(found, key=lambda one: (one.schedule.min_replicas, one.ends_at), default=None)


def begun(schedule: Schedule, now: float, lead_seconds: float) -> float | None:
    """When it began or will within the lead, unless it is over. One that lasts still counts, though a later one may
    begin soon."""
    for until in (now, now + lead_seconds):
        begins = schedule.begins.latest(until)
        if begins is not None and now < begins + schedule.duration_seconds:
            return begins
    return None


def applied(service: Service, *, now: float, lead_seconds: float) -> tuple[Service, InForce | None]:
    """The service with the minimum that holds now, and the schedule that raises it; `max` wins."""
    found = in_force(service, now=now, lead_seconds=lead_seconds)
    if found is None:
        return service, None
    return replace(service, min_replicas=min(found.schedule.min_replicas, service.max_replicas)), found
