"""Which of the operator's processes decides and writes: the loop that takes, renews and hands back the Lease.

`process` runs it beside its other loops, on the same event loop on purpose: a process whose event loop stands still
does not renew, and another one takes over. It ticks while `leads`, starts afresh when `term` grows, and calls `resign`
on its way out. The adapter asks `write_seconds` before every write. The rules themselves are in `lease`.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from tightrope.controller.lease import Candidate, Periods
from tightrope.controller.telemetry import say
from tightrope.ports import Clock, ClusterUnavailable, Lease, WriteConflict, WriteRefused

T = TypeVar("T")
# How long writes under way at the end may take before the Lease is left to run out instead of being handed back.
_AT_REST_SECONDS: Final = 1.5
_HAND_BACK_SECONDS: Final = 2.0


class Leadership(Protocol):
    """What a process must know of its own right to decide."""

    @property
    def term(self) -> int:
        """Grows whenever this process begins to lead anew; what was remembered from before holds no more then."""

    def leads(self) -> bool: ...

    def write_seconds(self) -> float:
        """For how many seconds a write that is begun now may last; 0.0 if none may be begun."""

    def unsure(self) -> str | None:
        """Why this process does not know who leads, or None."""

    async def run(self) -> None:
        """Take part until cancelled."""

    async def resign(self) -> None:
        """Give up the lead for good, so that another one need not wait."""


class Alone:
    """Leadership of the only process there is: for development and the lab."""

    term: Final = 0

    def leads(self) -> bool:
        return True

    def write_seconds(self) -> float:
        return math.inf

    def unsure(self) -> str | None:
        return None

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def resign(self) -> None:
        return None


class Election:
    """Leadership by a Lease. `wake` is called when this process begins to lead; `at_rest` waits until no write is
    under way, for at most so many seconds, and says whether that is so."""

    def __init__(
        self,
        *,
        lease: Lease,
        identity: str,
        periods: Periods,
        clock: Clock,
        wake: Callable[[], None],
        at_rest: Callable[[float], Awaitable[bool]],
    ) -> None:
        self._lease = lease
        self._clock = clock
        self._wake = wake
        self._at_rest = at_rest
        self._candidate = Candidate(identity=identity, periods=periods)
        self._answered_at: float | None = None
        self._trouble = "the Lease has not been read yet"
        self._said: tuple[object, ...] = ()
        self._woken_for = 0

    @property
    def term(self) -> int:
        return self._candidate.term

    def leads(self) -> bool:
        return self._candidate.leads(self._clock.monotonic())

    def write_seconds(self) -> float:
        return self._candidate.write_seconds(self._clock.monotonic())

    def unsure(self) -> str | None:
        periods, now = self._candidate.periods, self._clock.monotonic()
        if self._answered_at is None or now - self._answered_at > 2 * periods.lease_seconds:
            return f"leader election: {self._trouble}"
        return None

    async def run(self) -> None:
        while True:
            await self.step()
            await asyncio.sleep(self._pause())

    async def step(self) -> None:
        """One look at the Lease, or one claim to it. Never raises what the port may raise."""
        try:
            await self._step()
        except (WriteConflict, ClusterUnavailable, TimeoutError) as error:
            self._failed(str(error) or "no answer in time")
        except WriteRefused as error:
            self._failed(f"{error} (the namespace must exist, and allow get, create and patch on leases there)")
        else:
            self._answered_at, self._trouble = self._clock.monotonic(), ""
        self._tell()

    async def _step(self) -> None:
        """A claim that comes too late is answered by a look at once: a leader learns here that it is one no more."""
        try:
            if await self._claim():
                return
        except WriteConflict:
            self._candidate.must_look()
        record = await self._in_time(self._lease.read())
        self._candidate.saw(record, at=self._clock.monotonic())
        await self._claim()

    async def _claim(self) -> bool:
        """Write the Lease if it may be claimed, and say whether it was."""
        sent = self._clock.monotonic()
        claim = self._candidate.claim(now=sent, wall=self._clock.now())
        if claim is None:
            return False
        stored = await self._in_time(self._lease.write(claim))
        self._candidate.wrote(stored, sent=sent, at=self._clock.monotonic())
        return True

    def _failed(self, why: str) -> None:
        """Whether a write that was not answered took place shows when the Lease is read again."""
        self._candidate.must_look()
        self._trouble = why

    async def _in_time(self, call: Awaitable[T]) -> T:
        async with asyncio.timeout(self._candidate.periods.answer_seconds):
            return await call

    def _pause(self) -> float:
        """Until the next step: who holds the Lease for sure renews at leisure, everybody else looks more often."""
        periods = self._candidate.periods
        holds = self._candidate.holder == self._candidate.identity
        return periods.renew_seconds if holds and not self._trouble else periods.look_seconds

    def _tell(self) -> None:
        """Say what changed, once; and wake the process for the first tick of a term."""
        leads, holder = self.leads(), self._candidate.holder
        state = (leads, holder, self.term, bool(self._trouble))
        if state != self._said:
            self._said = state
            level = logging.WARNING if self._trouble else logging.INFO
            say("leading" if leads else "standing by", level=level, term=self.term, holder=holder, why=self._trouble)
        if leads and self._woken_for != self.term:
            self._woken_for = self.term
            self._wake()

    async def resign(self) -> None:
        """Close the fence, let what is under way end, hand the Lease back. What does not end in time may still reach
        the server: then the Lease is left to run out."""
        self._candidate.resign()
        if not await self._at_rest(_AT_REST_SECONDS):
            say("a write is still under way: the Lease is left to run out", level=logging.WARNING)
            return
        try:
            async with asyncio.timeout(_HAND_BACK_SECONDS):
                await self._hand_back()
        except (WriteConflict, WriteRefused, ClusterUnavailable, TimeoutError) as error:
            say("the Lease was not handed back and runs out", level=logging.WARNING, why=str(error) or "no answer")

    async def _hand_back(self) -> None:
        try:
            await self._give()
        except WriteConflict:
            # A renewal cut short by the end may have taken place all the same.
            self._candidate.saw(await self._lease.read(), at=self._clock.monotonic())
            await self._give()

    async def _give(self) -> None:
        record = self._candidate.hand_back(now=self._clock.monotonic(), wall=self._clock.now())
        if record is not None:
            await self._lease.write(record)
            say("the Lease is handed back")
