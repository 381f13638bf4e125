"""Small replays for tests: one service, a made-up demand, and a policy that does what it is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import build

from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.tokens import TokenMix
from tightrope.domain.spec import LatencyObjective
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


LLM = LlmModel(
    step_base_seconds=0.02, step_per_sequence_seconds=0.001, prefill_base_seconds=0.03, batch_limit=16,
    cache_tokens=5_000, queue_limit=50, timeout_seconds=20.0,
)  # fmt: skip
CHAT = TokenMix(mean_input_tokens=200.0, cv_input=0.8, mean_output_tokens=50.0, cv_output=0.6)


def llm_case(points: Sequence[tuple[float, float]], *, seconds: float, **assumed: Any) -> Case:
    """The same of a language model: 90 % of answers whole within 4 s; a GPU replica's steps are twice as fast as those
    of a CPU one. What they carry was measured with `llm_capacity`."""
    twice = replace(LLM, step_base_seconds=0.01, prefill_base_seconds=0.015)
    values: dict[str, Any] = {
        "service": build.service(objective=LatencyObjective(threshold_seconds=4.0, percent=90.0)),
        "servers": {"cpu": LLM, "gpu": twice},
        "lengths": CHAT,
        "measured": {"cpu": 6.0, "gpu": 9.9},
    }
    return case(points, seconds=seconds, **(values | assumed))


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
