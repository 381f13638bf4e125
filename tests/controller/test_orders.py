"""What a decision asks of the cluster: disruption budgets and replacements, judged before anything is written."""

from typing import Any

import build
import pytest

from tightrope.controller.facts import ClusterFacts, WorkloadRef, WorkloadState
from tightrope.controller.observe import WorkloadFacts
from tightrope.controller.orders import BudgetChange, Order, budget_change, digest_of, replacement_ready, with_digest
from tightrope.controller.ownership import ReplicasRight
from tightrope.controller.store import Snapshot
from tightrope.domain.memory import Persisted
from tightrope.domain.plan import Decision, Reason, SetReplicas


def decision(plan: dict[str, int], *writes: SetReplicas, required: int = 0, blind: str | None = None) -> Decision:
    return Decision(
        key=build.KEY, plan=plan, writes=writes, reason=Reason.STEADY, message="-", required_ready=required,
        covered_demand=1.0, cost_per_hour=1.0, beliefs={}, persisted=Persisted(), blind=blind,
    )  # fmt: skip


def workload(name: str, wanted: int, *, owned: bool = True) -> WorkloadState:
    ref = WorkloadRef(
        variant=name, kind="Deployment", name=f"sentiment-{name}", accelerator="nvidia.com/gpu", owned=owned
    )
    facts = WorkloadFacts(variant=name, kind="Deployment", name=ref.name, wanted=wanted, ready=wanted)
    return WorkloadState(ref=ref, wire=None, right=ReplicasRight(), facts=facts)


class Parsed:
    class service:
        key = build.KEY


class Member:
    parsed = Parsed


def order(
    made: Decision, *, ready: dict[str, int], wanted: dict[str, int] | None = None, held: int | None = None,
    targets: tuple[str, ...] = (),
) -> Order:  # fmt: skip
    wanted = wanted if wanted is not None else ready
    budget = {"metadata": {"name": "sentiment", "namespace": "nlp"}, "spec": {"minAvailable": held}}
    budgets: dict[str, Any] = {} if held is None else {"b": budget}
    states = {name: build.state(wanted[name], count) for name, count in ready.items()}
    return Order(
        member=Member,  # type: ignore[arg-type]
        pools={},
        cluster=ClusterFacts(workloads={n: workload(n, count, owned=n not in targets) for n, count in wanted.items()}),
        observation=build.observation(0.0, 10.0, states),
        decision=made,
        snapshot=Snapshot({"PodDisruptionBudget": budgets}),
        now=0.0,
    )


def test_one_pod_fewer_than_must_be_ready_may_not_be_evicted() -> None:
    made = decision({"cpu": 5}, required=4)
    assert budget_change(order(made, ready={"cpu": 5})) == BudgetChange(min_available=3, lowers=True)


def test_a_need_that_falls_without_a_descent_leaves_the_budget_alone() -> None:
    made = decision({"cpu": 5}, required=3)
    assert budget_change(order(made, ready={"cpu": 5}, held=4)).min_available == 4


def test_a_descent_lowers_it_first() -> None:
    made = decision({"cpu": 3}, SetReplicas(variant="cpu", replicas=3, previous=5), required=3)
    assert budget_change(order(made, ready={"cpu": 5}, held=4)) == BudgetChange(min_available=2, lowers=True)


def test_growth_raises_it_last() -> None:
    made = decision({"cpu": 8}, required=8)
    assert budget_change(order(made, ready={"cpu": 8}, held=4)) == BudgetChange(min_available=7, lowers=False)


def test_it_never_asks_for_all_pods_or_no_drain_could_end() -> None:
    made = decision({"cpu": 3}, required=3)
    assert budget_change(order(made, ready={"cpu": 3}, held=5)).min_available == 2


def test_pods_of_targets_are_not_ours_to_protect() -> None:
    made = decision({"cpu": 2, "old": 3}, required=5)
    assert budget_change(order(made, ready={"cpu": 2, "old": 3}, targets=("old",))).min_available == 1
    assert budget_change(order(made, ready={"old": 3}, targets=("old",))) is None


@pytest.mark.parametrize(
    ("made", "ready", "expected"),
    [
        (decision({"gpu": 2}), {"gpu": 2}, True),
        (decision({"gpu": 2}), {"gpu": 1}, False),
        (decision({"gpu": 2}, blind="demand is unknown"), {"gpu": 2}, False),
        (decision({}), {"gpu": 0}, False),
    ],
    ids=["all ready", "one is missing", "data is missing", "nothing is planned"],
)
def test_what_is_removed_waits_for_all_that_is_planned_instead(
    made: Decision, ready: dict[str, int], expected: bool
) -> None:
    assert replacement_ready(order(made, ready=ready)) is expected


def test_the_digest_is_of_the_content_not_of_its_order_or_of_itself() -> None:
    manifest = {"metadata": {"name": "a", "labels": {"x": "1", "y": "2"}}, "spec": {"b": 1}}
    turned = {"spec": {"b": 1}, "metadata": {"labels": {"y": "2", "x": "1"}, "name": "a"}}
    assert digest_of(manifest) == digest_of(turned)
    assert with_digest(manifest)["metadata"]["annotations"] == {"tightrope.dev/applied": digest_of(manifest)}
    assert digest_of({**manifest, "spec": {"b": 2}}) != digest_of(manifest)
