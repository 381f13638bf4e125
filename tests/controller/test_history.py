"""Earlier samples are read beside the ticks, when they are needed, and seldom."""

import asyncio

import pytest
from fakes import FakeMetrics

from tightrope.controller.history import History
from tightrope.ports import PodHistory, PodKey


@pytest.fixture
def metrics() -> FakeMetrics:
    made = FakeMetrics()
    made.earlier = {"generic": {PodKey("nlp", "p"): PodHistory(arrivals=((1.0, 2.0),))}}
    return made


def history(metrics: FakeMetrics) -> History:
    return History(metrics=metrics, length_seconds=600.0, step_seconds=15.0)


async def ask(one: History, uids: set[str], now: float, *, failing: bool = False) -> object:
    found = one.read(["generic"], uids=uids, failing=failing, now=now)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return found


async def test_the_first_tick_does_not_wait_and_the_second_has_it(metrics: FakeMetrics) -> None:
    one = history(metrics)
    assert await ask(one, {"a"}, 0.0) is None
    found = await ask(one, {"a"}, 15.0)
    assert found.pods["generic"][PodKey("nlp", "p")].arrivals == ((1.0, 2.0),)
    assert await ask(one, {"a"}, 30.0) is None and metrics.histories == 1


async def test_a_new_service_has_its_history_read_but_not_more_than_once_a_minute(metrics: FakeMetrics) -> None:
    one = history(metrics)
    for tick, uids in enumerate([{"a"}, {"a"}, {"a", "b"}, {"a", "b", "c"}]):
        await ask(one, uids, tick * 15.0)
    assert metrics.histories == 1
    await ask(one, {"a", "b", "c"}, 75.0)
    assert metrics.histories == 2


async def test_a_reading_that_fails_is_tried_again(metrics: FakeMetrics) -> None:
    one, metrics.down = history(metrics), "down"
    await ask(one, {"a"}, 0.0)
    metrics.down = None
    assert await ask(one, {"a"}, 15.0) is None
    await ask(one, {"a"}, 90.0)
    assert await ask(one, {"a"}, 105.0) is not None


async def test_a_service_is_awaited_until_its_first_reading_has_ended_be_it_well_or_not(metrics: FakeMetrics) -> None:
    one = history(metrics)
    await ask(one, {"a"}, 0.0)
    assert one.awaited("a")
    await ask(one, {"a", "b"}, 15.0)
    assert not one.awaited("a") and one.awaited("b")
    metrics.down = "down"
    await ask(one, {"a", "b"}, 75.0)
    await ask(one, {"a", "b"}, 90.0)
    assert not one.awaited("b"), "what cannot be read is not waited for: status says how much of the window is covered"
    none = History(metrics=metrics, length_seconds=0.0, step_seconds=15.0)
    assert not none.awaited("a"), "nothing is to be read"


async def test_nothing_is_read_while_nothing_answers(metrics: FakeMetrics) -> None:
    one = history(metrics)
    await ask(one, {"a"}, 0.0, failing=True)
    assert metrics.histories == 0
    await ask(one, {"a"}, 15.0)
    assert metrics.histories == 1
