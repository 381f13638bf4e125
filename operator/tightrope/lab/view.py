"""What a person watches while a scenario runs: a screen, redrawn every second; without a terminal, a line a change.

`demo` renders it from the record as it stands. Marks differ in shape and words: no colour has to be told apart.
"""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from tightrope.lab import checks, report
from tightrope.lab.record import Record, Sample, Second, ServiceRecord

WIDTH = 78
MINUTE = 60
BARS = "▁▂▃▄▅▆▇█"
MAX_PODS = 24


def render(record: Record, now: float) -> RenderableType:
    """The screen at `now` (unix seconds)."""
    parts: list[RenderableType] = []
    for service in record.services:
        parts += [_heading(record, service, now), _numbers(service), _variants(service), _decision(record, service)]
    return Group(*parts, _time_line(record, now))


def clock(seconds: float) -> str:
    """135.2 -> 2:15."""
    whole = max(int(seconds), 0)
    return f"{whole // 60}:{whole % 60:02d}"


def _heading(record: Record, service: ServiceRecord, now: float) -> Rule:
    passed = min(max(now - record.started_at, 0.0), record.duration_seconds)
    title = f"{record.scenario}: {service.name}   {clock(passed)} of {clock(record.duration_seconds)}"
    return Rule(Text(title, style="bold"), align="left", characters="─")


def _numbers(service: ServiceRecord) -> Table:
    """Demand, p99 and attainment of the last minute, the error budget, the cost."""
    recent = service.seconds[-MINUTE:]
    table = Table.grid(padding=(0, 2))
    for width in (12, 13, WIDTH - 29):
        table.add_column(min_width=width, no_wrap=True)
    table.add_row("demand", Text(_demand(recent), style="bold"), Text(sparkline(recent), style="blue"))
    threshold = f"of {service.threshold_seconds * 1000:.0f} ms, last minute"
    table.add_row("p99", Text(_p99(recent), style="bold"), threshold)
    reached = checks.attainment(recent)
    missed = reached is not None and reached * 100 < service.percent
    verdict = "BELOW the objective of" if missed else "objective"
    table.add_row(
        "attainment",
        Text(checks.shown(reached), style="bold reverse" if missed else "bold"),
        f"{verdict} {service.percent:g}%, last minute",
    )
    sample = service.samples[-1] if service.samples else None
    budget = "-" if sample is None or sample.budget_remaining is None else f"{sample.budget_remaining:.0%}"
    table.add_row("error budget", Text(budget, style="bold"), "left, by the operator's account")
    cost = "-" if sample is None else f"{sample.cost_per_hour:.2f} {service.currency}/h"
    mean = f"{report.mean_cost(service.samples):.2f} on average" if service.samples else ""
    table.add_row("cost", Text(cost, style="bold"), mean)
    return table


def _demand(recent: Sequence[Second]) -> str:
    return f"{checks.needed(recent, len(recent) - 1):.1f}/s" if recent else "-"


def _p99(recent: Sequence[Second]) -> str:
    """The p99 of a minute lies between its seconds' p99s; the one that 99 % of the requests stay within is shown."""
    rows = sorted((second.p99, second.finished) for second in recent if second.p99 is not None)
    total, within = sum(count for _, count in rows), 0
    for p99, count in rows:
        within += count
        if within >= 0.99 * total:
            return f"{p99 * 1000:.0f} ms"
    return "-"


def sparkline(recent: Sequence[Second], width: int = 30) -> str:
    """Demand of the last minute, two seconds a bar."""
    pairs = [recent[i : i + 2] for i in range(0, len(recent), 2)]
    values = [sum(second.arrivals for second in pair) / len(pair) for pair in pairs][-width:]
    top = max(values, default=0.0)
    return "".join(BARS[round(value / top * (len(BARS) - 1))] if top else BARS[0] for value in values)


def _variants(service: ServiceRecord) -> Table:
    """ready/wanted per variant, a filled mark for a ready pod and an empty one for a pod to come."""
    table = Table.grid(padding=(0, 2))
    for width in (12, 13, WIDTH - 29):
        table.add_column(min_width=width, no_wrap=True)
    sample = service.samples[-1] if service.samples else None
    for facts in service.variants:
        count = sample.variants.get(facts.name) if sample else None
        wanted, ready = (count.wanted or 0, count.ready) if count else (0, 0)
        leaving = max((count.pods if count else 0) - max(wanted, ready), 0)
        pods = "●" * min(ready, MAX_PODS) + "○" * min(max(wanted - ready, 0), MAX_PODS) + "×" * min(leaving, MAX_PODS)
        note = f"{pods}  " if pods else ""
        if ready < wanted:
            note += f"{wanted - ready} starting"
        elif ready > wanted or leaving:
            note += f"{max(ready - wanted, leaving)} leaving"
        table.add_row(
            facts.name, Text(f"{ready}/{wanted} ready", style="bold"), f"{note:<{WIDTH - 47}} pool {facts.pool}"
        )
    return table


def _decision(record: Record, service: ServiceRecord) -> RenderableType:
    if not service.decisions:
        return Text("\nno decision yet\n")
    latest = service.decisions[-1]
    lead = f"\n{clock(latest.at - record.started_at)}  {latest.reason}"
    plan = f"  ({latest.plan})" if latest.plan else ""
    return Text.assemble((lead, "bold"), plan, "\n", latest.message, "\n")


def _time_line(record: Record, now: float) -> Text:
    """Where we are and where the faults lie: `=` passed, `-` to come, `#` a fault."""
    width = WIDTH - 12
    passed = int(width * min(max(now - record.started_at, 0.0) / record.duration_seconds, 1.0))
    marks = ["=" if i < passed else "-" for i in range(width)]
    for fault in record.faults:
        end = now if fault.end is None else fault.end
        first, last = (int(width * (at - record.started_at) / record.duration_seconds) for at in (fault.start, end))
        for i in range(max(first, 0), min(max(last, first + 1), width)):
            marks[i] = "#"
    if passed < width:
        marks[passed] = "|"
    text = Text(f"0:00 {''.join(marks)} {clock(record.duration_seconds)}\n")
    for fault in record.faults:
        state = (
            f"for {clock(now - fault.start)} now"
            if fault.end is None
            else f"until {clock(fault.end - record.started_at)}"
        )
        style = "bold reverse" if fault.end is None else ""
        text.append(f"# {fault.label} from {clock(fault.start - record.started_at)} {state}", style=style)
        text.append("\n")
    return text


class Changes:
    """Turns a growing record into one line per change, for a log or a pipe. Each call returns only what is new."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, tuple[int | None, int]]] = {}
        self._decisions: dict[str, int] = {}
        self._faults: dict[int, bool] = {}

    def new(self, record: Record) -> list[str]:
        """Lines for what has changed since the last call."""
        lines = list(self._new_faults(record))
        for service in record.services:
            lines += self._new_decisions(record, service)
            if service.samples:
                lines += self._new_counts(record, service, service.samples[-1])
        return lines

    def _new_faults(self, record: Record) -> Iterator[str]:
        for index, fault in enumerate(record.faults):
            if index not in self._faults:
                yield f"{clock(fault.start - record.started_at)}  fault     {fault.label}"
                self._faults[index] = False
            if fault.end is not None and fault.end > fault.start and not self._faults[index]:
                yield f"{clock(fault.end - record.started_at)}  fault     {fault.label}: over"
                self._faults[index] = True

    def _new_decisions(self, record: Record, service: ServiceRecord) -> Iterator[str]:
        for decision in service.decisions[self._decisions.get(service.name, 0) :]:
            at = clock(decision.at - record.started_at)
            yield f"{at}  decision  {service.name}: {decision.reason} ({decision.plan}) {decision.message}"
        self._decisions[service.name] = len(service.decisions)

    def _new_counts(self, record: Record, service: ServiceRecord, sample: Sample) -> Iterator[str]:
        known = self._counts.setdefault(service.name, {})
        for name, count in sample.variants.items():
            if known.get(name, (None, 0)) != (count.wanted, count.ready):
                at, ready = clock(sample.at - record.started_at), f"{name} {count.ready}/{count.wanted or 0} ready"
                yield f"{at}  replicas  {service.name}: {ready}; {_summary(service, sample)}"
            known[name] = (count.wanted, count.ready)


def _summary(service: ServiceRecord, sample: Sample) -> str:
    recent = service.seconds[-MINUTE:]
    reached = checks.attainment(recent)
    cost = f"{sample.cost_per_hour:.2f} {service.currency}/h"
    return f"demand {_demand(recent)}, p99 {_p99(recent)}, attained {checks.shown(reached)}, {cost}"
