"""When earlier samples are read again: at start, when a service is new here, and after a time without answers.

`tick` asks at every tick and never waits: the reading goes on beside the ticks, and the first tick after its end gets
it. It takes a constant number of queries, since it covers all services at once.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from tightrope.controller.observe import HistoryRead
from tightrope.controller.telemetry import say
from tightrope.ports import Metrics, PodHistory, PodKey

FINE_SECONDS = 3600.0  # how much of the past is read tick by tick; what is older `seeding` reads by the minute
_AGAIN_SECONDS = 60.0

Histories = Mapping[str, Mapping[PodKey, PodHistory]]


class History:
    """One reading at a time, and not more than one a minute. Lengths in seconds."""

    def __init__(self, *, metrics: Metrics, length_seconds: float, step_seconds: float) -> None:
        self._metrics = metrics
        self._length = length_seconds
        self._step = step_seconds
        self._wanted_by: set[str] = set()
        self._known: set[str] = set()
        self._tried: set[str] = set()
        self._failing = False
        self._tried_at: float | None = None
        self._reading: asyncio.Task[Histories] | None = None
        self._said = False

    def read(self, presets: Sequence[str], *, uids: set[str], failing: bool, now: float) -> HistoryRead | None:
        """The reading that ended since the last tick, if one did. Starts the next one if it is due."""
        ended = self._ended()
        self._known &= uids
        self._tried &= uids
        due = bool(uids - self._known) or (self._failing and not failing)
        self._failing = self._failing or failing
        early = self._tried_at is not None and now - self._tried_at < _AGAIN_SECONDS
        possible = self._length > 0 and presets and not failing and self._reading is None
        if due and possible and not early:
            self._tried_at, self._wanted_by, self._failing = now, set(uids), False
            self._reading = asyncio.create_task(self._read(presets, now), name="history")
        return ended

    def awaited(self, uid: str) -> bool:
        """Whether the first reading for this service has yet to end, be it well or not: until then what the last tick
        saw is all that is known of it, and says nothing of a window."""
        return self._length > 0 and uid not in self._tried

    def _ended(self) -> HistoryRead | None:
        if self._reading is None or not self._reading.done():
            return None
        reading, self._reading = self._reading, None
        self._tried |= self._wanted_by
        error = None if reading.cancelled() else reading.exception()
        if reading.cancelled() or error is not None:
            self._failing = True  # so that it is due again
            if not self._said:
                say("history could not be read; it is tried again", level=logging.WARNING, why=str(error))
            self._said = True
            return None
        self._said = False
        self._known |= self._wanted_by
        pods = reading.result()
        say("history read", seconds=self._length, pods=sum(len(found) for found in pods.values()))
        return HistoryRead(step_seconds=self._step, pods=pods)

    async def _read(self, presets: Sequence[str], now: float) -> Histories:
        return await self._metrics.history(presets, start=now - self._length, end=now, step_seconds=self._step)
