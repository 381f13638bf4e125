"""A namespace's budget in money: who may grow, as decisions show it and as a property of the dealing."""

import math
from collections.abc import Mapping, Sequence

import build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory
from tightrope.domain.plan import Decision, Reason
from tightrope.domain.spec import Mode, Pool, Service, ServiceKey

PRICE = 0.2  # of a node, which one replica fills


def on_cpu(name: str, namespace: str = "nlp", **overrides) -> Service:
    key = ServiceKey(namespace=namespace, name=name)
    return build.service(key=key, variants=(build.variant("cpu"),), **overrides)


def decided(
    services: Sequence[Service],
    demand: Mapping[str, float],
    running: Mapping[str, int],
    budgets: Mapping[str, float],
    pools: Mapping[str, Pool] | None = None,
) -> dict[str, Decision]:
    """One tick at which so many replicas on CPU run and are ready."""
    seen = {
        service.key: build.observation(
            1000.0, demand[service.key.name], {"cpu": build.state(wanted=running[service.key.name])}
        )
        for service in services
    }
    decisions, _ = decide(
        services=services, pools=pools or build.pools("cpu"), observations=seen, memory=Memory(), now=1000.0,
        tick_seconds=15.0, metrics_delay_seconds=15.0, budgets=budgets,
    )  # fmt: skip
    return {key.name: decision for key, decision in decisions.items()}


def planned(decisions: Mapping[str, Decision]) -> dict[str, int]:
    return {name: sum(decision.plan.values()) for name, decision in decisions.items()}


def test_a_budget_that_pays_for_everybody_changes_nothing() -> None:
    services, demand, running = [on_cpu("a"), on_cpu("b")], {"a": 90.0, "b": 40.0}, {"a": 1, "b": 1}

    assert decided(services, demand, running, {"nlp": 99.0}) == decided(services, demand, running, {})
    assert decided(services, demand, running, {"other": 0.1}) == decided(services, demand, running, {})


def test_a_higher_priority_grows_first_and_the_sentence_says_what_the_budget_costs() -> None:
    services = [on_cpu("a"), on_cpu("b", priority=5)]
    found = decided(services, {"a": 160.0, "b": 80.0}, {"a": 3, "b": 1}, {"nlp": 8 * PRICE})

    assert planned(found) == {"a": 3, "b": 5}
    assert found["a"].reason is Reason.MONEY_BUDGET
    assert "of the 1.60 USD/h of namespace nlp 0.60 USD/h are its share among 2 services, and" in found["a"].message
    assert found["a"].money_budget is not None and "would be good at" in found["a"].money_budget


def test_among_equals_the_order_of_names_decides_and_what_one_leaves_is_the_next_ones() -> None:
    services = [on_cpu("c"), on_cpu("b"), on_cpu("a")]
    found = decided(services, {"a": 40.0, "b": 160.0, "c": 160.0}, dict.fromkeys("abc", 1), {"nlp": 9 * PRICE})

    assert planned(found) == {"a": 3, "b": 5, "c": 1}


def test_the_minimum_of_each_wins_over_the_budget() -> None:
    services = [on_cpu("a", min_replicas=3), on_cpu("b", min_replicas=2)]
    found = decided(services, {"a": 160.0, "b": 160.0}, {"a": 0, "b": 0}, {"nlp": PRICE})

    assert planned(found) == {"a": 3, "b": 2}


def test_another_namespace_pays_for_itself() -> None:
    services = [on_cpu("a"), on_cpu("z", namespace="vision")]
    found = decided(services, {"a": 80.0, "z": 80.0}, {"a": 1, "z": 1}, {"nlp": 2 * PRICE})

    assert planned(found) == {"a": 2, "z": 5}


def test_its_own_budget_holds_where_it_is_the_smaller_one() -> None:
    services = [on_cpu("a", budget_per_hour=2 * PRICE), on_cpu("b")]
    found = decided(services, {"a": 160.0, "b": 160.0}, {"a": 1, "b": 1}, {"nlp": 5 * PRICE})

    assert planned(found) == {"a": 2, "b": 3}
    assert "budget.perHour allows 0.40 USD/h" in found["a"].message


def test_what_a_paused_service_runs_is_counted_and_what_it_would_run_is_not() -> None:
    services = [on_cpu("a", mode=Mode.PAUSED), on_cpu("b")]
    found = decided(services, {"a": 160.0, "b": 160.0}, {"a": 2, "b": 1}, {"nlp": 6 * PRICE})

    assert planned(found)["b"] == 4


def test_nodes_that_a_budget_leaves_are_another_namespaces() -> None:
    services = [on_cpu("a"), on_cpu("z", namespace="vision")]
    pools = {"cpu": build.pool("cpu", max_nodes=10)}
    demand, running = {"a": 160.0, "z": 150.0}, {"a": 1, "z": 1}

    assert planned(decided(services, demand, running, {}, pools)) == {"a": 5, "z": 5}
    found = planned(decided(services, demand, running, {"nlp": 2 * PRICE}, pools))
    assert found == {"a": 2, "z": 8}


raw_services = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 8), st.floats(0.0, 300.0), st.integers(-1, 1), st.booleans()),
    min_size=1,
    max_size=4,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    raw=raw_services,
    nodes=st.floats(0.0, 40.0),
    order=st.randoms(use_true_random=False),
    room=st.sampled_from([4, 7, 12, 200]),
)
def test_growth_never_costs_more_than_the_budget_and_takes_nothing_away(raw, nodes: float, order, room: int) -> None:
    services = [
        on_cpu(f"s{index}", min_replicas=least, priority=priority, mode=Mode.AUTO if auto else Mode.RECOMMEND)
        for index, (least, _, _, priority, auto) in enumerate(raw)
    ]
    running = {f"s{index}": count for index, (_, count, _, _, _) in enumerate(raw)}
    demand = {f"s{index}": rate for index, (_, _, rate, _, _) in enumerate(raw)}
    pools = {"cpu": build.pool("cpu", max_nodes=room)}
    free = planned(decided(services, demand, running, {}, pools))
    found = planned(decided(services, demand, running, {"nlp": nodes * PRICE}, pools))
    auto = [service for service in services if service.mode is Mode.AUTO]
    held = {service.key.name: running[service.key.name] for service in services}
    kept = held | {s.key.name: max(held[s.key.name], s.min_replicas) for s in auto}
    after = held | {s.key.name: max(held[s.key.name], found[s.key.name]) for s in auto}

    assert sum(after.values()) <= max(math.floor(nodes + 1e-6), sum(kept.values()))
    # Where the pool is short as well, what one may not pay for is another's.
    if room == 200:
        assert all(found[s.key.name] >= min(free[s.key.name], kept[s.key.name]) for s in auto)
    order.shuffle(services)
    assert planned(decided(services, demand, running, {"nlp": nodes * PRICE}, pools)) == found
