"""What a service's memory would be had the operator watched it all along: its earlier demand, lived through again.

`controller.seeding` calls this once Prometheus has said what it knows. The demand of the last days goes through the
same rules as a tick's (`shadows`, by way of `hindsight`), with the capacities that are believed now: what a variant was
believed to carry two days ago no metric says. A stretch that nobody saw teaches nothing, and is told.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from tightrope.domain import accounts, hindsight, outlook, shadows
from tightrope.domain.demand_history import FIVE_MINUTES, FIVES_KEPT, MINUTE, MINUTES_KEPT, Track
from tightrope.domain.hindsight import Floats, Places, Record
from tightrope.domain.memory import Account, Seeded, ServiceMemory
from tightrope.domain.observation import Outcomes
from tightrope.domain.pressure import Pressure, terms_of
from tightrope.domain.shadows import Server, Shadows
from tightrope.domain.situation import Clock, horizon, infeasibilities, servers_of, times_known
from tightrope.domain.spec import Metric, Pools, Service

PLAYED_MINUTES = 2 * 24 * 60  # what is older counts for less than a quarter
MINUTES_READ = PLAYED_MINUTES + MINUTES_KEPT
SECONDS_READ = FIVES_KEPT * FIVE_MINUTES
STEP_MINUTES = 60  # how often the rule in charge is judged anew, and a period sought


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What Prometheus says of one service's demand: (unix seconds, arrivals per second), ascending; `minutes` each over
    the minute that ends there, `peaks` the largest minute of the five that end there, for longer ago. `outcomes` is
    what finished in earlier stretches (start, seconds, rates), per objective."""

    minutes: Sequence[tuple[float, float]] = field(default_factory=tuple)
    peaks: Sequence[tuple[float, float]] = field(default_factory=tuple)
    outcomes: Mapping[Metric, Sequence[tuple[float, float, Outcomes]]] = field(default_factory=dict)


def seeded(memory: ServiceMemory, past: Past, *, service: Service, pools: Pools, clock: Clock) -> ServiceMemory:
    """The memory with this past lived through. What the memory has seen itself stays; its shadows are told anew from
    all that is now known, as far as capacities are believed."""
    record = record_of(past, memory, now=clock.now)
    known = known_of(record) if past.minutes or past.peaks else None
    if known is None:
        return replace(memory, seeded=Seeded(seconds=0.0, missing_seconds=0.0))
    last = len(record.minutes) - 1
    told = {
        metric: accounts.with_earlier(account, past.outcomes.get(metric, ()), service, now=clock.now)
        for metric, account in accounts.adopted(memory, service).items()
    }
    whole = replace(memory, history=record.history(last), accounts=told, seeded=known)
    return replace(
        outlook.with_period(replace(whole, period_sought_at=None), now=clock.now),
        shadows={**memory.shadows, **lived(whole, record, service=service, pools=pools, clock=clock)},
    )


def record_of(past: Past, memory: ServiceMemory, *, now: float) -> Record:
    """All that is known of demand up to `now`: what was read, and where that is silent what the memory saw."""
    newest = int((now if memory.last_tick_at is None else memory.last_tick_at) // MINUTE)
    first = (newest - MINUTES_READ) // 5 * 5
    minutes = cells(past.minutes, width=MINUTE, first=first, count=newest - first + 1)
    minutes = np.where(np.isnan(minutes), laid_out(memory.history.minutes, first=first, count=len(minutes)), minutes)
    first_five = newest // 5 - FIVES_KEPT + 1
    ended = [(at - 1.0, rate) for at, rate in past.peaks]  # five minutes that end here began in the cell before
    fives = cells(ended, width=FIVE_MINUTES, first=first_five, count=FIVES_KEPT)
    fives = np.fmax(fives, cells(past.minutes, width=FIVE_MINUTES, first=first_five, count=FIVES_KEPT))
    fives = np.fmax(fives, laid_out(memory.history.fives, first=first_five, count=FIVES_KEPT))
    return Record(first=first, minutes=minutes, first_five=first_five, fives=fives)


def cells(samples: Sequence[tuple[float, float]], *, width: float, first: int, count: int) -> Floats:
    """The largest sample of each cell; NaN where there is none."""
    found = np.full(count, np.nan)
    if samples:
        times, rates = np.array(samples, dtype=np.float64).T
        places = (times // width).astype(np.intp) - first
        inside = (places >= 0) & (places < count)
        np.fmax.at(found, places[inside], rates[inside])
    return found


def laid_out(track: Track, *, first: int, count: int) -> Floats:
    """What the track has in the cells from number `first` on; NaN where it has nothing."""
    found = np.full(count, np.nan)
    if track.newest is not None:
        places = track.newest - len(track.values) + 1 - first + np.arange(len(track.values))
        inside = (places >= 0) & (places < count)
        found[places[inside]] = track.values[inside]
    return found


def known_of(record: Record) -> Seeded | None:
    """How much there is to live through; None if there is nothing."""
    seen = np.flatnonzero(~np.isnan(record.minutes))
    end = len(record.minutes)
    start = int(seen[0]) if len(seen) else end
    # Five minutes of which a minute is known count by the minute.
    older = np.flatnonzero(~np.isnan(record.fives[: (record.first + start) // 5 - record.first_five]))
    if len(older):
        start = 5 * (int(older[0]) + record.first_five) - record.first
    elif not len(seen):
        return None
    seconds = MINUTE * (end - start)
    missing = max(seconds - MINUTE * len(seen) - FIVE_MINUTES * len(older), 0.0)
    return Seeded(seconds=seconds, missing_seconds=missing)


def lived(memory: ServiceMemory, record: Record, *, service: Service, pools: Pools, clock: Clock) -> dict[str, Shadows]:
    """The shadows of every variant whose capacity is believed, after the last two days of the record."""
    known = accounts.adopted(memory, service)
    per_node = {v.name: pools[v.pool].room_per_node(v) for v in service.variants}
    bound_by = {name: objective for name, objective in accounts.binding(known).items() if name in per_node}
    times = times_known(service, pools, memory)
    servers = servers_of(service, known, bound_by, infeasibilities(service, known, per_node), per_node, times, clock)
    seen = np.flatnonzero(~np.isnan(record.minutes))
    places = seen[seen >= len(record.minutes) - PLAYED_MINUTES]
    if not servers or not len(places):
        return {}
    all_minutes = hindsight.of(
        record, averaged_seconds=2.0 * clock.metrics_delay_seconds, tick_seconds=clock.tick_seconds
    )
    steps = list(steps_of(all_minutes, places, known, memory, service))
    return {
        name: Life(server=server, horizon_seconds=horizon(times.used[name], clock), service=service).through(
            all_minutes, steps
        )
        for name, server in servers.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An hour of known minutes, and what was known when it began: the period, and the account that pressed hardest."""

    places: Places
    period: float | None
    pressing: Account


def steps_of(
    seen: hindsight.Hindsight,
    places: Places,
    known: Mapping[Metric, Account],
    memory: ServiceMemory,
    service: Service,
) -> list[Step]:
    """The hours to live through, oldest first."""
    found: list[Step] = []
    debts = {metric: Pressures(account=account, service=service) for metric, account in known.items()}
    for start in range(0, len(places), STEP_MINUTES):
        part = places[start : start + STEP_MINUTES]
        now = float(seen.times(part[:1])[0])
        then = replace(memory, history=seen.record.history(int(part[0])), period_sought_at=None)
        at_that_time = {metric: debt.until(now) for metric, debt in debts.items()}
        found.append(
            Step(
                places=part,
                period=outlook.with_period(then, now=now).period,
                pressing=accounts.hardest(at_that_time, service),
            )
        )
    return found


class Pressures:
    """The pressure of one account as it was at ascending times."""

    def __init__(self, *, account: Account, service: Service) -> None:
        self._account, self._entries, self._terms = account, list(account.ledger), terms_of(service, account.objective)
        self._pressure, self._place = Pressure(), 0

    def until(self, now: float) -> Account:
        """The account with its debts of that time (unix seconds)."""
        ledger = self._entries
        while self._place < len(ledger) and ledger[self._place].start + ledger[self._place].seconds <= now:
            self._pressure = accounts.after_entry(self._pressure, ledger[self._place], self._terms)
            self._place += 1
        return replace(self._account, pressure=self._pressure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One variant of a service through its past."""

    server: Server
    horizon_seconds: float
    service: Service

    def through(self, seen: hindsight.Hindsight, steps: Sequence[Step]) -> Shadows:
        """Its shadows after all steps."""
        now: Shadows | None = None
        answers = self.answers(seen, steps)
        slots = max(int(np.ceil(self.server.startup_seconds / MINUTE)), 0) + 1
        asked: shadows.Counts = np.empty((0, shadows.RULES), dtype=np.int16)
        for step, found in zip(steps, answers, strict=True):
            covered = self.covered(found, seen, step)
            rates, levels = seen.record.minutes[step.places], seen.levels[step.places]
            if now is None:
                began = float(seen.times(step.places[:1])[0])
                now = shadows.begun(covered[0], float(levels[0]), self.server, now=began)
                asked = now.asked
            now = self.judged(now, covered[0], float(levels[0]), step)
            asked = np.concatenate([asked[-slots:], shadows.needs(covered, [self.server])])
            now = shadows.played_through(now, asked, rates=rates, seconds=MINUTE, slots=slots, server=self.server)
        assert now is not None
        return self.handed_over(now, asked, float(seen.times(steps[-1].places[-1:])[0]))

    def answers(self, seen: hindsight.Hindsight, steps: Sequence[Step]) -> Iterator[Floats]:
        """The bases of each step. Those of all steps with one period are asked for together, which takes a tenth."""
        for period, alike in groupby(steps, key=lambda step: step.period):
            together = [step.places for step in alike]
            found = seen.bases(np.concatenate(together), horizon_seconds=self.horizon_seconds, period=period)
            yield from np.split(found, np.cumsum([len(places) for places in together])[:-1])

    def covered(self, answers: Floats, seen: hindsight.Hindsight, step: Step) -> Floats:
        """What each rule covers at each minute: (minutes, rules)."""
        share = step.pressing.pressure.least_share(terms_of(self.service, step.pressing.objective))
        return shadows.demands(answers, [self.server], least=(seen.levels[step.places] * share).tolist())

    def judged(self, now: Shadows, covered: Floats, level: float, step: Step) -> Shadows:
        """With the rule that is in charge from here on."""
        pressing_terms = terms_of(self.service, step.pressing.objective)
        terms = terms_of(self.service, self.server.objective)
        pressure = step.pressing.pressure.measured_by(pressing_terms, terms)
        price = shadows.price_of(pressure, terms)
        (rule,) = shadows.chosen([now], covered[None, :], [self.server], [price], [level])
        return replace(now, chosen=rule)

    def handed_over(self, now: Shadows, asked: shadows.Counts, at: float) -> Shadows:
        """As the ticks go on with it: what was asked for within the start-up time, in their slots."""
        width = max(MINUTE, self.server.startup_seconds / shadows.SLOTS)
        each = max(round(width / MINUTE), 1)
        recent = asked[-(shadows.SLOTS + 1) * each :]
        whole = recent[len(recent) % each :] if len(recent) >= each else recent
        slots = whole.reshape(-1, min(each, len(whole)), shadows.RULES).min(axis=1)
        return replace(now, asked=slots, slot_since=at)
