"""An operator that starts with history decides as one that has watched all the time."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from build import KEY, outcomes, pool, service, variant
from episode import Episode

from tightrope.domain import accounts, outlook, performance, seeding
from tightrope.domain.demand_history import DemandHistory
from tightrope.domain.memory import (
    Account,
    LearnedCapacity,
    Ledger,
    LedgerEntry,
    Memory,
    Persisted,
    Seeded,
    ServiceMemory,
    packed,
)
from tightrope.domain.pressure import Pressure
from tightrope.domain.seeding import Past
from tightrope.domain.shadows import SLOTS, rule_name
from tightrope.domain.situation import Clock, horizon, servers_of, times_known
from tightrope.domain.spec import CapacityPrior, Metric

HOUR, DAY = 3600.0, 86_400.0
MONDAY = 999_475_200.0
TICK = 60.0
HOURS = 10.0


def day_and_night(at: float) -> float:
    return 80.0 + 60.0 * math.sin(2 * math.pi * at / DAY) + noise(at)


def bursts(at: float) -> float:
    return (160.0 if at % 2220.0 < 400.0 else 40.0) + noise(at)


def steady(at: float) -> float:
    return 70.0 + noise(at)


def noise(at: float) -> float:
    return float(np.random.default_rng(int(at)).normal(0.0, 3.0))


CPU = variant("cpu", capacity=CapacityPrior(rate_per_second=12.0, at_seconds=0.3))
SERVICE = service(variants=(CPU,), max_replicas=60)
SETTLED = ServiceMemory(persisted=Persisted(capacities={"cpu": LearnedCapacity(log_mean=math.log(11.6), log_sd=0.05)}))
POOLS = {"cpu": pool("cpu", max_nodes=60, time_to_ready_seconds=100.0)}


def watching(demand: Callable[[float], float], hours: float) -> Episode:
    """An operator that has known for long what a replica carries, after so many hours of this demand."""
    return Episode(
        service=SERVICE,
        pools=POOLS,
        true_capacity={"cpu": 12.0},
        start_seconds={"cpu": 100.0},
        demand=demand,
        tick=TICK,
        memory=Memory(services={KEY: SETTLED}),
    ).run(hours * HOUR, start=MONDAY)


def past(demand: Callable[[float], float], hours: float, *, but: Callable[[float], bool] = lambda at: False) -> Past:
    """As Prometheus has it: by the minute for as long as is asked, before that the largest of each five."""
    end = MONDAY + hours * HOUR
    split = end - 60.0 * (seeding.MINUTES_READ // 5 * 5)
    minutes = [(at, demand(at)) for at in np.arange(MONDAY, end, 60.0).tolist() if not but(at)]
    old = [(at, rate) for at, rate in minutes if at < split]
    peaks: dict[float, float] = {}
    for at, rate in old:
        five = (at // 300.0 + 1) * 300.0
        peaks[five] = max(peaks.get(five, 0.0), rate)
    return Past(minutes=minutes[len(old) :], peaks=sorted(peaks.items()))


def clock(now: float) -> Clock:
    return Clock(now=now, tick_seconds=TICK, metrics_delay_seconds=TICK)


def begun_with(known: Past, persisted: ServiceMemory, hours: float) -> ServiceMemory:
    """A memory that knows what the status kept, and this past."""
    now = MONDAY + hours * HOUR
    fresh = ServiceMemory(persisted=persisted.persisted, accounts=persisted.accounts, last_tick_at=now - TICK)
    return seeding.seeded(fresh, known, service=SERVICE, pools=POOLS, clock=clock(now))


def would_stay(memory: ServiceMemory, rule: int, now: float) -> bool:
    """Whether this memory, following that rule, would go on with it."""
    held = replace(memory, shadows={"cpu": replace(memory.shadows["cpu"], chosen=rule)})
    known = accounts.adopted(held, SERVICE)
    servers = servers_of(
        SERVICE, known, accounts.binding(known), {}, {"cpu": 1.0}, times_known(SERVICE, POOLS, held), clock(now)
    )
    horizons = {"cpu": horizon(100.0, clock(now))}
    ask = outlook.Ask(service=SERVICE, memory=held, accounts=known, servers=servers, horizons=horizons, came=None)
    (ahead,) = outlook.outlooks([ask], now=now, tick_seconds=TICK)
    return ahead["cpu"].shadows.chosen == rule


@pytest.fixture
def known_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a replica was believed to carry at each time no history tells: here it is known from the start."""
    monkeypatch.setattr(performance, "learn", lambda belief, *_, **__: belief)


@pytest.mark.usefixtures("known_capacity")
@pytest.mark.parametrize("demand", [bursts, day_and_night])
def test_who_starts_with_history_has_seen_the_rules_do_what_who_has_watched_all_along_saw(
    demand: Callable[[float], float],
) -> None:
    before = watching(demand, HOURS).memory.of(KEY)
    found = begun_with(past(demand, HOURS), before, HOURS)
    ours, theirs = found.shadows["cpu"], before.shadows["cpu"]
    assert found.period == before.period
    assert ours.requests == pytest.approx(theirs.requests, rel=0.01)
    assert ours.cost == pytest.approx(theirs.cost, rel=0.02)
    assert ours.missed == pytest.approx(theirs.missed, rel=0.05)


@pytest.mark.usefixtures("known_capacity")
def test_who_starts_with_history_decides_as_who_has_watched_all_along() -> None:
    demand = steady
    watched = watching(demand, HOURS)
    before = watched.memory.of(KEY)
    found = begun_with(past(demand, HOURS), before, HOURS)
    rule = found.shadows["cpu"].chosen
    assert would_stay(before, rule, before.last_tick_at or 0.0), rule_name(rule)
    started = restarted(watched, found)
    for episode in (watched, started):
        episode.run(HOUR, start=MONDAY + HOURS * HOUR)
    plans = [[row["plan"]["cpu"] for row in one.rows[-60:]] for one in (watched, started)]
    assert max(abs(one - other) for one, other in zip(*plans, strict=True)) <= 1


def restarted(watched: Episode, memory: ServiceMemory) -> Episode:
    """The same cluster under an operator with this memory."""
    return replace(
        watched,
        memory=Memory(services={KEY: memory}),
        rows=[],
        pods={name: list(pods) for name, pods in watched.pods.items()},
        wanted=dict(watched.wanted),
    )


def test_without_any_history_it_is_a_cold_start_and_known_to_be_one() -> None:
    cold = begun_with(Past(), SETTLED, 1.0)
    assert cold.seeded == Seeded(seconds=0.0, missing_seconds=0.0)
    assert cold.shadows == {} and cold.history.largest(MONDAY, MONDAY + DAY) is None


def test_a_gap_is_unknown_and_said_and_never_a_time_without_demand() -> None:
    def away(at: float) -> bool:
        return MONDAY + 7 * HOUR <= at < MONDAY + 10 * HOUR

    known = past(steady, 26.0, but=away)
    whole, holed = (begun_with(one, SETTLED, 26.0) for one in (past(steady, 26.0), known))
    assert whole.seeded == Seeded(seconds=26 * HOUR, missing_seconds=0.0)
    assert holed.seeded == Seeded(seconds=26 * HOUR, missing_seconds=3 * HOUR)
    assert holed.history.largest(MONDAY + 7.5 * HOUR, MONDAY + 9.5 * HOUR) is None
    requests = [one.shadows["cpu"].requests for one in (whole, holed)]
    assert 0.85 < requests[1] / requests[0] < 0.95, "three hours fewer were lived through"
    assert (holed.shadows["cpu"].missed <= whole.shadows["cpu"].missed).all(), "no burst follows the gap"


def test_what_is_older_than_two_days_counts_as_the_most_of_five_minutes() -> None:
    found = begun_with(past(day_and_night, 100.0), SETTLED, 100.0)
    assert found.seeded == Seeded(seconds=100 * HOUR, missing_seconds=0.0)
    at = MONDAY + 10 * HOUR
    most = max(day_and_night(at + step) for step in np.arange(0.0, 300.0, 60.0))
    assert found.history.largest(at, at + 299.0) == pytest.approx(most)


def test_what_the_memory_saw_itself_stays_where_nothing_was_read() -> None:
    now = MONDAY + 26 * HOUR
    seen = [(now - 60.0 * minute, 200.0) for minute in range(10, 0, -1)]
    own = ServiceMemory(history=DemandHistory().recorded(seen), last_tick_at=now - 60.0)
    read = past(steady, 25.5)
    found = seeding.seeded(own, read, service=SERVICE, pools=POOLS, clock=clock(now))
    assert found.history.largest(now - 590.0, now - 60.0) == 200.0
    assert found.history.largest(now - 2 * HOUR, now - HOUR) == pytest.approx(70.0, rel=0.3)
    assert found.seeded == Seeded(seconds=26 * HOUR, missing_seconds=20 * 60.0)


def test_a_variant_of_unknown_capacity_learns_its_rules_from_now_on() -> None:
    unknown = replace(SERVICE, variants=(variant("cpu", capacity=None),))
    now = MONDAY + 26 * HOUR
    found = seeding.seeded(ServiceMemory(), past(steady, 26.0), service=unknown, pools=POOLS, clock=clock(now))
    assert found.shadows == {} and found.history.largest(now - DAY, now) is not None


def test_a_variant_that_the_service_no_longer_has_is_no_trouble() -> None:
    believed = {**SETTLED.persisted.capacities, "gone": LearnedCapacity(log_mean=5.0, log_sd=0.1)}
    found = begun_with(past(steady, 26.0), ServiceMemory(persisted=Persisted(capacities=believed)), 26.0)
    assert set(found.shadows) == {"cpu"}


def test_a_start_up_of_an_hour_is_handed_over_in_the_slots_that_ticks_go_on_with() -> None:
    slow = {"cpu": pool("cpu", max_nodes=60, time_to_ready_seconds=3600.0)}
    now = MONDAY + 26 * HOUR
    found = seeding.seeded(SETTLED, past(day_and_night, 26.0), service=SERVICE, pools=slow, clock=clock(now))
    asked = found.shadows["cpu"].asked
    assert len(asked) <= SLOTS + 1 and asked.min() >= 1


def test_the_debts_of_earlier_days_are_told_anew_and_nothing_is_counted_twice() -> None:
    now = MONDAY + 26 * HOUR
    late = [(MONDAY + hour * HOUR, HOUR, outcomes(70.0, 7.0)) for hour in range(26)]
    spent = replace(past(steady, 26.0), outcomes={Metric.LATENCY: late})
    own = LedgerEntry(start=now - HOUR, seconds=HOUR, total=70.0 * HOUR, good=70.0 * HOUR)
    account = Account(
        objective=SERVICE.objective,
        capacities=dict(SETTLED.persisted.capacities),
        ledger=Ledger(packed=packed([own])),
        pressure=Pressure(),
    )
    memory = replace(SETTLED, accounts={Metric.LATENCY: account})
    found = seeding.seeded(memory, spent, service=SERVICE, pools=POOLS, clock=clock(now)).accounts[Metric.LATENCY]
    day = [entry for entry in found.ledger if entry.start >= now - DAY]
    assert sum(entry.total for entry in day) == pytest.approx(70.0 * DAY)
    assert sum(entry.total - entry.good for entry in day) == pytest.approx(7.0 * (DAY - HOUR)), "its own hour was good"
    assert found.pressure.whole > 0.0, "ten times what is allowed was missed"
    untold = seeding.seeded(memory, past(steady, 26.0), service=SERVICE, pools=POOLS, clock=clock(now))
    assert untold.accounts[Metric.LATENCY] == account
