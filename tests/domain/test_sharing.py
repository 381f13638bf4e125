"""Pools that are too small for all services: who gets what, as decisions show it and as properties of the dealing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import build
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory
from tightrope.domain.plan import Decision, Reason
from tightrope.domain.sharing import Share, Wish, shared
from tightrope.domain.spec import Pool, Service, ServiceKey


def key(name: str) -> ServiceKey:
    return ServiceKey(namespace="nlp", name=name)


def on_cpu(name: str, **overrides) -> Service:
    return build.service(key=key(name), variants=(build.variant("cpu"),), **overrides)


def decided(
    services: Sequence[Service],
    demand: Mapping[str, float],
    running: Mapping[str, int],
    pools: Mapping[str, Pool],
    history: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> dict[str, Decision]:
    """One tick at which so many replicas on CPU run and are ready, and nothing else does."""
    seen = {
        service.key: build.observation(
            1000.0,
            demand[service.key.name],
            {
                variant.name: build.state(wanted=running.get(service.key.name, 0) if variant.name == "cpu" else 0)
                for variant in service.variants
            },
            demand_history=tuple((history or {}).get(service.key.name, ())),
        )
        for service in services
    }
    decisions, _ = decide(
        services=services, pools=pools, observations=seen, memory=Memory(), now=1000.0, tick_seconds=15.0,
        metrics_delay_seconds=15.0,
    )  # fmt: skip
    return {found.name: decision for found, decision in decisions.items()}


def small(nodes: int) -> dict[str, Pool]:
    return {"cpu": build.pool("cpu", max_nodes=nodes)}


def planned(decisions: Mapping[str, Decision]) -> dict[str, int]:
    return {name: sum(decision.plan.values()) for name, decision in decisions.items()}


def test_with_room_for_everybody_each_gets_what_it_would_have_alone() -> None:
    services = [on_cpu("a"), on_cpu("b")]
    demand = {"a": 90.0, "b": 40.0}
    both = planned(decided(services, demand, {"a": 1, "b": 1}, small(20)))
    alone = {s.key.name: planned(decided([s], demand, {"a": 1, "b": 1}, small(20)))[s.key.name] for s in services}

    assert both == alone


def test_a_short_pool_leaves_equals_equally_short_whatever_their_names() -> None:
    services = [on_cpu("a"), on_cpu("b"), on_cpu("z")]
    # Each of them would have eight or so; there are twelve.
    found = planned(decided(services, dict.fromkeys("abz", 160.0), dict.fromkeys("abz", 1), small(12)))

    assert found == {"a": 4, "b": 4, "z": 4}


def test_whoever_is_furthest_from_what_it_needs_gets_the_next_node() -> None:
    found = planned(decided([on_cpu("a"), on_cpu("b")], {"a": 300.0, "b": 30.0}, {"a": 1, "b": 1}, small(12)))

    assert found["b"] == 2
    assert found["a"] == 10


def test_a_higher_priority_grows_first_and_takes_nothing_that_runs_for_the_demand_of_this_moment() -> None:
    services = [on_cpu("a"), on_cpu("b", priority=5)]
    found = decided(services, {"a": 160.0, "b": 160.0}, {"a": 3, "b": 1}, small(10))

    assert planned(found) == {"a": 3, "b": 7}
    assert found["a"].reason is Reason.POOL_FULL
    assert "of the 10 nodes of pool cpu 3 are its share among 2 services" in found["a"].message


def test_what_runs_for_a_demand_that_may_come_is_given_to_whoever_lacks_it_now() -> None:
    # A runs ten for 30/s, as after a burst that it remembers; b has one for 160/s. There are twelve.
    services = [on_cpu("a"), on_cpu("b")]
    burst = [(1000.0 - 15.0 * age, 240.0 if 4 < age < 12 else 30.0) for age in range(60, 0, -1)]
    found = decided(services, {"a": 30.0, "b": 160.0}, {"a": 10, "b": 1}, small(12), history={"a": burst})

    # Until a's have gone, b has what is free; its share is more.
    assert 2 <= found["a"].plan["cpu"] <= 4
    assert found["b"].plan["cpu"] == 2
    assert "of the 12 nodes of pool cpu 9 are its share" in found["b"].message


def test_whoever_gets_less_plans_anew_with_another_pool() -> None:
    pools = {"cpu": build.pool("cpu", max_nodes=6), "gpu": build.pool("gpu", price_per_node_hour=4.0)}
    both = replace(on_cpu("a"), variants=(build.variant("cpu"), build.variant("gpu")))
    found = decided([both, on_cpu("b", priority=1)], {"a": 100.0, "b": 100.0}, {"a": 1, "b": 1}, pools)

    assert found["b"].plan == {"cpu": 5}
    assert found["a"].plan.get("gpu", 0) >= 1


wishes_strategy = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 9), st.integers(-1, 1), st.floats(1.0, 100.0)),
    min_size=1,
    max_size=6,
)


@given(raw=wishes_strategy, nodes=st.integers(0, 30), order=st.randoms(use_true_random=False))
def test_nobody_loses_what_it_needs_now_and_nothing_is_given_twice(raw, nodes: int, order) -> None:
    wishes = {
        key(f"s{index}"): Wish(
            key=key(f"s{index}"),
            priority=priority,
            held={"cpu": float(held)},
            wished={"cpu": float(held + more)},
            needed={"cpu": float(min(now, held + more))},
            per_node={"cpu": 10.0},
            demand=demand,
        )
        for index, (held, more, now, priority, demand) in enumerate(raw)
    }

    def again(name: ServiceKey, room: Mapping[str, Share]) -> Wish:
        return replace(wishes[name], wished={"cpu": min(wishes[name].wished["cpu"], room["cpu"].nodes)})

    pools = small(nodes)
    shares = shared(wishes, pools, again)
    holds = {
        name: shares[name]["cpu"].nodes if "cpu" in shares[name] else wish.wished["cpu"]
        for name, wish in wishes.items()
    }
    secured = {name: wish.secured("cpu") for name, wish in wishes.items()}
    wished = {name: wish.wished["cpu"] for name, wish in wishes.items()}

    assert all(secured[name] <= holds[name] <= wished[name] for name in wishes)
    if sum(wished.values()) > nodes and any(wish.grows("cpu") for wish in wishes.values()):
        assert sum(holds.values()) == max(nodes, sum(secured.values()))
        # Nobody has more than is its own while somebody of a higher priority wants more, or of the same needs it now.
        for name, wish in wishes.items():
            others = [other for other in wishes if holds[other] > secured[other]]
            if holds[name] < wished[name]:
                assert all(wishes[other].priority >= wish.priority for other in others)
            if holds[name] < wish.needed["cpu"]:
                equals = [other for other in others if wishes[other].priority == wish.priority]
                assert all(holds[other] <= wishes[other].needed["cpu"] for other in equals)
    shuffled = list(wishes.items())
    order.shuffle(shuffled)
    assert shared(dict(shuffled), pools, again) == shares
    assert not math.isnan(sum(holds.values()))
