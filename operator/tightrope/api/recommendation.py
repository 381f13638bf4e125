"""What `mode: Recommend` has counted, in the status and back: `status` writes it, `persisted` reads it after a restart.

Sums hold still while they have hardly grown, since a status is written only for news. So a restart may lose a hundredth
of them; what is not plausible is forgotten whole, and the comparison begins afresh.
"""

from typing import Final

from tightrope.api.figures import counted, parse_number, parse_time, time_text
from tightrope.api.servicestatus import ComparedObjective, RecommendationStatus
from tightrope.domain.comparison import Comparison, Judged
from tightrope.domain.spec import Metric

_HOUR: Final = 3600.0
_MOST: Final = 1e15


def recommendation_status(found: Comparison | None, old: RecommendationStatus | None) -> RecommendationStatus | None:
    """The comparison in words; None where there is none, or nothing was compared yet."""
    if found is None or found.seconds <= 0.0:
        return None
    since = time_text(found.since)
    if old is not None and (old.since, old.currency) != (since, found.currency):
        old = None
    olds = {one.metric: one for one in old.slo} if old is not None else {}
    return RecommendationStatus(
        since=since,
        hours=counted(found.seconds / _HOUR, old.hours if old else None),
        cost=counted(found.cost, old.cost if old else None),
        plan_cost=counted(found.plan_cost, old.plan_cost if old else None),
        currency=found.currency,
        slo=[_objective(metric, judged, olds.get(metric)) for metric, judged in found.objectives.items()],
    )


def _objective(metric: Metric, judged: Judged, old: ComparedObjective | None) -> ComparedObjective:
    return ComparedObjective(
        metric=metric.value,
        finished=counted(judged.finished, old.finished if old else None),
        missed=counted(judged.missed, old.missed if old else None),
        predicted_missed=counted(judged.predicted, old.predicted_missed if old else None),
    )


def comparison(said: RecommendationStatus | None, *, now: float) -> Comparison | None:
    """The comparison that the status kept; None if any of it is not plausible."""
    if said is None:
        return None
    since, hours = parse_time(said.since), parse_number(said.hours, 0.0, _MOST)
    cost, plan_cost = parse_number(said.cost, 0.0, _MOST), parse_number(said.plan_cost, 0.0, _MOST)
    objectives = {one.metric: _judged(one) for one in said.slo}
    if since is None or since > now or hours is None or cost is None or plan_cost is None:
        return None
    judged = {Metric(name): found for name, found in objectives.items() if found is not None and name in list(Metric)}
    if len(judged) < len(objectives):
        return None
    return Comparison(
        since=since,
        currency=said.currency,
        seconds=min(hours * _HOUR, now - since),
        cost=cost,
        plan_cost=plan_cost,
        objectives=judged,
    )


def _judged(said: ComparedObjective) -> Judged | None:
    """None for more misses than requests, but for what rounding does."""
    finished = parse_number(said.finished, 0.0, _MOST)
    most = 0.0 if finished is None else 1.02 * finished
    missed, predicted = parse_number(said.missed, 0.0, most), parse_number(said.predicted_missed, 0.0, most)
    if finished is None or missed is None or predicted is None:
        return None
    return Judged(finished=finished, missed=min(missed, finished), predicted=min(predicted, finished))
