"""Every way a switch can go: the real `decide` beside a small world, breadth first over what may happen to it.

A state is what the cluster shows and what the decision remembers, with times counted in ticks and cut off where they
no longer matter, so that there are finitely many. Moves are what a tick may bring: pods that become ready or do not
yet, a pod that fails, a pool without room, a restart of the operator, and a tick without data.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import build
from build import KEY

from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory, ServiceMemory
from tightrope.domain.observation import Known, Missing, Observation, VariantState
from tightrope.domain.plan import Decision
from tightrope.domain.spec import Pool, Service

TICK = 15.0
REST_TICKS = 8  # longer than any window or dwell of the services explored


@dataclass(frozen=True)
class World:
    """Replicas by variant, ready and starting, and which pools take no pod now."""

    ready: tuple[tuple[str, int], ...]
    starting: tuple[tuple[str, int], ...]
    closed: frozenset[str] = frozenset()

    def counts(self, name: str) -> tuple[int, int]:
        return dict(self.ready)[name], dict(self.starting)[name]

    def wanted(self) -> dict[str, int]:
        return {name: ready + dict(self.starting)[name] for name, ready in self.ready}

    def with_counts(self, name: str, ready: int, starting: int) -> "World":
        return replace(
            self,
            ready=tuple((other, ready if other == name else count) for other, count in self.ready),
            starting=tuple((other, starting if other == name else count) for other, count in self.starting),
        )

    def started(self) -> "World":
        """All pods that have a node are ready."""
        world = self
        for name, count in self.starting:
            if name not in self.closed:
                world = world.with_counts(name, world.counts(name)[0] + count, 0)
        return world

    def written(self, decision: Decision) -> "World":
        """After the writes; pods that are not ready go first."""
        world = self
        for write in decision.writes:
            ready, _ = world.counts(write.variant)
            kept = min(ready, write.replicas)
            world = world.with_counts(write.variant, kept, write.replicas - kept)
        return world


@dataclass(frozen=True)
class State:
    world: World
    memory: Memory
    now: float
    faults_left: int

    def key(self) -> tuple[object, ...]:
        """What tells states apart; ages in ticks, cut off where nothing depends on them any more."""
        own = self.memory.of(KEY)
        plan = tuple(sorted((own.persisted.plan or {}).items()))
        # Waits double for as long as a pool stays closed: after the second one they differ in nothing but length.
        offs = sorted(own.persisted.back_offs.items())
        waits = tuple(
            (n, min(math.ceil((b.retry_at - self.now) / TICK), 2), min(b.wait_seconds, 60.0)) for n, b in offs
        )
        # The services explored have windows of two ticks, a dwell of four, and descents in one step.
        window = tuple(tuple(sorted(planned.items())) for _, planned in own.planned)
        ages = (self.age(own.healthy_since, 2), self.age(own.persisted.last_switch_at, 4))
        return (self.world, self.faults_left, plan, waits, window, ages)

    def age(self, at: float | None, most: int) -> int | None:
        return None if at is None else min(round((self.now - at) / TICK), most)


@dataclass
class Exploration:
    """All states that can be reached from a fleet with so many faults; `visited` has each with how it was reached."""

    service: Service
    pools: Mapping[str, Pool]
    demand: float
    true_capacity: Mapping[str, float]
    decisions: int = 0
    settled: dict[tuple[object, ...], World] = field(default_factory=dict)

    def start(self, fleet: Mapping[str, int], faults: int) -> State:
        names = sorted(variant.name for variant in self.service.variants)
        world = World(tuple((n, fleet.get(n, 0)) for n in names), tuple((n, 0) for n in names))
        state = State(world, Memory(), 1000.0, 0)
        # The operator has known this fleet for a while, so that the first move can be any.
        for _ in range(4):
            _, memory = self.decided(state, blind=False)
            kept = replace(memory.of(KEY), persisted=replace(memory.of(KEY).persisted, plan=dict(fleet)))
            state = replace(state, memory=Memory(services={KEY: kept}), now=state.now + TICK)
        return replace(state, faults_left=faults)

    def moves(self, state: State) -> Iterator[tuple[str, State, bool]]:
        """What a tick may bring, before the decision: its name, the state then, and whether data is missing."""
        for progress in (True, False):
            world = state.world.started() if progress else state.world
            if not progress and world == state.world.started():
                continue
            then, speed = replace(state, world=world), "" if progress else " slowly"
            yield "tick" + speed, then, False
            if state.faults_left == 0:
                continue
            then = replace(then, faults_left=state.faults_left - 1)
            yield "blind" + speed, then, True
            own = ServiceMemory(persisted=state.memory.of(KEY).persisted)
            yield "restart" + speed, replace(then, memory=Memory(services={KEY: own})), False
            for name, ready in world.ready:
                starting = world.counts(name)[1]
                if ready:
                    failed = world.with_counts(name, ready - 1, starting + 1)
                    yield f"fail {name}{speed}", replace(then, world=failed), False
                if name not in world.closed and state.world.counts(name)[1]:  # it matters to who is to start
                    closed = replace(world, closed=world.closed | {name})
                    yield f"close {name}{speed}", replace(then, world=closed), False
        if state.world.closed:
            yield "open", replace(state, world=replace(state.world, closed=frozenset())), False

    def decided(self, state: State, *, blind: bool) -> tuple[Decision, Memory]:
        self.decisions += 1
        decisions, memory = decide(
            services=[self.service],
            pools=self.pools,
            observations={KEY: self.seen(state, blind=blind)},
            memory=state.memory,
            now=state.now,
            tick_seconds=TICK,
            metrics_delay_seconds=TICK,
        )
        return decisions[KEY], memory

    def seen(self, state: State, *, blind: bool) -> Observation:
        ready = sum(count for _, count in state.world.ready)
        if blind or ready == 0:
            states = {name: self.pods(state, name, None) for name, _ in state.world.ready}
            return build.observation(state.now, None, states)
        states = {name: self.pods(state, name, self.demand / ready) for name, _ in state.world.ready}
        return build.observation(state.now, self.demand, states)

    def pods(self, state: State, name: str, load: float | None) -> VariantState:
        ready, starting = state.world.counts(name)
        stuck = starting if name in state.world.closed else 0
        return build.state(
            ready + starting,
            ready,
            serving_demand=Missing(reason="-") if load is None else Known(value=load * ready, at=state.now),
            unschedulable=stuck,
            unschedulable_since=state.now - 10 * TICK if stuck else None,
        )

    def after(self, state: State, *, blind: bool) -> tuple[Decision, State]:
        decision, memory = self.decided(state, blind=blind)
        return decision, replace(state, world=state.world.written(decision), memory=memory, now=state.now + TICK)

    def explored(self, start: State, ticks: int) -> Iterator[tuple[tuple[str, ...], State, Decision, State]]:
        """Every step there is within so many ticks: the moves that led to it, the state before the decision, the
        decision, and the state after."""
        known, waiting = {start.key()}, [((), start)]
        for _ in range(ticks):
            later = []
            for path, state in waiting:
                for name, moved, blind in self.moves(state):
                    decision, then = self.after(moved, blind=blind)
                    yield (*path, name), moved, decision, then
                    if then.key() not in known:
                        known.add(then.key())
                        later.append(((*path, name), then))
            waiting = later

    def end(self, state: State, ticks: int) -> World | None:
        """Where it comes to rest without further faults; None if it does not within so many ticks. A state from which
        one came to rest before is not followed again."""
        followed, quiet, end = [], 0, None
        state = replace(state, world=replace(state.world, closed=frozenset()), faults_left=0)
        for _ in range(ticks):
            end = self.settled.get(state.key())
            if end is not None:
                break
            followed.append(state.key())
            moved = replace(state, world=state.world.started())
            _, state = self.after(moved, blind=False)
            quiet = quiet + 1 if state.world == moved.world else 0
            if quiet == REST_TICKS:
                end = state.world
                break
        if end is not None:
            self.settled.update(dict.fromkeys(followed, end))
        return end
