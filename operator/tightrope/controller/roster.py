"""Who takes part in a tick: services and pools as parsed from the store, and those that can't be acted on, with why.

Pure; `tick` calls `enrol` once. A service that is refused keeps whatever it has: only its conditions change.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tightrope.api.conditions import Finding
from tightrope.api.parse import ParsedPool, ParsedService, SpecInvalid, parse_pool, parse_service
from tightrope.api.pause import Pause
from tightrope.controller.facts import WorkloadRef, selects
from tightrope.controller.manifests import workload_name
from tightrope.controller.ownership import Claimant, ObjectKey, controller_uid, winners
from tightrope.controller.store import Snapshot, Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A service that can be decided: its object as stored, what it says, and the workloads of its variants."""

    wire: Wire
    parsed: ParsedService
    refs: tuple[WorkloadRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A service or pool that cannot be acted on, and the condition that says why; `error` if that is our own fault."""

    wire: Wire
    finding: Finding
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Everybody. Objects that are being deleted, and everything in a namespace that is, are in none of these."""

    pools: Mapping[str, ParsedPool]
    members: Sequence[Member]
    refused: Sequence[Refused]
    refused_pools: Sequence[Refused] = field(default=())


Parser = Callable[[Wire, Mapping[str, str]], ParsedService]


def enrol(snapshot: Snapshot, *, parse: Parser) -> Roster:
    """The roster of this snapshot. `parse` is given the object and the accelerator resource of each pool."""
    pools: dict[str, ParsedPool] = {}
    refused_pools: list[Refused] = []
    for wire in snapshot.all("ComputePool"):
        try:
            pools[wire["metadata"]["name"]] = parse_pool(wire)
        except SpecInvalid as invalid:
            refused_pools.append(Refused(wire=wire, finding=spec_invalid(invalid)))
    accelerators = {name: pool.accelerator_resource for name, pool in pools.items()}
    invalid_pools = {refused.wire["metadata"]["name"] for refused in refused_pools}
    members: list[Member] = []
    refused: list[Refused] = []
    for wire in snapshot.all("InferenceDeployment"):
        if leaving(snapshot, wire):
            continue
        try:
            parsed = parse(wire, accelerators)
            check_pools(parsed, pools, invalid_pools, labels_of(snapshot, wire))
            members.append(Member(wire=wire, parsed=parsed))
        except SpecInvalid as invalid:
            refused.append(Refused(wire=wire, finding=spec_invalid(invalid)))
        except Exception as error:  # one service's poison is not the others' meal
            refused.append(Refused(wire=wire, finding=internal_error(error), error=error))
    return Roster(
        pools=pools, members=with_refs(members, pools, snapshot), refused=refused, refused_pools=refused_pools
    )


def leaving(snapshot: Snapshot, wire: Wire) -> bool:
    """Whether the object or its namespace is being deleted: then nothing is written, only garbage collected."""
    metadata = wire["metadata"]
    if "deletionTimestamp" in metadata:
        return True
    namespace = snapshot.get("Namespace", "", metadata["namespace"])
    if namespace is None:
        return False
    return "deletionTimestamp" in namespace["metadata"] or namespace["status"].get("phase") == "Terminating"


class PoolNotAllowed(SpecInvalid):
    """A pool that exists, and that this namespace may not use."""


def labels_of(snapshot: Snapshot, wire: Wire) -> Mapping[str, str] | None:
    """The labels of the object's namespace; None as long as the namespace has not been seen."""
    namespace = snapshot.get("Namespace", "", wire["metadata"]["namespace"])
    return None if namespace is None else namespace["metadata"].get("labels") or {}


def check_pools(
    parsed: ParsedService, pools: Mapping[str, ParsedPool], invalid: Iterable[str], labels: Mapping[str, str] | None
) -> None:
    """Every variant names a pool that can be used, and that a namespace with these labels may use, and all count in
    one currency. Raises SpecInvalid. The sentences name no pool that is for others."""
    usable = sorted(name for name, pool in pools.items() if allows(pool, labels))
    currencies: dict[str, str] = {}
    for position, variant in enumerate(parsed.service.variants):
        where = f"spec.variants[{position}].pool"
        if variant.pool in invalid:
            raise SpecInvalid(where, variant.pool, "is a ComputePool that is itself invalid: see its conditions")
        known = ", ".join(usable) or "none yet"
        if variant.pool not in pools:
            raise SpecInvalid(where, variant.pool, f"is not a ComputePool: write one that exists (now: {known})")
        if variant.pool not in usable:
            raise PoolNotAllowed(
                where,
                variant.pool,
                f"is a ComputePool whose allowedNamespaces leave out {parsed.service.key.namespace}: write one that "
                f"may be used here (now: {known}), or ask whoever runs the cluster",
            )
        currencies.setdefault(pools[variant.pool].pool.currency, variant.pool)
    if len(currencies) > 1:
        named = ", ".join(f"{pool} counts in {currency}" for currency, pool in sorted(currencies.items()))
        raise SpecInvalid("spec.variants", None, f"must use pools of one currency ({named})")


def allows(pool: ParsedPool, labels: Mapping[str, str] | None) -> bool:
    """Whether services of a namespace with these labels may use the pool; labels that are unknown meet no condition."""
    if pool.allowed_namespaces is None:
        return True
    return labels is not None and selects(pool.allowed_namespaces, labels)


def spec_invalid(invalid: SpecInvalid) -> Finding:
    reason = "PoolNotAllowed" if isinstance(invalid, PoolNotAllowed) else "SpecInvalid"
    return Finding(type="SpecValid", status="False", reason=reason, message=str(invalid))


def internal_error(error: Exception) -> Finding:
    message = f"an error of the operator, not of the spec ({type(error).__name__}): nothing is changed; see its log"
    return Finding(type="SpecValid", status="Unknown", reason="InternalError", message=message)


def with_refs(members: Sequence[Member], pools: Mapping[str, ParsedPool], snapshot: Snapshot) -> list[Member]:
    """Each member with its workloads. An object that two services want goes to the one that controls it already,
    else to the older one; the other is told whose it is."""
    wanted = {claimant(member.wire): [_key(member, name) for name in variants(member)] for member in members}
    by_uid = {claim.uid: claim for claim in wanted}
    won = dict(winners(wanted))
    for key in won:
        held = snapshot.get(key.kind, key.namespace, key.name)
        holder = by_uid.get(controller_uid(held) or "") if held is not None else None
        if holder is not None:
            won[key] = holder
    return [
        Member(
            wire=member.wire,
            parsed=member.parsed,
            refs=tuple(_ref(member, name, pools, winner=won[_key(member, name)]) for name in variants(member)),
        )
        for member in members
    ]


def claimant(wire: Wire) -> Claimant:
    metadata = wire["metadata"]
    return Claimant(created_at=metadata.get("creationTimestamp", ""), uid=metadata["uid"], name=metadata["name"])


def variants(member: Member) -> list[str]:
    return [variant.name for variant in member.parsed.service.variants]


def _key(member: Member, variant: str) -> ObjectKey:
    key, target = member.parsed.service.key, member.parsed.targets.get(variant)
    if target is not None:
        return ObjectKey(kind=target.kind, namespace=key.namespace, name=target.name)
    return ObjectKey(kind="Deployment", namespace=key.namespace, name=workload_name(key.name, variant))


def _ref(member: Member, variant: str, pools: Mapping[str, ParsedPool], *, winner: Claimant) -> WorkloadRef:
    key = _key(member, variant)
    pool = member.parsed.service.variant(variant).pool
    return WorkloadRef(
        variant=variant,
        kind=key.kind,
        name=key.name,
        accelerator=pools[pool].accelerator_resource,
        owned=variant not in member.parsed.targets,
        adopted_uid=member.parsed.adopted.get(variant),
        taken_by=None if winner.uid == member.parsed.uid else winner.name,
    )


class ParsedOnce:
    """Parsing, remembered: an object is parsed again when it, or what pools say of accelerators, has changed.
    `paused` is what the operator was told to pause of every service."""

    def __init__(self, paused: Pause | None = None) -> None:
        self._paused = paused
        self._known: dict[str, tuple[str, int, ParsedService]] = {}

    def parse(self, wire: Wire, accelerators: Mapping[str, str], *, now: float) -> ParsedService:
        metadata = wire["metadata"]
        context = hash(frozenset(accelerators.items()))
        known = self._known.get(metadata["uid"])
        if known is not None and known[:2] == (metadata["resourceVersion"], context):
            return known[2]
        parsed = parse_service(wire, accelerator_resources=accelerators, now=now, paused=self._paused)
        self._known[metadata["uid"]] = (metadata["resourceVersion"], context, parsed)
        return parsed

    def forget_all_but(self, uids: Iterable[str]) -> None:
        keep = set(uids)
        self._known = {uid: entry for uid, entry in self._known.items() if uid in keep}
