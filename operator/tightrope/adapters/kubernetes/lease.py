"""`ports.Lease` on a real API server: a Lease of coordination.k8s.io, which `kubectl get leases` shows.

`controller.wiring` gives it a connection of its own, without a fence: a Lease must be renewable while writes are held
back, and must never wait behind them.
"""

import datetime
import math
from collections.abc import Mapping
from typing import Any, Final

from tightrope.adapters.kubernetes.client import JSON, MERGE, ApiServer
from tightrope.adapters.kubernetes.cluster import FIELD_MANAGER
from tightrope.adapters.kubernetes.errors import Absent
from tightrope.adapters.kubernetes.events import micro_time
from tightrope.adapters.kubernetes.resources import RESOURCES
from tightrope.ports import LeaseRecord, WriteConflict

_QUERY: Final = (("fieldManager", FIELD_MANAGER),)


class KubernetesLease:
    """The Lease of this namespace and name. Each call is one request: who calls decides when to try again."""

    def __init__(self, *, server: ApiServer, namespace: str, name: str) -> None:
        self._server = server
        self._namespace = namespace
        self._name = name

    async def read(self) -> LeaseRecord | None:
        try:
            return record_of(await self._server.request("GET", self._path(self._name), again=False))
        except Absent:
            return None

    async def write(self, record: LeaseRecord) -> LeaseRecord:
        """A merge patch that names the version is a compare-and-swap, and leaves others' labels as they are."""
        body = {"metadata": {"name": self._name, "namespace": self._namespace}, "spec": _spec(record)}
        if record.version is None:
            whole = {"apiVersion": RESOURCES["Lease"].api_version, "kind": "Lease", **body}
            return record_of(await self._request("POST", self._path(None), whole, JSON))
        body["metadata"]["resourceVersion"] = record.version
        return record_of(await self._request("PATCH", self._path(self._name), body, MERGE))

    async def _request(self, method: str, path: str, body: Mapping[str, Any], content_type: str) -> dict[str, Any]:
        try:
            return await self._server.request(
                method, path, query=_QUERY, body=body, content_type=content_type, again=False
            )
        except Absent as gone:
            if method == "POST":
                raise
            raise WriteConflict(f"the Lease is gone: {gone}") from gone

    def _path(self, name: str | None) -> str:
        return RESOURCES["Lease"].path(namespace=self._namespace, name=name)


def record_of(wire: Mapping[str, Any]) -> LeaseRecord:
    """The Lease as the API server returns it; fields that are not set read as "nobody" and 0."""
    spec = wire.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        seconds=float(spec.get("leaseDurationSeconds") or 0),
        transitions=int(spec.get("leaseTransitions") or 0),
        acquired_at=_unix(spec.get("acquireTime")),
        renewed_at=_unix(spec.get("renewTime")),
        version=wire["metadata"]["resourceVersion"],
    )


def _spec(record: LeaseRecord) -> dict[str, Any]:
    return {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": math.ceil(record.seconds),
        "leaseTransitions": record.transitions,
        "acquireTime": None if record.acquired_at is None else micro_time(record.acquired_at),
        "renewTime": None if record.renewed_at is None else micro_time(record.renewed_at),
    }


def _unix(text: str | None) -> float | None:
    """Unix seconds; None if it is not set. It decides nothing, so an odd one is as good as none."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None
