"""The table of the page."""

import re

from replay.report.courses import bound, course

from tightrope.replay.report.standing import standing
from tightrope.replay.report.table import table


def rows(*courses, bound=None) -> list[list[str]]:
    text = table(standing(courses, bound=bound, today="hpa", variants=2)).replace("\N{NO-BREAK SPACE}", " ")
    body = text.split("<tbody>")[1]
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)]
        for row in body.split("</tr>")[:-1]
    ]


def test_ours_first_then_who_met_it_by_cost_then_who_missed_it() -> None:
    found = rows(
        course(cost=10.0), course("A", cost=1.0, attainment=0.5), course("B", cost=30.0), course("C", cost=20.0),
        course("D", cost=1.0, attainment=0.9), bound=bound(),
    )  # fmt: skip

    assert [re.split("the |knows", row[1])[0] for row in found] == ["Tightrope", "C", "B", "D", "A", "Clairvoyant"]


def test_a_cost_is_only_compared_where_both_met_the_objective() -> None:
    ours, met, missed = rows(course(cost=10.0), course("A", cost=20.0), course("B", cost=40.0, attainment=0.5))
    lost = rows(course(cost=10.0, attainment=0.5), course("A", cost=20.0))[1]

    assert (ours[5], met[5], missed[5], lost[5]) == ("–", "50% less", "–", "–")
    assert missed[3] == "MISSED"


def test_the_clairvoyants_cost_is_the_measure_where_it_met_the_objective() -> None:
    assert rows(course(cost=10.0), bound=bound(8.0))[0][6] == "1.25"
    assert rows(course(cost=10.0), bound=bound(8.0, attainment=0.5))[0][6] == "–"


def test_what_is_unknown_is_no_figure() -> None:
    (row,) = rows(course(attainment=None, worst_hour=None))

    assert row[2] == "-" and row[3] == "no requests" and row[9] == "-"


def test_settings_and_origin_stand_under_the_name() -> None:
    assert (
        "Kubernetes HPA v2, utilisation target; target 80" in rows(course(), course("HPA", knobs={"target": 80}))[1][1]
    )
