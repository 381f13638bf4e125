"""What is seen, with the three ways of not knowing kept apart: Known (zero included), Missing and Stale.

`controller.observe` builds these from Prometheus samples and cluster objects; the decision and the status read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from tightrope.domain.spec import Metric, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A finite number and the time (unix seconds) of its newest sample. Zero is Known."""

    value: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """No number, and why. `at_least` is a lower bound where part of the sources did answer."""

    reason: str
    at_least: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """The newest sample is too old to act on."""

    age_seconds: float


Signal: TypeAlias = Known | Missing | Stale

NOTHING_FINISHED: Final = "no finished requests were seen"
NO_GATEWAY: Final = "no gateway counts its requests (the operator's --gateway-requests-total)"


def lower_bound(signal: Signal) -> float | None:
    """What the signal proves at the least: its value, or the part of it that was seen; None if nothing was."""
    match signal:
        case Known(value=value):
            return value
        case Missing(at_least=at_least):
            return at_least
        case Stale():
            return None


def describe(signal: Signal) -> str:
    """The signal in words, for messages and conditions."""
    match signal:
        case Known(value=value):
            return f"{value:.4g}"
        case Missing(reason=reason):
            return reason
        case Stale(age_seconds=age):
            return f"the newest sample is {age:.0f}s old"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Requests finished in a stretch of time (gaps between tokens, for an objective about these), as rates per second
    over that stretch.

    `good_low` and `good_high` bound the requests at or under the threshold: they differ when the threshold lies
    between two histogram buckets. 0 <= good_low <= good_high <= total.
    """

    total: float
    good_low: float
    good_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantState:
    """One variant as the cluster and its metrics show it now.

    `wanted` is spec.replicas, or None when the workload does not exist. `ready` counts available pods (Ready for
    minReadySeconds). `serving_demand` is the arrivals per second that reach this variant's pods; `utilisation` is
    0..1 of what the pods requested (CPU) or of the device (GPU). `startup_seconds` are creation-to-ready times of
    pods now alive. `unschedulable_since` is the creation time of the oldest pod that no node can take, or None.
    `refused` is the API server's sentence when pods were refused (a quota), or None. `outcomes` are judged by the
    leading objective, `further_outcomes` by the others; what is unknown is absent. `taken_back_at` is when a node under
    one of its pods was last said to go, None if that is not remembered.
    """

    wanted: int | None
    ready: int
    pods: int
    serving_demand: Signal
    outcomes: Outcomes | None = None
    utilisation: Signal = field(default_factory=lambda: Missing(reason="not measured"))
    rolling_out: bool = False
    unschedulable_since: float | None = None
    unschedulable: int = 0
    refused: str | None = None
    startup_seconds: tuple[float, ...] = ()
    other_writer: str | None = None
    unavailable: str | None = None
    further_outcomes: Mapping[Metric, Outcomes] = field(default_factory=dict)
    taken_back_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One service at one tick. `at` is unix seconds.

    `demand` is arrivals per second over all variants; `outcomes` what finished in the rate window, None when
    unknown, with `outcomes_missing` saying why; `outcome_history` adds the finished requests of earlier stretches (a
    list of (start, seconds, Outcomes)) when history was re-read: at start, and after an outage. These are judged by the
    leading objective; `further_outcomes` and `further_history` by the others. `history_awaited` says that earlier
    stretches are still being read for the first time: nothing can be said of a window yet. `gateway_demand` is arrivals
    per second as whatever stands in front of the service counts them: known also while no pod is there to count.
    `past_unknown` says why nothing is known yet of the days before, `past_awaited` whether that is worth waiting for.
    """

    at: float
    demand: Signal
    variants: Mapping[str, VariantState]
    outcomes: Outcomes | None = None
    outcomes_missing: str | None = None
    errors: Signal = field(default_factory=lambda: Missing(reason="not measured"))
    in_flight: Signal = field(default_factory=lambda: Missing(reason="not measured"))
    p99_seconds: Signal = field(default_factory=lambda: Missing(reason="not measured"))
    demand_history: tuple[tuple[float, float], ...] = ()
    outcome_history: tuple[tuple[float, float, Outcomes], ...] = ()
    threshold_note: str | None = None
    further_outcomes: Mapping[Metric, Outcomes | Missing] = field(default_factory=dict)
    further_history: Mapping[Metric, tuple[tuple[float, float, Outcomes], ...]] = field(default_factory=dict)
    history_awaited: bool = False
    gateway_demand: Signal = field(default_factory=lambda: Missing(reason=NO_GATEWAY))
    past_unknown: str | None = None
    past_awaited: bool = False

    def judged_by(self, metric: Metric, service: Service) -> Outcomes | Missing:
        """What finished, as the service's objective of this metric judges it."""
        if metric is not service.objective.metric:
            return self.further_outcomes.get(metric, Missing(reason=NOTHING_FINISHED))
        return self.outcomes or Missing(reason=self.outcomes_missing or NOTHING_FINISHED)

    def history_of(self, metric: Metric, service: Service) -> tuple[tuple[float, float, Outcomes], ...]:
        """What was read again of earlier stretches, as the service's objective of this metric judges it."""
        return self.outcome_history if metric is service.objective.metric else self.further_history.get(metric, ())
