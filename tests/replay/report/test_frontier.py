"""Cost against attainment as dots."""

import math
import re
from dataclasses import replace

from replay.report.courses import bound, course

from tightrope.replay.report.frontier import HEIGHT, frontier, limits_in_words
from tightrope.replay.report.standing import standing


def found(*courses, bound=None):
    return standing(courses, bound=bound, today="hpa", variants=2)


def heights(text: str) -> dict[str, tuple[float, float]]:
    """Of each numbered dot: percent from the left, pixels from the top."""
    dots = re.findall(r'<circle cx="([\d.]+)%" cy="([\d.]+)" r="9"/><text[^>]*>(\d+)<', text)
    return {number: (float(x), float(y)) for x, y, number in dots}


def test_better_is_higher_and_cheaper_is_further_left() -> None:
    dots = heights(frontier(found(course(), course("HPA", cost=20.0, attainment=0.999), course("B", attainment=0.5))))

    assert dots["2"][0] > dots["1"][0]
    assert dots["2"][1] < dots["1"][1] < dots["3"][1] <= HEIGHT


def test_only_those_below_the_objectives_line_missed_it() -> None:
    text = frontier(found(course(attainment=0.9901), course("HPA", attainment=0.9899)))
    line = re.search(r'<rect x="0" y="([\d.]+)"[^>]*class="missed"', text)
    dots = heights(text)

    assert line is not None
    assert dots["1"][1] < float(line.group(1)) < dots["2"][1]


def test_other_settings_are_small_dots_and_the_lower_limit_a_line() -> None:
    courses = [course(), *(course("HPA", knobs={"t": knob}, cost=10.0 + knob) for knob in (1, 2, 3))]
    text = frontier(found(*courses, bound=bound(8.0, relaxed=7.5)))

    assert text.count('class="small"') == 2
    assert "HPA, other settings: 99.50% for 12.00" in text
    assert "lower limit" in text


def test_dots_that_would_hide_each_other_are_one_with_all_their_numbers() -> None:
    same = [course(name, cost=20.0, attainment=0.999) for name in ("HPA", "B", "C")]
    text = frontier(found(course(), *same))

    assert list(heights(text)) == ["2", "1"]
    assert "and 3, 4</text>" in text
    assert all(f"{name}: 99.90% for 20.00" in text for name in ("HPA", "B", "C"))


def test_a_policy_without_requests_has_no_dot() -> None:
    assert list(heights(frontier(found(course(), course("HPA", attainment=None))))) == ["1"]


def test_the_limits_are_explained_with_their_figures() -> None:
    said = limits_in_words(found(course(), bound=bound(8.0, relaxed=7.5))).replace("\N{NO-BREAK SPACE}", " ")
    without = limits_in_words(found(course(), bound=replace(bound(), unreachable=math.nan)))

    assert "8.00 USD" in said and "7.50 USD" in said and "it would be 7.00 USD" in said
    assert "nan" not in without and "it would be" not in without
    assert limits_in_words(found(course())) == ""
