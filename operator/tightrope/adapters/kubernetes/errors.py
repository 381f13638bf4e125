"""The API server's answers as the three exceptions of `ports`: this is the border where foreign errors end.

409                                          -> WriteConflict (names the other writer where the server does)
429, 5xx, 401, time-outs, broken connections -> ClusterUnavailable
404                                          -> Absent, a WriteRefused
every other 4xx                              -> WriteRefused, in the server's own words
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from tightrope.ports import ClusterUnavailable, WriteConflict, WriteRefused

# 'conflict with "kubectl" with subresource "scale" using apps/v1', or 'conflicts with "a" using v1:\n- .spec.x'.
_OTHER_WRITER = re.compile(r'conflicts? with "([^"]+)"')
# An unknown field in an apply is the caller's mistake, though the server answers 500 (seen with 1.37).
_NOT_TYPED = "failed to create typed patch object"


class Absent(WriteRefused):
    """There is no such object (or no such kind, or no such namespace)."""


def status_of(body: bytes) -> Mapping[str, Any]:
    """The Status object in an error's body; one made of the bare text if the answer is not JSON (a proxy's page)."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        return parsed
    return {"message": body[:300].decode(errors="replace")}


def other_writer(status: Mapping[str, Any]) -> str | None:
    """Which field manager an apply collided with, from the causes of a conflict; None if the server does not say."""
    causes = (status.get("details") or {}).get("causes") or []
    for message in [*(cause.get("message", "") for cause in causes), status.get("message", "")]:
        if found := _OTHER_WRITER.search(message):
            return found.group(1)
    return None


def translate(code: int, status: Mapping[str, Any]) -> Exception:
    """The exception for an HTTP status outside 2xx."""
    message = str(status.get("message") or f"the API server answered HTTP {code}")
    if code == 409:
        return WriteConflict(message, other_writer=other_writer(status))
    # 401: the token is being rotated. 408 and 429: try later. All say nothing about the object.
    if code in (401, 408, 429) or (code >= 500 and _NOT_TYPED not in message):
        return ClusterUnavailable(f"HTTP {code}: {message}")
    return Absent(message) if code == 404 else WriteRefused(message)
