"""A decision and its parts: what to run, why, what it beat, and the writes this tick may make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tightrope.domain.memory import Persisted
from tightrope.domain.spec import Metric, Service, ServiceKey


class Reason(StrEnum):
    """Why the plan is what it is, or why nothing changed; each value is documented in docs/reasons.md."""

    STEADY = "Steady"
    DEMAND_ROSE = "DemandRose"
    DEMAND_FELL = "DemandFell"
    SLO_AT_RISK = "SLOAtRisk"
    CHEAPER_MIX = "CheaperMix"
    UTILISATION_HIGH = "UtilisationHigh"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    FIRST_PLAN = "FirstPlan"
    NO_CAPACITY = "NoCapacity"
    HOLD_MISSING_DATA = "HoldMissingData"
    HOLD_REENTRY = "HoldReentry"
    HOLD_DESCENT_WINDOW = "HoldDescentWindow"
    HOLD_MARGIN = "HoldMargin"
    HOLD_RATE_LIMIT = "HoldRateLimit"
    HOLD_MAKE_BEFORE_BREAK = "HoldMakeBeforeBreak"
    HOLD_ROLLOUT = "HoldRollout"
    HOLD_CONFLICT = "HoldConflict"
    HOLD_DESCENTS_PAUSED = "HoldDescentsPaused"
    PAUSED = "Paused"
    RECOMMEND_ONLY = "RecommendOnly"
    NO_FEASIBLE_VARIANT = "NoFeasibleVariant"
    POOL_FULL = "PoolFull"
    SCHEDULED_MINIMUM = "ScheduledMinimum"
    MONEY_BUDGET = "MoneyBudget"
    IDLE = "Idle"
    FROM_ZERO = "FromZero"
    HOLD_AWAKE = "HoldAwake"
    QUALITY_BRIDGE = "QualityBridge"
    HOLD_HISTORY = "HoldHistory"
    TAKEN_BACK = "TakenBack"
    SPOT_SHARE = "SpotShare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A plan that was considered and not chosen, with its price and why not."""

    replicas: Mapping[str, int]
    cost_per_hour: float
    why_not: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReplicas:
    """One write: set this variant's spec.replicas."""

    variant: str
    replicas: int
    previous: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantBelief:
    """What the decision believes of one variant, for status and explanation.

    Capacities are requests per second per replica at the SLO: `capacity` is the posterior median,
    `capacity_low` the lower quantile that plans use; both None while unknown. `infeasible` says why the variant
    cannot meet the SLO at any load. `retry_at` (unix seconds) is when a pool without room is tried again, or, if
    `taken_back`, one whose nodes were. `bound_by` is
    the objective that leaves it this capacity; None while that is unknown. `cost_per_hour` is that of all nodes which
    its wanted replicas take, whole ones.
    """

    capacity: float | None
    capacity_low: float | None
    time_to_ready_seconds: float
    cost_per_hour: float
    infeasible: str | None = None
    retry_at: float | None = None
    bound_by: Metric | None = None
    taken_back: bool = False


class Pace(StrEnum):
    """How an error budget burns that will not last: within days, or within weeks."""

    FAST = "Fast"
    SLOW = "Slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """The error budget over the SLO window, all in fractions: attainment 0..1, remaining <= 1 (negative when
    overspent), burn rate 1 = exactly the allowance. `covered_seconds` is how much of the window is known. `burn_rates`
    is by the seconds they look back; `burning` what they say together, None while the budget lasts."""

    attainment: float
    remaining: float
    burn_rate: float
    covered_seconds: float
    burn_rates: Mapping[float, float] = field(default_factory=dict)
    burning: Pace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One service's decision at one tick.

    `plan` is the mix to converge to (replicas per variant); `writes` are the steps towards it that are safe now,
    scale-ups first. `persisted` goes into the status before any write. `required_ready` is how many ready pods the
    plan needs at this instant, for the PodDisruptionBudget. `covered_demand` is the arrivals per second that the
    plan is sized for; None if unknown. `blind` says why nothing may descend, None when the data is whole. `budget` is
    the leading objective's, `further_budgets` those of the others. `beyond_replicas` says in words which errors come at
    any load, so that no plan mends them. `money_budget` says what the budget in money keeps from being planned. `past`
    says what is known of the days before the operator's start; None where nobody asked.
    """

    key: ServiceKey
    plan: Mapping[str, int]
    writes: tuple[SetReplicas, ...]
    reason: Reason
    message: str
    required_ready: int
    covered_demand: float | None
    cost_per_hour: float
    beliefs: Mapping[str, VariantBelief]
    persisted: Persisted
    alternatives: tuple[Alternative, ...] = ()
    budget: BudgetState | None = None
    switching: bool = False
    blind: str | None = None
    no_feasible_variant: str | None = None
    further_budgets: Mapping[Metric, BudgetState] = field(default_factory=dict)
    beyond_replicas: str | None = None
    money_budget: str | None = None
    past: str | None = None

    def budget_of(self, metric: Metric, service: Service) -> BudgetState | None:
        """The budget of the service's objective of this metric; None while nothing has finished."""
        return self.budget if metric is service.objective.metric else self.further_budgets.get(metric)
