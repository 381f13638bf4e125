import math

import numpy as np
import pytest

from tightrope.replay.faro.latency import expected_latency, queueing_chance, utility


def latency(rate, replicas, service=0.18):
    return float(expected_latency(np.array([float(rate)]), np.array([float(replicas)]), service)[0])


def test_the_chance_to_wait_is_erlang_c():
    # With one replica it is the utilisation; with two at half load 1/3 (Kleinrock, Queueing Systems I, 3.5).
    found = queueing_chance(np.array([0.7, 1.0]), np.array([1.0, 2.0]))
    assert found == pytest.approx([0.7, 1 / 3])


def test_one_replica_waits_half_as_long_as_an_m_m_1_queue():
    # 3/s of 180 ms: 0.54 busy; 99 % wait less than ln(54) / (1/0.18 - 3) s in an M/M/1 queue.
    assert latency(3, 1) == pytest.approx(math.log(54) / (1 / 0.18 - 3) / 2 + 0.18)


def test_replicas_need_not_be_whole():
    assert latency(20, 5) < latency(20, 4.5) < latency(20, 4.2)


def test_an_idle_job_takes_its_service_time_and_one_without_replicas_for_ever():
    assert latency(0, 1) == pytest.approx(0.18)
    assert latency(1, 0) == math.inf


def test_beyond_95_percent_twice_the_rate_takes_twice_as_long():
    assert latency(40, 3) == pytest.approx(2 * latency(20, 3))


def test_a_latency_within_the_target_is_worth_one_and_twice_the_target_a_half():
    service = np.array([[0.7], [1.44]])
    worth = utility(np.zeros((2, 1)), np.ones((2, 1)), service=service, target=0.72)
    assert worth.ravel() == pytest.approx([1.0, 0.5])
