"""A program under a sampling profiler: `python -m tightrope.lab.sampled REPORT tightrope.cli run ...`.

A thread looks at the stacks of all the others, some times a second, and counts which functions it meets: it sees the
threads in which a tick works, which a tracing profiler of the main thread would not, and hardly slows them down. At the
end the report has, for each function, in what part of the busy looks it was running itself, and on the stack at all.
`scale` starts the operator so.
"""

import runpy
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

LOOK_SECONDS: Final = 0.02
_LINES: Final = 60
# A thread whose innermost frame is one of these waits; it costs nothing.
_WAITING: Final = frozenset({"select", "wait", "poll", "accept", "_worker", "get", "readinto", "_wait_for_tstate_lock"})


class Sampler:
    """Counts looks: `own` by innermost function, `under` by every function on the stack, once a look and thread."""

    def __init__(self) -> None:
        self.own: Counter[CodeType] = Counter()
        self.under: Counter[CodeType] = Counter()
        self.looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sampler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def look(self, frames: dict[int, FrameType], *, me: int) -> None:
        """One look at the innermost frames of all threads but `me`."""
        for thread, frame in frames.items():
            if thread == me or frame.f_code.co_name in _WAITING:
                continue
            self.looks += 1
            self.own[frame.f_code] += 1
            self.under.update(set(_stack(frame)))

    def report(self) -> str:
        """A table: percent of the busy looks by itself, with all it calls, and where."""
        whole = max(self.looks, 1)
        lines = [f"{self.looks} busy looks, one every {1000 * LOOK_SECONDS:.0f} ms", "", "  self%   total%  function"]
        for title, counts in (("by self", self.own), ("by total", self.under)):
            lines.append(f"-- {title}")
            for code, _ in counts.most_common(_LINES):
                own, under = 100 * self.own[code] / whole, 100 * self.under[code] / whole
                lines.append(f"{own:7.2f}  {under:7.2f}  {_place(code)}")
        return "\n".join(lines) + "\n"

    def _watch(self) -> None:
        me = threading.get_ident()
        while not self._stop.wait(LOOK_SECONDS):
            self.look(sys._current_frames(), me=me)


def _stack(frame: FrameType | None) -> Iterator[CodeType]:
    """The functions of a stack, innermost first; what they are called is found out at the end, to be quick here."""
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def _place(code: CodeType) -> str:
    """File, line and name of a function."""
    path = code.co_filename.rsplit("site-packages/", 1)[-1].rsplit("/operator/", 1)[-1]
    return f"{path}:{code.co_firstlineno} {code.co_qualname}"


def main() -> None:
    report, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv = [module, *sys.argv[3:]]
    sampler = Sampler()
    sampler.start()
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        sampler.stop()
        report.write_text(sampler.report())


if __name__ == "__main__":
    main()
