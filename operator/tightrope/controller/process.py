"""The life of one operator process: list, watch, lead or stand by, until asked to stop or until something ends that
must not.

A standby watches and lists as the leader does, and neither ticks nor writes. Who begins to lead begins as a new process
does: nothing remembered, everything listed again.

`wiring` assembles the parts and `cli` calls `run`. Crash-only: nothing here saves anything on the way out, and every
unexpected end is an exit code that makes Kubernetes start a new process, which reads everything again.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tightrope.controller.health import Pulse
from tightrope.controller.leadership import Leadership
from tightrope.controller.store import Store
from tightrope.controller.telemetry import Telemetry, say
from tightrope.ports import Clock, Cluster, ClusterUnavailable, WriteConflict, WriteRefused

_RETRY_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 10.0
# Edits that come in bursts are planned together, and never more often than this.
_EARLIEST_SECONDS: Final = 1.0


class Ticker(Protocol):
    """One pass over all services. Raises only what must end the process."""

    async def tick(self) -> None: ...


WatchStarter = Callable[[asyncio.Event, asyncio.Event], Awaitable["asyncio.Task[None]"]]


@dataclass(slots=True, kw_only=True)
class Process:
    """The parts of one operator. `start_watching(stop, ready)` starts kopf and returns the task that ends with it;
    `new_ticker` makes one that remembers nothing."""

    cluster: Cluster
    store: Store
    new_ticker: Callable[[], Ticker]
    start_watching: WatchStarter
    telemetry: Telemetry
    clock: Clock
    pulse: Pulse
    leadership: Leadership
    wake: asyncio.Event
    _ticker: Ticker = field(init=False)
    _term: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._ticker = self.new_ticker()

    async def run(self) -> int:
        """0 after SIGTERM or SIGINT, 1 after any other end."""
        stop, watching, kopf_stop = asyncio.Event(), asyncio.Event(), asyncio.Event()
        _on_signals(stop)
        stopped = asyncio.create_task(stop.wait(), name="stop")
        # Started before kopf: whatever is started later is cancelled with it.
        loops = [
            asyncio.create_task(self._reconcile_forever(watching), name="reconcile"),
            asyncio.create_task(self._tick_forever(watching), name="tick"),
            (election := asyncio.create_task(self._take_part(watching), name="leader election")),
        ]
        listed = asyncio.create_task(self._first_listing(), name="first listing")
        await asyncio.wait([stopped, listed], return_when=asyncio.FIRST_COMPLETED)
        ends = [stopped, *loops, listed]
        if not stop.is_set() and listed.exception() is None:
            ends.remove(listed)
            ready = asyncio.Event()
            ends.append(await self.start_watching(kopf_stop, ready))
            _on_signals(stop)  # kopf has put its own handlers in their place
            watching.set()
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        code = _why_ended(stop, ends)
        await self._resign(election)
        kopf_stop.set()
        await _wind_down([*{listed, *ends}])
        return code

    async def _take_part(self, watching: asyncio.Event) -> None:
        """Stand for the lead only once there is something to lead from."""
        await watching.wait()
        await self.leadership.run()

    async def _resign(self, election: "asyncio.Task[None]") -> None:
        """First of all: every moment until then, nobody leads."""
        election.cancel()
        await asyncio.wait([election])
        await self.leadership.resign()

    async def _first_listing(self) -> None:
        """Until every kind can be listed nothing starts. A kind that is not installed yet is waited for aloud."""
        said = ""
        while True:
            missing = await self.reconcile()
            if not missing:
                return
            if (complaint := f"{missing}") != said:
                for kind, why in missing.items():
                    say("waiting for a kind that cannot be listed", level=logging.WARNING, kind=kind, why=why)
                said = complaint
            await asyncio.sleep(_RETRY_SECONDS)

    async def reconcile(self) -> dict[str, str]:
        """List every kind and put the store right. Returns the kinds that could not be listed, and why."""
        failures: dict[str, str] = {}
        for kind in self.store.kinds:
            held = self.store.uids(kind)
            try:
                listed = await self.cluster.list_objects(kind)
            except (WriteConflict, WriteRefused, ClusterUnavailable) as error:
                failures[kind] = str(error)
                continue
            finally:
                self.pulse.stir()
            first = kind in self.store.unlisted
            repairs = self.store.reconcile(kind, listed, held_before=held)
            for what, count in (("late", repairs.late), ("lost", repairs.lost)):
                if count and not first:
                    self.telemetry.repairs.labels(kind, what).inc(count)
                    say("a listing put the store right", kind=kind, what=what, objects=count)
        if not failures:
            self.pulse.listed_at = self.clock.monotonic()
            self.telemetry.listed_at.set(self.clock.now())
        return failures

    async def _reconcile_forever(self, watching: asyncio.Event) -> None:
        """Once as soon as the watches run, so that nothing falls between the first listing and theirs; then on."""
        await watching.wait()
        while True:
            for kind, why in (await self.reconcile()).items():
                say("a kind could not be listed", level=logging.WARNING, kind=kind, why=why)
            await asyncio.sleep(self.pulse.reconcile_seconds)

    async def _tick_forever(self, watching: asyncio.Event) -> None:
        """Ticks on their period; a change of a declaration brings the next one forward."""
        await watching.wait()
        due = self.clock.monotonic()
        held: str | None = None
        while True:
            began = self.clock.monotonic()
            self.wake.clear()
            held = await self._turn(held)
            self.pulse.turned()
            ended = self.clock.monotonic()
            due = max(due + self.pulse.tick_seconds, ended)
            await self._sleep_until(due, earliest=began + min(_EARLIEST_SECONDS, self.pulse.tick_seconds))
            due = min(due, self.clock.monotonic())

    async def _turn(self, held: str | None) -> str | None:
        """Tick if this process leads and the store is fresh. Otherwise say once why nothing is planned: a store that
        nobody reconciled lately is not planned from. `held` is why the turn before held."""
        if not self.leadership.leads():
            self.telemetry.stand_by()
            return None
        why = self.pulse.fresh() or await self._begin_term()
        if why is None:
            await self._ticker.tick()
        elif held is None:
            say("hold: nothing is planned", level=logging.WARNING, why=why)
        return why

    async def _begin_term(self) -> str | None:
        """A term begins with a listing, which shows all that the leader before us has written, and without memory.
        Returns why it cannot begin yet, or None."""
        term = self.leadership.term
        if term == self._term:
            return None
        if failures := await self.reconcile():
            return f"a new term begins with a whole listing: {failures}"
        self._ticker, self._term = self.new_ticker(), term
        return None

    async def _sleep_until(self, due: float, *, earliest: float) -> None:
        await asyncio.sleep(max(0.0, min(due, earliest) - self.clock.monotonic()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), max(0.0, due - self.clock.monotonic()))


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


def _why_ended(stop: asyncio.Event, ends: list["asyncio.Task[Any]"]) -> int:
    """Log the end, and turn it into the exit code."""
    if stop.is_set():
        say("asked to stop")
        return 0
    for task in ends:
        if task.done():
            error = None if task.cancelled() else task.exception()
            say(
                "the operator ends: a part that must not end has ended",
                level=logging.ERROR,
                part=task.get_name(),
                error=error,
            )
    return 1


async def _wind_down(tasks: list["asyncio.Task[Any]"]) -> None:
    """Let kopf leave by itself, cancel the rest; what does not end in time is left to the end of the process."""
    for task in tasks:
        if task.get_name() != "kopf":
            task.cancel()
    await asyncio.wait(tasks, timeout=_STOP_SECONDS)
