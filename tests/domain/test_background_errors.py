"""Which errors come from load: a bug fails the same share at any load and excuses only itself."""

import build
import pytest

from tightrope.domain import background_errors
from tightrope.domain.memory import Background
from tightrope.domain.observation import Known


def quiet(failing: float, *, minutes: int = 60, rate: float = 20.0) -> Background:
    background = Background()
    for _ in range(minutes * 4):
        background = background_errors.after(background, build.outcomes(rate, rate * failing), seconds=15.0, idle=True)
    return background


def test_a_bug_is_known_after_an_hour_with_little_to_do() -> None:
    assert background_errors.share(quiet(0.05)) == pytest.approx(0.05, rel=0.1)


def test_a_handful_of_failures_at_night_excuses_nothing_at_noon() -> None:
    few = background_errors.after(Background(), build.outcomes(1.0, 0.2), seconds=15.0, idle=True)
    assert background_errors.share(few) == 0.0


def test_what_fails_beyond_the_background_under_load_counts() -> None:
    seen = background_errors.from_load(build.outcomes(100.0, missed=30.0), quiet(0.05), idle=False)
    assert seen.total - seen.good_low == pytest.approx(25.0, abs=0.5)


def test_with_little_to_do_no_failure_counts() -> None:
    seen = background_errors.from_load(build.outcomes(10.0, missed=5.0), Background(), idle=True)
    assert seen.good_low == seen.total == 10.0


def test_failures_under_load_never_become_background() -> None:
    before = quiet(0.01)
    after = background_errors.after(before, build.outcomes(100.0, missed=50.0), seconds=15.0, idle=False)
    assert after == before


def test_a_bug_that_is_mended_is_forgotten_under_load_too() -> None:
    background = quiet(0.05)
    for _ in range(4 * 60):
        background = background_errors.after(background, build.outcomes(20.0), seconds=15.0, idle=False)
    assert background_errors.share(background) < 0.03


def test_without_a_capacity_utilisation_says_whether_there_is_little_to_do() -> None:
    calm, busy, unknown = (
        build.state(1, utilisation=Known(value=0.2, at=0.0)),
        build.state(1, utilisation=Known(value=0.8, at=0.0)),
        build.state(1),
    )
    assert [background_errors.has_little_to_do(state, None) for state in (calm, busy, unknown)] == [True, False, False]
