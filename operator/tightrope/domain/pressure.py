"""How hard the error budget presses: what a miss is worth now, and how many of them a rule may have had.

`shadows` chooses its rule with it. The objective is a constraint over a window, not at each instant: misses above the
allowance add to a queue of debts, good stretches pay it back, and the price of a miss rises with the debt (the
drift-plus-penalty method: M. J. Neely, Stochastic Network Optimization, 2010, chapter 4). `budgetPolicy` says between
which bounds all that moves.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tightrope.domain.spec import BudgetPolicy, Objective, Service

# A budget of a month is not spent in one week, and one of minutes is no reason to panic after seconds.
SHORTEST_WINDOW_SECONDS, LONGEST_WINDOW_SECONDS = 6 * 3600.0, 7 * 86_400.0
RECENT_SHARE = 0.1  # of the window: what the recent debt is measured against
RECENT_DEBTS = (-1.0, 2.0)
RATE_HALF_LIFE_SECONDS = 86_400.0
DEBT_WEIGHT = 4.0
ALLOWANCE_RANGE = (0.1, 4.0)
# Of what the recent part of the window allows: savings that are not for spending, and those from which all may be.
KEPT_SAVINGS, FULL_SAVINGS = 0.1, 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stance:
    """`aim` is the share of the allowance that is spent on purpose, the rest being for what no rule foresees; `price`
    multiplies what a miss is worth; `spendable` is the share of this moment's demand that may go uncovered while
    savings are full."""

    aim: float
    price: float
    spendable: float


STANCES: Mapping[BudgetPolicy, Stance] = {
    BudgetPolicy.PROTECT: Stance(aim=0.5, price=4.0, spendable=0.0),
    BudgetPolicy.BALANCED: Stance(aim=0.95, price=1.0, spendable=0.15),
    BudgetPolicy.SPEND: Stance(aim=0.98, price=0.5, spendable=0.25),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a budget is: the objective, over which window, and how it may be spent."""

    objective: Objective
    window_seconds: float
    policy: BudgetPolicy = BudgetPolicy.BALANCED

    @property
    def stance(self) -> Stance:
        return STANCES[self.policy]

    @property
    def allowed(self) -> float:
        """The share of requests that is let go (0..1)."""
        return self.stance.aim * self.objective.allowed_miss_fraction

    def scales(self, rate: float) -> tuple[float, float]:
        """The misses that the recent part of the window and the whole of it allow, at so many requests per second."""
        window = min(max(self.window_seconds, SHORTEST_WINDOW_SECONDS), LONGEST_WINDOW_SECONDS)
        whole = self.allowed * max(rate, 1e-9) * window
        return whole * RECENT_SHARE, whole


def terms_of(service: Service, objective: Objective) -> Terms:
    """The budget of one of this service's objectives."""
    return Terms(objective=objective, window_seconds=service.slo_window_seconds, policy=service.budget_policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """Debts in requests (negative: savings): `recent` is bounded both ways, `whole` only from below. `rate` is the
    usual number of requests per second, known from `seconds` of traffic."""

    recent: float = 0.0
    whole: float = 0.0
    rate: float = 0.0
    seconds: float = 0.0

    def after(self, *, seconds: float, finished: float, missed: float, terms: Terms) -> "Pressure":
        """After `seconds` in which so many requests finished, so many of them over the threshold."""
        if seconds <= 0.0:
            return self
        share = max(1.0 - 0.5 ** (seconds / RATE_HALF_LIFE_SECONDS), seconds / (self.seconds + seconds))
        rate = self.rate + (finished / seconds - self.rate) * share
        debt = missed - terms.allowed * finished
        recent_scale, whole_scale = terms.scales(rate)
        low, high = (recent_scale * bound for bound in RECENT_DEBTS)
        return Pressure(
            recent=min(max(self.recent + debt, low), high),
            whole=max(self.whole + debt, -whole_scale),
            rate=rate,
            seconds=self.seconds + seconds,
        )

    def price_factor(self, terms: Terms) -> float:
        """What a miss is worth now, 1 with a balanced budget that is spent as it comes in."""
        return terms.stance.price * math.exp(self.recent_share(terms))

    def allowance(self, terms: Terms) -> float:
        """The share of its requests that a rule may have missed without a further price (0..1)."""
        return terms.allowed * min(max(math.exp(-self.debts(terms)), ALLOWANCE_RANGE[0]), ALLOWANCE_RANGE[1])

    def debts(self, terms: Terms) -> float:
        """Both debts in shares of what their stretch allows, weighed: of several objectives the one with the most
        presses hardest, and sets the price of a miss for all."""
        _, whole_scale = terms.scales(self.rate)
        return self.recent_share(terms) + DEBT_WEIGHT * max(self.whole / whole_scale, 0.0)

    def measured_by(self, terms: Terms, other: Terms) -> "Pressure":
        """The same debts, in shares of the allowance, for another objective of the same service."""
        if terms == other:
            return self
        ratio = other.allowed / terms.allowed
        return replace(self, recent=self.recent * ratio, whole=self.whole * ratio)

    def least_share(self, terms: Terms) -> float:
        """The share of this moment's demand that a plan must cover at the least: all of it, unless there are savings
        to spend (0..1)."""
        saved = (-self.recent_share(terms) - KEPT_SAVINGS) / (FULL_SAVINGS - KEPT_SAVINGS)
        return 1.0 - terms.stance.spendable * min(max(saved, 0.0), 1.0)

    def recent_share(self, terms: Terms) -> float:
        """The recent debt in shares of what the recent part of the window allows, -1..2."""
        recent_scale, _ = terms.scales(self.rate)
        return min(max(self.recent / recent_scale, RECENT_DEBTS[0]), RECENT_DEBTS[1])
