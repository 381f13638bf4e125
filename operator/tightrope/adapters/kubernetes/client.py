"""One connection to the API server: credentials, time-outs, bounded retries. `cluster` speaks through it.

Requests are plain dictionaries over the client's own transport: its typed models validate every object they carry,
which costs more than everything else in a write.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, stop_after_delay
from tenacity.wait import wait_random_exponential

from tightrope.adapters.kubernetes.errors import status_of, translate
from tightrope.ports import ClusterUnavailable

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
JSON: Final = "application/json"

_HOME_KUBECONFIG: Final = str(Path("~/.kube/config").expanduser())
_WRITE_SECONDS = 10.0
_LIST_SECONDS = 60.0
_CONNECT_SECONDS = 5.0
_ATTEMPTS = 4
_RETRY_BUDGET_SECONDS = 15.0
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


async def configuration(kubeconfig: str | None) -> Any:
    """Credentials from this kubeconfig, else from the pod's service account (its token is re-read as it rotates),
    else from KUBECONFIG or ~/.kube/config. Raises ConfigException."""
    settings = kubernetes_client.Configuration()
    if kubeconfig is None and os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
        kubernetes_config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        return settings
    path = kubeconfig or os.environ.get("KUBECONFIG") or _HOME_KUBECONFIG
    load = kubernetes_config.load_kube_config(config_file=path, client_configuration=settings, persist_config=False)  # type: ignore[no-untyped-call]
    await load
    return settings


class ApiServer:
    """Sends requests; raises only the exceptions of `ports`. One instance a process; close it at the end."""

    def __init__(self, *, kubeconfig: str | None = None) -> None:
        self._kubeconfig = kubeconfig
        self._client: Any = None

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
            stop=stop_after_attempt(_ATTEMPTS if again else 1) | stop_after_delay(_RETRY_BUDGET_SECONDS),
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
        code, headers, data = await self._send(method, path, query, body, content_type)
        if 200 <= code < 300:
            parsed: dict[str, Any] = json.loads(data)
            return parsed
        if code == 401:
            # The credentials may have been renewed on disk since they were read.
            await self.close()
        error = translate(code, status_of(data))
        if isinstance(error, ClusterUnavailable):
            raise _TryLater(str(error), after_seconds=_retry_after(headers))
        raise error

    async def _send(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: Mapping[str, Any] | None,
        content_type: str,
    ) -> tuple[int, Mapping[str, str], bytes]:
        seconds = _LIST_SECONDS if method == "GET" else _WRITE_SECONDS
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
                settings = await configuration(self._kubeconfig)
            except kubernetes_config.ConfigException as error:
                raise ClusterUnavailable(f"no usable cluster credentials: {error}") from error
            settings.retries = None
            self._client = kubernetes_client.ApiClient(settings)
            self._client.user_agent = "tightrope"
        return self._client


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds from Retry-After, capped by the retry budget; the date form counts as none."""
    try:
        return min(max(float(headers.get("Retry-After", "0")), 0.0), _RETRY_BUDGET_SECONDS)
    except ValueError:
        return 0.0
