"""Properties of the parser: no answer that passed the session makes it crash, no number that leaves it is not one."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tightrope.adapters.prometheus import GenericNames, TargetLabels
from tightrope.adapters.prometheus.queries import SHARED, catalogue, history_queries, snapshot_queries
from tightrope.adapters.prometheus.samples import Gathered, GatheredHistory, gather, gather_history
from tightrope.ports import PodKey

PRESETS = list(catalogue(TargetLabels(), GenericNames()).values())
QUERIES = snapshot_queries(PRESETS, TargetLabels(), 60.0)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
numbers = st.sampled_from(["0", "1.5", "3e2", "NaN", "+Inf", "-1", "1e999", "9" * 30, ""]) | anything
labels = st.fixed_dictionaries(
    {"namespace": st.sampled_from(["nlp", ""]) | anything, "pod": st.sampled_from(["a", "b"]) | anything},
    optional={"le": st.sampled_from(["0.1", "1", "1.0", "+Inf", "NaN"]) | anything, "seen": st.just("before")},
)
points = st.tuples(st.integers(0, 10**9) | anything, numbers).map(list)
series = st.fixed_dictionaries(
    {"metric": labels | anything},
    optional={"value": points | anything, "values": st.lists(points, max_size=4) | anything},
)


@given(result=st.lists(series | anything, max_size=8))
def test_whatever_is_answered_samples_hold_finite_numbers_or_none(result: list[Any]) -> None:
    pods: dict[PodKey, Gathered] = {}
    for query in QUERIES:
        gather(query, result, pods)
    for gathered in pods.values():
        sample = gathered.sample()
        named = ["arrivals", "errors", "in_flight", "newest_sample_at", *SHARED]
        values = [value for name in named if (value := getattr(sample, name)) is not None]
        assert all(math.isfinite(value) and value >= 0.0 for value in values)
        if sample.latency is not None:
            counts = [count for _, count in sample.latency]
            assert counts == sorted(counts)
            assert sample.latency[-1][0] == math.inf
            assert all(math.isfinite(count) for count in counts)


@given(result=st.lists(series | anything, max_size=8))
def test_whatever_is_answered_a_history_is_in_order(result: list[Any]) -> None:
    pods: dict[PodKey, GatheredHistory] = {}
    for query in history_queries(PRESETS[0], TargetLabels(), 60.0):
        gather_history(query, result, pods)
    for gathered in pods.values():
        history = gathered.history()
        times = [at for at, _ in history.arrivals]
        assert times == sorted(set(times))
        assert all(math.isfinite(value) for _, value in history.arrivals)
