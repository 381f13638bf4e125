import numpy as np
import pytest

from tightrope.replay.faro.forecast import Level, Oracle, smoothed


def test_a_steady_past_is_expected_to_go_on():
    assert Level().ahead(0, np.full(20, 300.0), 7) == pytest.approx([300.0] * 7)


def test_a_higher_quantile_expects_more_and_more_the_further_ahead_it_was_wrong():
    seen = 300.0 + 50.0 * np.sin(np.arange(30) / 3)
    low, high = Level(0.6).ahead(0, seen, 7), Level(0.9).ahead(0, seen, 7)
    assert (high > low).all() and high[3] > high[0]


def test_only_the_last_quarter_of_an_hour_counts():
    seen = np.concatenate([np.full(100, 9999.0), np.full(15, 60.0)])
    assert Level().ahead(0, seen, 3) == pytest.approx([60.0] * 3)


def test_the_newest_minute_weighs_six_tenths():
    assert smoothed(np.array([100.0, 200.0])).tolist() == [100.0, 160.0]


def test_the_oracle_says_what_will_come_and_at_the_end_what_came_last():
    oracle = Oracle(np.array([[1.0, 2.0, 3.0, 4.0]]))
    assert oracle.ahead(0, np.array([1.0, 2.0]), 7).tolist() == [3.0, 4.0]
    assert oracle.ahead(0, np.array([1.0, 2.0, 3.0, 4.0]), 7).tolist() == [4.0]
