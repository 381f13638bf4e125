"""How a namespace's budget in money is dealt out to its services.

`decide` calls `dealt_out` once a tick, after the pools. Where all plans of a namespace cost no more than its budget,
they stand. Else what runs already or has to run (`min`) is paid first, and what is left of the budget goes to growth:
to the highest priority first, and among equals in the order of their names. Whoever gets less plans anew within its
allowance. Nothing that demand still needs is taken away: a budget stops growth, and that is all it does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tightrope.domain.allocate import larger
from tightrope.domain.propose import Proposal, cost_of, propose
from tightrope.domain.situation import Allowance, Situation, with_allowance
from tightrope.domain.spec import Mode, ServiceKey

Proposed = Mapping[ServiceKey, tuple[Situation, Proposal]]
_HAIR = 1e-9  # of currency an hour: sums of prices must not fall short by rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bill:
    """One service, currency an hour: `kept` for what runs or has to, `wished` with its proposal as well."""

    key: ServiceKey
    situation: Situation
    kept: float
    wished: float

    @property
    def turn(self) -> tuple[int, ServiceKey]:
        return (-self.situation.service.priority, self.key)


def dealt_out(proposed: Proposed, budgets: Mapping[str, float]) -> dict[ServiceKey, Allowance]:
    """What each service of a namespace over its budget may cost. `budgets` is currency an hour by namespace; all
    services of such a namespace count in one currency."""
    members: dict[str, list[ServiceKey]] = {}
    for key in proposed:
        if key.namespace in budgets:
            members.setdefault(key.namespace, []).append(key)
    found: dict[ServiceKey, Allowance] = {}
    for namespace, keys in members.items():
        wished = sum(spent(*proposed[key]) for key in keys)
        if wished > budgets[namespace] + _HAIR:
            found |= shared_out([bill(*proposed[key]) for key in keys], budgets[namespace])
    return found


def shared_out(bills: list[_Bill], budget: float) -> dict[ServiceKey, Allowance]:
    """The allowances of one namespace; none for a service that is not ours to change."""
    free = budget - sum(one.kept for one in bills)
    found: dict[ServiceKey, Allowance] = {}
    for one in sorted(bills, key=lambda one: one.turn):
        if one.situation.service.mode is not Mode.AUTO:
            continue
        most = one.kept + max(free, 0.0) + _HAIR
        limited = with_allowance(one.situation, Allowance(per_hour=most, of=budget, services=len(bills)))
        takes = one.wished if one.wished <= most else max(spent(limited, propose(limited)), one.kept)
        # What it leaves of its allowance is the next one's: it must not come back to it with room in another pool.
        found[one.key] = Allowance(per_hour=min(most, takes + _HAIR), of=budget, services=len(bills))
        free -= max(takes - one.kept, 0.0)
    return found


def bill(situation: Situation, proposal: Proposal) -> _Bill:
    """What a service costs at least and would cost. Without growth it costs what a budget of nothing leaves it."""
    nothing = Allowance(per_hour=0.0, of=0.0, services=1)
    kept = spent(situation, propose(with_allowance(situation, nothing)))
    return _Bill(key=situation.service.key, situation=situation, kept=kept, wished=spent(situation, proposal))


def spent(situation: Situation, proposal: Proposal) -> float:
    """Currency an hour of what runs and of what the proposal adds; of what runs alone where it is only shown."""
    counts = dict(situation.wanted)
    if situation.service.mode is Mode.AUTO:
        counts = larger(counts, proposal.plan)
    return cost_of(situation, counts)
