"""The scale bench reads what it measures from expositions: one wrong sum would be a wrong promise."""

import pytest

from tightrope.lab.scale import difference, parsed, total

BEFORE = """# TYPE tightrope_writes_total counter
tightrope_writes_total{verb="status",kind="InferenceDeployment",outcome="done"} 10.0
tightrope_writes_total{verb="event",kind="InferenceDeployment",outcome="done"} 4.0
tightrope_demand_requests_per_second{namespace="a",name="b"} 7.0
process_cpu_seconds_total 12.5
"""


def ours(line: str) -> bool:
    return line.startswith(("tightrope_writes", "process_"))


def test_samples_are_summed_by_the_labels_that_are_asked_for() -> None:
    found = parsed(BEFORE, wanted=ours)
    assert total(found, "tightrope_writes_total") == 14.0
    assert total(found, "tightrope_writes_total", verb="event") == 4.0
    assert total(found, "process_cpu_seconds_total") == 12.5
    assert total(found, "tightrope_demand_requests_per_second") == 0.0


def test_a_counter_that_was_not_there_before_has_moved_by_all_it_says() -> None:
    after = BEFORE.replace('verb="status"', 'verb="scale"').replace("12.5", "20.0")
    moved = difference(parsed(BEFORE, wanted=ours), parsed(after, wanted=ours))
    assert total(moved, "tightrope_writes_total", verb="scale") == 10.0
    assert total(moved, "tightrope_writes_total", verb="event") == 0.0
    assert total(moved, "process_cpu_seconds_total") == pytest.approx(7.5)
