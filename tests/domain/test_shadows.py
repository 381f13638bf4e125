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


def play(rates, *, bases=None, server: Server = SERVER, tick: float = 15.0):
    """All rules over these rates; every base is the demand of this moment unless given."""
    state = None
    for index, rate in enumerate(rates):
        values = np.full(len(NAMES), float(rate)) if bases is None else bases(index, float(rate))
        demanded = shadows.demands(values, server, least=float(rate))
        state = state or shadows.begun(demanded, float(rate), server, now=0.0)
        state = shadows.played(state, rate=float(rate), seconds=tick, server=server)
        state = shadows.asking(state, demanded, server, now=tick * (index + 1), tick_seconds=tick)
    return state, demanded


def chosen(state, demanded, level: float, server: Server = SERVER) -> int:
    return shadows.chosen(state, demanded, Pressure(), server, level=level, terms=TERMS)


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
    demanded = shadows.demands(np.full(len(NAMES), 80.0), server, least=80.0)
    state = shadows.begun(demanded, 80.0, server, now=0.0)
    return float(demanded[chosen(state, demanded, 80.0, server)])


def test_before_anything_was_seen_there_is_room_to_spare_and_more_if_replicas_start_slowly() -> None:
    assert 80.0 < first_asked(20.0) < first_asked(900.0)


def test_a_rule_that_rounding_saved_is_not_trusted_when_demand_grows() -> None:
    large = replace(SERVER, planned=200.0, believed=200.0)
    state, _ = play([15.0] * 3000, server=large)
    demanded = shadows.demands(np.full(len(NAMES), 150.0), large, least=0.0)

    assert demanded[chosen(replace(state, chosen=-1), demanded, 150.0, large)] >= 150.0


def test_a_debt_makes_the_plan_larger() -> None:
    noisy = 80.0 + 25.0 * np.random.default_rng(3).standard_normal(4000).clip(-2, 2)
    state, demanded = play(noisy.tolist())
    calm, burning = Pressure(rate=80.0, seconds=DAY), Pressure(rate=80.0, seconds=DAY, recent=1e9, whole=1e6)

    def asked(pressure: Pressure) -> float:
        rule = shadows.chosen(replace(state, chosen=-1), demanded, pressure, SERVER, level=80.0, terms=TERMS)
        return float(demanded[rule])

    assert asked(burning) > asked(calm)


def test_no_rule_is_over_max_or_under_min_and_nodes_are_paid_whole() -> None:
    shared = replace(SERVER, least=2, most=7, per_node=4)
    state, _ = play([1000.0] * 10, server=shared)

    assert state.asked.min() >= 2 and state.asked.max() <= 7
    assert np.all(shadows.billed(state.asked[:, -1], shared) == 8)


def test_a_rule_reads_as_words() -> None:
    assert shadows.rule_name(6) == "1.06 x the demand of this moment"
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
    extra = shadows.needs(shadows.demands(np.full(len(NAMES), 80.0), SERVER, least=80.0), SERVER)
    per_tick = (state.cost[more] - state.cost[one]) / (extra[more] - extra[one])
    assert per_tick == pytest.approx(3600.0, rel=0.05)
