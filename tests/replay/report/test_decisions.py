"""Decisions as they can be opened."""

from tightrope.replay.report.axes import TimeAxis
from tightrope.replay.report.decisions import change, decisions, in_words
from tightrope.replay.score import Beaten, Step


def step(at: float, cpu: int, **changes) -> Step:
    return Step(at=at, replicas={"cpu": cpu, "gpu": 0}, **changes)


def test_each_decision_opens_for_its_sentence_and_the_plans_it_beat() -> None:
    beaten = Beaten(plan="cpu:0 gpu:1", cost_per_hour=0.8, why_not="dearer by 0.40/h")
    steps = [step(10.0, 2), step(3700.0, 5, reason="DemandRose", sentence="Demand rose: 9/s.", beaten=(beaten,))]
    text = decisions(steps, TimeAxis(seconds=7200.0, start_unix=None), "EUR")

    assert text.count('<details class="hour">') == 2
    assert "<b>cpu 2 → 5, gpu 0</b><i>Demand rose</i>" in text
    assert "<p>Demand rose: 9/s.</p>" in text
    assert "beat cpu:0 gpu:1 at 0.80 EUR/h: dearer by 0.40/h" in text
    assert 'data-at="3700"' in text


def test_a_fortnight_is_folded_by_days_first() -> None:
    steps = [step(3600.0 * hour, hour % 5) for hour in range(0, 14 * 24, 2)]
    text = decisions(steps, TimeAxis(seconds=14 * 86_400.0, start_unix=None), "USD")

    assert text.count('<details class="day">') == 14
    assert text.count("data-at=") == len(steps)


def test_a_policy_that_changed_nothing_says_so() -> None:
    assert "changed nothing" in decisions([], TimeAxis(seconds=60.0, start_unix=None), "USD")


def test_changes_and_reasons_read_as_words() -> None:
    assert change(None, {"cpu": 2}) == "cpu 2"
    assert change({"cpu": 2, "gpu": 1}, {"cpu": 2, "gpu": 0}) == "cpu 2, gpu 1 → 0"
    assert [in_words(reason) for reason in ("DemandRose", "SLOAtRisk", "HoldMakeBeforeBreak", "Steady")] == [
        "Demand rose", "SLO at risk", "Hold make before break", "Steady",
    ]  # fmt: skip
