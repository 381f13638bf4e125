"""The Lease on an API server that keeps one: created once, replaced by version, absent and forbidden told apart."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tightrope.adapters.kubernetes import ApiServer, KubernetesLease
from tightrope.ports import LeaseRecord, WriteConflict, WriteRefused

COLLECTION = "/apis/coordination.k8s.io/v1/namespaces/tightrope-system/leases"


class LeaseServer:
    """Keeps one Lease as the real server does: 404, 409 and resource versions."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.asked: list[tuple[str, str]] = []
        self.forbids = False

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path))
        if self.forbids:
            return web.json_response({"message": "leases is forbidden"}, status=403)
        body = json.loads(await request.text()) if request.method != "GET" else {}
        if request.method == "POST" and self.lease is not None:
            return web.json_response({"message": "already exists"}, status=409)
        if request.method != "POST" and self.lease is None:
            return web.json_response({"message": "not found"}, status=404)
        if request.method == "PATCH":
            assert self.lease is not None
            if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
                return web.json_response({"message": "the object has been modified"}, status=409)
            body = {**self.lease, "spec": {**self.lease["spec"], **body["spec"]}}
        if request.method != "GET":
            self.keep(body)
        return web.json_response(self.lease)

    def keep(self, lease: dict[str, Any]) -> None:
        self.version += 1
        self.lease = {**lease, "metadata": {**lease["metadata"], "resourceVersion": str(self.version)}}


@pytest.fixture
async def server() -> AsyncIterator[LeaseServer]:
    made = LeaseServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]  # type: ignore[attr-defined]
    yield made
    await runner.cleanup()


@pytest.fixture
async def lease(server: LeaseServer, tmp_path: Path) -> AsyncIterator[KubernetesLease]:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.port}"}}],  # type: ignore[attr-defined]
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    api = ApiServer(kubeconfig=str(tmp_path / "kubeconfig"))
    yield KubernetesLease(server=api, namespace="tightrope-system", name="tightrope")
    await api.close()


FIRST = LeaseRecord(holder="a", seconds=15.0, transitions=0, acquired_at=1_800_000_000.0, renewed_at=1_800_000_000.5)


async def test_a_lease_is_read_as_it_was_written(server: LeaseServer, lease: KubernetesLease) -> None:
    assert await lease.read() is None
    stored = await lease.write(FIRST)
    assert stored == await lease.read()
    assert (stored.holder, stored.seconds, stored.version, stored.renewed_at) == ("a", 15.0, "1", 1_800_000_000.5)
    assert server.asked == [
        ("GET", f"{COLLECTION}/tightrope"),
        ("POST", COLLECTION),
        ("GET", f"{COLLECTION}/tightrope"),
    ]
    assert server.lease is not None and server.lease["spec"]["renewTime"] == "2027-01-15T08:00:00.500000Z"


async def test_only_the_version_named_is_replaced(lease: KubernetesLease) -> None:
    stored = await lease.write(FIRST)
    await lease.write(stored)
    with pytest.raises(WriteConflict):
        await lease.write(stored)
    with pytest.raises(WriteConflict):
        await lease.write(FIRST)


async def test_replacing_a_lease_that_is_gone_is_a_conflict(server: LeaseServer, lease: KubernetesLease) -> None:
    stored = await lease.write(FIRST)
    server.lease = None
    with pytest.raises(WriteConflict, match="gone"):
        await lease.write(stored)


async def test_what_is_forbidden_is_refused_and_not_tried_again(server: LeaseServer, lease: KubernetesLease) -> None:
    server.forbids = True
    with pytest.raises(WriteRefused, match="forbidden"):
        await lease.read()
    assert len(server.asked) == 1


async def test_a_lease_that_somebody_made_by_hand_is_held_by_nobody(
    server: LeaseServer, lease: KubernetesLease
) -> None:
    server.keep({"metadata": {"name": "tightrope"}, "spec": {}})
    read = await lease.read()
    assert read == LeaseRecord(holder="", seconds=0.0, transitions=0, version="1")


async def test_a_duration_is_never_stated_shorter_than_it_is(server: LeaseServer, lease: KubernetesLease) -> None:
    await lease.write(LeaseRecord(holder="a", seconds=7.2, transitions=0))
    assert server.lease is not None and server.lease["spec"]["leaseDurationSeconds"] == 8
