"""What namespaces say of money: their budgets, and what is wrong with one that cannot be kept. Pure; `tick` asks once.

A budget that cannot be read is not kept, and each service of the namespace says so: growth that an SLO needs is not
refused for a slip of the pen, and what nobody can read is not guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tightrope.api.conditions import Finding
from tightrope.api.invalid import SpecInvalid
from tightrope.api.namespacebudget import BUDGET, namespace_budget
from tightrope.controller.roster import Roster
from tightrope.controller.store import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceBudgets:
    """By namespace: currency an hour for all its services, and why a budget is not kept."""

    per_hour: Mapping[str, float] = field(default_factory=dict)
    invalid: Mapping[str, Finding] = field(default_factory=dict)


def namespace_budgets(snapshot: Snapshot, roster: Roster) -> NamespaceBudgets:
    """The budgets of all namespaces that have services. A namespace that has not been seen has none."""
    per_hour: dict[str, float] = {}
    invalid: dict[str, Finding] = {}
    for name, counted in currencies(roster).items():
        wire = snapshot.get("Namespace", "", name)
        try:
            amount = namespace_budget(wire["metadata"].get("annotations")) if wire is not None else None
        except SpecInvalid as error:
            invalid[name] = not_kept(f"Namespace {name}: {error}")
            continue
        if amount is None:
            continue
        if len(counted) > 1:
            invalid[name] = not_kept(
                f"Namespace {name}: {BUDGET} adds up services that count in {' and '.join(sorted(counted))}: use pools "
                "of one currency there"
            )
            continue
        per_hour[name] = amount
    return NamespaceBudgets(per_hour=per_hour, invalid=invalid)


def currencies(roster: Roster) -> dict[str, set[str]]:
    """By namespace, in what its services count; each counts in one."""
    found: dict[str, set[str]] = {}
    for member in roster.members:
        service = member.parsed.service
        found.setdefault(service.key.namespace, set()).add(roster.pools[service.variants[0].pool].pool.currency)
    return found


def not_kept(why: str) -> Finding:
    message = f"{why}; until then no budget is kept for the namespace"
    return Finding(type="BudgetValid", status="False", reason="BudgetInvalid", message=message)
