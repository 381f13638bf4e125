"""The phases of a switch, each of them with everything that may happen in it."""

import build
import pytest
from exploration import Exploration, State, World

from tightrope.domain.allocate import carried
from tightrope.domain.plan import Decision
from tightrope.domain.spec import Behavior

CALM_TICKS = 120
TICKS = 7  # long enough for a switch to begin, to meet its fault, and to end
MOST = 4

# Why the fleet must change, what it is, its demand, and what it may be in the end: 19.3/s a CPU replica and 231/s a GPU
# replica are counted on. A fleet that had to go elsewhere, since its pool was full, does not come back for less than
# the overlap would cost.
SWITCHES = {
    "to the faster pool": ({"cpu": 3}, 50.0, [{"gpu": 1}]),
    "to the smaller pool": ({"gpu": 1}, 15.0, [{"cpu": 1}]),
    "to a smaller fleet": ({"cpu": 4}, 15.0, [{"cpu": 1}]),
    "to a larger fleet": ({"cpu": 1}, 30.0, [{"cpu": 2}, {"gpu": 1}]),
}


def explored(fleet: dict[str, int], demand: float) -> tuple[Exploration, State]:
    exploration = Exploration(
        service=build.service(
            min_replicas=1,
            max_replicas=MOST,
            behavior=Behavior(
                descent_window_seconds=15.0, switch_min_dwell_seconds=60.0, descent_percent_per_minute=400.0
            ),
        ),
        pools={
            "cpu": build.pool("cpu", max_nodes=4, time_to_ready_seconds=15.0),
            "gpu": build.pool("gpu", max_nodes=2, time_to_ready_seconds=15.0, price_per_node_hour=0.45),
        },
        demand=demand,
        true_capacity={"cpu": 25.0, "gpu": 300.0},
    )
    return exploration, exploration.start(fleet, faults=2)


def broken_promise(exploration: Exploration, moved: State, decision: Decision, then: State) -> str | None:
    """What this step did that it must not; faults themselves may, the decision may not."""
    service, before, after = exploration.service, moved.world.wanted(), then.world.wanted()
    if sum(after.values()) > service.max_replicas:
        return "over max"
    if any(after[name] > exploration.pools[name].max_nodes for name in after):
        return "over a pool"
    if sum(after.values()) < min(service.min_replicas, sum(before.values())):
        return "under min"
    lowered = [write for write in decision.writes if write.replicas < write.previous]
    if not lowered:
        return None
    if decision.blind is not None:
        return "a descent without data"
    capacities = {name: belief.capacity_low or 0.0 for name, belief in decision.beliefs.items()}
    needed = min(decision.covered_demand or 0.0, carried(decision.plan, capacities))
    had, left = carried(dict(moved.world.ready), capacities), carried(dict(then.world.ready), capacities)
    if left < min(needed, had) - 1e-6:
        return f"broke before it made: {had:.1f}/s ready, {needed:.1f}/s needed, {left:.1f}/s left"
    return None


@pytest.mark.parametrize("name", SWITCHES)
def test_two_faults_in_any_phase_break_no_promise_and_the_switch_comes_to_its_end(name: str) -> None:
    fleet, demand, goals = SWITCHES[name]
    exploration, start = explored(fleet, demand)

    ends = set()
    for path, moved, decision, then in exploration.explored(start, TICKS):
        broken = broken_promise(exploration, moved, decision, then)
        assert broken is None, f"{broken} after {' > '.join(path)}: {decision.message}"
        end = exploration.end(then, CALM_TICKS)
        assert end is not None, f"never at rest after {' > '.join(path)}"
        ends.add(end)
    assert goals[0] in [served_by(end) for end in ends]
    assert all(served_by(end) in goals for end in ends)


def served_by(end: World) -> dict[str, int]:
    return {name: count for name, count in end.wanted().items() if count}
