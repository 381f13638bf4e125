"""How much of a plan may stand on nodes that can be taken back: `spot.maxPercent`."""

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.allocate import Bounds, Option, candidates
from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory, Persisted, ServiceMemory
from tightrope.domain.plan import Decision, Reason
from tightrope.domain.spec import CapacityType

NOW = 10_000.0
POOLS = {
    "spot": build.pool("spot", price_per_node_hour=0.06, capacity_type=CapacityType.SPOT),
    "cpu": build.pool("cpu"),
}


def option(name: str, *, demand: float, limit: int = 100, capacity: float = 25.0) -> Option:
    return Option(name=name, pool=POOLS[name], capacity=capacity, demand=demand, limit=limit, per_node=1)


def best(share: float, *, demand: float, spot: int = 100, cpu: int = 100) -> dict[str, int]:
    options = [option("spot", demand=demand, limit=spot), option("cpu", demand=demand, limit=cpu)]
    return dict(candidates(options, Bounds(least=1, most=40, spot_share=share))[0].replicas)


@pytest.mark.parametrize(
    ("share", "plan"),
    [(1.0, {"spot": 5}), (0.5, {"spot": 2, "cpu": 3}), (0.2, {"spot": 1, "cpu": 4}), (0.0, {"cpu": 5})],
)
def test_no_more_than_its_share_of_a_plan_stands_on_spot(share: float, plan: dict[str, int]) -> None:
    assert best(share, demand=125.0) == plan


def test_the_demand_comes_first_where_the_others_have_no_room() -> None:
    assert best(0.5, demand=125.0, cpu=1) == {"spot": 4, "cpu": 1}
    assert best(0.0, demand=125.0, cpu=0) == {"spot": 5}


@given(
    share=st.floats(0, 1),
    demand=st.floats(1, 900),
    room=st.tuples(st.integers(0, 30), st.integers(0, 30)),
    slower=st.floats(0.5, 1.0),
)
def test_losing_all_spot_leaves_the_rest_that_was_asked_for(
    share: float, demand: float, room: tuple[int, int], slower: float
) -> None:
    """Whatever the prices: what is not on spot is at least what the share leaves, as far as there is room for it."""
    options = [
        option("spot", demand=demand, limit=room[0]),
        option("cpu", demand=demand, limit=room[1], capacity=25.0 * slower),
    ]
    bounds = Bounds(least=1, most=40, spot_share=share)
    mixes = candidates(options, bounds)
    if not mixes or mixes[0].shortfall > 0:
        return
    lasting, total = mixes[0].replicas.get("cpu", 0), mixes[0].total
    assert lasting >= min(total - bounds.on_spot(total), room[1]) or mixes[0].beyond_spot
    within = [mix for mix in mixes if mix.shortfall <= 0 and not mix.beyond_spot]
    assert mixes[0].beyond_spot == 0 or not within


def decided(
    share: float, *, wanted: dict[str, int], plan: dict[str, int] | None = None, rolling_out: bool = False
) -> Decision:
    """The decision of a service with the same server on spot and on lasting nodes, settled for a long time."""
    one = build.service(variants=(build.variant("spot"), build.variant("cpu")), spot_share=share)
    before = plan or {name: count for name, count in wanted.items() if count}
    memory = ServiceMemory(persisted=Persisted(plan=before), healthy_since=0.0)
    states = {name: build.state(count, rolling_out=rolling_out) for name, count in wanted.items()}
    decisions, _ = decide(
        services=[one],
        pools=POOLS,
        observations={one.key: build.observation(NOW, 90.0, states)},
        memory=Memory(services={one.key: memory}),
        now=NOW,
        tick_seconds=15.0,
        metrics_delay_seconds=15.0,
    )
    return decisions[one.key]


def test_a_fleet_on_spot_alone_moves_part_of_itself_make_before_break() -> None:
    decision = decided(0.5, wanted={"spot": 6, "cpu": 0})

    assert decision.plan == {"spot": 2, "cpu": 3}
    assert decision.reason is Reason.HOLD_MAKE_BEFORE_BREAK and "spot stays until" in decision.message
    counts = {"spot": 6} | {write.variant: write.replicas for write in decision.writes}
    assert counts["cpu"] == 3 and counts["spot"] * 25.0 >= 90.0, "what carries the demand stays"
    cheaper = next(one for one in decision.alternatives if set(one.replicas) == {"spot"})
    assert "more on spot than spot.maxPercent allows" in cheaper.why_not


def test_where_nothing_must_stay_the_reason_is_the_share() -> None:
    decision = decided(0.5, wanted={"spot": 2, "cpu": 3}, plan={"spot": 5})

    assert decision.reason is Reason.SPOT_SHARE
    assert decision.message.startswith("Less on spot, as spot.maxPercent asks: ")


def test_a_share_that_can_wait_waits_for_a_rollout() -> None:
    decision = decided(0.5, wanted={"spot": 6, "cpu": 0}, rolling_out=True)

    assert set(decision.plan) == {"spot"}
    assert any("a rollout is in flight" in one.why_not for one in decision.alternatives)


def test_without_a_share_the_cheapest_stands() -> None:
    decision = decided(1.0, wanted={"spot": 6, "cpu": 0})

    assert set(decision.plan) == {"spot"}
