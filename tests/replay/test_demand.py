"""What is known of a demand, and when."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.dataplane.curve import RateCurve
from tightrope.replay.demand import Demand

EDGES = st.lists(st.integers(0, 100), min_size=0, max_size=12, unique=True).map(sorted)


def demand(edges: list[int]) -> Demand:
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return Demand(
        name="made up",
        duration_seconds=100.0,
        source="a test",
        curve=RateCurve([(0.0, 1.0)]),
        gaps=tuple((float(start), float(end)) for start, end in pairs),
    )


@given(EDGES, st.integers(0, 99), st.integers(1, 50))
def test_the_unknown_part_of_a_stretch_is_what_lies_in_gaps(edges: list[int], start: int, length: int) -> None:
    one = demand(edges)
    seconds = [any(a <= at < b for a, b in one.gaps) for at in range(start, start + length)]

    assert one.unknown_seconds(start, start + length) == sum(seconds)
    assert [not one.known_at(at) for at in range(start, start + length)] == seconds


def test_the_known_share_of_a_stretch_is_its_part_outside_gaps() -> None:
    assert demand([10, 20]).known_share(np.array([0.0, 15.0, 20.0, 40.0])) == pytest.approx([2 / 3, 0.0, 1.0])
