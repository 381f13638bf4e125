"""Spot nodes that are taken back: the pool backs off at once, longer each time, others carry the rest, it returns."""

from dataclasses import replace

import build
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.capacity_room import back_offs
from tightrope.domain.decide import decide
from tightrope.domain.memory import BackOff, Memory, Persisted, ServiceMemory
from tightrope.domain.observation import VariantState
from tightrope.domain.plan import Decision, Reason
from tightrope.domain.spec import CapacityType, Pool, Service

NOW = 10_000.0
SPOT, STEADY = build.variant("spot"), build.variant("cpu")


def pools(kind: CapacityType = CapacityType.SPOT) -> dict[str, Pool]:
    return {"spot": build.pool("spot", price_per_node_hour=0.06, capacity_type=kind), "cpu": build.pool("cpu")}


def backed_off(
    at: float, known: BackOff | None = None, *, lost_at: float | None, kind: CapacityType = CapacityType.SPOT
) -> BackOff | None:
    """What is remembered of the spot variant after a tick at which all it asks for is ready."""
    one = build.service(variants=(SPOT, STEADY))
    states = {"spot": build.state(4, taken_back_at=lost_at), "cpu": build.state(0)}
    seen = build.observation(at, 90.0, states)
    return back_offs(one, pools(kind), seen, {} if known is None else {"spot": known}, at).get("spot")


def decided(
    spot: VariantState, cpu: VariantState | None = None, *, variants: tuple = (SPOT, STEADY),
    kind: CapacityType = CapacityType.SPOT, demand: float = 90.0,
) -> Decision:  # fmt: skip
    """The decision of a service that ran four replicas on spot nodes."""
    one: Service = build.service(variants=variants)
    states = {"spot": spot, "cpu": cpu or build.state(0)}
    seen = build.observation(NOW, demand, {v.name: states[v.name] for v in variants})
    memory = Memory(services={one.key: ServiceMemory(persisted=Persisted(plan={"spot": 4}))})
    decisions, _ = decide(
        services=[one], pools=pools(kind), observations={one.key: seen}, memory=memory,
        now=NOW, tick_seconds=15.0, metrics_delay_seconds=15.0,
    )  # fmt: skip
    return decisions[one.key]


def half_lost(**overrides: object) -> VariantState:
    """Two of four pods lost their nodes; two others were created in their place and start."""
    return build.state(4, 2, taken_back_at=NOW - 5, **overrides)


def test_other_pools_carry_the_rest_from_the_tick_that_sees_nodes_go() -> None:
    decision = decided(half_lost())
    assert decision.plan["spot"] <= 2
    assert 25.0 * sum(decision.plan.values()) >= decision.covered_demand
    assert decision.reason is Reason.TAKEN_BACK
    assert decision.message.startswith("Spot nodes were taken back: ")
    assert decision.beliefs["spot"].taken_back


def test_what_is_ready_on_spot_nodes_stays_until_the_others_are_ready() -> None:
    assert {write.variant for write in decided(half_lost()).writes} == {"cpu"}


def test_without_another_variant_the_replicas_that_start_there_are_kept() -> None:
    decision = decided(half_lost(), variants=(SPOT,))
    assert decision.plan["spot"] >= 4
    assert not decision.writes or decision.writes[0].replicas >= 4


def test_nodes_of_other_pools_that_are_drained_change_nothing() -> None:
    drained = decided(half_lost(), kind=CapacityType.ON_DEMAND)
    assert drained == decided(build.state(4, 2), kind=CapacityType.ON_DEMAND)
    assert backed_off(NOW, lost_at=NOW - 5, kind=CapacityType.RESERVED) is None


def test_one_loss_is_counted_once() -> None:
    first = backed_off(NOW, lost_at=NOW - 5)
    assert first == BackOff(retry_at=NOW + 300, wait_seconds=300, taken_back=True)
    assert backed_off(NOW + 15, first, lost_at=NOW - 5) == first


def test_a_loss_during_the_wait_begins_it_anew() -> None:
    first = backed_off(NOW, lost_at=NOW - 5)
    again = backed_off(NOW + 60, first, lost_at=NOW + 50)
    assert again == BackOff(retry_at=NOW + 360, wait_seconds=300, taken_back=True)


def test_a_loss_soon_after_the_wait_doubles_it() -> None:
    first = backed_off(NOW, lost_at=NOW - 5)
    returned = backed_off(NOW + 400, first, lost_at=NOW - 5)
    assert returned == first
    assert backed_off(NOW + 430, returned, lost_at=NOW + 425).wait_seconds == 600


def test_a_pool_that_was_left_its_nodes_for_as_long_again_is_forgiven() -> None:
    first = backed_off(NOW, lost_at=NOW - 5)
    assert backed_off(NOW + 601, first, lost_at=NOW - 5) is None


def test_a_loss_of_long_ago_is_no_news_to_an_operator_that_starts() -> None:
    assert backed_off(NOW, lost_at=NOW - 1000) is None


def test_a_loss_marks_all_variants_on_the_pool() -> None:
    big = replace(SPOT, name="big")
    one = build.service(variants=(SPOT, big, STEADY))
    states = {"spot": half_lost(), "big": build.state(0), "cpu": build.state(0)}
    found = back_offs(one, pools(), build.observation(NOW, 90.0, states), {}, NOW)
    assert set(found) == {"spot", "big"}


@given(ready=st.integers(0, 4), demand=st.floats(0.1, 400.0), extra=st.integers(0, 3))
def test_a_loss_never_makes_the_plan_carry_less(ready: int, demand: float, extra: int) -> None:
    cpu = build.state(extra)
    calm, lost = (decided(build.state(4, ready, taken_back_at=at), cpu, demand=demand) for at in (None, NOW - 5))
    assert sum(lost.plan.values()) >= sum(calm.plan.values())
