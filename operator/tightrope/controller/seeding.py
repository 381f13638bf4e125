"""The past of services, read from Prometheus and lived through: a few of them beside each tick, until all are done.

`tick` calls `ask` and `lived` at every tick and never waits. Reading takes about eight queries a service, living
through it a tenth of a second: both have a budget, so that ten thousand services neither stall a tick nor load
Prometheus.
The newest services come first, then the dearest. What could not be read is tried again, and said.
"""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tightrope.api.parse import ParsedPool
from tightrope.controller.attribution import pod_pattern
from tightrope.controller.facts import ClusterFacts
from tightrope.controller.observe import HistoryRead, judged_history
from tightrope.controller.roster import Member
from tightrope.controller.telemetry import say
from tightrope.domain import seeding
from tightrope.domain.memory import Memory, Seeded
from tightrope.domain.seeding import Past
from tightrope.domain.situation import Clock as Moment
from tightrope.domain.spec import Pools, Service, ServiceKey
from tightrope.ports import Clock, Metrics, MetricsUnavailable, PodNames

SERVICES_A_TICK = 5  # with about eight queries each
DAY = 86_400.0  # of which what finished is read by five minutes, before that by the hour
SHARE_OF_TICK = 0.05  # of its period may go into living through what was read; one service at the least
# As long a start-up and its plan are held against a descent. After that it is a cold start, which is safe too.
AWAITED_SECONDS = 3600.0
SAYING_NOTHING_SECONDS = 600.0
_AGAIN_SECONDS, _LONGEST_WAIT_SECONDS = 60.0, 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A service whose past is to be read. `cost_per_hour` is what it costs now; `uid` tells it from a namesake."""

    uid: str
    key: ServiceKey
    preset: str
    pods: PodNames
    cost_per_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What Prometheus said of one service: its demand, and what finished, the younger the finer."""

    demand: Past
    finished: Sequence[HistoryRead]

    def past(self, service: Service) -> Past:
        """As the service's objectives judge it."""
        judged = {
            one.metric: [
                stretch
                for read in self.finished
                for found in read.pods.values()
                for stretch in judged_history(list(found.values()), one, read.step_seconds)
            ]
            for one in service.objectives
        }
        return replace(self.demand, outcomes=judged)


def wishes(
    members: Sequence[Member], cluster: Mapping[ServiceKey, ClusterFacts], pools: Mapping[str, ParsedPool]
) -> list[Wish]:
    """What to ask of these services."""
    return [
        Wish(
            uid=member.parsed.uid,
            key=member.parsed.service.key,
            preset=member.parsed.preset,
            pods=pods_of(member, cluster[member.parsed.service.key]),
            cost_per_hour=cost_of(member, cluster[member.parsed.service.key], pools),
        )
        for member in members
        if member.refs
    ]


def pods_of(member: Member, facts: ClusterFacts) -> PodNames:
    """The pods of its workloads, by their names and by what the cluster says, as a tick's samples are taken apart."""
    patterns = [pod_pattern(ref.kind, ref.name) for ref in member.refs]
    others = [pod.name for pod in facts.pods if not any(re.fullmatch(pattern, pod.name) for pattern in patterns)]
    return PodNames(member.parsed.service.key.namespace, "|".join([*patterns, *sorted(map(re.escape, others))]))


def cost_of(member: Member, facts: ClusterFacts, pools: Mapping[str, ParsedPool]) -> float:
    """What the service's replicas take of their nodes, currency an hour."""
    cost = 0.0
    for variant in member.parsed.service.variants:
        state, pool = facts.workloads.get(variant.name), pools[variant.pool].pool
        room = pool.room_per_node(variant)
        if state is not None and room > 0:
            cost += (state.facts.wanted or 0) / room * pool.price_per_node_hour
    return cost


class Seeding:
    """One reading at a time. `length_seconds` is how far back, 0 for not at all."""

    def __init__(self, *, metrics: Metrics, clock: Clock, length_seconds: float, tick_seconds: float) -> None:
        self._metrics, self._clock = metrics, clock
        self._length, self._budget = length_seconds, SHARE_OF_TICK * tick_seconds
        self._since: dict[str, float] = {}
        self._read: dict[str, Read] = {}
        self._reading: asyncio.Task[dict[str, Read]] | None = None
        self._not_before, self._wait = 0.0, _AGAIN_SECONDS
        self._failure: str | None = None

    def ask(self, wishes: Sequence[Wish], *, seeing: bool, now: float) -> None:
        """Notes what has been read, and begins to read for the first of these wishes. `seeing` is whether Prometheus
        answers at all."""
        self._since = {wish.uid: self._since.get(wish.uid, now) for wish in wishes}
        self._take(now)
        self._read = {uid: past for uid, past in self._read.items() if uid in self._since}
        due = [wish for wish in wishes if wish.uid not in self._read]
        idle = self._reading is None and len(self._read) < SERVICES_A_TICK
        if self._length > 0 and seeing and idle and due and now >= self._not_before:
            due.sort(key=lambda wish: (-self._since[wish.uid], -wish.cost_per_hour, wish.key))
            self._reading = asyncio.create_task(self._all(due[:SERVICES_A_TICK], now), name="seeding")

    def unknown(self, uid: str) -> str | None:
        """Why nothing is known yet of this service's past; None where it is, or where nothing is to be read."""
        if self._length <= 0 or uid not in self._since:
            return None
        if self._failure is not None:
            return f"its history could not be read ({self._failure}) and is tried again"
        return "its history is being read"

    def awaited(self, uid: str, *, now: float) -> bool:
        """Whether that is worth waiting for."""
        return self.unknown(uid) is not None and now - self._since[uid] < AWAITED_SECONDS

    def reading(self, uid: str, *, now: float) -> bool:
        """Whether its past will be known so soon that nothing is said of the SLO's window before."""
        return (
            self._failure is None and self.unknown(uid) is not None and now - self._since[uid] < SAYING_NOTHING_SECONDS
        )

    def lived(self, memory: Memory, services: Mapping[str, Service], *, pools: Pools, moment: Moment) -> Memory:
        """The memory with what was read, as far as the budget goes. `services` are by uid."""
        known, began = dict(memory.services), self._clock.monotonic()
        for uid in [uid for uid in self._read if uid in services]:
            service, read = services[uid], self._read.pop(uid)
            before = memory.of(service.key)
            try:
                past = read.past(service)
                known[service.key] = seeding.seeded(before, past, service=service, pools=pools, clock=moment)
            except Exception as error:  # one service's past is not the others' present
                say("the history of a service is left out", level=logging.ERROR, service=str(service.key), error=error)
                known[service.key] = replace(before, seeded=Seeded(seconds=0.0, missing_seconds=0.0))
            if self._clock.monotonic() - began >= self._budget:
                break
        return replace(memory, services=known)

    def _take(self, now: float) -> None:
        if self._reading is None or not self._reading.done():
            return
        reading, self._reading = self._reading, None
        error = None if reading.cancelled() else reading.exception()
        if reading.cancelled() or error is not None:
            self._not_before, self._wait = now + self._wait, min(2.0 * self._wait, _LONGEST_WAIT_SECONDS)
            if self._failure is None:
                say("history of services could not be read; it is tried again", level=logging.WARNING, why=str(error))
            self._failure = str(error or "interrupted")
            return
        if self._failure is not None:
            say("history of services is read again")
        self._failure, self._wait = None, _AGAIN_SECONDS
        self._read |= reading.result()

    async def _all(self, wishes: Sequence[Wish], now: float) -> dict[str, Read]:
        """What could be read; raises only if nothing could."""
        found: dict[str, Read] = {}
        for wish in wishes:
            try:
                found[wish.uid] = await self._one(wish, now)
            except MetricsUnavailable:
                if not found:
                    raise
                break
        return found

    async def _one(self, wish: Wish, now: float) -> Read:
        oldest = now - min(self._length, seeding.SECONDS_READ)
        fine = max(now - seeding.MINUTES_READ * 60.0, oldest)
        minutes = await self._metrics.earlier_demand(wish.preset, wish.pods, start=fine, end=now, step_seconds=60)
        finished = [
            await self._finished(wish, start=max(start, oldest), end=end, step_seconds=step)
            for start, end, step in ((now - DAY, now, 300), (oldest, now - DAY, 3600))
            if minutes and start < end
        ]
        if fine <= oldest:
            return Read(demand=Past(minutes=minutes), finished=finished)
        peaks = await self._metrics.earlier_demand(
            wish.preset, wish.pods, start=oldest, end=fine, step_seconds=300, within_seconds=60
        )
        return Read(demand=Past(minutes=minutes, peaks=peaks), finished=finished)

    async def _finished(self, wish: Wish, *, start: float, end: float, step_seconds: int) -> HistoryRead:
        pods = await self._metrics.history(
            [wish.preset], start=start, end=end, step_seconds=step_seconds, pods=wish.pods
        )
        return HistoryRead(step_seconds=step_seconds, pods=pods)
