"""Events: counted within the hour, said anew after it."""

from tightrope.adapters.kubernetes.events import EventMemory

KEY = ("uid", "DemandRose", "words")


def test_a_repetition_is_counted_and_its_count_written_now_and_then() -> None:
    memory = EventMemory()
    assert memory.repeat(KEY, now=0.0) is None
    memory.said(KEY, name="e", now=0.0)
    assert memory.repeat(KEY, now=60.0).series is None
    assert memory.repeat(KEY, now=301.0).series["count"] == 3


def test_after_an_hour_it_is_news_again_and_the_memory_does_not_grow() -> None:
    memory = EventMemory()
    for number in range(1000):
        memory.said(("uid", "r", str(number)), name="e", now=float(number))
    assert memory.repeat(("uid", "r", "0"), now=4000.0) is None
    memory.said(KEY, name="e", now=9000.0)
    assert len(memory._said) == 1


def test_what_is_said_anew_after_an_hour_is_remembered_from_then_on() -> None:
    memory = EventMemory()
    memory.said(KEY, name="old", now=0.0)
    memory.said(("uid", "r", "other"), name="other", now=1800.0)
    memory.said(KEY, name="new", now=3700.0)
    memory.said(("uid", "r", "later"), name="later", now=5500.0)
    assert memory.repeat(KEY, now=5600.0).name == "new"
    assert memory.repeat(("uid", "r", "other"), now=5600.0) is None
