"""`ports.Cluster` on a real API server: every write the operator makes goes through here.

Replicas are written by server-side apply on `/scale`, everything else by server-side apply without replicas, both
under one field manager: so the server itself keeps the record of who owns which field, and a second writer shows up
as a conflict that names it.
"""

import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from tightrope.adapters.kubernetes.client import APPLY, JSON, MERGE, ApiServer
from tightrope.adapters.kubernetes.errors import Absent
from tightrope.adapters.kubernetes.events import EventMemory, event
from tightrope.adapters.kubernetes.resources import RESOURCES

FIELD_MANAGER: Final = "tightrope"
_PAGE = 500


class KubernetesCluster:
    """Speaks for the operator. `instance` names this process in Events; `now` gives unix seconds; with `namespaces`
    nothing outside them is asked for, except what belongs to the cluster."""

    def __init__(
        self, *, server: ApiServer, instance: str, now: Callable[[], float], namespaces: Sequence[str] = ()
    ) -> None:
        self._namespaces = tuple(namespaces)
        self._server = server
        self._instance = instance
        self._now = now
        self._events = EventMemory()

    async def apply(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Mapping[str, Any]:
        """Server-side apply. With metadata.uid the object is known to be ours: its fields are taken (force). Without,
        it is to be created: an object that is already there under other writers is a WriteConflict, not a prize."""
        metadata = manifest["metadata"]
        path = RESOURCES[manifest["kind"]].path(namespace=metadata.get("namespace"), name=metadata["name"])
        query = _apply_query(force="uid" in metadata)
        if dry_run:
            query.append(("dryRun", "All"))
        return await self._server.request("PATCH", path, query=query, body=manifest, content_type=APPLY)

    async def set_replicas(
        self, *, kind: str, namespace: str, name: str, replicas: int, force: bool = False, version: str | None = None
    ) -> None:
        """Server-side apply of spec.replicas on /scale. With `version` a compare-and-swap: the API server answers an
        apply on a custom resource's /scale with 500, since it takes autoscaling/v1 for the resource's own group."""
        body: dict[str, Any] = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": replicas},
        }
        path = RESOURCES[kind].path(namespace=namespace, name=name, subresource="scale")
        if version is None:
            await self._server.request("PATCH", path, query=_apply_query(force=force), body=body, content_type=APPLY)
            return
        body["metadata"]["resourceVersion"] = version
        query = [("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict")]
        await self._server.request("PATCH", path, query=query, body=body, content_type=MERGE)

    async def delete(self, *, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete exactly this object, its dependants in the background; absent is success."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        path = RESOURCES[kind].path(namespace=namespace, name=name)
        with contextlib.suppress(Absent):
            await self._server.request("DELETE", path, body=body, content_type=JSON)

    async def patch_status(
        self, *, kind: str, namespace: str | None, name: str, status: Mapping[str, Any], resource_version: str | None
    ) -> None:
        """Merge-patch the status subresource; with a resource version it is a compare-and-swap."""
        body: dict[str, Any] = {"status": status}
        if resource_version is not None:
            body["metadata"] = {"resourceVersion": resource_version}
        path = RESOURCES[kind].path(namespace=namespace, name=name, subresource="status")
        query = [("fieldManager", FIELD_MANAGER)]
        await self._server.request("PATCH", path, query=query, body=body, content_type=MERGE)

    async def record_event(
        self, *, regarding: Mapping[str, Any], reason: str, message: str, warning: bool = False
    ) -> None:
        """Say it once; within the hour only count it."""
        now = self._now()
        metadata = regarding["metadata"]
        key = (str(metadata.get("uid") or metadata["name"]), reason, message)
        namespace = metadata.get("namespace") or "default"
        resource = RESOURCES["Event"]
        repeat = self._events.repeat(key, now=now)
        if repeat is None:
            name = f"{metadata['name'][:200]}.{secrets.token_hex(8)}"
            body = event(
                name=name, regarding=regarding, reason=reason, message=message, warning=warning,
                instance=self._instance, now=now,
            )  # fmt: skip
            await self._server.request("POST", resource.path(namespace=namespace), body=body, again=False)
            self._events.said(key, name=name, now=now)
        elif repeat.series is not None:
            path = resource.path(namespace=namespace, name=repeat.name)
            series = {"series": dict(repeat.series)}
            await self._server.request("PATCH", path, body=series, content_type=MERGE, again=False)

    async def list_objects(
        self, kind: str, *, namespace: str | None = None, selector: str | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """Every object of the kind (ours only, for kinds with a selector), page by page from one consistent listing;
        of one namespace, or with these labels, if so asked.

        Items of a listing carry no kind of their own; it is put back, so that they look like watched objects."""
        resource = RESOURCES[kind]
        if namespace is not None or not self._namespaces or not (resource.namespaced or kind == "Namespace"):
            return await self._listed(kind, namespace=namespace, selector=selector)
        read = self._named if kind == "Namespace" else partial(self._listed, kind, selector=selector)
        return [item for one in self._namespaces for item in await read(namespace=one)]

    async def _named(self, *, namespace: str) -> Sequence[Mapping[str, Any]]:
        """The namespace itself, fetched: a Role in it gives the right to that, and to no listing."""
        resource = RESOURCES["Namespace"]
        with contextlib.suppress(Absent):
            found = await self._server.request("GET", resource.path(name=namespace))
            return [{**found, "apiVersion": resource.api_version, "kind": "Namespace"}]
        return []

    async def _listed(self, kind: str, *, namespace: str | None, selector: str | None) -> Sequence[Mapping[str, Any]]:
        resource = RESOURCES[kind]
        items: list[Mapping[str, Any]] = []
        query = [("limit", str(_PAGE))]
        if selectors := [one for one in (resource.selector, selector) if one]:
            query.append(("labelSelector", ",".join(selectors)))
        token = ""
        while True:
            page = [*query, ("continue", token)] if token else query
            try:
                answer = await self._server.request("GET", resource.path(namespace=namespace), query=page)
            except Absent:
                if resource.optional:
                    return []
                raise
            for item in answer.get("items") or ():
                items.append({**item, "apiVersion": resource.api_version, "kind": kind})
            token = answer.get("metadata", {}).get("continue") or ""
            if not token:
                return items


def _apply_query(*, force: bool) -> list[tuple[str, str]]:
    return [("fieldManager", FIELD_MANAGER), ("force", "true" if force else "false"), ("fieldValidation", "Strict")]
