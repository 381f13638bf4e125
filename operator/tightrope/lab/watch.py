"""Follows one kind of object in the API server through every loss of the connection. `recorder` has one a kind."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from tightrope.lab.api_client import ApiClient, Refused, Unreachable

_RETRY_SECONDS: Final = 0.3

Object = Mapping[str, Any]
OnChange = Callable[[str, Object | None, Object | None, float], None]


class Watch:
    """One kind of object, followed in a thread through every loss of the connection. `on_change` gets the path, the
    object before and after (None: not there) and the time; a change that fell into a gap is told when it is seen."""

    def __init__(self, path: str, connect: Callable[[], ApiClient], on_change: OnChange) -> None:
        self._path, self._connect, self._on_change = path, connect, on_change
        self._objects: dict[str, Object] = {}
        self._stopping = threading.Event()
        self._listed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"record {path}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether the first listing has arrived within this time."""
        return self._listed.wait(seconds)

    def stop(self) -> None:
        """Look no further. The thread is a daemon and may be inside a request."""
        self._stopping.set()

    def _run(self) -> None:
        api = self._connect()
        while not self._stopping.is_set():
            try:
                self._follow(api)
            except (Unreachable, Refused):
                self._stopping.wait(_RETRY_SECONDS)

    def _follow(self, api: ApiClient) -> None:
        listing = api.get(self._path)
        found = {item["metadata"]["uid"]: item for item in listing["items"]}
        for uid in [*self._objects, *found]:
            self._take(uid, found.get(uid))
        self._listed.set()
        for event in api.watch(self._path, listing["metadata"]["resourceVersion"]):
            if self._stopping.is_set():
                return
            if event["type"] != "BOOKMARK":
                uid = event["object"]["metadata"]["uid"]
                self._take(uid, None if event["type"] == "DELETED" else event["object"])

    def _take(self, uid: str, after: Object | None) -> None:
        before = self._objects.get(uid)
        if after == before:
            return
        if after is None:
            self._objects.pop(uid, None)
        else:
            self._objects[uid] = after
        self._on_change(self._path, before, after, time.time())
