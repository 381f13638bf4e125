"""The connection to the API server against a server that misbehaves on purpose."""

import asyncio
import contextlib
import math
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tightrope.adapters.kubernetes import ApiServer, KubernetesCluster, client
from tightrope.ports import ClusterUnavailable, NotLeading, WriteConflict, WriteRefused

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers requests with a list of answers, the last one for ever; keeps what was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, dict[str, str], Any, dict[str, str]]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        self.asked.append((request.method, request.path, dict(request.query), body, dict(request.headers)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


def status(code: int, message: str = "no", *, headers: dict[str, str] | None = None, **details: Any) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        body = {"kind": "Status", "message": message, "code": code, **details}
        return web.json_response(body, status=code, headers=headers)

    return answer


def ok(**body: Any) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body)

    return answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]  # type: ignore[attr-defined]
    yield made
    await runner.cleanup()


@pytest.fixture
def kubeconfig(server: Server, tmp_path: Path) -> Path:
    file = tmp_path / "kubeconfig"
    write_kubeconfig(file, server.port, token="first")  # type: ignore[attr-defined]
    return file


def write_kubeconfig(file: Path, port: int, *, token: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    file.write_text(yaml.safe_dump(config))


@pytest.fixture
async def cluster(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesCluster]:
    monkeypatch.setattr(client, "_BACKOFF", lambda state: 0.01)
    api = ApiServer(kubeconfig=str(kubeconfig))
    yield KubernetesCluster(server=api, instance="test", now=lambda: 1_800_000_000.0)
    await api.close()


async def scale(cluster: KubernetesCluster) -> None:
    await cluster.set_replicas(kind="Deployment", namespace="nlp", name="d", replicas=3)


async def test_replicas_are_applied_on_scale_without_force(server: Server, cluster: KubernetesCluster) -> None:
    server.answers = [ok()]
    await scale(cluster)
    method, path, query, body, headers = server.asked[0]
    assert (method, path) == ("PATCH", "/apis/apps/v1/namespaces/nlp/deployments/d/scale")
    assert (query["fieldManager"], query["force"]) == ("tightrope", "false")
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert headers["Authorization"] == "Bearer first"
    assert '"replicas": 3' in body


async def test_what_is_ours_is_applied_by_force_and_what_is_new_is_not(
    server: Server, cluster: KubernetesCluster
) -> None:
    server.answers = [ok()]
    metadata = {"name": "s", "namespace": "nlp"}
    await cluster.apply({"kind": "Service", "metadata": metadata})
    await cluster.apply({"kind": "Service", "metadata": {**metadata, "uid": "u"}}, dry_run=True)
    assert [asked[2]["force"] for asked in server.asked] == ["false", "true"]
    assert server.asked[1][2]["dryRun"] == "All"


async def test_a_conflict_names_the_other_writer(server: Server, cluster: KubernetesCluster) -> None:
    message = 'conflict with "kubectl" with subresource "scale" using autoscaling/v1'
    details = {"causes": [{"reason": "FieldManagerConflict", "message": message, "field": ".spec.replicas"}]}
    server.answers = [status(409, "Apply failed with 1 conflict", details=details)]
    with pytest.raises(WriteConflict) as caught:
        await scale(cluster)
    assert caught.value.other_writer == "kubectl"
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [400, 403, 404, 422])
async def test_a_refusal_keeps_the_servers_words_and_is_not_tried_again(
    server: Server, cluster: KubernetesCluster, code: int
) -> None:
    server.answers = [status(code, "exceeded quota: compute")]
    with pytest.raises(WriteRefused, match="exceeded quota: compute"):
        await scale(cluster)
    assert len(server.asked) == 1


async def test_an_unknown_field_is_a_refusal_though_the_server_answers_500(
    server: Server, cluster: KubernetesCluster
) -> None:
    server.answers = [status(500, "failed to create typed patch object (nlp/d): .spec.imagee: field not declared")]
    with pytest.raises(WriteRefused, match="imagee"):
        await scale(cluster)
    assert len(server.asked) == 1


async def test_a_passing_error_is_tried_again_and_then_succeeds(server: Server, cluster: KubernetesCluster) -> None:
    server.answers = [status(503), status(500), ok()]
    await scale(cluster)
    assert len(server.asked) == 3


async def test_retry_after_is_honoured(server: Server, cluster: KubernetesCluster) -> None:
    server.answers = [status(429, headers={"Retry-After": "1"}), ok()]
    began = time.monotonic()
    await scale(cluster)
    assert time.monotonic() - began >= 1.0


async def test_a_server_that_stays_away_is_unavailable_after_a_few_tries(
    server: Server, cluster: KubernetesCluster
) -> None:
    server.answers = [status(503, "overloaded")]
    with pytest.raises(ClusterUnavailable, match="overloaded"):
        await scale(cluster)
    assert len(server.asked) == 4


async def test_silence_ends_with_a_time_out(
    server: Server, cluster: KubernetesCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    monkeypatch.setattr(client, "_WRITE_SECONDS", 0.05)
    server.answers = [silent]
    with pytest.raises(ClusterUnavailable):
        await scale(cluster)


async def test_nobody_there_is_unavailable(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_BACKOFF", lambda state: 0.01)
    write_kubeconfig(kubeconfig, 1, token="t")
    api = ApiServer(kubeconfig=str(kubeconfig))
    with pytest.raises(ClusterUnavailable, match="PATCH"):
        await scale(KubernetesCluster(server=api, instance="test", now=lambda: 0.0))
    await api.close()


async def test_a_rotated_token_is_read_again(server: Server, cluster: KubernetesCluster, kubeconfig: Path) -> None:
    async def rotate(_: web.Request) -> web.Response:
        write_kubeconfig(kubeconfig, server.port, token="second")  # type: ignore[attr-defined]
        return web.json_response({"message": "Unauthorized"}, status=401)

    server.answers = [rotate, ok()]
    await scale(cluster)
    assert [asked[4]["Authorization"] for asked in server.asked] == ["Bearer first", "Bearer second"]


async def test_a_proxys_page_is_quoted_not_parsed(server: Server, cluster: KubernetesCluster) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>login</html>", status=403, content_type="text/html")

    server.answers = [page]
    with pytest.raises(WriteRefused, match="login"):
        await scale(cluster)


async def test_a_list_is_read_to_its_last_page_and_items_get_their_kind(
    server: Server, cluster: KubernetesCluster
) -> None:
    server.answers = [ok(metadata={"continue": "x"}, items=[{"a": 1}]), ok(metadata={}, items=[{"a": 2}])]
    found = await cluster.list_objects("Service")
    assert [(item["a"], item["kind"]) for item in found] == [(1, "Service"), (2, "Service")]
    assert server.asked[0][2]["labelSelector"] == "app.kubernetes.io/managed-by=tightrope"
    assert server.asked[1][2]["continue"] == "x"


async def test_with_namespaces_nothing_is_asked_of_the_whole_cluster_but_what_belongs_to_it(
    server: Server, kubeconfig: Path
) -> None:
    one = {"metadata": {"name": "nlp"}}
    server.answers = [ok(items=[{"a": 1}]), ok(items=[{"a": 2}]), ok(items=[{"a": 3}]), ok(**one), status(404)]
    async with fenced(kubeconfig, math.inf) as api:
        cluster = KubernetesCluster(server=api, instance="test", now=lambda: 0.0, namespaces=("nlp", "gone"))
        assert [item["a"] for item in await cluster.list_objects("Pod")] == [1, 2]
        assert [item["a"] for item in await cluster.list_objects("ComputePool")] == [3]
        assert [item["metadata"]["name"] for item in await cluster.list_objects("Namespace")] == ["nlp"]
    assert [path for _, path, *_ in server.asked] == [
        "/api/v1/namespaces/nlp/pods",
        "/api/v1/namespaces/gone/pods",
        "/apis/tightrope.dev/v1alpha1/computepools",
        "/api/v1/namespaces/nlp",
        "/api/v1/namespaces/gone",
    ]


async def test_deleting_what_is_gone_is_a_success(server: Server, cluster: KubernetesCluster) -> None:
    server.answers = [status(404)]
    await cluster.delete(kind="Deployment", namespace="nlp", name="d", uid="u")
    assert '"uid": "u"' in server.asked[0][3]


async def test_an_event_said_twice_is_written_once(server: Server, cluster: KubernetesCluster) -> None:
    server.answers = [ok()]
    metadata = {"name": "s", "namespace": "nlp", "uid": "u"}
    regarding = {"apiVersion": "tightrope.dev/v1alpha1", "kind": "InferenceDeployment", "metadata": metadata}
    for _ in range(3):
        await cluster.record_event(regarding=regarding, reason="DemandRose", message="x" * 3000)
    assert len(server.asked) == 1
    assert len(yaml.safe_load(server.asked[0][3])["note"]) == 1024


class Fence:
    """For how long writes may last: what it is set to, or answer by answer, the last one for ever."""

    def __init__(self, *answers: float) -> None:
        self.answers = list(answers)

    def __call__(self) -> float:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextlib.asynccontextmanager
async def fenced(kubeconfig: Path, *answers: float, retry_seconds: float = 15.0) -> AsyncIterator[ApiServer]:
    api = ApiServer(kubeconfig=str(kubeconfig), fence=Fence(*answers), retry_seconds=retry_seconds)
    yield api
    await api.close()


def speaking_through(api: ApiServer) -> KubernetesCluster:
    return KubernetesCluster(server=api, instance="test", now=lambda: 0.0)


async def test_who_does_not_lead_sends_no_write_but_reads(server: Server, kubeconfig: Path) -> None:
    server.answers = [ok(items=[])]
    async with fenced(kubeconfig, 0.0) as api:
        with pytest.raises(NotLeading):
            await scale(speaking_through(api))
        await speaking_through(api).list_objects("Pod")
    assert [asked[0] for asked in server.asked] == ["GET"]


async def test_a_write_whose_lead_is_lost_on_the_way_does_not_leave(server: Server, kubeconfig: Path) -> None:
    server.answers = [ok()]
    async with fenced(kubeconfig, 5.0, 0.0) as api:
        with pytest.raises(NotLeading):
            await scale(speaking_through(api))
    assert server.asked == []


async def test_a_deletion_and_an_event_are_fenced_too(server: Server, kubeconfig: Path) -> None:
    server.answers = [ok()]
    async with fenced(kubeconfig, 5.0, 0.0) as api:
        with pytest.raises(NotLeading):
            await speaking_through(api).delete(kind="Deployment", namespace="nlp", name="d", uid="u")
    async with fenced(kubeconfig, 5.0, 0.0) as api:
        metadata = {"name": "s", "namespace": "nlp", "uid": "u"}
        regarding = {"apiVersion": "tightrope.dev/v1alpha1", "kind": "InferenceDeployment", "metadata": metadata}
        with pytest.raises(ClusterUnavailable):
            await speaking_through(api).record_event(regarding=regarding, reason="DemandRose", message="up")
    assert server.asked == []


async def test_a_write_is_not_tried_again_by_who_leads_no_more(server: Server, kubeconfig: Path) -> None:
    server.answers = [status(503), ok()]
    async with fenced(kubeconfig, 5.0, 5.0, 0.0) as api:
        with pytest.raises(NotLeading):
            await scale(speaking_through(api))
    assert len(server.asked) == 1


async def test_a_write_is_given_up_before_another_process_could_lead(server: Server, kubeconfig: Path) -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    server.answers = [silent]
    async with fenced(kubeconfig, 0.1, 0.1, 0.0) as api:
        began = time.monotonic()
        with pytest.raises(ClusterUnavailable):
            await scale(speaking_through(api))
    assert time.monotonic() - began < 5.0


async def test_a_rest_longer_than_the_tick_is_not_waited_for_and_holds_for_all(
    server: Server, kubeconfig: Path
) -> None:
    server.answers = [status(429, "slow down", headers={"Retry-After": "5"}), ok()]
    async with fenced(kubeconfig, 60.0, retry_seconds=2.0) as api:
        began = time.monotonic()
        with pytest.raises(ClusterUnavailable, match="slow down"):
            await scale(speaking_through(api))
        with pytest.raises(ClusterUnavailable, match="left alone"):
            await speaking_through(api).list_objects("Pod")
    assert time.monotonic() - began < 2.0 and len(server.asked) == 1


async def test_one_that_is_told_to_wait_makes_the_others_wait(server: Server, kubeconfig: Path) -> None:
    server.answers = [status(429, headers={"Retry-After": "1"}), ok(items=[])]
    async with fenced(kubeconfig, 60.0) as api:
        with pytest.raises(ClusterUnavailable):
            await api.request("POST", "/apis/events.k8s.io/v1/namespaces/nlp/events", body={}, again=False)
        began = time.monotonic()
        await speaking_through(api).list_objects("Pod")
    assert time.monotonic() - began >= 0.9 and len(server.asked) == 2


async def test_writes_under_way_are_waited_for_but_not_for_ever(server: Server, kubeconfig: Path) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        arrived.set()
        await go_on.wait()
        return web.json_response({})

    server.answers = [slow]
    async with fenced(kubeconfig, 60.0) as api:
        assert await api.at_rest(seconds=0.0)
        writing = asyncio.create_task(scale(speaking_through(api)))
        await arrived.wait()
        assert not await api.at_rest(seconds=0.05)
        go_on.set()
        assert await api.at_rest(seconds=5.0)
        await writing


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux alone can be told to stop sending")
async def test_what_a_dead_network_holds_back_is_not_delivered_later(
    server: Server, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, connect = [], client._Connections._socket

    def remembered(connections: Any, address: Any) -> socket.socket:
        made.append(connect(connections, address))
        return made[-1]

    monkeypatch.setattr(client._Connections, "_socket", remembered)
    server.answers = [ok()]
    api = ApiServer(kubeconfig=str(kubeconfig), delivery_seconds=4.0)
    await scale(speaking_through(api))
    assert [one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) for one in made] == [4000]
    await api.close()


async def test_a_password_in_netrc_is_not_for_the_api_server(
    server: Server, cluster: KubernetesCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.answers = [ok()]
    await scale(cluster)
    assert server.asked[0][4]["Authorization"] == "Bearer first"


def test_the_proxy_is_the_one_that_the_environment_prescribes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "10.0.0.1,.svc")
    assert client.environment_proxy("https://api.example:6443") == "http://proxy.example:3128"
    assert client.environment_proxy("http://api.example:6443") is None
    assert client.environment_proxy("https://10.0.0.1:443") is None
    assert client.environment_proxy("https://kubernetes.default.svc") is None
