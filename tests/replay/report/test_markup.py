"""Text never becomes markup by accident."""

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from tightrope.replay.report.markup import Markup, element, joined, shortest

PRINTED = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn", "Cc"]))


@given(PRINTED, PRINTED)
def test_whatever_is_said_is_read_again_as_it_was_said(text: str, attribute: str) -> None:
    read = ET.fromstring(element("p", {"title": attribute}, element("b", {}, text)))

    assert read.get("title") == attribute
    assert (read.find("b").text or "") == text


def test_attributes_without_a_value_are_left_out() -> None:
    assert element("line", {"x": 1.0, "y": None, "class": ""}) == '<line x="1" class=""/>'


def test_markup_is_not_escaped_twice() -> None:
    assert joined(Markup("<b/>"), "<b/>") == "<b/>&lt;b/&gt;"
    assert [shortest(value) for value in (1.005, 2.5, 3.0, 7, "x")] == ["1", "2.5", "3", "7", "x"]
