"""`tightrope check`: does Prometheus know what the operator needs, and if not, what is to be changed.

Sees through `sight`, so that it finds missing what the operator would; asks `diagnosis` why. Demand and latency are
needed; everything else is advice.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from rich.text import Text

from tightrope.adapters.prometheus import Connection
from tightrope.adapters.prometheus.presets import Preset
from tightrope.adapters.prometheus.session import QueryFailed
from tightrope.cli.cluster import SERVICE, connected
from tightrope.cli.diagnosis import Prober, diagnosed, presets, series_name
from tightrope.cli.output import BAD, DOUBTFUL, GOOD, columns, heading, text
from tightrope.cli.rehearsal import Recorder
from tightrope.cli.sight import Sight, look, settings_of, survey
from tightrope.cli.where import Where
from tightrope.controller.roster import Member, Refused
from tightrope.controller.signals import fault
from tightrope.domain.observation import Known, Missing, Observation, Signal, Stale, describe
from tightrope.domain.spec import ServiceKey
from tightrope.ports import PodKey, PodSample


class Verdict(StrEnum):
    """`missing` takes away the right to descend; `advice` does not, and may be worth a change."""

    OK = "ok"
    MISSING = "missing"
    ADVICE = "advice"


_STYLES: Final = {Verdict.OK: GOOD, Verdict.MISSING: BAD, Verdict.ADVICE: DOUBTFUL}
_NEEDED: Final = {"demand": "arrivals", "latency": "latency"}
_BUCKET: Final = "add that bucket to the server's histogram, or move slo.objectives[0].threshold to one of the bounds"
_NOBODY: Final = "start a replica first: nothing can be measured without one"
_DOCS: Final = "docs/presets.md says what each such sentence asks for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: what it says, and what to do, None for nothing."""

    about: str
    verdict: Verdict
    says: str
    do: str | None = None

    def as_document(self) -> dict[str, Any]:
        found: dict[str, Any] = {"about": self.about, "verdict": self.verdict.value, "says": self.says}
        return found | ({"do": self.do} if self.do else {})


async def check(name: str | None, where: Where, *, everywhere: bool, prometheus_url: str | None) -> dict[str, Any]:
    """The document of one service, or of all. Raises Failure."""
    settings = settings_of(prometheus_url)
    async with connected(where) as cluster:
        if name is not None:
            await cluster.service(name)
        objects = dict(await survey(cluster, namespace=None if everywhere else cluster.namespace))
    objects[SERVICE] = [wire for wire in objects[SERVICE] if name in (None, wire["metadata"]["name"])]
    sight = await look(objects, settings, hand=Recorder)
    services = [await asyncio.to_thread(service_document, sight, member) for member in sight.seen.roster.members]
    services += [refused_document(refused) for refused in sight.seen.roster.refused]
    return {
        "prometheus": {"url": settings.prometheus_url, "reachable": True},
        "services": sorted(services, key=lambda found: (found["namespace"], found["name"])),
    }


def healthy(found: Mapping[str, Any]) -> bool:
    """Whether nothing that is needed is missing."""
    return not any(one["verdict"] == Verdict.MISSING for service in found["services"] for one in service["findings"])


def service_document(sight: Sight, member: Member) -> dict[str, Any]:
    key = member.parsed.service.key
    found = list(findings(sight.seen.observations[key]))
    if any(one.verdict is Verdict.MISSING for one in found):
        found = explained(found, sight, member)
    return document(key, member.parsed.preset, found)


def refused_document(refused: Refused) -> dict[str, Any]:
    """A service whose spec cannot be acted on: nothing of it can be looked at."""
    metadata = refused.wire["metadata"]
    key = ServiceKey(namespace=metadata["namespace"], name=metadata["name"])
    return document(key, None, [Finding(about="spec", verdict=Verdict.MISSING, says=refused.finding.message)])


def document(key: ServiceKey, preset: str | None, found: Sequence[Finding]) -> dict[str, Any]:
    head = {"namespace": key.namespace, "name": key.name} | ({"preset": preset} if preset else {})
    return head | {"findings": [one.as_document() for one in found]}


def findings(observation: Observation) -> Iterator[Finding]:
    """Every signal of one service, the needed ones first."""
    demand = observation.demand
    yield signal("demand", demand, needed=True, unit="/s")
    if observation.outcomes is not None:
        yield Finding(about="latency", verdict=Verdict.OK, says=f"{observation.outcomes.total:.4g} finished/s")
    elif isinstance(demand, Known) and demand.value == 0:
        yield Finding(about="latency", verdict=Verdict.OK, says="no request, so none to measure")
    else:
        says = observation.outcomes_missing or "no finished request was seen"
        yield Finding(about="latency", verdict=Verdict.MISSING, says=says)
    for metric, seen in sorted(observation.further_outcomes.items()):
        if isinstance(seen, Missing) and not (isinstance(demand, Known) and demand.value == 0):
            yield Finding(about=metric, verdict=Verdict.MISSING, says=seen.reason)
        elif not isinstance(seen, Missing):
            yield Finding(about=metric, verdict=Verdict.OK, says=f"{seen.total:.4g} finished/s")
    if observation.threshold_note:
        yield Finding(about="buckets", verdict=Verdict.ADVICE, says=observation.threshold_note, do=_BUCKET)
    elif observation.outcomes is not None:
        yield Finding(about="buckets", verdict=Verdict.OK, says="one bound is the threshold")
    yield signal("errors", observation.errors, unit="/s")
    yield signal("in flight", observation.in_flight)
    for name, state in sorted(observation.variants.items()):
        if state.pods:
            yield signal(f"utilisation of {name}", state.utilisation)


def signal(about: str, seen: Signal, *, needed: bool = False, unit: str = "") -> Finding:
    match seen:
        case Known():
            return Finding(about=about, verdict=Verdict.OK, says=f"{describe(seen)}{unit}")
        case Missing() | Stale():
            return Finding(about=about, verdict=Verdict.MISSING if needed else Verdict.ADVICE, says=describe(seen))


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """The pods of one service that get requests, what Prometheus says of them, and who can be asked for more."""

    pods: Sequence[PodKey]
    samples: Mapping[PodKey, PodSample]
    preset: Preset
    known: Mapping[str, Preset]
    prober: Prober

    def remedy(self, asked: str) -> str:
        """What to change, so that the first pod without this signal gets it."""
        lacking = [pod for pod in self.pods if lacks(self.samples.get(pod), asked)]
        try:
            if lacking:
                evidence = self.prober.evidence(lacking[0], series_name(self.preset, asked))
                return diagnosed(evidence, self.preset, asked, self.known)
        except QueryFailed as failed:
            return f"ask again: {failed}"
        return _DOCS


def lacks(sample: PodSample | None, asked: str) -> bool:
    """Whether there is no series at all: a number that is no number is another trouble."""
    return sample is None or (getattr(sample, asked) is None and fault(sample, asked) is None)


def explained(found: Sequence[Finding], sight: Sight, member: Member) -> list[Finding]:
    """The missing signals with what to change."""
    pods = sorted(pod.key for pod in sight.seen.cluster[member.parsed.service.key].pods if pod.serving)
    suspects = suspects_of(sight, member.parsed.preset, pods)

    def remedy(one: Finding) -> str | None:
        if one.verdict is not Verdict.MISSING:
            return one.do
        return suspects.remedy(_NEEDED[one.about]) if pods else _NOBODY

    return [replace(one, do=remedy(one)) for one in found]


def suspects_of(sight: Sight, preset: str, pods: Sequence[PodKey]) -> Suspects:
    settings, known = sight.settings, presets(sight.settings.generic)
    connection = Connection(url=settings.prometheus_url, timeout_seconds=settings.query_timeout_seconds)
    return Suspects(
        pods=pods,
        samples=sight.samples.pods.get(preset, {}),
        preset=known[preset],
        known=known,
        prober=Prober(connection, monotonic=time.monotonic),
    )


def lines(found: Mapping[str, Any]) -> Iterator[Text]:
    """For people: a block a service."""
    yield text(f"Prometheus answers at {found['prometheus']['url']}", GOOD)
    for service in found["services"]:
        yield Text()
        preset = f"   preset {service['preset']}" if "preset" in service else ""
        yield heading(f"{service['namespace']}/{service['name']}{preset}")
        rows = [
            [one["about"], text(one["verdict"], _STYLES[Verdict(one["verdict"])]), one["says"]]
            for one in service["findings"]
        ]
        yield from columns(("SIGNAL", "", "SAYS"), rows)
        for remedy, about in remedies(service["findings"]).items():
            yield text(f"to do for {', '.join(about)}: {remedy}", DOUBTFUL)
    if not found["services"]:
        yield text("There is no InferenceDeployment to look at here: write -n NAMESPACE, or -A for all.")


def remedies(found: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """What is to be done, once each, and for what."""
    result: dict[str, list[str]] = {}
    for one in found:
        if "do" in one:
            result.setdefault(one["do"], []).append(one["about"])
    return result
