"""The HTTP session under prometheus-api-client: every answer is checked here before the library sees it.

`PrometheusConnect.custom_query` returns `data.result` alone and so hides `status`, `warnings` and the kind of result.
It takes a session of our own, as its way to configure HTTP; checking in that session keeps the library's queries and
adds what it leaves out: no redirect, proxy, `.netrc`, cookie or compression, a cap on the size, a deadline for the
whole body, strict JSON. `client` is the only caller.

Errors: `QueryFailed`, in a sentence for a condition; nothing else leaves this room.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError as TransportError
from urllib3.exceptions import ReadTimeoutError

_CHUNK: Final = 65_536
_PASSING: Final = frozenset({429, 502, 503, 504})
_RESULT_OF: Final = {"/api/v1/query": "vector", "/api/v1/query_range": "matrix"}


class QueryFailed(Exception):
    """A query without a usable answer; the message is a plain sentence. `passing` failures may be tried again."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where Prometheus is and how to reach it. The token file is read again for every request, since projected
    tokens are renewed; `ca_file` replaces the system's certificate authorities."""

    url: str
    timeout_seconds: float = 5.0
    history_timeout_seconds: float = 30.0
    max_answer_bytes: int = 64 * 1024 * 1024
    concurrency: int = 4
    bearer_token_file: Path | None = None
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"prometheus url {self.url!r} is no URL: write one such as http://prometheus.monitoring:9090"
            )

    @property
    def shown(self) -> str:
        """The URL for messages, without a password."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class BearerTokenFile(AuthBase):
    """`Authorization: Bearer` with the token that the file holds now."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._path.read_text(encoding='ascii').strip()}"
        return request


class CheckedAnswer(requests.Response):
    """An answer that was read and parsed once; `json()` does not parse it again."""

    def __init__(self, document: Any) -> None:
        super().__init__()
        self.status_code = 200
        self._document = document

    def json(self, **kwargs: Any) -> Any:
        """The document, as parsed."""
        return self._document


class CheckedSession(requests.Session):
    """A session whose `request` returns a checked answer or raises QueryFailed. Used from several threads: it keeps no
    state between requests but its pool of connections and the count of bytes read."""

    def __init__(self, connection: Connection, *, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._connection = connection
        self._monotonic = monotonic
        self._counting = threading.Lock()
        self.bytes_read = 0
        self.trust_env = False
        self.verify = str(connection.ca_file) if connection.ca_file else True
        self.auth = BearerTokenFile(connection.bearer_token_file) if connection.bearer_token_file else None
        self.headers["Accept-Encoding"] = "identity"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, read and check within `timeout` seconds (a number, required)."""
        deadline = self._monotonic() + kwargs["timeout"]
        kwargs |= {"stream": True, "allow_redirects": False, "auth": self.auth}
        try:
            with super().request(method, url, *args, **kwargs) as response:
                return CheckedAnswer(self._checked(response, str(url), deadline))
        except (requests.RequestException, TransportError, OSError, UnicodeError) as error:
            raise self._in_words(error) from error

    def _checked(self, response: requests.Response, url: str, deadline: float) -> Any:
        body = self._body(response, deadline)
        if response.status_code != 200:
            raise QueryFailed(self._refusal(response.status_code, body), passing=response.status_code in _PASSING)
        return self._document(body, kind=_RESULT_OF.get(urlsplit(url).path.removeprefix(self._path()), ""))

    def _path(self) -> str:
        return urlsplit(self._connection.url).path.rstrip("/")

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        where, most = self._connection.shown, self._connection.max_answer_bytes
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise QueryFailed(f"Prometheus at {where} compressed its answer although it was asked not to")
        body = bytearray()
        # read1 returns what one read of the socket gave: a body that drips in meets the deadline, not the next byte.
        while chunk := response.raw.read1(_CHUNK):
            body += chunk
            if len(body) > most:
                raise QueryFailed(f"the answer of Prometheus at {where} is larger than {most // 2**20} MiB")
            if self._monotonic() > deadline:
                raise QueryFailed(f"Prometheus at {where} did not answer in time")
        with self._counting:
            self.bytes_read += len(body)
        return bytes(body)

    def _refusal(self, status: int, body: bytes) -> str:
        where = self._connection.shown
        if 300 <= status < 400:
            return f"Prometheus at {where} answered {status}, a redirect, which is not followed: set the final URL"
        if status in (401, 403):
            return f"Prometheus at {where} answered {status}: is the bearer token right?"
        try:
            text = _parsed(body)["error"]
        except (ValueError, RecursionError, KeyError, TypeError):
            text = ""
        return f"Prometheus at {where} answered {status}{_quoted(text)}"

    def _document(self, body: bytes, *, kind: str) -> Any:
        """The parsed answer, if it says success, has no warning and holds the kind of result that was asked for."""
        where = self._connection.shown
        try:
            document = _parsed(body)
            status, warnings = document["status"], document.get("warnings") or []
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise QueryFailed(f"the answer of Prometheus at {where} is not what its API promises") from error
        if status != "success":
            raise QueryFailed(f"Prometheus at {where} reported an error{_quoted(document.get('error'))}")
        if warnings:
            first = warnings[0] if isinstance(warnings, list) else warnings
            raise QueryFailed(f"Prometheus at {where} warned that its answer may be partial{_quoted(first)}")
        data = document.get("data")
        if not isinstance(data, dict) or data.get("resultType") != kind or not isinstance(data.get("result"), list):
            raise QueryFailed(f"the answer of Prometheus at {where} holds no {kind}")
        return document

    def _in_words(self, error: Exception) -> QueryFailed:
        where = self._connection.shown
        text = str(error)
        match error:
            case requests.exceptions.SSLError():
                return QueryFailed(f"Prometheus at {where} has no certificate that is trusted: is the CA file right?")
            case requests.exceptions.Timeout() | ReadTimeoutError():
                return QueryFailed(f"Prometheus at {where} did not answer in time")
            case requests.exceptions.ConnectionError() if "refused" in text:
                return QueryFailed(f"Prometheus at {where} refused the connection", passing=True)
            case requests.exceptions.ConnectionError() if "resolve" in text or "Name or service" in text:
                return QueryFailed(f"the host name of Prometheus at {where} does not resolve")
            case requests.RequestException() | TransportError():
                return QueryFailed(f"the connection to Prometheus at {where} broke", passing=True)
            case OSError() | UnicodeError() if self._connection.bearer_token_file:
                return QueryFailed(f"the bearer token file {self._connection.bearer_token_file} cannot be read")
        return QueryFailed(f"the connection to Prometheus at {where} failed: {text[:200]}")


def _parsed(body: bytes) -> Any:
    """Strict JSON: NaN and Infinity are values in strings, never literals."""
    return json.loads(body, parse_constant=_not_json)


def _not_json(literal: str) -> Any:
    raise ValueError(f"{literal} is not JSON")


def _quoted(text: Any) -> str:
    """A foreign text as the end of a sentence: printable and short; nothing for nothing."""
    shown = "".join(char for char in str(text or "") if char.isprintable())[:200]
    return f": {shown}" if shown else ""
