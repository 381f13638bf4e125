"""What the last tick says of each service, as metrics: a service that is gone leaves no series behind.

`tick` hands over a `TickSummary`, `telemetry` serves what `Present` collects. What is unknown has no sample: a gap in a
graph is honest, a zero is not. docs/metrics.md describes every metric.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Exported
from prometheus_client.registry import Collector

from tightrope.api.conditions import Finding
from tightrope.api.duration import format_duration
from tightrope.domain.observation import Known, Missing, Observation
from tightrope.domain.plan import BudgetState, Decision
from tightrope.domain.spec import Metric, Service, ServiceKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFigures:
    """One service after a tick. `troubles` are the findings that hinder it; costs are in `currency`."""

    service: Service
    currency: str
    observation: Observation
    decision: Decision
    troubles: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TickSummary:
    """What a tick leaves behind. `at` is its unix time; `refused` says why a service could not be decided;
    `lasting_seconds` is the time from tick to tick where ticks last longer than their period; `prices_read_at` is, by
    pool, the unix time at which the price that counts was last read."""

    at: float
    period_seconds: float
    services: Sequence[ServiceFigures] = ()
    refused: Mapping[ServiceKey, Finding] = field(default_factory=dict)
    lasting_seconds: float = 0.0
    prices_read_at: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What adds up from tick to tick: requests finished and missed, by objective (absent until any were seen), and the
    unix time at which demand and all objectives were last known."""

    at: float
    finished: Mapping[Metric, float] = field(default_factory=dict)
    missed: Mapping[Metric, float] = field(default_factory=dict)
    data_at: float | None = None


def tallied(before: Tally | None, figures: ServiceFigures, summary: TickSummary) -> Tally:
    """The tally after this tick. Rates count for the time since the tick before, as in the decision's own ledger: after
    a gap of more than two periods for one period, since nobody saw what was before. A tally begins at zero, so that
    `rate` in Prometheus sees its first step."""
    finished, missed = ({}, {}) if before is None else (dict(before.finished), dict(before.missed))
    span = 0.0 if before is None else summary.at - before.at
    period = max(summary.period_seconds, summary.lasting_seconds)
    seconds = span if 0.0 <= span <= 2.0 * period else period
    for objective in figures.service.objectives:
        metric, seen = objective.metric, figures.observation.judged_by(objective.metric, figures.service)
        if not isinstance(seen, Missing):
            finished[metric] = finished.get(metric, 0.0) + seen.total * seconds
            missed[metric] = missed.get(metric, 0.0) + (seen.total - seen.good_low) * seconds
    data_at = summary.at if figures.decision.blind is None else (before.data_at if before is not None else None)
    return Tally(at=summary.at, finished=finished, missed=missed, data_at=data_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One moment, whole: scrapes read it in another thread while the next tick makes the next one."""

    summary: TickSummary
    tallies: Mapping[ServiceKey, Tally]


Samples: TypeAlias = Iterable[tuple[tuple[str, ...], float]]


class _Family(NamedTuple):
    """A metric with one or more samples a service; `labels` come after namespace and name."""

    kind: type[GaugeMetricFamily] | type[CounterMetricFamily]
    name: str
    help: str
    labels: tuple[str, ...]
    samples: Callable[[ServiceFigures, Tally], Samples]


def _plan(figures: ServiceFigures, _: Tally) -> Samples:
    for name in figures.decision.beliefs:
        yield (name,), figures.decision.plan.get(name, 0)


def _ready(figures: ServiceFigures, _: Tally) -> Samples:
    for name, state in figures.observation.variants.items():
        yield (name,), state.ready


def _capacity(figures: ServiceFigures, _: Tally) -> Samples:
    for name, belief in figures.decision.beliefs.items():
        if belief.capacity_low is not None:
            yield (name,), belief.capacity_low


def _time_to_ready(figures: ServiceFigures, _: Tally) -> Samples:
    for name, belief in figures.decision.beliefs.items():
        yield (name,), belief.time_to_ready_seconds


def _demand(figures: ServiceFigures, _: Tally) -> Samples:
    if isinstance(figures.observation.demand, Known):
        yield (), figures.observation.demand.value


def _covered(figures: ServiceFigures, _: Tally) -> Samples:
    if figures.decision.covered_demand is not None:
        yield (), figures.decision.covered_demand


def _objective(figures: ServiceFigures, _: Tally) -> Samples:
    for objective in figures.service.objectives:
        yield (objective.metric,), objective.percent / 100.0


def _budgets(figures: ServiceFigures) -> Iterator[tuple[Metric, BudgetState]]:
    for objective in figures.service.objectives:
        budget = figures.decision.budget_of(objective.metric, figures.service)
        if budget is not None:
            yield objective.metric, budget


def _attainment(figures: ServiceFigures, _: Tally) -> Samples:
    for metric, budget in _budgets(figures):
        yield (metric,), budget.attainment


def _budget(figures: ServiceFigures, _: Tally) -> Samples:
    for metric, budget in _budgets(figures):
        yield (metric,), budget.remaining


def _burn(figures: ServiceFigures, _: Tally) -> Samples:
    """Not while blind: the budget would seem to burn no more, because nobody sees it burn."""
    if figures.decision.blind is None:
        for metric, budget in _budgets(figures):
            yield (metric,), budget.burn_rate


def _burns(figures: ServiceFigures, _: Tally) -> Samples:
    """Not while blind, as the burn rate."""
    if figures.decision.blind is None:
        for metric, budget in _budgets(figures):
            for seconds, rate in budget.burn_rates.items():
                yield (metric, _length(seconds)), rate


def _covered_seconds(figures: ServiceFigures, _: Tally) -> Samples:
    for metric, budget in _budgets(figures):
        yield (metric,), budget.covered_seconds


def _finished(figures: ServiceFigures, tally: Tally) -> Samples:
    for objective in figures.service.objectives:
        if objective.metric in tally.finished:
            yield (objective.metric,), tally.finished[objective.metric]


def _missed(figures: ServiceFigures, tally: Tally) -> Samples:
    for objective in figures.service.objectives:
        if objective.metric in tally.missed:
            yield (objective.metric,), tally.missed[objective.metric]


def _cost(figures: ServiceFigures, _: Tally) -> Samples:
    yield (figures.currency,), sum(belief.cost_per_hour for belief in figures.decision.beliefs.values())


def _plan_cost(figures: ServiceFigures, _: Tally) -> Samples:
    yield (figures.currency,), figures.decision.cost_per_hour


def _reason(figures: ServiceFigures, _: Tally) -> Samples:
    yield (figures.decision.reason.value,), 1


def _data_at(_: ServiceFigures, tally: Tally) -> Samples:
    if tally.data_at is not None:
        yield (), tally.data_at


def _compared_seconds(figures: ServiceFigures, _: Tally) -> Samples:
    if (found := figures.decision.persisted.comparison) is not None:
        yield (), found.seconds


def _compared_cost(figures: ServiceFigures, _: Tally) -> Samples:
    if (found := figures.decision.persisted.comparison) is not None and found.seconds > 0.0:
        yield ("actual", found.currency), found.cost
        yield ("recommended", found.currency), found.plan_cost


def _compared_finished(figures: ServiceFigures, _: Tally) -> Samples:
    if (found := figures.decision.persisted.comparison) is not None:
        for metric, judged in found.objectives.items():
            yield (metric,), judged.finished


def _compared_missed(figures: ServiceFigures, _: Tally) -> Samples:
    if (found := figures.decision.persisted.comparison) is not None:
        for metric, judged in found.objectives.items():
            yield ("actual", metric), judged.missed
            yield ("recommended", metric), judged.predicted


_length = cache(format_duration)  # a handful of lengths, told of every service
_G, _C = GaugeMetricFamily, CounterMetricFamily
_FAMILIES: Final = (
    _Family(_G, "tightrope_plan_replicas", "Replicas that the plan converges to.", ("variant",), _plan),
    _Family(_G, "tightrope_ready_replicas", "Replicas that are ready.", ("variant",), _ready),
    _Family(
        _G, "tightrope_capacity_requests_per_second",
        "What one replica is planned to carry while the SLO holds.", ("variant",), _capacity,
    ),
    _Family(
        _G, "tightrope_time_to_ready_seconds",
        "From the decision to a ready replica, as planned with.", ("variant",), _time_to_ready,
    ),
    _Family(_G, "tightrope_demand_requests_per_second", "Arriving requests.", (), _demand),
    _Family(_G, "tightrope_covered_demand_requests_per_second", "Demand that the plan is sized for.", (), _covered),
    _Family(_G, "tightrope_slo_objective_ratio", "Share of requests that must be good.", ("objective",), _objective),
    _Family(
        _G, "tightrope_slo_attainment_ratio",
        "Share that was, in what is known of the window.", ("objective",), _attainment,
    ),
    _Family(
        _G, "tightrope_slo_error_budget_remaining_ratio",
        "What is left of the misses allowed in the window; negative when overspent.", ("objective",), _budget,
    ),
    _Family(
        _G, "tightrope_slo_burn_rate",
        "How fast the error budget goes; 1 uses it up exactly.", ("objective",), _burn,
    ),
    _Family(
        _G, "tightrope_slo_window_burn_rate",
        "The same over the last so long.", ("objective", "window"), _burns,
    ),
    _Family(_G, "tightrope_slo_covered_seconds", "How much of the window is known.", ("objective",), _covered_seconds),
    _Family(_C, "tightrope_finished_requests", "Requests seen to finish.", ("objective",), _finished),
    _Family(_C, "tightrope_missed_requests", "Of those, missed by the objective.", ("objective",), _missed),
    _Family(_G, "tightrope_cost_per_hour", "What the replicas now asked for cost in an hour.", ("currency",), _cost),
    _Family(_G, "tightrope_plan_cost_per_hour", "What the plan costs in an hour.", ("currency",), _plan_cost),
    _Family(_G, "tightrope_decision_reason", "1 for the reason of the latest decision.", ("reason",), _reason),
    _Family(
        _G, "tightrope_recommendation_compared_seconds",
        "In mode Recommend, how much of the window was compared.", (), _compared_seconds,
    ),
    _Family(
        _G, "tightrope_recommendation_cost",
        "What the fleet cost in that time, and the recommended plans would have.", ("fleet", "currency"),
        _compared_cost,
    ),
    _Family(
        _G, "tightrope_recommendation_finished_requests",
        "Requests by which both were judged.", ("objective",), _compared_finished,
    ),
    _Family(
        _G, "tightrope_recommendation_missed_requests",
        "Of those, missed, and predicted to be missed with the recommended plans.", ("fleet", "objective"),
        _compared_missed,
    ),
    _Family(
        _G, "tightrope_data_timestamp_seconds",
        "When demand and latency were last known, so that the plan might descend.", (), _data_at,
    ),
)  # fmt: skip


class Present(Collector):
    """The last tick's services. Nothing at all before the first tick, and in a process that does not lead."""

    def __init__(self) -> None:
        self._seen: _Seen | None = None

    def show(self, summary: TickSummary) -> None:
        """This tick's figures in place of the last one's."""
        before = self._seen.tallies if self._seen is not None else {}
        tallies = {
            figures.service.key: tallied(before.get(figures.service.key), figures, summary)
            for figures in summary.services
        }
        # A service that is refused for a while is not seen; its counters go on from where they stood.
        tallies |= {key: tally for key in summary.refused if (tally := before.get(key)) is not None}
        self._seen = _Seen(summary=summary, tallies=tallies)

    def forget(self) -> None:
        self._seen = None

    def collect(self) -> Iterator[Exported]:
        """All families, also without a sample: what may come is described."""
        seen = self._seen or _Seen(summary=TickSummary(at=0.0, period_seconds=0.0), tallies={})
        for family in _FAMILIES:
            metric = family.kind(family.name, family.help, labels=("namespace", "name", *family.labels))
            for figures in seen.summary.services:
                key = figures.service.key
                for labels, value in family.samples(figures, seen.tallies[key]):
                    metric.add_metric((key.namespace, key.name, *labels), value)
            yield metric
        yield _troubles(seen.summary)
        yield _prices(seen.summary)
        services = GaugeMetricFamily("tightrope_services", "Services decided in the last tick.")
        if self._seen is not None:
            services.add_metric((), len(seen.summary.services))
        yield services


def _prices(summary: TickSummary) -> Exported:
    metric = GaugeMetricFamily(
        "tightrope_pool_price_timestamp_seconds",
        "When the price that plans count with was last read, of pools that ask for theirs.",
        labels=("pool",),
    )
    for pool, at in summary.prices_read_at.items():
        metric.add_metric((pool,), at)
    return metric


def _troubles(summary: TickSummary) -> Exported:
    metric = GaugeMetricFamily(
        "tightrope_service_trouble",
        "1 for each condition that is not as it should be.",
        labels=("namespace", "name", "condition", "reason"),
    )
    found = [(figures.service.key, finding) for figures in summary.services for finding in figures.troubles]
    for key, finding in (*found, *summary.refused.items()):
        metric.add_metric((key.namespace, key.name, finding.type, finding.reason), 1)
    return metric
