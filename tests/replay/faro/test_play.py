import os
from pathlib import Path

import numpy as np
import pytest

from tightrope.replay.faro.load import Load, read_load
from tightrope.replay.faro.play import play
from tightrope.replay.faro.rules import FairShare, Reactive
from tightrope.replay.faro.world import WHAT_IF, World, what_if

TRACES = Path(os.environ.get("TIGHTROPE_TRACES", Path(__file__).resolve().parents[4] / "shared" / "traces"))
TRACE = TRACES / "faro_eval_10jobs_6h_1m.csv.gz"


def steady(*rates, minutes=30):
    """Jobs of these requests per second."""
    return Load(tuple(f"job{n}" for n in range(len(rates))), np.repeat(60.0 * np.array([rates]).T, minutes, axis=1))


def test_replicas_that_carry_their_jobs_answer_nearly_everything_in_time():
    course = play(steady(5.0, 5.0), FairShare(), cpus=4, replicas=2)
    assert course.attainment > 99.5
    assert (course.requests, course.dropped, course.mean_replicas) == (2 * 5 * 1800, 0, 4.0)


def test_a_job_with_twice_the_demand_it_can_carry_misses_nearly_everything_and_drops_half():
    course = play(steady(5.0, 13.0), FairShare(), cpus=2, replicas=1)
    assert 70 < course.by_job[0] < 90 and course.by_job[1] < 2
    assert course.dropped / course.requests == pytest.approx(13 / 18 * 0.5, abs=0.02)


def test_aiad_climbs_one_replica_a_minute_until_the_job_is_carried():
    # 30 s of patience and 35 s of a start: 3 more replicas are there 4 minutes after the first one was too few.
    course = play(steady(20.0, 1.0), Reactive(2), cpus=8)
    assert 75 < course.by_job[0] < 90
    without_rest = play(steady(20.0, 1.0), Reactive(2), cpus=8, world=what_if("no-blocking"))
    assert without_rest.by_job[0] > course.by_job[0] + 3


def test_the_same_seed_gives_the_same_course():
    once, again, other = (play(steady(9.0, 4.0), Reactive(2), cpus=5, seed=seed) for seed in (1, 1, 2))
    assert once == again != other


@pytest.mark.parametrize("name", WHAT_IF)
def test_every_what_if_changes_the_world(name):
    assert what_if(name) != World()


@pytest.mark.skipif(not TRACE.exists(), reason=f"the trace of ten jobs is not at hand ({TRACE})")
@pytest.mark.parametrize(("cpus", "published"), [(32, 72.830), (40, 98.084)])
def test_fair_share_on_the_published_load_meets_the_published_figure(cpus, published):
    course = play(read_load(TRACE), FairShare(), cpus=cpus, replicas=cpus // 10)
    assert course.attainment == pytest.approx(published, abs=0.3)
