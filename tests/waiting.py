"""Polling with a deadline, and looking for processes, for the tests of the lab."""

import time
from collections.abc import Callable
from pathlib import Path


def until(condition: Callable[[], object], *, seconds: float, what: str) -> float:
    """Wait until the condition holds and return how long that took; fail the test if it takes longer."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"after {seconds} s still not: {what}"
        time.sleep(0.05)
    return time.monotonic() - began


def processes_with(text: str) -> list[int]:
    """Ids of live processes whose command line contains this text."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            line = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            dead = (directory / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if text in line and not dead:
            found.append(int(directory.name))
    return found
