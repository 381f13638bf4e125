"""Who stands beside whom."""

import pytest
from replay.report.courses import bound, course

from tightrope.replay.report.standing import standing


def names(found) -> list[str]:
    return [entrant.name for entrant in found.entrants]


def test_a_policy_stands_with_its_defaults_and_once_more_with_its_best() -> None:
    courses = [
        course(),
        course("HPA", knobs={"target": 80}, cost=30.0, variants=("cpu",), attainment=0.9),
        course("HPA", knobs={"target": 80}, cost=40.0, variants=("gpu",)),
        course("HPA", knobs={"target": 50}, cost=20.0, variants=("cpu",)),
        course("HPA", knobs={"target": 30}, cost=25.0, variants=("cpu",)),
    ]
    found = standing(courses, bound=None, today="hpa", variants=2)

    assert names(found) == ["Tightrope", "HPA on gpu", "HPA on cpu (tuned in hindsight)"]
    assert found.today is not None and found.today.name == "HPA on gpu"
    assert found.cheapest is not None and found.cheapest.score.cost == 20.0
    assert [course.score.cost for course in found.others] == [30.0, 25.0]


def test_defaults_that_are_the_best_stand_once() -> None:
    courses = [course(), course("HPA", knobs={"t": 80}, cost=9.0), course("HPA", knobs={"t": 50}, cost=20.0)]

    assert names(standing(courses, bound=None, today="hpa", variants=2)) == ["Tightrope", "HPA"]


def test_only_who_met_the_objective_can_be_cheaper() -> None:
    courses = [course(cost=10.0), course("A", cost=5.0, attainment=0.5), course("B", cost=9.0), course("C", cost=9.99)]
    found = standing(courses, bound=None, today="hpa", variants=2)

    assert [entrant.name for entrant in found.cheaper] == ["B"]
    assert found.today is None


def test_the_charts_begin_with_ours_todays_the_cheapest_and_the_clairvoyant() -> None:
    courses = [course(), course("A", cost=12.0), course("HPA", cost=20.0), course("B", cost=11.0)]
    found = standing(courses, bound=bound(), today="hpa", variants=2)

    shown = [entrant.name for entrant in found.entrants if entrant.number in found.shown_first]
    assert shown == ["Tightrope", "HPA", "B", "Clairvoyant"]
    assert [entrant.number for entrant in found.entrants] == [1, 2, 3, 4, 5]


def test_without_a_course_there_is_no_report() -> None:
    with pytest.raises(ValueError, match="ours first"):
        standing([], bound=None, today="hpa", variants=2)
