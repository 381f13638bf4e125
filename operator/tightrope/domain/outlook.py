"""What demand to plan for, per variant: puts `bases`, `shadows`, `pressure` and `periods` together.

`situation` calls this at every tick, for all services together. The rule is chosen by what was known before the tick,
so that more demand now never means a smaller plan now; then the shadows play the tick.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tightrope.domain import performance, shadows
from tightrope.domain.accounts import hardest
from tightrope.domain.bases import Past, bases
from tightrope.domain.forecast import Forecast
from tightrope.domain.level import level_of
from tightrope.domain.memory import Account, LearnedCapacity, ServiceMemory
from tightrope.domain.observation import Known, Observation
from tightrope.domain.periods import period
from tightrope.domain.pressure import terms_of
from tightrope.domain.shadows import Came, Price, Server, Shadows
from tightrope.domain.spec import Metric, Objective, Service

SEEK_PERIOD_SECONDS = 3600.0
SIDE_BY_SIDE = 64  # variants: a dozen arrays of so many rows are a megabyte


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One variant's: the forecast, and the shadows that chose its rule, after this tick."""

    forecast: Forecast
    shadows: Shadows


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one service asks: an outlook for every variant in `servers`, each over its horizon (seconds). `came` is what
    came since the last tick, None where nobody knows."""

    service: Service
    memory: ServiceMemory
    accounts: Mapping[Metric, Account]
    servers: Mapping[str, Server]
    horizons: Mapping[str, float]
    came: Came | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One variant on its way: the rule is chosen from what `before` knows, for what `bases` say."""

    name: str
    server: Server
    horizon: float
    level: float
    least: float
    bases: NDArray[np.float64]
    before: Shadows | None
    price: Price
    came: Came | None


def with_period(memory: ServiceMemory, *, now: float) -> ServiceMemory:
    """The memory with the period of its demand, looked for once an hour."""
    last = memory.period_sought_at
    if last is not None and 0.0 <= now - last < SEEK_PERIOD_SECONDS:
        return memory
    return replace(memory, period=period(memory.history), period_sought_at=now)


def server_of(
    service: Service,
    belief: LearnedCapacity,
    *,
    objective: Objective,
    per_node: float,
    startup_seconds: float,
    averaged_seconds: float,
) -> Server:
    """A variant as the shadows see it."""
    return Server(
        planned=performance.planning_capacity(belief),
        believed=performance.median_capacity(belief),
        startup_seconds=startup_seconds,
        averaged_seconds=max(averaged_seconds, 1.0),
        per_node=per_node or 1,
        least=max(service.min_replicas, 1),
        most=service.max_replicas,
        objective=objective,
    )


def outlooks(asks: Sequence[Ask], *, now: float, tick_seconds: float) -> list[dict[str, Outlook]]:
    """The outlooks of every service that asks; empty for one without any demand sample.

    Many variants are worked out side by side, those of one objective together, since it says how misses rise with
    load. No more at once than a processor has room for near by.
    """
    found: list[dict[str, Outlook]] = [{} for _ in asks]
    kinds: dict[Objective, list[tuple[int, Row]]] = {}
    for number, ask in enumerate(asks):
        for row in rows_of(ask, now=now, tick_seconds=tick_seconds):
            kinds.setdefault(row.server.objective, []).append((number, row))
    for alike in kinds.values():
        for first in range(0, len(alike), SIDE_BY_SIDE):
            some = alike[first : first + SIDE_BY_SIDE]
            ahead = looked_ahead([row for _, row in some], now=now, tick_seconds=tick_seconds)
            for (number, row), outlook in zip(some, ahead, strict=True):
                found[number][row.name] = outlook
    return found


def rows_of(ask: Ask, *, now: float, tick_seconds: float) -> list[Row]:
    """A service's variants. A miss is worth what the objective that presses hardest makes of it, whichever binds the
    variant."""
    memory, service, servers = ask.memory, ask.service, ask.servers
    if not len(memory.demand) or not servers:
        return []
    times, rates = memory.demand.times, memory.demand.rates
    level = level_of(times, rates, averaged_seconds=max(server.averaged_seconds for server in servers.values()))
    past = Past(
        times=times,
        rates=rates,
        level=level,
        history=memory.history,
        period=memory.period,
        tick_seconds=tick_seconds,
    )
    values = bases(past, now=now, horizons=[ask.horizons[name] for name in servers])
    pressing = hardest(ask.accounts, service)
    pressing_terms = terms_of(service, pressing.objective)
    least = level * pressing.pressure.least_share(pressing_terms)
    prices = {
        objective: shadows.price_of(pressing.pressure.measured_by(pressing_terms, terms), terms)
        for objective in {server.objective for server in servers.values()}
        for terms in (terms_of(service, objective),)
    }
    return [
        Row(
            name=name,
            server=server,
            horizon=ask.horizons[name],
            level=level,
            least=least,
            bases=values[number],
            before=memory.shadows.get(name),
            price=prices[server.objective],
            came=ask.came,
        )
        for number, (name, server) in enumerate(servers.items())
    ]


def looked_ahead(rows: Sequence[Row], *, now: float, tick_seconds: float) -> list[Outlook]:
    """The outlooks of these variants, all of one objective."""
    servers, levels = [row.server for row in rows], [row.level for row in rows]
    demanded = shadows.demands(np.stack([row.bases for row in rows]), servers, least=[row.least for row in rows])
    known = [
        row.before or shadows.begun(demanded[number], row.level, row.server, now=now) for number, row in enumerate(rows)
    ]
    rules = shadows.chosen(known, demanded, servers, [row.price for row in rows], levels)
    known = [one if one.chosen == rule else replace(one, chosen=rule) for one, rule in zip(known, rules, strict=True)]
    return [
        Outlook(
            forecast=Forecast(
                level=row.level,
                upper=float(demanded[number, rule]),
                horizon_seconds=row.horizon,
                rule=shadows.rule_name(rule),
            ),
            shadows=lived,
        )
        for number, (row, rule, lived) in enumerate(
            zip(rows, rules, lived_on(known, rows, demanded, now=now, tick_seconds=tick_seconds), strict=True)
        )
    ]


def lived_on(
    known: Sequence[Shadows],
    rows: Sequence[Row],
    demanded: NDArray[np.float64],
    *,
    now: float,
    tick_seconds: float,
) -> list[Shadows]:
    """The shadows after this tick; a demand that nobody knows teaches nothing."""
    found, came = list(known), {number: row.came for number, row in enumerate(rows) if row.came is not None}
    if not came:
        return found
    seen = list(came)
    lived = shadows.after(
        [known[number] for number in seen],
        demanded if len(seen) == len(rows) else demanded[seen],
        [rows[number].server for number in seen],
        list(came.values()),
        now=now,
        tick_seconds=tick_seconds,
    )
    for number, one in zip(seen, lived, strict=True):
        found[number] = one
    return found


def known_rate(observation: Observation) -> float | None:
    """Arrivals per second; None where unknown, even in part."""
    return observation.demand.value if isinstance(observation.demand, Known) else None
