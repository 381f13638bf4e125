"""Rules played in the shadow of what comes: the cheapest that holds the objective is found, and soon."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tightrope.domain import shadows
from tightrope.domain.bases import NAMES
from tightrope.domain.pressure import Pressure, Terms
from tightrope.domain.shadows import MULTIPLIERS, RULES, Server
from tightrope.domain.spec import LatencyObjective

DAY = 86_400.0
OBJECTIVE = LatencyObjective(threshold_seconds=0.4, percent=99.0)
SERVER = Server(
    planned=10.0,
    believed=10.0,
    startup_seconds=120.0,
    averaged_seconds=60.0,
    per_node=1,
    least=1,
    most=100,
    objective=OBJECTIVE,
)


TERMS = Terms(objective=OBJECTIVE, window_seconds=DAY)
CALM = Pressure()


def play(rates, *, bases=None, server: Server = SERVER, tick: float = 15.0):
    """All rules over these rates; every base is the demand of this moment unless given."""
    state = None
    for index, rate in enumerate(rates):
        values = np.full(len(NAMES), float(rate)) if bases is None else bases(index, float(rate))
        demanded = covered(values, server, least=float(rate))
        state = state or shadows.begun(demanded, float(rate), server, now=0.0)
        came = shadows.Came(rate=float(rate), seconds=tick)
        now = tick * (index + 1)
        (state,) = shadows.after([state], demanded[None, :], [server], [came], now=now, tick_seconds=tick)
    return state, demanded


def covered(bases, server: Server, *, least: float) -> np.ndarray:
    return shadows.demands(bases[None, :], [server], least=[least])[0]


def after_a_day(rate: float, highest: float) -> np.ndarray:
    """Every base is the demand of this moment, and the most of a day what it is."""
    values = np.full(len(NAMES), rate)
    values[NAMES.index("the most of a day")] = highest
    return values


def chosen(state, demanded, level: float, server: Server = SERVER, pressure: Pressure = CALM) -> int:
    price = shadows.price_of(pressure, TERMS)
    (rule,) = shadows.chosen([state], demanded[None, :], [server], [price], [level])
    return rule


def multiplier(rule: int) -> float:
    return float(MULTIPLIERS[rule % len(MULTIPLIERS)])


def base(rule: int) -> str:
    return NAMES[rule // len(MULTIPLIERS)]


def test_on_steady_demand_the_dear_rules_lose() -> None:
    state, demanded = play([80.0] * 2000)

    assert demanded[chosen(state, demanded, 80.0)] <= 100.0


def test_a_rule_that_saw_the_burst_coming_wins_over_one_that_reacts() -> None:
    burst = [20.0 if index % 40 < 30 else 90.0 for index in range(3000)]

    def foreseeing(index: int, rate: float) -> np.ndarray:
        values = np.full(len(NAMES), rate)
        values[NAMES.index("the last round of its period")] = max(burst[index : index + 11], default=rate)
        return values

    state, demanded = play(burst, bases=foreseeing)

    assert base(chosen(state, demanded, 20.0)) == "the last round of its period"


def test_a_slow_start_makes_lean_rules_miss_and_a_fast_one_does_not() -> None:
    steps = [20.0 if (index // 40) % 2 else 80.0 for index in range(1500)]
    slow, _ = play(steps)
    fast, _ = play(steps, server=replace(SERVER, startup_seconds=15.0))

    lean = MULTIPLIERS.tolist().index(1.0)
    assert slow.missed[lean] > 2.0 * fast.missed[lean]


def first_asked(startup: float) -> float:
    server = replace(SERVER, startup_seconds=startup)
    demanded = covered(np.full(len(NAMES), 80.0), server, least=80.0)
    state = shadows.begun(demanded, 80.0, server, now=0.0)
    return float(demanded[chosen(state, demanded, 80.0, server)])


def test_before_anything_was_seen_there_is_room_to_spare_and_more_if_replicas_start_slowly() -> None:
    assert 80.0 < first_asked(20.0) < first_asked(900.0)


def test_a_rule_that_rounding_saved_is_not_trusted_when_demand_grows() -> None:
    large = replace(SERVER, planned=200.0, believed=200.0)
    state, _ = play([15.0] * 3000, server=large)
    demanded = covered(np.full(len(NAMES), 150.0), large, least=0.0)

    assert demanded[chosen(replace(state, chosen=-1), demanded, 150.0, large)] >= 150.0


def test_a_debt_makes_the_plan_larger() -> None:
    noisy = 80.0 + 25.0 * np.random.default_rng(3).standard_normal(4000).clip(-2, 2)
    state, demanded = play(noisy.tolist(), bases=lambda index, rate: after_a_day(rate, float(noisy[: index + 1].max())))
    calm, burning = Pressure(rate=80.0, seconds=DAY), Pressure(rate=80.0, seconds=DAY, recent=1e9, whole=1e6)

    def asked(pressure: Pressure) -> float:
        return float(demanded[chosen(replace(state, chosen=-1), demanded, 80.0, pressure=pressure)])

    assert asked(burning) > asked(calm)


def test_no_rule_is_over_max_or_under_min_and_nodes_are_paid_whole() -> None:
    shared = replace(SERVER, least=2, most=7, per_node=4)
    state, _ = play([1000.0] * 10, server=shared)

    assert state.asked.min() >= 2 and state.asked.max() <= 7
    assert np.all(shadows.billed(state.asked[-1], shared.per_node) == 8)


def test_a_bold_rule_asks_for_little_more_than_a_day_has_seen() -> None:
    calm, surge = (
        covered(after_a_day(rate, 80.0), replace(SERVER, averaged_seconds=1e9), least=0.0) for rate in (20.0, 80.0)
    )
    assert calm[:16].max() == pytest.approx(4.0 * 20.0, rel=1e-3)  # up to what the day has seen it is believed
    assert surge[:16].max() == pytest.approx(1.9 * 80.0, rel=1e-3)  # four times the record is not
    assert covered(after_a_day(50.0, 80.0), SERVER, least=0.0)[:16].max() < 110.0


def test_a_rule_reads_as_words() -> None:
    assert shadows.rule_name(6) == "1.06 x the demand of this moment"
    assert shadows.rule_name(14) == "3 x the demand of this moment (beyond 1.9 x it at most 1.3 x the most of a day)"
    assert len({shadows.rule_name(rule) for rule in range(RULES)}) == RULES


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(0, 1e5), min_size=1, max_size=30),
    st.floats(0.01, 1e4),
    st.floats(1, 1800),
    st.floats(50, 99.99),
)
def test_whatever_comes_the_account_stays_finite(
    rates: list[float], capacity: float, startup: float, percent: float
) -> None:
    objective = LatencyObjective(threshold_seconds=0.3, percent=percent)
    server = replace(SERVER, planned=capacity, believed=capacity, startup_seconds=startup, objective=objective)
    state, demanded = play(rates, server=server)

    for values in (state.cost, state.missed, state.backlog, demanded):
        assert np.all(np.isfinite(values)) and np.all(values >= 0)
    assert np.all(state.missed <= sum(rates) * 15.0 * (1 + 1e-9))
    assert 0 <= chosen(state, demanded, rates[-1], server) < RULES


def test_what_one_more_replica_costs_is_what_a_rule_is_charged() -> None:
    state, _ = play([80.0] * 240)

    one, more = MULTIPLIERS.tolist().index(1.0), MULTIPLIERS.tolist().index(1.2)
    extra = shadows.needs(covered(np.full(len(NAMES), 80.0), SERVER, least=80.0)[None, :], [SERVER])[0]
    per_tick = (state.cost[more] - state.cost[one]) / (extra[more] - extra[one])
    assert per_tick == pytest.approx(3600.0, rel=0.05)


def test_side_by_side_each_variant_is_played_as_alone() -> None:
    servers = [SERVER, replace(SERVER, planned=3.0, believed=4.0, per_node=4, startup_seconds=40.0)]
    rates = [20.0, 90.0, 55.0, 5.0] * 30
    alone = [play(rates, server=server) for server in servers]
    states = [None, None]
    for index, rate in enumerate(rates):
        bases = np.full((2, len(NAMES)), rate)
        demanded = shadows.demands(bases, servers, least=[rate, rate])
        states = [
            state or shadows.begun(demanded[row], rate, servers[row], now=0.0) for row, state in enumerate(states)
        ]
        came = [shadows.Came(rate=rate, seconds=15.0)] * 2
        states = shadows.after(states, demanded, servers, came, now=15.0 * (index + 1), tick_seconds=15.0)

    for state, (by_itself, _) in zip(states, alone, strict=True):
        for name in ("cost", "missed", "backlog", "asked"):
            np.testing.assert_array_equal(getattr(state, name), getattr(by_itself, name))


def test_after_a_day_what_was_supposed_is_forgotten_and_the_rule_stays() -> None:
    state, demanded = play([80.0] * 400)
    old = replace(state, prior_weight=1.001 * shadows.NO_WEIGHT)
    came = shadows.Came(rate=80.0, seconds=15.0)
    (after,) = shadows.after([old], demanded[None, :], [SERVER], [came], now=6015.0, tick_seconds=15.0)

    assert old.prior_cost.any()
    assert after.prior_weight == 0.0 and not after.prior_cost.any() and not after.prior_missed.any()
    assert chosen(after, demanded, 80.0) == chosen(old, demanded, 80.0)


def test_a_service_of_very_many_replicas_is_counted_whole() -> None:
    state, _ = play([1e6] * 3, server=replace(SERVER, most=200_000))

    assert state.asked.max() > 2**15
