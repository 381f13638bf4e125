"""How hard the error budget presses: what a miss is worth now, and how many of them a rule may have had.

`shadows` chooses its rule with it. The objective is a constraint over a window, not at each instant: misses above the
allowance add to a queue of debts, good stretches pay it back, and the price of a miss rises with the debt (the
drift-plus-penalty method: M. J. Neely, Stochastic Network Optimization, 2010, chapter 4).
"""

import math
from dataclasses import dataclass

from tightrope.domain.spec import LatencyObjective

AIM = 0.95  # of the allowance is spent on purpose; the rest is for what no rule foresees
LONGEST_WINDOW_SECONDS = 7 * 86_400.0  # a budget of a month is not spent in one week
RECENT_SHARE = 0.1  # of the window: what the recent debt is measured against
RECENT_DEBTS = (-1.0, 2.0)
RATE_HALF_LIFE_SECONDS = 86_400.0
DEBT_WEIGHT = 1.5
ALLOWANCE_RANGE = (0.1, 4.0)
SPENDABLE = 0.15  # of this moment's demand may go uncovered while savings are full
KEPT_SAVINGS = 0.1  # of full savings: the first hours are not for spending


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """Debts in requests (negative: savings): `recent` is bounded both ways, `whole` only from below. `rate` is the
    usual number of requests per second, known from `seconds` of traffic."""

    recent: float = 0.0
    whole: float = 0.0
    rate: float = 0.0
    seconds: float = 0.0

    def after(
        self, *, seconds: float, finished: float, missed: float, objective: LatencyObjective, window_seconds: float
    ) -> "Pressure":
        """After `seconds` in which so many requests finished, so many of them over the threshold."""
        if seconds <= 0.0:
            return self
        share = max(1.0 - 0.5 ** (seconds / RATE_HALF_LIFE_SECONDS), seconds / (self.seconds + seconds))
        rate = self.rate + (finished / seconds - self.rate) * share
        debt = missed - AIM * objective.allowed_miss_fraction * finished
        recent_scale, whole_scale = scales(rate, objective, window_seconds)
        low, high = (recent_scale * bound for bound in RECENT_DEBTS)
        return Pressure(
            recent=min(max(self.recent + debt, low), high),
            whole=max(self.whole + debt, -whole_scale),
            rate=rate,
            seconds=self.seconds + seconds,
        )

    def price_factor(self, objective: LatencyObjective, window_seconds: float) -> float:
        """What a miss is worth now, 1 with a budget spent as it comes in."""
        return math.exp(self._recent_share(objective, window_seconds))

    def allowance(self, objective: LatencyObjective, window_seconds: float) -> float:
        """The share of its requests that a rule may have missed without a further price (0..1)."""
        _, whole_scale = scales(self.rate, objective, window_seconds)
        debts = self._recent_share(objective, window_seconds) + DEBT_WEIGHT * max(self.whole / whole_scale, 0.0)
        factor = min(max(math.exp(-debts), ALLOWANCE_RANGE[0]), ALLOWANCE_RANGE[1])
        return AIM * objective.allowed_miss_fraction * factor

    def least_share(self, objective: LatencyObjective, window_seconds: float) -> float:
        """The share of this moment's demand that a plan must cover at the least: all of it, unless there are savings
        to spend (0..1)."""
        saved = max(-self._recent_share(objective, window_seconds) - KEPT_SAVINGS, 0.0) / (1.0 - KEPT_SAVINGS)
        return 1.0 - SPENDABLE * saved

    def _recent_share(self, objective: LatencyObjective, window_seconds: float) -> float:
        recent_scale, _ = scales(self.rate, objective, window_seconds)
        return min(max(self.recent / recent_scale, RECENT_DEBTS[0]), RECENT_DEBTS[1])


def scales(rate: float, objective: LatencyObjective, window_seconds: float) -> tuple[float, float]:
    """The misses that the recent part of the window and the whole of it allow."""
    window = min(window_seconds, LONGEST_WINDOW_SECONDS)
    whole = AIM * objective.allowed_miss_fraction * max(rate, 1e-9) * window
    return whole * RECENT_SHARE, whole
