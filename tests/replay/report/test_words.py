"""The verdict: what a reader takes away in a minute, and never more than the scores say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay.cases import case
from replay.report.courses import bound, course, score

from tightrope.replay.report import words
from tightrope.replay.report.standing import Standing, standing
from tightrope.replay.score import Course

OBJECTIVE = build.service().objective


def found(*courses: Course, bound: Any = None) -> Standing:
    return standing(courses, bound=bound, today="hpa", variants=2)


def spoken(*courses: Course, bound: Any = None, gaps: Sequence[tuple[float, float]] = ()) -> str:
    demand = case([(0.0, 1.0)], seconds=88_560.0, gaps=gaps).demand
    return " ".join(words.verdict(found(*courses, bound=bound), OBJECTIVE, demand)).replace("\N{NO-BREAK SPACE}", " ")


def head(*courses: Course, bound: Any = None) -> str:
    return words.headline(found(*courses, bound=bound)).replace("\N{NO-BREAK SPACE}", " ")


def hpa(**changes: Any) -> Course:
    return course("HPA", **changes)


def test_a_win_names_the_cost_the_rival_and_the_difference() -> None:
    assert head(course(cost=18.97), hpa(cost=24.80, variants=("gpu",))) == (
        "Tightrope would have met the objective for 18.97 USD, 24% less than HPA on gpu."
    )


def test_the_verdict_holds_the_figures_of_the_scores_and_no_others() -> None:
    said = spoken(
        course(cost=18.97, attainment=0.99689),
        hpa(cost=24.80, variants=("gpu",)),
        course("Static peak", policy="static-peak", cost=20.20),
        bound=bound(16.73),
    )

    assert said == (
        "Over 24.6 h of demand, Tightrope would have served 99.68% of 1,000 requests within 300 ms (objective 99%: "
        "met) for 18.97 USD. "
        "HPA on gpu, standing for what runs today, would have met it too, for 24.80 USD: Tightrope costs 24% less than "
        "that. "
        "The cheapest of the others, Static peak (sized in hindsight), would have met it too, for 20.20 USD: Tightrope "
        "costs 6% less than that. "
        "Somebody who knew every arrival in advance would have paid 16.73 USD; Tightrope, which knew none, would have "
        "paid 13% more than that."
    )


def test_whoever_was_cheaper_is_in_the_headline() -> None:
    said = head(course(cost=10.0), hpa(cost=20.0), course("KEDA", cost=9.0))

    assert "50% less than HPA" in said
    assert "KEDA would have been cheaper still: 9.00 USD" in said


def test_losing_to_what_runs_today_is_said_plainly() -> None:
    said = head(course(cost=12.0), hpa(cost=10.0))

    assert said == "Tightrope would have met the objective for 12.00 USD, 20% more than HPA."
    assert "Tightrope costs 20% more than that" in spoken(course(cost=12.0), hpa(cost=10.0))


def test_a_miss_comes_first_and_saves_nothing() -> None:
    courses = course(cost=5.0, attainment=0.98999), hpa(cost=10.0)

    assert head(*courses) == "Tightrope would have missed the objective: 98.99% instead of 99%."
    assert "less" not in spoken(*courses)
    assert "HPA, standing for what runs today, would have met it with 99.50%, for 10.00 USD" in spoken(*courses)
    assert not any("Saved" in what for what, _, _ in words.tiles(found(*courses), case([(0, 1)], seconds=60).demand))


def test_a_rival_that_missed_is_no_saving_however_dear() -> None:
    courses = course(cost=5.0), hpa(cost=10.0, attainment=0.8)

    assert head(*courses) == "Tightrope would have met the objective for 5.00 USD, which none of the others did."
    assert "would have missed it with 80.00%, for 10.00 USD" in spoken(*courses)
    assert "less" not in spoken(*courses)


def test_without_requests_nothing_is_claimed() -> None:
    said = head(course(attainment=None, requests=0, good=0)) + spoken(course(attainment=None, requests=0, good=0))

    assert "nothing can be said" in said
    assert "met the objective" not in said and "%" not in said


def test_even_the_clairvoyant_may_miss() -> None:
    said = spoken(course(attainment=0.9), bound=bound(attainment=0.95))

    assert "Even somebody who knew every arrival in advance would have missed it, with 95.00%" in said


def test_unknown_time_is_said_beside_the_length() -> None:
    said = spoken(course(), gaps=[(0.0, 3600.0), (7200.0, 9000.0)])

    assert "Over 24.6 h of demand (of which 90 min unknown: neither played nor billed)" in said


@pytest.mark.parametrize(
    ("ours", "other", "said"),
    [
        (10.0, 10.0, "about as much as"),
        (10.04, 10.0, "about as much as"),
        (7.5, 10.0, "25% less than"),
        (12.5, 10.0, "25% more than"),
        (31.0, 10.0, "3.1 times as much as"),
        (1.0, 0.0, "more than"),
        (0.0, 0.0, "as much as"),
    ],
)
def test_a_difference_reads_with_the_name_that_follows(ours: float, other: float, said: str) -> None:
    assert words.difference(score(cost=ours), score(cost=other)) == said


@given(ours=st.floats(0.01, 1e4), other=st.floats(0.01, 1e4))
def test_less_is_only_said_of_what_costs_less(ours: float, other: float) -> None:
    said = words.difference(score(cost=ours), score(cost=other))

    assert not ("less" in said and ours >= other)
    assert not (("more" in said or "times" in said) and ours <= other)


def test_a_month_is_extrapolated_from_a_day_and_not_from_an_hour() -> None:
    standing = found(course(cost=10.0), hpa(cost=16.0))
    day = case([(0, 1.0)], seconds=86_400.0).demand
    remarks = [remark for _, _, remark in words.tiles(standing, day)]
    brief = [remark for _, _, remark in words.tiles(standing, replace(day, duration_seconds=3600.0))]

    assert any("180.00\N{NO-BREAK SPACE}USD in 30 such days" in remark for remark in remarks)
    assert not any("such days" in remark for remark in brief)
