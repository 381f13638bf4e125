"""Properties of `decide` on arbitrary inputs and on whole random episodes."""

import math
from dataclasses import replace

import build
from build import KEY
from episode import Episode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tightrope.domain.allocate import carried
from tightrope.domain.decide import decide
from tightrope.domain.memory import Memory
from tightrope.domain.observation import Known, Missing, Observation, Stale, VariantState
from tightrope.domain.plan import Decision
from tightrope.domain.spec import Behavior, CapacityPrior, Pool, Service

rates = st.floats(min_value=0.0, max_value=1e6, allow_nan=False)
signals = st.one_of(
    st.builds(Known, value=rates, at=st.just(1000.0)),
    st.builds(Missing, reason=st.just("silent"), at_least=st.one_of(st.none(), rates)),
    st.builds(Stale, age_seconds=st.floats(0, 1e5)),
)


@st.composite
def states(draw: st.DrawFn) -> VariantState:
    wanted = draw(st.one_of(st.none(), st.integers(0, 30)))
    pods = draw(st.integers(0, 30))
    ready = draw(st.integers(0, min(pods, wanted or 0)))
    unschedulable = draw(st.integers(0, pods - ready))
    total = draw(rates)
    return VariantState(
        wanted=wanted,
        ready=ready,
        pods=pods,
        serving_demand=draw(signals),
        outcomes=draw(st.one_of(st.none(), st.just(build.outcomes(total, total * draw(st.floats(0, 1)))))),
        utilisation=draw(signals),
        rolling_out=draw(st.booleans()),
        unschedulable=unschedulable,
        unschedulable_since=draw(st.floats(0, 1000)) if unschedulable else None,
        refused=draw(st.one_of(st.none(), st.just("exceeded quota"))),
        other_writer=draw(st.one_of(st.none(), st.none(), st.just("kubectl"))),
        startup_seconds=tuple(draw(st.lists(st.floats(0, 1e4), max_size=3))),
    )


@st.composite
def services(draw: st.DrawFn) -> Service:
    low = draw(st.integers(0, 10))
    prior = st.one_of(
        st.none(), st.builds(CapacityPrior, rate_per_second=st.floats(0.1, 1e4), at_seconds=st.floats(0.01, 10))
    )
    return build.service(
        min_replicas=low,
        max_replicas=draw(st.integers(max(low, 1), 60)),
        variants=(build.variant("cpu", capacity=draw(prior)), build.variant("gpu", capacity=draw(prior))),
        behavior=Behavior(
            descent_window_seconds=draw(st.floats(0, 600)), descent_percent_per_minute=draw(st.floats(1, 1000))
        ),
    )


@st.composite
def situations(draw: st.DrawFn) -> tuple[Service, Observation]:
    total = draw(rates)
    seen = Observation(
        at=1000.0,
        demand=draw(signals),
        gateway_demand=draw(signals),
        variants={"cpu": draw(states()), "gpu": draw(states())},
        outcomes=draw(st.one_of(st.none(), st.just(build.outcomes(total, total * draw(st.floats(0, 1)))))),
    )
    return draw(services()), seen


def decided(service: Service, seen: Observation, pools: dict[str, Pool] | None = None) -> Decision:
    decisions, _ = decide(
        services=[service],
        pools=pools or build.pools(),
        observations={service.key: seen},
        memory=Memory(),
        now=1000.0,
        tick_seconds=15.0,
        metrics_delay_seconds=15.0,
    )
    return decisions[KEY]


def after_writes(seen: Observation, decision: Decision) -> dict[str, int]:
    counts = {name: state.wanted or 0 for name, state in seen.variants.items()}
    return counts | {write.variant: write.replicas for write in decision.writes}


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(situations())
def test_any_input_gives_a_decision_within_max_with_finite_numbers(situation: tuple[Service, Observation]) -> None:
    service, seen = situation
    decision = decided(service, seen)

    contested = any(state.other_writer for state in seen.variants.values())
    assert contested or sum(after_writes(seen, decision).values()) <= service.max_replicas
    assert math.isfinite(decision.cost_per_hour)
    assert all(write.replicas >= 0 for write in decision.writes)
    assert decision.message.endswith(".")


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(situations())
def test_missing_data_never_lowers_a_variant_unless_max_commands_it(situation: tuple[Service, Observation]) -> None:
    service, seen = situation
    decision = decided(service, seen)

    wanted = sum(state.wanted or 0 for state in seen.variants.values())
    if decision.blind is not None and wanted <= service.max_replicas:
        assert all(write.replicas > write.previous for write in decision.writes)


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(situations())
def test_a_second_look_at_the_result_writes_nothing_more(situation: tuple[Service, Observation]) -> None:
    service, seen = situation
    calm = {
        name: replace(state, refused=None, unschedulable=0, unschedulable_since=None, other_writer=None)
        for name, state in seen.variants.items()
    }
    seen = replace(seen, variants=calm)
    memory = Memory()
    for _ in range(2):
        decisions, memory = decide(
            services=[service],
            pools=build.pools(),
            observations={service.key: seen},
            memory=memory,
            now=1000.0,
            tick_seconds=15.0,
            metrics_delay_seconds=15.0,
        )
        first = decisions[KEY]
        counts = after_writes(seen, first)
        seen = replace(
            seen, variants={name: replace(state, wanted=counts[name]) for name, state in seen.variants.items()}
        )

    assert not any(write.replicas < write.previous for write in first.writes)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(0, 500), st.floats(0, 500), st.integers(1, 20))
def test_more_demand_never_plans_less_capacity(one: float, other: float, running: int) -> None:
    low, high = sorted((one, other))
    capacities = {"cpu": 19.3, "gpu": 231.0}
    carries = []
    for demand in (low, high):
        state = build.state(running, serving_demand=Known(value=demand, at=1000.0))
        decision = decided(build.service(), build.observation(1000.0, demand, {"cpu": state, "gpu": build.state(0)}))
        carries.append(carried(decision.plan, capacities))

    assert carries[1] >= min(carries[0], high)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(1, 400), st.floats(0.05, 5.0), st.floats(1.0, 10.0))
def test_a_higher_price_never_draws_load_to_that_pool(demand: float, price: float, factor: float) -> None:
    def on_gpu(price: float) -> bool:
        pools = {"cpu": build.pool("cpu"), "gpu": build.pool("gpu", price_per_node_hour=price)}
        states = {"cpu": build.state(None), "gpu": build.state(None)}
        seen = replace(build.observation(1000.0, demand, states))
        return "gpu" in decided(build.service(), seen, pools).plan

    assert on_gpu(price) or not on_gpu(price * factor)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(situations(), st.sampled_from([0.01, 3.0, 1000.0]))
def test_another_currency_changes_no_plan(situation: tuple[Service, Observation], factor: float) -> None:
    service, seen = situation
    dear = {
        name: replace(pool, price_per_node_hour=pool.price_per_node_hour * factor)
        for name, pool in build.pools().items()
    }

    assert decided(service, seen).plan == decided(service, seen, dear).plan


@st.composite
def curves(draw: st.DrawFn) -> list[float]:
    return draw(st.lists(st.floats(0, 280), min_size=4, max_size=8))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    levels=curves(),
    outage=st.integers(0, 3000),
    stop=st.integers(0, 3000),
    start=st.tuples(st.integers(5, 90), st.integers(5, 240)),
)
def test_random_days_never_break_a_promise(levels: list[float], outage: int, stop: int, start: tuple[int, int]) -> None:
    """Within bounds always; no descent while blind; a switch never leaves less than it found or than it needs."""
    span = 3600.0 / (len(levels) - 1)

    def demand(t: float) -> float:
        i = min(int(t / span), len(levels) - 2)
        return levels[i] + (levels[i + 1] - levels[i]) * min((t - i * span) / span, 1.0)

    episode = Episode(
        service=build.service(max_replicas=30),
        pools=build.pools(),
        true_capacity={"cpu": 25.0, "gpu": 300.0},
        start_seconds={"cpu": float(start[0]), "gpu": float(start[1])},
        demand=demand,
        blind=lambda t: outage < t < outage + 300,
    )
    episode.run(stop)
    episode.restart()
    episode.run(3600 - stop, start=float(stop))

    for row in episode.rows:
        decision = row["decision"]
        wanted = sum(row["wanted"].values())
        assert 1 <= wanted <= 30
        lowered = [write for write in decision.writes if write.replicas < write.previous]
        if decision.blind is not None:
            assert not lowered
        if lowered:
            capacities = {name: belief.capacity_low or 0.0 for name, belief in decision.beliefs.items()}
            needed = min(decision.covered_demand or 0.0, carried(decision.plan, capacities))
            left = carried(row["ready"], capacities)
            assert left >= min(needed, carried(row["ready_before"], capacities)) - 1e-6


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(situations(), st.booleans())
def test_the_order_of_variants_and_pools_changes_nothing(situation: tuple[Service, Observation], both: bool) -> None:
    service, seen = situation
    turned = replace(service, variants=tuple(reversed(service.variants)))
    pools = dict(reversed(build.pools().items())) if both else build.pools()
    states = dict(reversed(seen.variants.items()))

    one, other = decided(service, seen), decided(turned, replace(seen, variants=states), pools)
    assert (one.plan, one.writes, one.reason) == (other.plan, other.writes, other.reason)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(situations())
def test_a_plan_costs_what_its_nodes_cost(situation: tuple[Service, Observation]) -> None:
    service, seen = situation
    decision, pools = decided(service, seen), build.pools()

    per_node = {v.name: max(pools[v.pool].replicas_per_node(v.requests), 1) for v in service.variants}
    nodes = {name: math.ceil(count / per_node[name]) for name, count in decision.plan.items()}
    assert decision.cost_per_hour == sum(nodes[name] * pools[name].price_per_node_hour for name in nodes)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(situations())
def test_growth_never_goes_over_a_pool(situation: tuple[Service, Observation]) -> None:
    service, seen = situation
    small = {name: replace(pool, max_nodes=7) for name, pool in build.pools().items()}

    for write in decided(service, seen, small).writes:
        assert write.replicas <= max(
            write.previous, 7 * small[write.variant].replicas_per_node(service.variant(write.variant).requests)
        )
