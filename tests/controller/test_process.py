"""The life of a process: nothing before the first listing, ticks on their period, an end that says why."""

import asyncio
import os
import signal
import time
from collections.abc import Callable

import pytest
import wire
from fakes import FakeCluster

from tightrope.controller.health import Pulse
from tightrope.controller.leadership import Alone
from tightrope.controller.process import Process
from tightrope.controller.store import Store
from tightrope.controller.telemetry import Telemetry
from tightrope.ports import WriteRefused


class RealClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class Counting:
    def __init__(self, store: Store) -> None:
        self.ticks: list[float] = []
        self.unlisted_at_first: tuple[str, ...] | None = None
        self._store = store

    async def tick(self) -> None:
        if self.unlisted_at_first is None:
            self.unlisted_at_first = self._store.unlisted
        self.ticks.append(time.monotonic())


class Lead(Alone):
    """The lead, given and taken by a test."""

    def __init__(self) -> None:
        self.term, self.leading, self.resigned_at = 0, False, 0.0  # type: ignore[misc]
        self.ends = asyncio.Event()

    def leads(self) -> bool:
        return self.leading

    async def run(self) -> None:
        await self.ends.wait()

    async def resign(self) -> None:
        self.resigned_at = time.monotonic()


class World:
    """A process around a fake cluster, with watches that a test can end."""

    def __init__(self, *, tick: float = 0.05, reconcile: float = 60.0, leadership: Alone | None = None) -> None:
        self.cluster, self.store, self.wake = FakeCluster(), Store(), asyncio.Event()
        self.cluster.add(wire.namespace())
        self.ticker = Counting(self.store)
        self.tickers = 0
        self.watch_ends = asyncio.Event()
        self.told_to_stop_at = 0.0
        clock = RealClock()
        self.pulse = Pulse(clock=clock, tick_seconds=tick, reconcile_seconds=reconcile)
        self.process = Process(
            cluster=self.cluster, store=self.store, new_ticker=self.new_ticker, start_watching=self.watch,
            telemetry=Telemetry(), clock=clock, pulse=self.pulse, leadership=leadership or Alone(),
            wake=self.wake,
        )  # fmt: skip

    def new_ticker(self) -> Counting:
        self.tickers += 1
        return self.ticker

    async def watch(self, stop: asyncio.Event, ready: asyncio.Event) -> "asyncio.Task[None]":
        async def until_either() -> None:
            ends = [asyncio.create_task(stop.wait()), asyncio.create_task(self.watch_ends.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self.told_to_stop_at = time.monotonic()
            for end in ends:
                end.cancel()

        return asyncio.create_task(until_either(), name="kopf")

    async def run(self, *, until: Callable[[], bool]) -> int:
        """Run until the condition holds, then ask to stop as Kubernetes does."""
        running = asyncio.create_task(self.process.run())
        await eventually(until)
        if not running.done():
            os.kill(os.getpid(), signal.SIGTERM)
        return await asyncio.wait_for(running, 10)


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.005)


async def test_ticks_begin_after_the_first_whole_listing_and_sigterm_ends_them_with_zero() -> None:
    world = World()
    assert await world.run(until=lambda: len(world.ticker.ticks) >= 3) == 0
    assert world.ticker.unlisted_at_first == ()


async def test_a_kind_that_is_not_installed_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tightrope.controller.process._RETRY_SECONDS", 0.02)
    world, listed = World(), {"asked": 0}
    list_objects = world.cluster.list_objects

    async def not_at_first(kind: str) -> object:
        if kind == "ComputePool" and listed["asked"] < 3:
            listed["asked"] += 1
            raise WriteRefused("the server could not find the requested resource")
        return await list_objects(kind)

    world.cluster.list_objects = not_at_first  # type: ignore[method-assign]
    assert await world.run(until=lambda: bool(world.ticker.ticks)) == 0
    assert listed["asked"] == 3 and world.ticker.unlisted_at_first == ()


async def test_the_end_of_the_watches_ends_the_process_with_one() -> None:
    world = World()

    def then() -> bool:
        if world.ticker.ticks:
            world.watch_ends.set()
        return world.watch_ends.is_set()

    running = asyncio.create_task(world.process.run())
    await eventually(then)
    assert await asyncio.wait_for(running, 10) == 1


async def test_ticks_keep_their_period() -> None:
    world = World(tick=0.1)
    await world.run(until=lambda: len(world.ticker.ticks) >= 8)
    spread = world.ticker.ticks[7] - world.ticker.ticks[0]
    assert 0.6 < spread < 1.4


async def test_a_change_of_a_declaration_brings_the_next_tick_forward() -> None:
    world = World(tick=30.0)
    began = time.monotonic()

    def woken() -> bool:
        if len(world.ticker.ticks) == 1:
            world.wake.set()
        return len(world.ticker.ticks) >= 2

    await world.run(until=woken)
    assert time.monotonic() - began < 5.0


async def test_listings_put_right_what_the_watch_has_lost() -> None:
    world = World(reconcile=0.05)

    def lost_and_found() -> bool:
        if world.ticker.ticks and ("Pod", "nlp", "late") not in world.cluster.objects:
            world.cluster.add({"kind": "Pod", "metadata": {"name": "late", "namespace": "nlp"}})
        return bool(world.store.uids("Pod"))

    await world.run(until=lost_and_found)
    assert world.process.telemetry.repairs.labels("Pod", "late")._value.get() == 1


async def test_a_store_that_is_not_reconciled_any_more_is_not_planned_from() -> None:
    clock_stands = World()
    pulse = clock_stands.pulse
    assert pulse.fresh() == "the cluster has not been listed whole yet"
    pulse.listed_at = time.monotonic() - 1000
    assert "last listed whole" in (pulse.fresh() or "")
    assert "last listed whole" in (await clock_stands.process._turn(None) or "")
    assert not clock_stands.ticker.ticks


async def test_an_error_in_the_first_listing_ends_the_process_with_one() -> None:
    world = World()

    async def broken(kind: str) -> object:
        raise ZeroDivisionError(kind)

    world.cluster.list_objects = broken  # type: ignore[assignment, method-assign]
    assert await asyncio.wait_for(world.process.run(), 10) == 1


async def test_a_standby_does_not_tick_and_is_alive_and_ready() -> None:
    world = World(leadership=Lead())
    await world.run(until=lambda: world.pulse.turned_at is not None and world.pulse.ready() is None)
    assert not world.ticker.ticks and world.pulse.alive() is None


async def test_who_begins_to_lead_lists_everything_again_and_remembers_nothing() -> None:
    lead = Lead()
    world = World(leadership=lead)

    def led() -> bool:
        if world.pulse.turned_at is not None and not lead.leading:
            world.cluster.add({"kind": "Pod", "metadata": {"name": "late", "namespace": "nlp"}})
            lead.term, lead.leading = 1, True  # type: ignore[misc]
        return len(world.ticker.ticks) >= 3

    await world.run(until=led)
    assert world.tickers == 2, "one a term, not one a tick"
    assert world.store.uids("Pod"), "written by the leader before, and not yet watched"


async def test_a_term_does_not_begin_before_the_listing_succeeds() -> None:
    lead = Lead()
    world = World(leadership=lead)

    def failed() -> bool:
        if world.pulse.turned_at is not None and not lead.leading:
            world.cluster.down = True
            lead.term, lead.leading = 1, True  # type: ignore[misc]
        return lead.leading and time.monotonic() - world.pulse.stirred_at < 0.05 and world.pulse.turned_at > lost_at + 1

    lost_at = time.monotonic()
    await world.run(until=failed)
    assert not world.ticker.ticks and world.tickers == 1


async def test_who_leads_no_more_stops_ticking() -> None:
    lead = Lead()
    lead.leading = True
    world = World(leadership=lead)
    stopped_after = 0

    def stopped() -> bool:
        nonlocal stopped_after
        if len(world.ticker.ticks) >= 3 and lead.leading:
            lead.leading, stopped_after = False, len(world.ticker.ticks)
        return not lead.leading and time.monotonic() > world.ticker.ticks[-1] + 0.5

    await world.run(until=stopped)
    assert len(world.ticker.ticks) == stopped_after


async def test_the_lead_is_given_up_before_anything_else_is_stopped() -> None:
    lead = Lead()
    world = World(leadership=lead)
    assert await world.run(until=lambda: world.pulse.turned_at is not None) == 0
    assert 0.0 < lead.resigned_at <= world.told_to_stop_at


async def test_the_end_of_the_leader_election_ends_the_process_with_one() -> None:
    lead = Lead()
    lead.ends.set()
    assert await asyncio.wait_for(World(leadership=lead).process.run(), 10) == 1
    assert lead.resigned_at > 0.0
