"""The sampling profiler counts threads that work, and not those that wait."""

import sys
import threading

from tightrope.lab.sampled import Sampler


def working(begun: threading.Event, end: list[bool]) -> None:
    begun.set()
    while not end:
        sum(range(100))


def test_a_look_meets_the_thread_that_works_and_not_the_one_that_waits() -> None:
    begun, end, rest, sampler = threading.Event(), [], threading.Event(), Sampler()
    threads = [
        threading.Thread(target=working, args=(begun, end), daemon=True),
        threading.Thread(target=rest.wait, daemon=True),
    ]
    for thread in threads:
        thread.start()
    begun.wait()
    frames = {thread.ident or 0: sys._current_frames()[thread.ident or 0] for thread in threads}
    for _ in range(3):
        sampler.look(frames, me=0)
    end.append(True)
    rest.set()
    assert sampler.looks == 3
    assert sampler.own == {working.__code__: 3} and sampler.under[working.__code__] == 3
    (line,) = {line for line in sampler.report().splitlines() if line.endswith(" working")}
    assert line.split()[:2] == ["100.00", "100.00"]
