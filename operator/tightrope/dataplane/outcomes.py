"""What became of each request. Servers and fleets return it step by step; whoever drives them counts it.

Nothing is kept here: a run of any length needs memory only for the requests that are still inside.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int8]


class Status(IntEnum):
    """How a request ended. All but FINISHED are dropped, and count as misses of the SLO."""

    FINISHED = 0
    REFUSED = 1  # the queue was full when it arrived
    TIMED_OUT = 2  # its client gave up
    UNROUTED = 3  # no pod was ready when it arrived
    LOST = 4  # its pod went away while it was inside


_FINISHED: Final = np.int8(Status.FINISHED)  # comparing with the enum itself takes ten times as long


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Requests that ended in one step, in no order; four arrays of one length, times in seconds.

    `wait` is the time in the queue, `service` the time being worked on (0 if the work never began). A client that
    gives up cuts both short.
    """

    arrival: Floats
    wait: Floats
    service: Floats
    status: Codes

    def __len__(self) -> int:
        return len(self.arrival)

    @property
    def latency(self) -> Floats:
        """Seconds from arrival to the end, whichever end it was, to the nanosecond: as differences of clock times they
        carry rounding, and 0.1 s must be found at or under 0.1 s."""
        return np.round(self.wait + self.service, 9)

    @property
    def ended(self) -> Floats:
        return self.arrival + self.wait + self.service

    @property
    def finished(self) -> NDArray[np.bool_]:
        finished: NDArray[np.bool_] = self.status == _FINISHED
        return finished

    def count(self, status: Status) -> int:
        return int(np.count_nonzero(self.status == int(status)))

    @property
    def dropped(self) -> int:
        return int(np.count_nonzero(self.status))


def all_alike(
    status: Status, *, arrival: Floats, wait: Floats | None = None, service: Floats | None = None
) -> Outcomes:
    """Outcomes that share one status; no wait or no service means none."""
    none = np.zeros(len(arrival))
    return Outcomes(
        arrival=arrival,
        wait=none if wait is None else wait,
        service=none if service is None else service,
        status=np.full(len(arrival), status, dtype=np.int8),
    )


NOTHING = all_alike(Status.FINISHED, arrival=np.empty(0))


def together(parts: Iterable[Outcomes]) -> Outcomes:
    """All of them as one."""
    some = [part for part in parts if len(part)]
    if len(some) <= 1:
        return some[0] if some else NOTHING
    return Outcomes(
        arrival=np.concatenate([part.arrival for part in some]),
        wait=np.concatenate([part.wait for part in some]),
        service=np.concatenate([part.service for part in some]),
        status=np.concatenate([part.status for part in some]),
    )
