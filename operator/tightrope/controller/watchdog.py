"""Ends a process that is stuck, so that Kubernetes starts another one, with or without a probe that would notice.

A thread of its own, since an event loop that stands still cannot watch itself. Started by `wiring`.
"""

import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Final

from tightrope.controller.telemetry import say

_LOOK_SECONDS: Final = 1.0
# In a row: a process that was paused as a whole looks stuck when it wakes, and needs a moment to show that it is not.
_LOOKS: Final = 10


def end_process(why: str) -> None:
    """Exit code 1, at once, with every thread's stack on stderr: what is stuck would not let a proper end through.
    Nothing needs one either: what matters is in the cluster, and a Lease held runs out."""
    say("the operator is stuck and ends", level=logging.ERROR, why=why)
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
    sys.stderr.flush()
    os._exit(1)


class Watchdog:
    """Calls `end` once `alive` has named a trouble at `looks` looks in a row."""

    def __init__(
        self,
        *,
        alive: Callable[[], str | None],
        end: Callable[[str], None] = end_process,
        look_seconds: float = _LOOK_SECONDS,
        looks: int = _LOOKS,
    ) -> None:
        self._alive = alive
        self._end = end
        self._look_seconds = look_seconds
        self._looks = looks
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _watch(self) -> None:
        bad = 0
        while not self._stopped.wait(self._look_seconds):
            why = self._alive()
            bad = bad + 1 if why is not None else 0
            if why is not None and bad >= self._looks:
                self._end(why)
                return
