"""What the emulated clients of one service saw, second by second: the lab's own account, with no Prometheus in between.
The last half hour is kept."""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from tightrope.dataplane.outcomes import Floats, Outcomes

KEPT_SECONDS = 1800
_NO_TIMES: Final = np.empty(0)
_NO_ENDS: Final = np.empty((3, 0))


class Row(NamedTuple):
    """The second that begins at `at` (unix). `arrivals` were sent in it; `finished`, `good` (of those, at or under the
    threshold) and `dropped` ended in it. Latencies are of those finished, in seconds, None without any. `ready` counts
    by variant the pods that got requests at its end."""

    at: float
    arrivals: int
    good: int
    finished: int
    dropped: int
    p50: float | None
    p99: float | None
    ready: Mapping[str, int]


class Truth:
    """One service. Times are unix seconds; `began` is when it was first known."""

    def __init__(self, *, began: float) -> None:
        self._rows: deque[Row] = deque(maxlen=KEPT_SECONDS)
        self._next = math.floor(began)
        # What has happened since the last row, as it came; sorting it by seconds waits until one is over.
        self._sent: list[Floats] = []
        self._ended: list[Floats] = []  # rows: time, latency (NaN if dropped), good (0 or 1)
        self._totals = {"arrivals": 0, "good": 0, "finished": 0, "dropped": 0}

    def sent(self, times: Floats) -> None:
        """Requests were sent at these times."""
        self._sent.append(times)
        self._totals["arrivals"] += len(times)

    def ended(self, times: Floats, ended: Outcomes, *, threshold_seconds: float) -> None:
        """Requests ended at these times, one for each of `ended`."""
        latency = np.where(ended.finished, ended.latency, np.nan)
        good = latency <= threshold_seconds
        self._ended.append(np.stack([times, latency, good]))
        dropped = ended.dropped
        self._totals["good"] += int(np.count_nonzero(good))
        self._totals["finished"] += len(ended) - dropped
        self._totals["dropped"] += dropped

    def close(self, now: float, ready: Mapping[str, int]) -> None:
        """All that happened before `now` has been told: the seconds that are over become rows."""
        end = math.floor(now)
        if self._next >= end:
            return
        sent, ended = np.concatenate([_NO_TIMES, *self._sent]), np.concatenate([_NO_ENDS, *self._ended], axis=1)
        # After a long sleep of the machine, only as many as are kept.
        for second in range(max(self._next, end - KEPT_SECONDS), end):
            # What was told late belongs to the oldest second that is open.
            begin = second if second > self._next else -math.inf
            seen = ended[:, (ended[0] >= begin) & (ended[0] < second + 1)]
            arrivals = int(np.count_nonzero((sent >= begin) & (sent < second + 1)))
            self._rows.append(_row(second, arrivals, latency=seen[1], good=int(seen[2].sum()), ready=ready))
        self._next = end
        self._sent, self._ended = [sent[sent >= end]], [ended[:, ended[0] >= end]]

    def since(self, at: float) -> dict[str, Any]:
        """Rows that begin at `at` or later, and the totals of all time."""
        rows: list[dict[str, Any]] = []
        for row in reversed(self._rows):
            if row.at < at:
                break
            rows.append(row._asdict())
        return {"seconds": rows[::-1], "totals": dict(self._totals)}


def _row(second: int, arrivals: int, *, latency: Floats, good: int, ready: Mapping[str, int]) -> Row:
    finished = latency[~np.isnan(latency)]
    p50, p99 = np.quantile(finished, (0.5, 0.99)).tolist() if len(finished) else (None, None)
    return Row(float(second), arrivals, good, len(finished), len(latency) - len(finished), p50, p99, ready)
