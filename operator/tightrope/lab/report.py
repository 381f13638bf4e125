"""The table at the end of a run: what was asked, what was held, what it cost, and whether the checks held.

`drive` prints it; `picture` takes its figure for the fixed fleet from here. Everything is computed from the record.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tightrope.lab import checks
from tightrope.lab.record import Record, Sample, Second, ServiceRecord

PEAK_SECONDS = 30  # a fixed fleet is sized for the busiest half minute
VIOLATION_SECONDS = 10  # attainment over fewer seconds turns on single requests


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedFleet:
    """The cheapest fleet of one variant that carries the busiest half minute and never changes. `peak` is that half
    minute's mean demand, per second."""

    variant: str
    replicas: int
    cost_per_hour: float
    peak: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One service's run in numbers. Costs are per hour, averaged over the run; `attainment` is 0..1, None if nothing
    was answered."""

    requests: int
    attainment: float | None
    cost_per_hour: float
    fixed: FixedFleet | None
    switches: int
    replica_writes: int
    longest_violation_seconds: int


def figures(service: ServiceRecord) -> Figures:
    """The numbers of the table."""
    return Figures(
        requests=sum(second.arrivals for second in service.seconds),
        attainment=checks.attainment(service.seconds),
        cost_per_hour=mean_cost(service.samples),
        fixed=fixed_fleet(service),
        switches=sum(switch.completed for switch in checks.switches(service)),
        replica_writes=len(service.writes),
        longest_violation_seconds=longest_violation(service),
    )


def mean_cost(samples: Sequence[Sample]) -> float:
    """Cost per hour averaged over time; each sample holds until the next."""
    if len(samples) < 2:
        return samples[0].cost_per_hour if samples else 0.0
    spent = sum(now.cost_per_hour * (then.at - now.at) for now, then in pairwise(samples))
    return spent / (samples[-1].at - samples[0].at)


def fixed_fleet(service: ServiceRecord) -> FixedFleet | None:
    """What somebody who knew the peak, and only the peak, would have rented; None without requests."""
    peak = busiest(service.seconds)
    fleets = []
    for facts in service.variants:
        if facts.capacity <= 0:
            continue
        replicas = max(math.ceil(peak / facts.capacity), 1)
        cost = math.ceil(replicas / facts.replicas_per_node) * facts.price_per_node_hour
        fleets.append(FixedFleet(variant=facts.name, replicas=replicas, cost_per_hour=cost, peak=peak))
    return min(fleets, key=lambda fleet: (fleet.cost_per_hour, fleet.replicas), default=None) if peak > 0 else None


def against(cost_per_hour: float, fleet: FixedFleet) -> str:
    """The cost beside the fixed fleet's: `35% less`."""
    saved = 1 - cost_per_hour / fleet.cost_per_hour
    return f"{saved:.0%} less" if saved >= 0 else f"{-saved:.0%} more"


def busiest(seconds: Sequence[Second]) -> float:
    """Arrivals per second in the busiest half minute (in all of a shorter run)."""
    span = min(PEAK_SECONDS, len(seconds))
    sums = [sum(second.arrivals for second in seconds[i : i + span]) for i in range(len(seconds) - span + 1)]
    return max(sums, default=0) / span if span else 0.0


def longest_violation(service: ServiceRecord) -> int:
    """The most seconds in a row at which the last ten seconds' requests were below the objective."""
    longest = current = 0
    for index in range(len(service.seconds)):
        reached = checks.attainment(service.seconds[max(0, index - VIOLATION_SECONDS + 1) : index + 1])
        current = current + 1 if reached is not None and reached * 100 < service.percent else 0
        longest = max(longest, current)
    return longest


def broken(record: Record, hold: Sequence[str]) -> dict[str, list[str]]:
    """Each check that the scenario asks for, with the sentences that say how it was broken (none: it held)."""
    return {name: checks.CHECKS[name](record) for name in hold}


def render(record: Record, findings: Mapping[str, Sequence[str]]) -> RenderableType:
    """The table of every service, and under it one line per check."""
    return Group(*(_table(record, service) for service in record.services), _verdict(findings))


def _table(record: Record, service: ServiceRecord) -> Table:
    table = Table(title=f"{record.scenario}: {service.name}", title_justify="left", show_header=False, min_width=60)
    table.add_column(style="bold")
    table.add_column(justify="left")
    for name, value in rows(service):
        table.add_row(name, value)
    return table


def rows(service: ServiceRecord) -> Iterator[tuple[str, str]]:
    """The table's lines as (name, value)."""
    numbers = figures(service)
    yield "requests", f"{numbers.requests:,}"
    yield (
        "attainment",
        f"{checks.shown(numbers.attainment)} within {service.threshold_seconds * 1000:.0f} ms, "
        f"objective {service.percent:g}%",
    )
    yield "cost", f"{numbers.cost_per_hour:.2f} {service.currency}/h on average"
    if numbers.fixed is not None:
        fleet = numbers.fixed
        yield (
            "fixed fleet",
            f"{fleet.cost_per_hour:.2f} {service.currency}/h for {fleet.variant} x {fleet.replicas}, "
            f"what {fleet.peak:.0f}/s at the peak needs",
        )
        yield "against it", against(numbers.cost_per_hour, fleet)
    yield "switches", str(numbers.switches)
    yield "replica writes", str(numbers.replica_writes)
    yield "longest violation", f"{numbers.longest_violation_seconds} s"


HELD: Mapping[str, str] = {
    "slo": "the SLO was met",
    "make-before-break": "ready capacity never fell below the demand during a switch",
    "no-blind-descent": "nothing descended while data was missing",
}


def _verdict(findings: Mapping[str, Sequence[str]]) -> Text:
    """Words, not colours, carry the verdict."""
    text = Text()
    for name, sentences in findings.items():
        text.append("ok      " if not sentences else "BROKEN  ", style="bold")
        text.append(f"{HELD[name]}\n" if not sentences else f"{name}\n")
        for sentence in sentences:
            text.append(f"        {sentence}\n")
    return text
