"""Small replays for tests: one service, a made-up demand, and a policy that does what it is told."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import build

from tightrope.dataplane.curve import RateCurve
from tightrope.replay.assumptions import Assumptions
from tightrope.replay.demand import Demand
from tightrope.replay.profiles import server_of
from tightrope.replay.run import Case
from tightrope.replay.seat import PolicyKind, Seat


def case(
    points: Sequence[tuple[float, float]], *, seconds: float, gaps=(), service=None, pools=None, seed=0, **assumed: Any
) -> Case:
    """A replay of this rate curve; start-up takes exactly its time unless told otherwise."""
    service = service or build.service()
    demand = Demand(
        name="made up", duration_seconds=seconds, source="a test", curve=RateCurve(points), gaps=tuple(gaps)
    )
    servers = {variant.name: server_of(service, variant) for variant in service.variants}
    values: dict[str, Any] = {"servers": servers, "startup_cv": 0.0}
    return Case(
        service=service,
        pools=pools or build.pools(),
        demand=demand,
        assumptions=Assumptions(**(values | assumed)),
        seed=seed,
    )


class Told:
    """Asks what a function of the seat says, and remembers every seat's time and rate of arrivals."""

    def __init__(self, ask: Callable[[Seat], Mapping[str, int]]) -> None:
        self.ask = ask
        self.rates: list[tuple[float, float | None]] = []

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        self.rates.append((seat.now, seat.metrics.rate("arrivals", 60.0)))
        return self.ask(seat)


def told(
    ask: Callable[[Seat], Mapping[str, int]], *, period: float = 15.0, reach: str = "all pools"
) -> tuple[PolicyKind, list[Told]]:
    """A kind of policy that asks what the function says, and the policies that were built of it."""
    built: list[Told] = []

    def build_one(_: Any) -> Told:
        built.append(Told(ask))
        return built[-1]

    kind = PolicyKind(
        name="told", title="Told", source="a test", period_seconds=period, build=build_one, defaults={}, reach=reach
    )
    return kind, built
