"""A process that is stuck ends, though nothing in it moves any more."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from tightrope.controller.watchdog import Watchdog

SOURCE = Path(__file__).resolve().parents[2] / "operator"
# The event loop stands still: nothing stirs the pulse, and no coroutine could do anything about it.
STUCK = """
import asyncio, threading, time
from tightrope.controller.telemetry import configure_logging
from tightrope.controller.watchdog import Watchdog

async def blocked_for_good():
    threading.Lock().acquire() and time.sleep(60)

configure_logging("info")
Watchdog(alive=lambda: "nothing was brought to an end for 105s", look_seconds=0.01, looks=3).start()
asyncio.run(blocked_for_good())
"""


class Answers:
    """What `alive` says, look by look; the last one for ever."""

    def __init__(self, *answers: str | None) -> None:
        self.left = list(answers)
        self.looks = 0
        self.enough = threading.Event()
        self.ended: list[str] = []

    def alive(self) -> str | None:
        self.looks += 1
        answer = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if self.looks >= 30:
            self.enough.set()
        return answer

    def end(self, why: str) -> None:
        self.ended.append(why)
        self.enough.set()


def watched(*answers: str | None) -> Answers:
    made = Answers(*answers)
    dog = Watchdog(alive=made.alive, end=made.end, look_seconds=0.001, looks=10)
    dog.start()
    assert made.enough.wait(10)
    dog.stop()
    return made


def test_a_trouble_that_stays_ends_the_process_once() -> None:
    assert watched(None, "stuck").ended == ["stuck"]


def test_a_process_that_shows_life_after_a_pause_goes_on() -> None:
    assert watched(*["stuck"] * 9, None, *["stuck"] * 9, None).ended == []


def test_a_process_whose_event_loop_stands_still_exits_with_one_and_shows_where_it_stood() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUCK],
        env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the operator is stuck and ends" in done.stderr and "blocked_for_good" in done.stderr
