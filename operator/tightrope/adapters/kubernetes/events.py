"""Events for people (`kubectl describe`): the same thing said twice within an hour is counted, not repeated.

Called by `cluster.record_event`. What was said is remembered in the process only: after a restart an Event may be
said once more, which is true then.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SAME_FOR_SECONDS = 3600.0
# A count is only worth a write now and then.
_COUNT_EVERY_SECONDS = 300.0
_NOTE_LIMIT = 1024  # the API server's own bound on `note`


def micro_time(now: float) -> str:
    """Unix seconds in the API's MicroTime format."""
    return datetime.datetime.fromtimestamp(now, tz=datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def event(
    *, name: str, regarding: Mapping[str, Any], reason: str, message: str, warning: bool, instance: str, now: float
) -> dict[str, Any]:
    """The manifest of a first occurrence. Events about cluster-scoped objects live in namespace `default`."""
    metadata = regarding["metadata"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata.get("namespace") or "default"},
        "eventTime": micro_time(now),
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "note": message if len(message) <= _NOTE_LIMIT else message[: _NOTE_LIMIT - 1] + "…",
        "action": reason,
        "reportingController": "tightrope.dev/operator",
        "reportingInstance": instance,
        "regarding": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            "namespace": metadata.get("namespace"),
            "name": metadata["name"],
            "uid": metadata.get("uid"),
        },
    }


@dataclass(slots=True, kw_only=True)
class _Said:
    name: str
    first_at: float
    written_at: float
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """An Event of this name already says it; `series` is set when its count is due to be written."""

    name: str
    series: Mapping[str, Any] | None


class EventMemory:
    """What was said lately, by what it regards and the words used."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str, str], _Said] = {}  # by first_at

    def repeat(self, key: tuple[str, str, str], *, now: float) -> Repeat | None:
        """Count this occurrence against an earlier one; None if it is new."""
        said = self._said.get(key)
        if said is None or now - said.first_at > _SAME_FOR_SECONDS:
            return None
        said.count += 1
        if now - said.written_at < _COUNT_EVERY_SECONDS:
            return Repeat(name=said.name, series=None)
        said.written_at = now
        return Repeat(name=said.name, series={"count": said.count, "lastObservedTime": micro_time(now)})

    def said(self, key: tuple[str, str, str], *, name: str, now: float) -> None:
        """Remember a first occurrence, and forget what is too old to count against."""
        self._said.pop(key, None)
        self._said[key] = _Said(name=name, first_at=now, written_at=now)
        # The oldest come first: to look through all of them for each Event grows with the square of the services.
        while now - next(iter(self._said.values())).first_at > _SAME_FOR_SECONDS:
            del self._said[next(iter(self._said))]
