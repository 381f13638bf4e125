"""Two operators on a real control plane: one is killed, told to stop, paused, replaced. Who wrote is in the audit log.

Something always needs writing here: the PodDisruptionBudget of `sentiment` is deleted again and again, and whoever
leads makes it anew at its next tick.
"""

import asyncio
import contextlib
import itertools
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from e2e.killing_proxy import KillingProxy
from e2e.world import RATE_WINDOW, ROOT, World, free_port, ready, service_manifest, stays, total, wait_for

from tightrope.lab.process import Program

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

TICK = 1.0
RELAY = Path(__file__).with_name("relay.py")
NAMESPACE = "two-operators"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/tightrope-system/leases"


@dataclass(frozen=True)
class Write:
    """One write of an operator process, as the API server saw it."""

    by: str
    at: float
    verb: str
    resource: str
    subresource: str

    @property
    def renews(self) -> bool:
        return self.resource == "leases"


class Seat:
    """One operator process."""

    def __init__(self, name: str, program: Program, port: int) -> None:
        self.name, self.program, self.port = name, program, port

    def __repr__(self) -> str:
        return self.name

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; 0 while nobody listens, or answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def leads(self) -> bool:
        return "tightrope_leading 1.0" in self.get("/metrics")[1]


class Pair:
    """Operators that stand for the same Lease."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seats: list[Seat] = []
        self.names = (f"operator-{number}" for number in itertools.count(1))
        self.kubeconfig = world.lab.operator_kubeconfig()
        self.api = world.lab.api()

    def start(self, *, through: str | None = None) -> Seat:
        """One more, ready to take over; it speaks to the API server through this URL, if one is named."""
        kubeconfig = self.kubeconfig
        if through is not None:
            config = yaml.safe_load(kubeconfig.read_text())
            config["clusters"][0]["cluster"]["server"] = through
            kubeconfig = kubeconfig.with_name("indirect.kubeconfig")
            kubeconfig.write_text(yaml.safe_dump(config))
        port, name = free_port(), next(self.names)
        arguments = ["--prometheus-url", self.world.lab.prometheus_url, "--tick-seconds", str(TICK)]
        arguments += ["--rate-window-seconds", str(RATE_WINDOW), "--metrics-port", str(port)]
        program = self.world.lab.spawn(
            name,
            [sys.executable, "-m", "tightrope.cli", "run", *arguments],
            env={"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT / "operator")},
        )
        seat = Seat(name, program, port)
        self.seats.append(seat)
        wait_for(lambda: seat.get("/readyz")[0] == 200, seconds=60, what=f"{name} to be ready")
        return seat

    def ensure_two(self) -> tuple[Seat, Seat]:
        """The leader and the standby."""
        self.seats = [seat for seat in self.seats if seat.program.poll() is None]
        while len(self.seats) < 2:
            self.start()
        leader = wait_for(
            lambda: next((seat for seat in self.seats if seat.leads()), None), seconds=40, what="a leader"
        )
        return leader, next(seat for seat in self.seats if seat is not leader)

    def leader_through(self, url: str) -> tuple[Seat, Seat]:
        """A leader that speaks through this URL, and a standby that does not."""
        for seat in self.seats:
            seat.program.terminate()
        leader = self.start(through=url)
        wait_for(leader.leads, seconds=40, what="the new process to lead")
        return leader, self.start()

    def relay(self, port: int) -> Program:
        """A way to the API server that can be frozen and cut."""
        upstream = self.world.lab.api_url.rpartition(":")[2]
        relay = self.world.lab.spawn("relay", [sys.executable, str(RELAY), str(port), upstream])
        wait_for(lambda: answers(port), seconds=20, what="the relay")
        return relay

    def identity(self, seat: Seat) -> str:
        """What it calls itself in its log, and in every request."""
        line = next(line for line in seat.program.log.read_text().splitlines() if '"identity"' in line)
        return line.split('"identity": "')[1].split('"')[0]

    def writes(self, *, since: float) -> list[Write]:
        found = [
            Write(
                by=entry["userAgent"].split("(")[1].rstrip(")"),
                at=datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp(),
                verb=entry["verb"],
                resource=entry["objectRef"]["resource"],
                subresource=entry["objectRef"].get("subresource", ""),
            )
            for entry in self.world.writes()
            if entry["userAgent"].startswith("tightrope/")
        ]
        return sorted((write for write in found if write.at >= since), key=lambda write: write.at)

    def acts(self, *, since: float) -> list[Write]:
        """Everything but the Lease."""
        return [write for write in self.writes(since=since) if not write.renews]

    def took_over(self, seat: Seat, *, since: float) -> float | None:
        """When it first wrote the Lease, which a standby only reads."""
        mine = self.identity(seat)
        return next((write.at for write in self.writes(since=since) if write.renews and write.by == mine), None)

    def acted(self, seat: Seat, *, since: float) -> float | None:
        mine = self.identity(seat)
        return next((write.at for write in self.acts(since=since) if write.by == mine), None)


def one_after_the_other(writes: list[Write]) -> list[str]:
    """The writers in order, each once for every time it took the pen."""
    return [by for by, _ in itertools.groupby(write.by for write in writes)]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A lab with a service at a steady demand and two operators."""
    world = World.start(tmp_path_factory.mktemp("two-operators"))
    try:
        world.namespace(NAMESPACE)
        cpu = service_manifest(NAMESPACE)["spec"]["variants"][:1]
        world.apply(service_manifest(NAMESPACE, variants=cpu, replicas={"min": 3, "max": 6}))
        world.traffic(NAMESPACE, 20.0)
        yield Pair(world)
    finally:
        world.stop()


@pytest.fixture
def provoked(pair: Pair) -> Iterator[None]:
    """Deletes the budget twice a second, on a connection of its own."""
    done, api = threading.Event(), pair.world.lab.api()

    def provoke() -> None:
        while not done.wait(0.5):
            with contextlib.suppress(Exception):
                api.delete(f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/sentiment")

    thread = threading.Thread(target=provoke, daemon=True)
    thread.start()
    yield
    done.set()
    thread.join(10)


@pytest.fixture(autouse=True)
def logs_on_failure(pair: Pair) -> Iterator[None]:
    yield
    for seat in pair.seats:
        print(seat.name, pair.identity(seat), seat.program.tail(), sep="\n")


def test_a_killed_leader_is_followed_within_twenty_seconds(pair: Pair, provoked: None) -> None:
    leader, standby = pair.ensure_two()
    began = time.time()
    wait_for(lambda: pair.acted(leader, since=began), seconds=10, what="the leader to write")
    assert standby.get("/readyz")[0] == 200 and pair.acted(standby, since=0.0) is None

    killed = time.time()
    leader.program.kill()
    took = wait_for(lambda: pair.took_over(standby, since=killed), seconds=30, what="the standby to take over")
    acted = wait_for(lambda: pair.acted(standby, since=killed), seconds=20, what="the standby to write")
    print(f"SIGKILL: Lease after {took - killed:.1f} s, first write after {acted - killed:.1f} s")
    assert took - killed <= 20.0
    assert one_after_the_other(pair.acts(since=began)) == [pair.identity(leader), pair.identity(standby)]


def test_a_leader_told_to_stop_is_followed_within_three_seconds(pair: Pair, provoked: None) -> None:
    leader, standby = pair.ensure_two()
    began = time.time()
    wait_for(lambda: pair.acted(leader, since=began), seconds=10, what="the leader to write")

    stopped = time.time()
    leader.program.terminate()
    took = wait_for(lambda: pair.took_over(standby, since=stopped), seconds=20, what="the standby to take over")
    acted = wait_for(lambda: pair.acted(standby, since=stopped), seconds=20, what="the standby to write")
    print(f"SIGTERM: Lease after {took - stopped:.1f} s, first write after {acted - stopped:.1f} s")
    assert took - stopped <= 3.0
    assert leader.program.wait(10) == 0
    assert one_after_the_other(pair.acts(since=began)) == [pair.identity(leader), pair.identity(standby)]


class SlowLeases(KillingProxy):
    """Holds back what regards the Lease for two seconds, while told to."""

    slow = False

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        if self.slow and "/leases" in request.path:
            await asyncio.sleep(2.0)
        return await super()._forward(request)


def test_a_leader_that_was_paused_in_a_write_does_not_write_when_it_wakes(pair: Pair, provoked: None) -> None:
    """It is stopped as a write of its own arrives, which is answered 502: awake, it would try again at once, seconds
    before it can learn that it leads no more."""
    lab = pair.world.lab
    with SlowLeases(upstream=lab.api_url, ca_file=lab.ca_file, port=free_port()) as proxy:
        leader, standby = pair.leader_through(proxy.url)
        began = time.time()
        wait_for(lambda: pair.acted(leader, since=began), seconds=10, what="the leader to write")
        proxy.arm(1, before=True, kill=leader.program.freeze)
        assert proxy.killed.wait(10)
        wait_for(lambda: pair.acted(standby, since=began), seconds=30, what="the standby to write")

        proxy.slow = True
        leader.program.thaw()
        woken = time.time()
        wait_for(lambda: leader.get("/healthz")[0] == 200, seconds=20, what="the paused process to be alive")
        stays(standby.leads, seconds=8 * TICK, what="the new leader's lead")
        assert not leader.leads()
        assert {write.by for write in pair.acts(since=woken)} == {pair.identity(standby)}
        assert one_after_the_other(pair.acts(since=began)) == [pair.identity(leader), pair.identity(standby)]
        leader.program.kill()


def test_a_lease_deleted_under_load_leaves_one_writer(pair: Pair, provoked: None) -> None:
    leader, standby = pair.ensure_two()
    began = time.time()
    pair.api.delete(f"{LEASES}/tightrope")
    wait_for(lambda: pair.acted(leader, since=began + 5.0), seconds=20, what="the leader to go on")
    assert one_after_the_other(pair.acts(since=began)) == [pair.identity(leader)]
    assert pair.took_over(standby, since=began) is None


def test_a_leader_cut_off_from_the_api_server_has_stopped_when_another_one_begins(pair: Pair, provoked: None) -> None:
    """Silently: its connections stay open and nobody answers. When the way is open again, it has nothing to say."""
    port = free_port()
    relay = pair.relay(port)
    leader, standby = pair.leader_through(f"https://127.0.0.1:{port}")
    began = time.time()
    wait_for(lambda: pair.acted(leader, since=began), seconds=10, what="the leader to write")

    relay.freeze()
    wait_for(lambda: pair.acted(standby, since=began), seconds=30, what="the standby to write")
    assert not leader.leads()
    relay.kill()
    wait_for(lambda: relay.poll() is not None, seconds=10, what="the relay to end")
    pair.relay(port)
    healed = time.time()
    wait_for(lambda: leader.get("/readyz")[0] == 200, seconds=30, what="the one cut off to be ready again")
    stays(standby.leads, seconds=4 * TICK, what="the new leader's lead")
    assert {write.by for write in pair.acts(since=healed)} == {pair.identity(standby)}
    assert one_after_the_other(pair.acts(since=began)) == [pair.identity(leader), pair.identity(standby)]


def test_replacing_the_operator_process_by_process_changes_nothing_but_statuses(pair: Pair) -> None:
    old = pair.ensure_two()
    wait_for(lambda: ready(pair.world, NAMESPACE), seconds=60, what="a fleet that is ready")
    before = wait_for(lambda: steady(pair.world), seconds=90, what="a fleet that is steady")

    replaced = time.time()
    for leaving in reversed(old):
        joining = pair.start()
        leaving.program.terminate()
        assert leaving.program.wait(15) == 0, f"{leaving} did not leave for {joining}"
    leader, _ = pair.ensure_two()
    stays(lambda: total(pair.world, NAMESPACE) == before, seconds=10 * TICK, what="the fleet's size")
    assert leader.leads() and leader not in old
    assert {write.resource for write in pair.acts(since=replaced)} <= {"inferencedeployments", "computepools", "events"}


def steady(world: World) -> int:
    """The number of replicas, if it has not moved for ten ticks."""
    count, until = total(world, NAMESPACE), time.monotonic() + 10 * TICK
    while time.monotonic() < until:
        if total(world, NAMESPACE) != count:
            return 0
        time.sleep(0.5)
    return count
