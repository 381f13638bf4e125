"""How misses rise with load: at the capacity it is always the allowed share, and the rest follows the kind."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.domain import miss_curve
from tightrope.domain.spec import ErrorsObjective, LatencyObjective, Metric, Objective

WHOLE = LatencyObjective(threshold_seconds=0.3, percent=99.0)
FIRST = LatencyObjective(threshold_seconds=0.5, percent=95.0, metric=Metric.TTFT)
GAPS = LatencyObjective(threshold_seconds=0.05, percent=95.0, metric=Metric.ITL)
ERRORS = ErrorsObjective(percent=99.9)
ALL = st.sampled_from([WHOLE, FIRST, GAPS, ERRORS])
CAPACITY = st.floats(0.01, 1000.0)


@given(ALL, CAPACITY)
def test_at_the_capacity_exactly_the_allowed_share_misses(objective: Objective, capacity: float) -> None:
    assert miss_curve.over(capacity, np.array([capacity]), objective)[0] == pytest.approx(0.0, abs=1e-9)


@given(ALL, CAPACITY)
def test_everybody_misses_at_what_a_replica_works_off_at_the_most(objective: Objective, capacity: float) -> None:
    saturation = capacity + float(miss_curve.room(np.array(capacity), objective))
    everybody = math.log(1.0 / objective.allowed_miss_fraction)

    assert miss_curve.over(saturation, np.array([capacity]), objective)[0] == pytest.approx(everybody, rel=1e-6)
    assert miss_curve.within(saturation, objective) == pytest.approx(capacity, rel=1e-6)


@pytest.mark.parametrize("objective", [FIRST, GAPS, ERRORS], ids=lambda one: one.metric)
def test_half_the_load_hardly_misses_whatever_the_threshold(objective: Objective) -> None:
    assert math.exp(miss_curve.over(10.0, np.array([20.0]), objective)[0]) < 0.01


def test_first_tokens_of_requests_that_hardly_meet_rise_gently() -> None:
    assert miss_curve.over(0.2, np.array([0.1]), FIRST)[0] < 1.0


def test_errors_alone_never_rule_a_variant_out() -> None:
    assert miss_curve.least_capacity(ERRORS) == 0.0 < miss_curve.least_capacity(GAPS)
