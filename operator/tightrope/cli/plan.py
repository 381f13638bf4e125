"""`tightrope plan`: what would happen if this file were applied to the live cluster now. Nothing is written.

The API server judges the objects in a dry run, `sight` looks at the cluster with them in place, the operator's own
decision decides, and its own execution writes into `rehearsal`, which keeps what it would have written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import yaml
from rich.text import Text

from tightrope.api.schema import API_VERSION
from tightrope.cli import explain
from tightrope.cli.cluster import SERVICE, LiveCluster, Wire, connected
from tightrope.cli.failure import Exit, Failure
from tightrope.cli.output import DOUBTFUL, FAINT, GOOD, columns, text
from tightrope.cli.rehearsal import Recorder, Write
from tightrope.cli.sight import Sight, look, settings_of, survey
from tightrope.cli.where import Where
from tightrope.controller.execution import Pass
from tightrope.controller.store import Store
from tightrope.domain.plan import Reason
from tightrope.domain.spec import ServiceKey

_POOL: Final = "ComputePool"
# Replicas that are on their way are as planned, and nothing measures a service before it runs.
_FINE: Final = ("ReplicasStarting", "DataMissing")


async def plan(file: Path, where: Where, *, prometheus_url: str | None) -> list[dict[str, Any]]:
    """A document for each InferenceDeployment of the file. Raises Failure."""
    settings, wanted = settings_of(prometheus_url), read(file)
    async with connected(where) as cluster:
        tried = [undecided(await cluster.tried(wire)) for wire in wanted]
        objects, notes = await surroundings(cluster)
        hands: list[Recorder] = []

        def hand(store: Store) -> Recorder:
            hands.append(Recorder(store, cluster.judged))
            return hands[-1]

        sight = await look(with_these(objects, tried), settings, hand=hand, with_history=True)
        services = [wire for wire in tried if wire["kind"] == SERVICE]
        await sight.execution.perform(only(sight.seen, services))
    (recorder,) = hands
    if recorder.unavailable is not None:
        raise Failure(f"the API server went away meanwhile ({recorder.unavailable}): try again", ends=Exit.UNREACHABLE)
    return [document(wire, sight, recorder.writes, [*notes, *recorder.notes]) for wire in services]


def read(file: Path) -> list[dict[str, Any]]:
    """The InferenceDeployments of a YAML file, and the ComputePools that it would change with them. Raises Failure."""
    try:
        documents = [one for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if one is not None]
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise Failure(f"{file} can't be read ({why}): write the path of a YAML file", ends=Exit.USAGE) from None
    for position, one in enumerate(documents, start=1):
        if fault := fault_of(one):
            raise Failure(f"{file}, document {position}: {fault}", ends=Exit.USAGE)
    if not any(one["kind"] == SERVICE for one in documents):
        raise Failure(f"{file} has no InferenceDeployment: write at least one", ends=Exit.USAGE)
    return documents


def fault_of(one: Any) -> str | None:
    """Why this document can't be sent to the server, which judges all the rest."""
    kind = one.get("kind") if isinstance(one, dict) else None
    if kind not in (SERVICE, _POOL) or one.get("apiVersion") != API_VERSION:
        return (
            f"kind is {kind!r}: write InferenceDeployments, and ComputePools if they change too, of apiVersion "
            f"{API_VERSION}"
        )
    if not isinstance(one.get("metadata"), dict) or not isinstance(one["metadata"].get("name"), str):
        return "metadata.name is missing: write one"
    return None if isinstance(one.get("spec"), dict) else "spec is missing: docs/api.md says what belongs in it"


async def surroundings(cluster: LiveCluster) -> tuple[dict[str, Sequence[Wire]], list[str]]:
    """Everything the operator would look at. A tenant who may only see one namespace is told what that means."""
    try:
        return await survey(cluster, namespace=None), []
    except Failure:
        found = await survey(cluster, namespace=cluster.namespace)
    return found, [f"only namespace {cluster.namespace} could be seen: what others take of the pools is not counted"]


def undecided(wire: Wire) -> Wire:
    """The object without what its status says of decisions: so the one taken now is told, and not the one before."""
    status = {key: value for key, value in (wire.get("status") or {}).items() if key not in ("decision", "history")}
    return {**wire, "status": status}


def with_these(objects: Mapping[str, Sequence[Wire]], tried: Sequence[Wire]) -> dict[str, Sequence[Wire]]:
    """The listings with these objects in place of what is stored."""
    uids = {wire["metadata"]["uid"] for wire in tried}
    kept = {kind: [wire for wire in wires if wire["metadata"]["uid"] not in uids] for kind, wires in objects.items()}
    for wire in tried:
        kept[wire["kind"]] = [*kept[wire["kind"]], wire]
    return {kind: tuple(wires) for kind, wires in kept.items()}


def only(seen: Pass, services: Sequence[Wire]) -> Pass:
    """The pass with these services alone: what becomes of the others is not asked."""
    uids = {wire["metadata"]["uid"] for wire in services}
    members = [member for member in seen.roster.members if member.parsed.uid in uids]
    refused = [one for one in seen.roster.refused if one.wire["metadata"]["uid"] in uids]
    return replace(seen, roster=replace(seen.roster, members=members, refused=refused, refused_pools=()))


def document(wire: Wire, sight: Sight, writes: Sequence[Write], notes: Sequence[str]) -> dict[str, Any]:
    """What `explain` would say afterwards, and the writes that lead there."""
    metadata = wire["metadata"]
    names = {metadata["name"]}
    facts = sight.seen.cluster.get(ServiceKey(namespace=metadata["namespace"], name=metadata["name"]))
    if facts is not None:
        names |= {state.ref.name for state in facts.workloads.values()}
        names |= {leftover["metadata"]["name"] for leftover in facts.leftovers}
    said = explain.document({**wire, "status": sight.statuses.current(wire)})
    for part in ("upToDate", "history"):
        del said[part]
    own = [one for one in writes if one.namespace == metadata["namespace"] and one.name in names]
    return {**said, "writes": [one.as_document() for one in own], "notes": list(notes)}


def sound(said: Mapping[str, Any]) -> bool:
    """Whether the service would be Ready, or would be once its replicas have started and were measured."""
    ready = next((one for one in said["conditions"] if one["type"] == "Ready"), None)
    if ready is None or said.get("decision", {}).get("reason") == Reason.NO_FEASIBLE_VARIANT:
        return False
    return ready["status"] == "True" or ready["reason"] in _FINE


def lines(services: Sequence[Mapping[str, Any]], *, now: float) -> Iterator[Text]:
    """For people: a block a service."""
    for said in services:
        yield from service_lines(dict(said), now=now)
        yield Text()
    yield text("Nothing was written.", FAINT)


def service_lines(said: dict[str, Any], *, now: float) -> Iterator[Text]:
    yield explain.headline(said)
    if "decision" in said:
        reason, message = said["decision"]["reason"], said["decision"]["message"]
        yield from explain.paragraph([text(message), text(reason, FAINT)])
    yield from explain.paragraph(write_lines(said["writes"]))
    yield from explain.paragraph(explain.plan_lines(said))
    yield from explain.paragraph(explain.variant_lines(said["variants"]))
    yield from explain.paragraph(explain.alternative_lines(said))
    troubles = [one for one in said["conditions"] if explain.colour(one) != GOOD]
    yield from explain.paragraph(explain.condition_lines(troubles, now))
    yield from explain.paragraph([text(f"note: {one}", DOUBTFUL) for one in said["notes"]])


def write_lines(writes: Sequence[Mapping[str, Any]]) -> list[Text]:
    if not writes:
        return [text("It would write nothing at this tick but the status.")]
    rows = [[one["verb"], one["kind"], one["name"], sizes(one)] for one in writes]
    return columns(("WOULD", "KIND", "NAME", "REPLICAS"), rows)


def sizes(write: Mapping[str, Any]) -> str:
    if "replicas" not in write:
        return ""
    return f"{write['before']} to {write['replicas']}" if "before" in write else str(write["replicas"])
