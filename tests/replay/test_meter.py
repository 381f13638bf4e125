"""Metrics as a Prometheus would hold them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.dataplane.goals import Goal
from tightrope.dataplane.kernels import SUMS
from tightrope.dataplane.llm_fleet import LlmFleet
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.tally import Groups, Tally
from tightrope.dataplane.tokens import LlmRequests
from tightrope.replay.meter import Meter, bounds_around, quantile_of


def ended(target: Meter, variant: str, *latencies: float, dropped: int = 0) -> Tally:
    """Answers with these latencies, half of each waited, and drops, at replicas of this variant."""
    row = ["cpu", "gpu"].index(variant)
    sums, buckets = np.zeros((2, SUMS)), np.zeros((2, len(target.bounds) + 1))
    total, kept = sum(latencies), np.zeros((2, 1, 2))
    kept[row, 0] = [sum(latency <= 0.3 for latency in latencies), len(latencies) + dropped]
    sums[row, :5] = [len(latencies) + dropped, len(latencies), dropped, total, total / 2]
    for latency in latencies:
        buckets[row, np.searchsorted(target.bounds, latency)] += 1
    return Tally(sums, kept, buckets)


def meter(**changes) -> Meter:
    values = {"threshold_seconds": 0.3, "every": 15.0, "delay": 1.0, "memory_seconds": 600.0}
    return Meter(["cpu", "gpu"], **(values | changes))


def scraped(target: Meter, times, per_scrape: int = 30) -> None:
    for at in times:
        target.scrape(at, {})
        target.use("cpu", arrivals=per_scrape, busy=3.0, ready=15.0)
        target.count(ended(target, "cpu", *[0.1] * (per_scrape - 3), *[0.9] * 3))


def test_rates_are_increases_over_the_window_of_the_samples() -> None:
    target = meter()
    scraped(target, range(0, 121, 15))
    target.now = 121.0

    assert target.rate("arrivals", 60.0) == pytest.approx(2.0)
    assert target.rate("good", 60.0, "cpu") == pytest.approx(1.8)
    assert target.rate("arrivals", 60.0, "gpu") == 0.0
    assert target.utilisation(60.0, "cpu") == pytest.approx(0.2)
    assert target.utilisation(60.0, "gpu") is None
    assert target.mean_latency(60.0) == pytest.approx(0.18)
    assert list(target.series("arrivals", 30.0, 3)) == pytest.approx([2.0, 2.0, 2.0])


def test_a_sample_is_not_seen_before_its_delay_has_passed() -> None:
    target = meter()
    scraped(target, [0.0, 15.0])
    target.now = 15.5
    assert target.rate("arrivals", 60.0) is None
    target.now = 16.0
    assert target.rate("arrivals", 60.0) == pytest.approx(2.0)


def test_when_scrapes_stop_nothing_is_known_rather_than_zero() -> None:
    target = meter()
    scraped(target, range(0, 121, 15))
    target.now = 200.0

    assert target.rate("arrivals", 60.0) is None
    assert target.gauge("queued") is None
    assert target.quantile(0.5, 60.0) is None


def test_series_say_nan_where_nothing_was_recorded() -> None:
    target = meter()
    scraped(target, [0.0, 15.0, 30.0])
    target.now = 31.0
    series = target.series("arrivals", 15.0, 4)

    assert np.isnan(series[:2]).all()
    assert list(series[2:]) == pytest.approx([2.0, 2.0])


def test_dropped_requests_count_as_dropped_and_not_as_answers() -> None:
    target = meter()
    target.scrape(0.0, {})
    target.count(ended(target, "gpu", dropped=2))
    target.scrape(15.0, {})
    target.now = 16.0

    assert target.rate("dropped", 60.0, "gpu") == pytest.approx(2 / 15)
    assert target.rate("finished", 60.0) == 0.0


def test_the_threshold_is_a_bound_of_the_histogram() -> None:
    assert 0.3 in bounds_around(0.3)


@given(st.lists(st.floats(0.01, 5.0), min_size=1, max_size=200), st.floats(0.01, 0.99))
def test_quantiles_are_right_to_within_their_bucket(values: list[float], q: float) -> None:
    bounds = bounds_around(0.3)
    counts = np.bincount(np.searchsorted(bounds, values), minlength=len(bounds) + 1)
    true = (
        sorted(values)[min(int(np.ceil(q * len(values))) - 1, len(values) - 1)] if q * len(values) > 1 else min(values)
    )
    found = quantile_of(counts.astype(float), bounds, q)

    assert found is not None
    assert true / 2 ** (1 / 4) - 1e-9 <= found <= true * 2 ** (1 / 4) + 1e-9


def test_cache_and_tokens_of_a_language_model_are_scraped_like_everything_else() -> None:
    fleet, groups = LlmFleet(seed=1), Groups(2, goals=[Goal(threshold_seconds=0.3)], bounds=meter().bounds)
    for group, pod in enumerate(["cpu-1", "gpu-1"]):
        fleet.add(pod, LlmModel(step_base_seconds=1.0, batch_limit=2))
        groups.put(pod, group)
    fleet.set_ready(["cpu-1"])
    target = meter()
    for at, arrivals in ((0.0, []), (15.0, [1.0, 14.0, 14.5, 14.6])):
        ones = np.ones(len(arrivals))
        requests = LlmRequests(arrival=np.array(arrivals), input_tokens=30.0 * ones, output_tokens=6.0 * ones)
        target.count(groups.counted(fleet, fleet.advance(requests, at)))
        target.scrape(at, {"cpu": [fleet.servers["cpu-1"]], "gpu": [fleet.servers["gpu-1"]]})
    target.now = 15.5
    assert target.gauge("cache_tokens") is not None and target.gauge("cache_tokens") == 0.0  # not seen yet
    target.now = 16.0

    assert target.per_replica("cache_tokens").tolist() == [2 * 36.0, 0.0]
    assert target.gauge("cache_tokens", "cpu") == target.gauge_max("cache_tokens", 60.0) == 72.0
    assert (target.gauge("queued"), target.gauge("running")) == (1.0, 2.0)
    assert target.rate("output_tokens", 60.0) == pytest.approx(6 / 15)
    assert target.rate("input_tokens", 60.0, "cpu") == pytest.approx(30 / 15)
    assert target.rate("input_tokens", 60.0, "gpu") == 0.0
