"""Why the page may be believed, also where it speaks against us."""

from replay.cases import case
from replay.report.courses import course

from tightrope.replay.report import grounds
from tightrope.replay.report.standing import standing


def reasons(*courses, gaps=()) -> str:
    made = case([(0.0, 1.0)], seconds=7200.0, gaps=gaps)
    return " ".join(grounds.reasons(made, standing(courses, bound=None, today="hpa", variants=2)))


def test_every_policy_that_was_cheaper_is_named() -> None:
    said = reasons(course(cost=10.0), course("A", cost=9.0), course("B", cost=5.0), course("C", cost=11.0))

    assert "Where we lose: these met the objective for less than Tightrope: B (50% less), A (10% less)." in said


def test_who_met_what_we_missed_is_named() -> None:
    assert "where Tightrope missed it: A." in reasons(course(attainment=0.5), course("A"))
    assert "Nobody met the objective." in reasons(course(attainment=0.5), course("A", attainment=0.6))


def test_winning_everywhere_is_said_only_when_it_is_so() -> None:
    assert "No other policy here met the objective for less." in reasons(course(cost=10.0), course("A", cost=11.0))


def test_unknown_demand_is_said_to_be_unknown() -> None:
    assert "10 min of the demand is unknown: not zero" in reasons(course(), gaps=[(0.0, 600.0)])
    assert "unknown" not in reasons(course())


def test_a_measured_capacity_is_not_called_stated() -> None:
    stated = " ".join(grounds.stated(case([(0.0, 1.0)], seconds=60.0)))
    measured = " ".join(grounds.stated(case([(0.0, 1.0)], seconds=60.0, measured={"cpu": 20.0, "gpu": 200.0})))

    assert "one replica of cpu carries 25 requests per second" in stated
    assert "carries" not in measured
