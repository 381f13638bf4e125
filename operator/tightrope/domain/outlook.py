"""What demand to plan for, per variant: puts `bases`, `shadows`, `pressure` and `periods` together for one service.

`situation` calls this at every tick. The rule is chosen by what was known before the tick, so that more demand now
never means a smaller plan now; then the shadows play the tick.
"""

from collections.abc import Mapping
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
from tightrope.domain.shadows import Server, Shadows
from tightrope.domain.spec import Metric, Objective, Service

SEEK_PERIOD_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One variant's: the forecast, and the shadows that chose its rule; `demanded` is what each rule would cover."""

    forecast: Forecast
    shadows: Shadows
    demanded: NDArray[np.float64]
    server: Server

    def after(self, *, rate: float | None, seconds: float, now: float, tick_seconds: float) -> Shadows:
        """The shadows after this tick; a demand that nobody knows teaches nothing."""
        if rate is None:
            return self.shadows
        seen = shadows.played(self.shadows, rate=rate, seconds=seconds, server=self.server)
        return shadows.asking(seen, self.demanded, self.server, now=now, tick_seconds=tick_seconds)


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


def outlooks(
    memory: ServiceMemory,
    servers: Mapping[str, Server],
    horizons: Mapping[str, float],
    *,
    service: Service,
    accounts: Mapping[Metric, Account],
    now: float,
    tick_seconds: float,
) -> dict[str, Outlook]:
    """The outlook of every variant in `servers`, each over its horizon (seconds); empty without any demand sample. A
    miss is worth what the objective that presses hardest makes of it, whichever binds the variant."""
    if not memory.demand:
        return {}
    times, rates = np.array(memory.demand).T
    averaged = max((server.averaged_seconds for server in servers.values()), default=1.0)
    level = level_of(times, rates, averaged_seconds=averaged)
    past = Past(
        times=times,
        rates=rates,
        level=level,
        history=memory.history,
        period=memory.period,
        tick_seconds=tick_seconds,
    )
    pressing = hardest(accounts, service)
    pressing_terms = terms_of(service, pressing.objective)
    least = level * pressing.pressure.least_share(pressing_terms)
    found: dict[str, Outlook] = {}
    for name, server in servers.items():
        demanded = shadows.demands(bases(past, now=now, horizon_seconds=horizons[name]), server, least=least)
        before = memory.shadows.get(name) or shadows.begun(demanded, level, server, now=now)
        terms = terms_of(service, server.objective)
        rule = shadows.chosen(
            before,
            demanded,
            pressing.pressure.measured_by(pressing_terms, terms),
            server,
            level=level,
            terms=terms,
        )
        found[name] = Outlook(
            forecast=Forecast(
                level=level,
                upper=float(demanded[rule]),
                horizon_seconds=horizons[name],
                rule=shadows.rule_name(rule),
            ),
            shadows=replace(before, chosen=rule),
            demanded=demanded,
            server=server,
        )
    return found


def known_rate(observation: Observation) -> float | None:
    """Arrivals per second; None where unknown, even in part."""
    return observation.demand.value if isinstance(observation.demand, Known) else None
