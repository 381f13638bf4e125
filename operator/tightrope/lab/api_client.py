"""The lab's own way to ask the API server: plain JSON over HTTPS, synchronous. `lab` and `cloud` use it.

Not the operator's adapter: the lab must see the cluster with other eyes than the program it tests.
"""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import requests

from tightrope.lab.errors import LabError

MERGE: Final = "application/merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"
_CONNECT_SECONDS = 2.0
_READ_SECONDS = 10.0
_WATCH_SECONDS = 300


class Unreachable(LabError):
    """The API server did not answer; it may be down, starting or frozen."""


class Refused(LabError):
    """The API server answered with an error; `code` is the HTTP status."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class ApiClient:
    """One user's connection. Each thread needs its own instance."""

    def __init__(self, *, url: str, ca_file: Path, token: str) -> None:
        self._url = url
        self._session = requests.Session()
        # Proxies and certificates of the caller's environment have no business on the loopback interface.
        self._session.trust_env = False
        self._session.verify = str(ca_file)
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: str) -> dict[str, Any]:
        return self._ask("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask("POST", path, body=body)

    def patch(self, path: str, body: Mapping[str, Any], *, content_type: str = MERGE, **query: str) -> dict[str, Any]:
        return self._ask("PATCH", path, body=body, content_type=content_type, query=query)

    def delete(self, path: str, **options: Any) -> None:
        """Delete one object; absent is success. `options` are DeleteOptions, such as gracePeriodSeconds."""
        try:
            self._ask("DELETE", path, body=options)
        except Refused as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise

    def ready(self) -> bool:
        """Whether the API server says that it is ready to serve everything."""
        try:
            answer = self._session.get(f"{self._url}/readyz", timeout=(_CONNECT_SECONDS, _CONNECT_SECONDS))
        except (requests.RequestException, OSError):
            return False
        return answer.status_code == HTTPStatus.OK

    def watch(self, path: str, resource_version: str) -> Iterator[dict[str, Any]]:
        """Changes since then, until the server ends the watch. An ERROR event, such as an expired version, ends it."""
        query = {"watch": "1", "resourceVersion": resource_version, "timeoutSeconds": str(_WATCH_SECONDS)}
        try:
            with self._session.get(
                f"{self._url}{path}", params=query, stream=True, timeout=(_CONNECT_SECONDS, _WATCH_SECONDS)
            ) as answer:
                if answer.status_code != HTTPStatus.OK:
                    raise Refused(f"watch {path}: HTTP {answer.status_code}", answer.status_code)
                for line in answer.iter_lines(chunk_size=None):
                    event: dict[str, Any] = json.loads(line)
                    if event["type"] == "ERROR":
                        return
                    yield event
        except (requests.RequestException, OSError, ValueError) as error:
            raise Unreachable(f"watch {path}: {error}") from error

    def close(self) -> None:
        self._session.close()

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            answer = self._session.request(
                method,
                f"{self._url}{path}",
                params=query,
                data=None if body is None else json.dumps(body),
                headers={"Content-Type": content_type, "Accept": "application/json"},
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
            )
        except (requests.RequestException, OSError) as error:
            raise Unreachable(f"{method} {path}: {error}") from error
        if not answer.ok:
            raise Refused(f"{method} {path}: {_message(answer)}", answer.status_code)
        parsed: dict[str, Any] = answer.json()
        return parsed


def _message(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}: {answer.text[:200]}"
