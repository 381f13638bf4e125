"""Several objectives of one service: the leading one first, each judged by its own requests."""

import build

from tightrope.domain.observation import Missing
from tightrope.domain.spec import ErrorsObjective, LatencyObjective, Metric

TTFT = LatencyObjective(threshold_seconds=0.5, percent=95.0, metric=Metric.TTFT)
SERVICE = build.service(further_objectives=(TTFT, ErrorsObjective(percent=99.9)))


def test_the_leading_objective_comes_first_and_all_allow_their_own_misses() -> None:
    assert [objective.metric for objective in SERVICE.objectives] == [Metric.LATENCY, Metric.TTFT, Metric.ERRORS]
    assert [round(objective.allowed_miss_fraction, 6) for objective in SERVICE.objectives] == [0.01, 0.05, 0.001]


def test_each_objective_is_judged_by_its_own_requests() -> None:
    first_tokens = build.outcomes(8.0, missed=1.0)
    seen = build.observation(0.0, 10.0, {}, further_outcomes={Metric.TTFT: first_tokens})

    assert seen.judged_by(Metric.LATENCY, SERVICE) == build.outcomes(10.0)
    assert seen.judged_by(Metric.TTFT, SERVICE) == first_tokens


def test_an_objective_that_nobody_measured_is_missing_and_not_met() -> None:
    assert isinstance(build.observation(0.0, 10.0, {}).judged_by(Metric.ERRORS, SERVICE), Missing)
