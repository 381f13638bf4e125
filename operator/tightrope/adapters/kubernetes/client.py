"""One connection to the API server: credentials, time-outs, bounded retries, the fence. `cluster` and `lease` speak
through it.

Requests are plain dictionaries over the client's own transport: its typed models validate every object they carry,
which costs more than everything else in a write.
"""

import asyncio
import contextlib
import json
import math
import socket
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client.rest import RESTClientObject
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_random_exponential

from tightrope.adapters.kubernetes.errors import status_of, translate
from tightrope.adapters.kubernetes.kubeconfig import file_of, uses_pod_account
from tightrope.ports import ClusterUnavailable, Fence, NotLeading

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
JSON: Final = "application/json"

_WRITE_SECONDS = 10.0
_LIST_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_ATTEMPTS = 4
_RETRY_SECONDS = 15.0
# A server that asks for a longer rest is asked again after this all the same.
_LONGEST_REST_SECONDS = 60.0
_BACKOFF = wait_random_exponential(multiplier=0.2, max=2.0)


class _TryLater(ClusterUnavailable):
    """The server's answer asks for another try; `after_seconds` is its Retry-After, 0 if it named none."""

    def __init__(self, message: str, *, after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


def _wait(state: RetryCallState) -> float:
    """Back off with jitter, and never sooner than the server asked."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after_seconds if isinstance(error, _TryLater) else 0.0
    return max(asked, float(_BACKOFF(state)))


async def configuration(kubeconfig: str | None, context: str | None = None) -> Any:
    """Credentials from this kubeconfig, else from the pod's service account (its token is re-read as it rotates),
    else from KUBECONFIG or ~/.kube/config; of the current context unless another is named. Raises ConfigException."""
    settings = kubernetes_client.Configuration()
    if uses_pod_account(kubeconfig, context):
        kubernetes_config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        return settings
    load = kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=file_of(kubeconfig), context=context, client_configuration=settings, persist_config=False
    )
    await load
    return settings


class _Connections(RESTClientObject):
    """Connections that the kernel gives up when the other side has not acknowledged what was sent for so long.

    Without that limit it would go on sending for minutes, even after the request was given up and the socket closed: a
    write could arrive when a partition ends, long after another process has taken over. Linux alone knows the limit.
    """

    def __init__(self, settings: Any, *, delivery_seconds: float) -> None:
        super().__init__(settings)
        self._delivery_seconds = delivery_seconds

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=self.maxsize, ssl=self.ssl_context, socket_factory=self._socket)

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(self._delivery_seconds * 1000))
        return made


class ApiServer:
    """Sends requests; raises only the exceptions of `ports`. One instance for each purpose; close it at the end.

    `fence` is asked before each try of a write, and once more when its bytes are about to leave: between the two lie a
    connection to be opened and turns of the event loop, in which the process may have been paused. `retry_seconds`
    bounds the tries of one request, `delivery_seconds` how long one may be on its way. `agent` is the User-Agent, which
    audit logs keep.
    """

    def __init__(
        self,
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        fence: Fence = lambda: math.inf,
        retry_seconds: float = _RETRY_SECONDS,
        delivery_seconds: float = _WRITE_SECONDS,
        agent: str = "tightrope",
    ) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._fence = fence
        self._retry_seconds = retry_seconds
        self._delivery_seconds = delivery_seconds
        self._agent = agent
        self._client: Any = None
        self._writing = 0
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        # Until when, on the loop's clock, the server has asked to be left alone.
        self._rest_until = 0.0

    async def at_rest(self, *, seconds: float) -> bool:
        """Whether no write is under way any more, after waiting for at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._at_rest.wait()
        return self._at_rest.is_set()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        again: bool = True,
    ) -> dict[str, Any]:
        """One request, tried again while the server is not to be had; `again` is False where a repeat would count."""
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(_TryLater),
            wait=_wait,
            stop=stop_after_attempt(_ATTEMPTS if again else 1) | stop_before_delay(self._retry_seconds),
            reraise=True,
        )
        answer: dict[str, Any] = await attempts(self._once, method, path, query, body, content_type)
        return answer

    async def _once(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: Mapping[str, Any] | None,
        content_type: str,
    ) -> dict[str, Any]:
        self._leave_alone()
        with self._allowed(method) as seconds:
            code, headers, data = await self._send(method, path, query, body, content_type, seconds)
        if 200 <= code < 300:
            parsed: dict[str, Any] = json.loads(data)
            return parsed
        if code == 401:
            # The credentials may have been renewed on disk since they were read.
            await self.close()
        error = translate(code, status_of(data))
        if isinstance(error, ClusterUnavailable):
            asked = _retry_after(headers)
            self._rest_until = max(self._rest_until, asyncio.get_running_loop().time() + asked)
            raise _TryLater(str(error), after_seconds=asked)
        raise error

    def _leave_alone(self) -> None:
        """What the server asked of one request holds for all: it is the client that it wants to slow down."""
        rest = self._rest_until - asyncio.get_running_loop().time()
        if rest > 0:
            raise _TryLater(f"the API server asked to be left alone for {rest:.1f} s more", after_seconds=rest)

    @contextlib.contextmanager
    def _allowed(self, method: str) -> Iterator[float]:
        """For how long this request may last. Raises NotLeading for a write that may not be begun."""
        if method == "GET":
            yield _LIST_SECONDS
            return
        seconds = self._fence()
        if seconds <= 0:
            raise NotLeading("this process does not lead now: nothing is written")
        self._writing += 1
        self._at_rest.clear()
        try:
            yield min(_WRITE_SECONDS, seconds)
        finally:
            self._writing -= 1
            if not self._writing:
                self._at_rest.set()

    async def _about_to_leave(
        self, _session: object, _context: object, sent: aiohttp.TraceRequestChunkSentParams
    ) -> None:
        """Called with the bytes of a request, with nothing awaited between this and their way to the kernel."""
        if sent.method != "GET" and self._fence() <= 0:
            raise NotLeading(f"{sent.method} {sent.url.path}: the lead was lost on the way")

    async def _send(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: Mapping[str, Any] | None,
        content_type: str,
        seconds: float,
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            client = await self._connected()
            request = await client.param_serialize(
                method,
                path,
                query_params=list(query),
                header_params={"Content-Type": content_type, "Accept": JSON},
                body=dict(body) if body is not None else None,
                auth_settings=["BearerToken"],
            )
            timeout = aiohttp.ClientTimeout(total=seconds, connect=_CONNECT_SECONDS)
            response = await client.call_api(*request, _request_timeout=timeout)
            return response.status, response.headers, await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise _TryLater(f"{method} {path}: {reason}") from error

    async def _connected(self) -> Any:
        if self._client is None:
            try:
                settings = await configuration(self._kubeconfig, self._context)
            except kubernetes_config.ConfigException as error:
                raise ClusterUnavailable(f"no usable cluster credentials: {error}") from error
            settings.retries = None
            # Left to itself aiohttp reads ~/.netrc before each request, in a thread, and would refuse to send our token
            # where that file has a password for the server. The proxy is what the environment says, asked once.
            settings.client_session_kwargs = {"trust_env": False}
            settings.proxy = settings.proxy or environment_proxy(settings.host)
            tracing = aiohttp.TraceConfig()
            tracing.on_request_chunk_sent.append(self._about_to_leave)
            settings.trace_configs = [tracing]
            self._client = kubernetes_client.ApiClient(settings)
            self._client.rest_client = _Connections(settings, delivery_seconds=self._delivery_seconds)
            self._client.user_agent = self._agent
        return self._client


def environment_proxy(url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY prescribe for this URL, or None."""
    parts = urlsplit(url)
    if not parts.hostname or urllib.request.proxy_bypass(parts.netloc):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds from Retry-After, bounded; the date form counts as none."""
    try:
        return min(max(float(headers.get("Retry-After", "0")), 0.0), _LONGEST_REST_SECONDS)
    except ValueError:
        return 0.0
