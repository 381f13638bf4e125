"""Taking, keeping and handing back the lead, with processes that are killed, paused, cut off or told to stop."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from tightrope.controller.leadership import Alone, Election
from tightrope.controller.lease import Periods
from tightrope.ports import ClusterUnavailable, LeaseRecord, WriteConflict, WriteRefused


class TwoClocks:
    """A steady clock and one on the wall, which can be set."""

    def __init__(self) -> None:
        self.steady, self.wall = 50.0, 1_800_000_000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def passes(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds


class Server:
    """One Lease and its version."""

    def __init__(self) -> None:
        self.stored: LeaseRecord | None = None
        self.version = 0
        self.writes = 0
        self.written_five_times = asyncio.Event()

    def put(self, record: LeaseRecord) -> LeaseRecord:
        held = self.stored.version if self.stored is not None else None
        if record.version != held:
            raise WriteConflict("the object has been modified")
        self.version += 1
        self.writes += 1
        if self.writes == 5:
            self.written_five_times.set()
        self.stored = replace(record, version=str(self.version))
        return self.stored


class Wire:
    """`ports.Lease` of one process: its way to the server, which may be cut, silent, or lose answers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.trouble: Exception | None = None
        self.silent = self.loses_answers = False

    async def read(self) -> LeaseRecord | None:
        await self.travel()
        return self.server.stored

    async def write(self, record: LeaseRecord) -> LeaseRecord:
        await self.travel()
        stored = self.server.put(record)
        if self.loses_answers:
            raise ClusterUnavailable("connection reset")
        return stored

    async def travel(self) -> None:
        if self.trouble is not None:
            raise self.trouble
        if self.silent:
            await asyncio.Event().wait()


class Seat:
    """One process as far as the lead is concerned."""

    def __init__(self, name: str, world: "World", periods: Periods) -> None:
        self.wire, self.woken, self.resting = Wire(world.server), 0, True
        self.election = Election(
            lease=self.wire, identity=name, periods=periods, clock=world.clock, wake=self.wake, at_rest=self.at_rest
        )

    def wake(self) -> None:
        self.woken += 1

    async def at_rest(self, seconds: float) -> bool:
        return self.resting

    def writes(self) -> bool:
        return self.election.write_seconds() > 0.0


class World:
    def __init__(self, *, lease_seconds: float = 15.0) -> None:
        self.clock, self.server = TwoClocks(), Server()
        self.periods = Periods(lease_seconds=lease_seconds)

    def seat(self, name: str) -> Seat:
        return Seat(name, self, self.periods)

    async def passes(self, seconds: float, *seats: Seat) -> None:
        """Second after second, everyone named does its part."""
        for _ in range(round(seconds)):
            self.clock.passes(1.0)
            for seat in seats:
                await seat.election.step()
            assert sum(seat.writes() for seat in seats) <= 1

    async def until(self, condition: Callable[[], bool], *seats: Seat, within: float) -> float:
        began = self.clock.steady
        while not condition():
            await self.passes(1.0, *seats)
            assert self.clock.steady - began <= within
        return self.clock.steady - began

    async def leader(self) -> Seat:
        """A process that leads, the first one ever."""
        seat = self.seat("a")
        await self.until(seat.writes, seat, within=16.0)
        return seat


@pytest.fixture
def world() -> World:
    return World()


async def test_one_of_two_leads_and_is_woken_for_its_first_tick(world: World) -> None:
    a, b = world.seat("a"), world.seat("b")
    await world.until(lambda: a.writes() or b.writes(), a, b, within=16.0)
    await world.passes(60, a, b)
    assert (a.writes(), b.writes()) == (True, False)
    assert (a.woken, b.woken, a.election.term) == (1, 0, 1)


async def test_a_killed_leader_is_followed_within_twenty_seconds_and_has_stopped_before(world: World) -> None:
    a, b = await world.leader(), world.seat("b")
    await world.passes(5, a, b)
    stopped = await world.until(lambda: not a.writes(), b, within=20.0)
    assert stopped <= 10.0 and not b.writes()
    assert stopped + await world.until(b.writes, b, within=20.0) <= 17.0


async def test_a_leader_told_to_stop_is_followed_at_the_next_look(world: World) -> None:
    a, b = await world.leader(), world.seat("b")
    await world.passes(3, a, b)
    await a.election.resign()
    assert not a.writes()
    assert await world.until(b.writes, b, within=2.0) <= 1.0


async def test_a_leader_paused_for_a_minute_writes_nothing_when_it_wakes(world: World) -> None:
    a, b = await world.leader(), world.seat("b")
    await world.passes(60, b)
    assert b.writes() and not a.writes()
    await world.passes(5, b, a)
    assert not a.election.leads()


async def test_a_leader_cut_off_stops_before_another_one_takes_over(world: World) -> None:
    a, b = await world.leader(), world.seat("b")
    await world.passes(2, a, b)
    a.wire.trouble = ClusterUnavailable("no route to host")
    await world.passes(11, a, b)
    assert not a.writes() and not b.writes() and a.election.leads()
    await world.until(b.writes, a, b, within=6.0)
    a.wire.trouble = None
    await world.passes(3, a, b)
    assert not a.election.leads() and b.writes()


async def test_when_the_api_server_was_away_for_all_the_leader_goes_on_in_its_term(world: World) -> None:
    a, b = await world.leader(), world.seat("b")
    await world.passes(2, a, b)
    a.wire.trouble = b.wire.trouble = ClusterUnavailable("connection refused")
    await world.passes(120, a, b)
    assert not a.writes() and "connection refused" in (a.election.unsure() or "")
    a.wire.trouble = b.wire.trouble = None
    await world.passes(1, a, b)
    assert a.writes() and a.election.term == 1 and a.election.unsure() is None


@pytest.mark.parametrize("jump", [-86_400.0, -90.0, 90.0, 86_400.0 * 365])
async def test_a_wall_clock_that_jumps_changes_nothing(world: World, jump: float) -> None:
    a, b = await world.leader(), world.seat("b")
    await world.passes(3, a, b)
    world.clock.wall += jump
    await world.passes(30, a, b)
    assert a.writes() and a.election.term == 1 and b.woken == 0


async def test_a_leader_that_took_over_once_more_has_a_new_term(world: World) -> None:
    a, b = await world.leader(), world.seat("b")
    await world.passes(20, b)
    await b.election.resign()
    await world.passes(2, a)
    assert a.writes() and (a.election.term, a.woken) == (2, 2)


async def test_an_answer_that_is_lost_neither_extends_the_fence_nor_ends_the_term(world: World) -> None:
    a = await world.leader()
    a.wire.loses_answers = True
    await world.passes(10, a)
    assert not a.writes()
    a.wire.loses_answers = False
    await world.passes(2, a)
    assert a.writes() and a.election.term == 1


async def test_a_lease_deleted_under_a_leader_is_made_again_and_nobody_else_begins(world: World) -> None:
    a, b = await world.leader(), world.seat("b")
    await world.passes(2, a, b)
    world.server.stored = None
    await world.passes(30, a, b)
    assert a.writes() and a.election.term == 1 and world.server.stored is not None


async def test_a_lease_whose_holder_somebody_erased_is_not_taken_while_it_may_be_in_use(world: World) -> None:
    a, b = await world.leader(), world.seat("b")
    await world.passes(2, a, b)
    assert world.server.stored is not None
    world.server.put(replace(world.server.stored, holder=""))
    await world.passes(3, b)
    assert not b.writes()
    await world.passes(20, a, b)
    assert a.writes() != b.writes()


async def test_a_lease_is_not_handed_back_while_a_write_is_under_way(world: World) -> None:
    a = await world.leader()
    a.resting = False
    await a.election.resign()
    assert not a.writes()
    assert world.server.stored is not None and world.server.stored.holder == "a"


async def test_a_lease_is_handed_back_though_the_last_renewal_was_cut_short(world: World) -> None:
    a, b = await world.leader(), world.seat("b")
    a.wire.loses_answers = True
    await world.passes(1, a)
    a.wire.loses_answers = False
    await a.election.resign()
    await world.passes(1, b)
    assert b.writes()


async def test_missing_rights_are_named_and_make_the_process_unready(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    a = world.seat("a")
    a.wire.trouble = WriteRefused('leases.coordination.k8s.io "tightrope" is forbidden')
    with caplog.at_level(logging.INFO, logger="tightrope"):
        await world.passes(10, a)
    assert "allow get, create and patch on leases" in (a.election.unsure() or "")
    assert len([record for record in caplog.records if record.getMessage() == "standing by"]) == 1


async def test_a_server_that_does_not_answer_is_not_waited_for() -> None:
    world = World(lease_seconds=0.2)  # an answer may take 0.04 s of the real time
    a = world.seat("a")
    a.wire.silent = True
    await asyncio.wait_for(a.election.step(), 2.0)
    assert "no answer in time" in (a.election.unsure() or "")


async def test_the_loop_renews_until_it_is_cancelled() -> None:
    world = World(lease_seconds=0.03)
    world.server.stored = LeaseRecord(holder="", seconds=1.0, transitions=0, version="0")
    running = asyncio.create_task(world.seat("a").election.run())
    await asyncio.wait_for(world.server.written_five_times.wait(), 5.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_process_alone_may_always_write() -> None:
    alone = Alone()
    await alone.resign()
    assert alone.leads() and alone.write_seconds() > 1e9 and alone.unsure() is None
