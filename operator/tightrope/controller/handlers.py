"""kopf, kept thin: every watch event goes into the store, and nothing else happens here.

Only `on.event` is used. Change handlers would put annotations on every object, timers and daemons would put
finalizers on them, and with the operator gone nothing could be deleted.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import kopf

from tightrope.controller.store import KINDS, Store, Wire

_PAGE = 500
_REQUEST_SECONDS = 30.0
# A change of these is a person's wish: it is acted on at once, not at the next tick.
_DECLARED: Final = ("InferenceDeployment", "ComputePool")


class Address(Protocol):
    """Where a kind lives on the API server; `selector` narrows it to our own objects."""

    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def selector(self) -> str | None: ...


def watched(namespaces: Sequence[str], kinds: Sequence[str] = KINDS) -> tuple[str, ...]:
    """Those of these kinds to watch. Whoever looks after some namespaces may fetch those, and not watch all there are:
    what a namespace becomes is then seen at the next listing."""
    return tuple(kind for kind in kinds if not (namespaces and kind == "Namespace"))


def registry(
    store: Store, *, addresses: Mapping[str, Address], wake: Callable[[], None], kinds: Sequence[str] = KINDS
) -> kopf.OperatorRegistry:
    """Handlers for these kinds. `wake` is called when a user's declaration changed."""
    handlers = kopf.OperatorRegistry()
    kopf.on.login(registry=handlers)(login)
    for kind in kinds:
        address = addresses[kind]
        receive = _receiver(kind, store, wake)
        kopf.on.event(address.group, address.version, address.plural, id=f"store-{kind}", registry=handlers)(receive)
    return handlers


def _receiver(kind: str, store: Store, wake: Callable[[], None]) -> Callable[..., Any]:
    async def receive(event: Mapping[str, Any], **_: object) -> None:
        take(kind, event, store, wake)

    return receive


def take(kind: str, event: Mapping[str, Any], store: Store, wake: Callable[[], None]) -> None:
    """One watch event into the store."""
    wire = event["object"]
    held = store.get(kind, wire["metadata"]["uid"])
    if event["type"] == "DELETED":
        store.remove(kind, wire["metadata"]["uid"])
        changed = held is not None
    else:
        changed = store.put(kind, wire) and _declaration(wire) != _declaration(held)
    if changed and kind in _DECLARED:
        wake()


def _declaration(wire: Wire | None) -> object:
    """What the user said: the generation moves with the spec, never with the status; annotations hand over."""
    if wire is None:
        return None
    metadata = wire["metadata"]
    annotations = metadata.get("annotations") or {}
    ours = {key: value for key, value in annotations.items() if key.startswith("tightrope.dev/")}
    return metadata.get("generation"), metadata.get("deletionTimestamp"), ours


async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """The same credentials as the adapter's: the pod's service account, unless KUBECONFIG points elsewhere. kopf asks
    again when the server stops accepting them, and the files are read anew."""
    if not os.environ.get("KUBECONFIG") and (account := kopf.login_with_service_account(**kwargs)) is not None:
        return account
    return kopf.login_with_kubeconfig(**kwargs)


def kopf_settings(addresses: Mapping[str, Address]) -> kopf.OperatorSettings:
    """Quiet and bounded: no Events of kopf's own, no scanning for kinds, listings in pages, no endless request."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.chunk_size = _PAGE
    settings.networking.request_timeout = _REQUEST_SECONDS
    for kind in KINDS:
        address = addresses[kind]
        if address.selector:
            settings.watching.label_selectors[address.group, address.version, address.plural] = address.selector
    return settings


async def spawn(
    handlers: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    *,
    stop: asyncio.Event,
    ready: asyncio.Event,
    namespaces: Sequence[str] = (),
) -> "asyncio.Task[None]":
    """Start kopf; the task returned ends when kopf does, whatever the reason. Tasks that run already stay untouched
    by its end; tasks started later would be cancelled with it. Without `namespaces` it watches the whole cluster."""
    existing = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=handlers, settings=settings, standalone=True, clusterwide=not namespaces, namespaces=namespaces,
        stop_flag=stop, ready_flag=ready,
    )  # fmt: skip
    return asyncio.create_task(kopf.run_tasks(tasks, ignored=existing), name="kopf")
