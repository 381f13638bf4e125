"""What must hold of a run, from the lab's own record. The demo's exit code and the end-to-end tests rest on it.

Three checks, each a function from a record to the sentences that say how it was broken (empty: it held):
the SLO, no loss of needed capacity during a switch, no descent while data was missing. docs/demo.md says in words
what the functions here compute.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor

from tightrope.lab.record import FaultSpan, Record, Sample, Second, ServiceRecord

SETTLED_SECONDS = 10.0  # a set of variants that has been whole for this long is where a switch ends
OVERLAP_SECONDS = 60.0  # both sets whole side by side for longer than this is a mix of its own, not a step of a switch
NEED_SECONDS = 5  # demand is averaged over this many seconds: a single Poisson second says little


def slo(record: Record) -> list[str]:
    """Of all requests that were answered or dropped, at least `percent` were at or under the threshold."""
    broken = []
    for service in record.services:
        reached = attainment(service.seconds)
        if reached is None:
            broken.append(f"{service.name}: no request was answered.")
        elif reached * 100 < service.percent:
            broken.append(
                f"{service.name}: {shown(reached)} of the requests were within "
                f"{service.threshold_seconds * 1000:.0f} ms; the objective is {service.percent:g}%."
            )
    return broken


def make_before_break(record: Record) -> list[str]:
    """While the mix changed, the pods that served never carried less than the demand after carrying more."""
    return [message for service in record.services for message in _gaps(record, service)]


def no_blind_descent(record: Record) -> list[str]:
    """No spec.replicas was lowered, and no workload removed, while the data was missing.

    A tick that had its data just before it went may still write: the first `tick_seconds` of a fault do not count.
    """
    broken = []
    for service in record.services:
        for write in service.writes:
            fault = _blinding(record, service, write.at)
            if write.lowers and fault is not None:
                broken.append(
                    f"{service.name}: {write.variant} was lowered from {write.before or 0} to {write.after or 0} "
                    f"{write.at - fault.start:.0f} s into '{fault.label}'."
                )
    return broken


CHECKS: Mapping[str, Callable[[Record], list[str]]] = {
    "slo": slo,
    "make-before-break": make_before_break,
    "no-blind-descent": no_blind_descent,
}


def _blinding(record: Record, service: ServiceRecord, at: float) -> FaultSpan | None:
    for fault in record.faults:
        touches = fault.blinding and service.name in fault.services
        if touches and fault.start + record.tick_seconds <= at and (fault.end is None or at < fault.end):
            return fault
    return None


def attainment(seconds: Sequence[Second]) -> float | None:
    """Good over answered or dropped, 0..1; None if there were none."""
    total = sum(second.finished + second.dropped for second in seconds)
    return sum(second.good for second in seconds) / total if total else None


def shown(attained: float | None) -> str:
    """An attainment for people, rounded down: 100% is only said when nothing was missed."""
    return "-" if attained is None else f"{floor(attained * 10_000) / 100:.2f}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A change of the set of variants: from the first write that touched the set until it was whole again. Both sets
    are the same when the change was taken back."""

    start: float
    end: float
    before: frozenset[str]
    after: frozenset[str]

    @property
    def completed(self) -> bool:
        return self.before != self.after


def switches(service: ServiceRecord) -> tuple[Switch, ...]:
    """Every switch of the run, whether completed or not, in order.

    The set is that of variants with replicas wanted. Before the service has first been whole, there is nothing to
    switch from. Two sets that overlap for long (make) and then part (break) are one switch: the one in between,
    a union of what was and what comes, is not where it ends.
    """
    found: list[Switch] = []
    settled: frozenset[str] | None = None
    began: float | None = None
    whole_since: tuple[float, frozenset[str]] | None = None
    for sample in service.samples:
        mix = wanted_set(sample)
        if not is_whole(sample):
            whole_since = None
        elif whole_since is None or whole_since[1] != mix:
            whole_since = (sample.at, mix)
        if settled is None:
            settled = mix if whole_since is not None and mix else None
            continue
        if began is None and mix != settled:
            began = sample.at
        if began is None or whole_since is None:
            continue
        settling = OVERLAP_SECONDS if mix > settled else SETTLED_SECONDS
        if mix == settled or sample.at - whole_since[0] >= settling:
            found.append(Switch(start=began, end=whole_since[0], before=settled, after=mix))
            settled, began = mix, None
    if settled is not None and began is not None:
        last = service.samples[-1]
        found.append(Switch(start=began, end=last.at, before=settled, after=wanted_set(last)))
    return tuple(found)


def wanted_set(sample: Sample) -> frozenset[str]:
    return frozenset(name for name, count in sample.variants.items() if count.wanted)


def is_whole(sample: Sample) -> bool:
    """Every replica that is wanted is ready, and no pod is left over."""
    return all((count.wanted or 0) == count.ready == count.pods for count in sample.variants.values())


def carried(serving: Mapping[str, int], capacities: Mapping[str, float]) -> float:
    """Requests per second that these pods carry at the SLO. Behind a Service each gets the same share, so that the
    slowest variant among them sets the load of all."""
    present = [name for name, count in serving.items() if count > 0]
    return sum(serving[name] for name in present) * min((capacities[name] for name in present), default=0.0)


def needed(seconds: Sequence[Second], index: int) -> float:
    """Requests per second that clients sent, averaged over the seconds up to and including this one."""
    recent = seconds[max(0, index - NEED_SECONDS + 1) : index + 1]
    return sum(second.arrivals for second in recent) / len(recent)


def _gaps(record: Record, service: ServiceRecord) -> Iterator[str]:
    capacities = {facts.name: facts.capacity for facts in service.variants}
    for switch in switches(service):
        most = 0.0
        for index, second in enumerate(service.seconds):
            # What was written since the last sample belongs to the switch, and so does what it took away.
            if not switch.start - NEED_SECONDS <= second.at <= switch.end:
                continue
            carries, need = carried(second.serving, capacities), needed(service.seconds, index)
            if carries < need and carries < most:
                yield (
                    f"{service.name}: {second.at - record.started_at:.0f} s into the run, in the switch from "
                    f"{label(switch.before)} to {label(switch.after)}, the ready pods ({serving_text(second.serving)}) "
                    f"carried {carries:.0f}/s, the demand was {need:.0f}/s, and they had carried {most:.0f}/s before."
                )
                break
            most = max(most, carries)


def label(variants: frozenset[str]) -> str:
    return "+".join(sorted(variants)) or "nothing"


def serving_text(serving: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(serving.items())) or "none"
