"""The life of a process: nothing before the first listing, ticks on their period, an end that says why."""

import asyncio
import os
import signal
import time
from collections.abc import Callable

import pytest
import wire
from fakes import FakeCluster

from tightrope.controller.process import Process, Pulse
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


class World:
    """A process around a fake cluster, with watches that a test can end."""

    def __init__(self, *, tick: float = 0.05, reconcile: float = 60.0) -> None:
        self.cluster, self.store, self.wake = FakeCluster(), Store(), asyncio.Event()
        self.cluster.add(wire.namespace())
        self.ticker = Counting(self.store)
        self.watch_ends = asyncio.Event()
        clock = RealClock()
        self.pulse = Pulse(clock=clock, tick_seconds=tick, reconcile_seconds=reconcile)
        self.process = Process(
            cluster=self.cluster, store=self.store, ticker=self.ticker, start_watching=self.watch,
            telemetry=Telemetry(), clock=clock, pulse=self.pulse, wake=self.wake,
        )  # fmt: skip

    async def watch(self, stop: asyncio.Event, ready: asyncio.Event) -> "asyncio.Task[None]":
        async def until_either() -> None:
            ends = [asyncio.create_task(stop.wait()), asyncio.create_task(self.watch_ends.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
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
    await clock_stands.process._tick_unless_stale(None)
    assert not clock_stands.ticker.ticks


async def test_the_probe_fails_when_ticks_stand_still_but_not_while_the_api_server_is_away() -> None:
    pulse = World().pulse
    assert pulse.alive() is None
    pulse.listed_at, pulse.ticked_at = time.monotonic(), time.monotonic() - 120
    assert "no tick ended" in (pulse.alive() or "")
    pulse.listed_at = time.monotonic() - 1000
    assert pulse.alive() is None and pulse.ready() is not None


async def test_an_error_in_the_first_listing_ends_the_process_with_one() -> None:
    world = World()

    async def broken(kind: str) -> object:
        raise ZeroDivisionError(kind)

    world.cluster.list_objects = broken  # type: ignore[assignment, method-assign]
    assert await asyncio.wait_for(world.process.run(), 10) == 1
