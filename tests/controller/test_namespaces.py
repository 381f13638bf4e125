"""A namespace's budget in money, from its annotation to replicas and conditions."""

import wire
from operation import Operation, operation

from tightrope.api.namespacebudget import BUDGET

CPU = [wire.variant("cpu")]


def shop(**pools: object) -> Operation:
    """Two services of one namespace, of which `ads` comes first."""
    return operation(
        wire.compute_pool("cpu"),
        wire.compute_pool("gpu", **pools),
        wire.inference_deployment("ads", variants=CPU),
        wire.inference_deployment("sentiment", variants=CPU if not pools else [wire.variant("gpu")]),
        ads=10.0,
        sentiment=10.0,
    )


def budget(op: Operation, amount: str) -> None:
    op.cluster.get("Namespace", "nlp", "")["metadata"]["annotations"] = {BUDGET: amount}
    op.cluster.touch("Namespace", "nlp", "")


async def test_a_namespace_grows_no_further_than_its_budget_and_the_condition_says_what_that_costs() -> None:
    op = shop()
    await op.tick(4)
    price = float(op.cluster.get("ComputePool", "cpu", "")["spec"]["price"]["perNodeHour"])
    budget(op, f"{5 * price:.2f}")
    op.demand |= {"ads": 60.0, "sentiment": 90.0}
    await op.tick(20)

    assert sum(op.cluster.replicas().values()) == 5
    condition = op.condition("CapacityAvailable")
    assert condition["reason"] == "MoneyBudget"
    assert "of namespace nlp" in condition["message"] and "would be good at" in condition["message"]
    assert op.condition("BudgetValid") is None


async def test_a_budget_that_cannot_be_read_is_not_kept_and_every_service_says_so() -> None:
    op = shop()
    await op.tick(4)
    budget(op, "lots")
    op.demand["sentiment"] = 90.0
    await op.tick(20)

    assert op.cluster.replicas()["sentiment-cpu"] >= 4
    for name in ("ads", "sentiment"):
        condition = op.condition("BudgetValid", name)
        assert (condition["status"], condition["reason"]) == ("False", "BudgetInvalid")
        assert "Namespace nlp: metadata.annotations[tightrope.dev/budget-per-hour]: 'lots'" in condition["message"]
    budget(op, "99")
    await op.tick(2)
    assert op.condition("BudgetValid") is None


async def test_amounts_of_two_currencies_are_not_added_up() -> None:
    op = shop(price={"perNodeHour": "0.80", "currency": "EUR"})
    budget(op, "1.00")
    await op.tick(4)

    assert "services that count in EUR and USD" in op.condition("BudgetValid")["message"]
