"""Figures in the status: they move a little all the time, and never make a tick of a write for every service."""

import pytest
import wire
from operation import Operation, operation

from tightrope.controller import statuses
from tightrope.controller.statuses import only_figures

NAMES = tuple(f"s{number}" for number in range(12))


def services() -> Operation:
    """Twelve services with a steady demand, whose figures settle and whose window fills all at once."""
    made = [wire.inference_deployment(name) for name in NAMES]
    return operation(wire.compute_pool("cpu"), wire.compute_pool("gpu"), *made, **dict.fromkeys(NAMES, 10.0))


async def status_writes(op: Operation, ticks: int) -> list[set[str]]:
    """Whose status was written, tick by tick."""
    op.writes()
    written = []
    for _ in range(ticks):
        await op.tick()
        written.append({write[3] for write in op.writes() if write[:2] == ("status", "InferenceDeployment")})
    return written


async def test_where_there_are_many_services_their_figures_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    together = services()
    await together.tick(12)
    assert max(map(len, await status_writes(together, 60))) == len(NAMES)
    monkeypatch.setattr(statuses, "_FIGURES_A_TICK", 3)
    in_turns = services()
    await in_turns.tick(12)
    written = await status_writes(in_turns, 60)
    assert max(map(len, written)) <= 6, "twelve services, four turns"
    assert set().union(*written) == set(NAMES), "everybody has a turn"


def test_an_alarm_is_more_than_a_figure() -> None:
    def status(**slo: str) -> dict[str, object]:
        return {"slo": [{"metric": "latency", "objective": "99% < 300ms", **slo}], "variants": []}

    before = status(attainment="99.50")
    assert only_figures(before, status(attainment="99.30"), {"slo": []})
    assert not only_figures(before, status(attainment="99.30", burning="Fast"), {"slo": []})


async def test_a_comparison_that_grows_is_a_figure_like_others() -> None:
    watched = wire.inference_deployment("watched", mode="Recommend")
    op = operation(wire.compute_pool("cpu"), wire.compute_pool("gpu"), watched, watched=10.0)
    await op.tick(12)
    written = await status_writes(op, 40)
    assert sum(map(len, written)) <= 11, "ten minutes, one write a minute"
    assert op.cluster.get("InferenceDeployment", "watched")["status"]["recommendation"]["hours"]
