"""A hand that writes nothing: `ports.Cluster` which keeps what the operator would have written, in its order.

`plan` gives it to the operator's own execution and shows what it kept; `check` gives it to a tick that decides nothing
that anybody carries out. Dry runs go to the real server, which so judges templates, quotas and rights.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tightrope.controller.store import Store
from tightrope.ports import ClusterUnavailable, WriteRefused

Manifest: TypeAlias = Mapping[str, Any]
DryRun: TypeAlias = Callable[[Manifest], Awaitable[Manifest]]

# An uid that no server has given: that of an object which would be there by now.
_TO_BE: Final = "to-be-created"
_MAY_NOT: Final = ("cannot patch resource", "cannot create resource")


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write that would have been made. `replicas` where it sets them, `before` what they were."""

    verb: str
    kind: str
    namespace: str
    name: str
    replicas: int | None = None
    before: int | None = None

    def as_document(self) -> dict[str, Any]:
        found = {"verb": self.verb, "kind": self.kind, "namespace": self.namespace, "name": self.name}
        numbers = {"replicas": self.replicas, "before": self.before}
        return found | {key: value for key, value in numbers.items() if value is not None}


class Recorder:
    """`writes` in order; `notes` what could not be judged; `unavailable` why the server could not be asked."""

    def __init__(self, store: Store, dry_run: DryRun | None = None) -> None:
        self._store = store
        self._dry_run = dry_run
        self._created: set[tuple[str, str, str]] = set()
        self.writes: list[Write] = []
        self.notes: list[str] = []
        self.unavailable: str | None = None

    async def apply(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        if dry_run:
            return await self._judged(manifest)
        kind, metadata = manifest["kind"], manifest["metadata"]
        key = (kind, metadata["namespace"], metadata["name"])
        if key not in self._created:
            replicas = (manifest.get("spec") or {}).get("replicas")
            self._wrote("update" if "uid" in metadata else "create", *key, replicas=replicas)
        if "uid" not in metadata:
            self._created.add(key)
        return {**manifest, "metadata": {"resourceVersion": "0", **metadata, "uid": metadata.get("uid", _TO_BE)}}

    async def _judged(self, manifest: Manifest) -> Manifest:
        """What the server says of it. A user who may not write it can't have it judged: that is the operator's right,
        not theirs."""
        if self._dry_run is None:
            return manifest
        try:
            return await self._dry_run(manifest)
        except WriteRefused as refused:
            if not any(words in str(refused) for words in _MAY_NOT):
                raise
            self.notes.append(f"{manifest['kind']} {manifest['metadata']['name']} was not tried: {refused}")
            return manifest
        except ClusterUnavailable as error:
            self.unavailable = str(error)
            raise

    async def set_replicas(
        self, *, kind: str, namespace: str, name: str, replicas: int, force: bool = False, version: str | None = None
    ) -> None:
        held = self._store.snapshot().get(kind, namespace, name)
        before = held["spec"].get("replicas", 1) if held is not None else None
        # What only moves the ownership of a number changes nothing that anybody would see.
        if (kind, namespace, name) not in self._created and before != replicas:
            self._wrote("scale", kind, namespace, name, replicas=replicas, before=before)

    async def delete(self, *, kind: str, namespace: str, name: str, uid: str) -> None:
        self._wrote("delete", kind, namespace, name)

    async def patch_status(
        self, *, kind: str, namespace: str | None, name: str, status: Manifest, resource_version: str | None
    ) -> None:
        """Statuses keep what they wrote by themselves."""

    async def record_event(self, *, regarding: Manifest, reason: str, message: str, warning: bool = False) -> None:
        """An Event would repeat the decision."""

    async def list_objects(self, kind: str) -> Sequence[Manifest]:
        return []

    def _wrote(
        self, verb: str, kind: str, namespace: str, name: str, *, replicas: int | None = None, before: int | None = None
    ) -> None:
        self.writes.append(
            Write(verb=verb, kind=kind, namespace=namespace, name=name, replicas=replicas, before=before)
        )
