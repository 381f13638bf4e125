"""What the Kubernetes HPA does with a proposal before it scales: stabilise, then limit the rate, then min and max.

HPA and KEDA (which scales through an HPA) use it. Constants are the defaults of autoscaling/v2 behaviour: up without a
window, by the larger of 100 % and 4 replicas in 15 s; down to the largest proposal of the last 300 s, by 100 % in 15 s.
The real order is the one above. Memory is the controller's own: the size first met counts as the first proposal.
"""

from collections import deque
from fractions import Fraction

DOWNSCALE_WINDOW_SECONDS = 300.0
POLICY_PERIOD_SECONDS = 15.0
UP_PODS = 4
UP_FACTOR = 2  # 100 % more
TOLERANCE = Fraction(1, 10)  # both ends inclusive


def within_tolerance(ratio: Fraction) -> bool:
    """Whether metric over target is too near to one to act on."""
    return abs(ratio - 1) <= TOLERANCE


def exact(value: float) -> Fraction:
    """The number as it was meant: 0.1 + 0.2 is 0.3, so that a ceiling never buys a replica for a rounding error."""
    return Fraction(round(value * 10**9), 10**9)


class Behavior:
    """The memory of one HPA: its proposals and its own changes."""

    def __init__(self, *, minimum: int, maximum: int) -> None:
        self._minimum, self._maximum = minimum, maximum
        self._proposals: deque[tuple[float, int]] = deque()
        self._changes: deque[tuple[float, int]] = deque()

    def gate(self, now: float, current: int) -> int | None:
        """The size to jump to at once when the current one is out of bounds, else None. To be asked at every turn."""
        if not self._proposals:
            self._proposals.append((now, current))
        if current == 0 or self._minimum <= current <= self._maximum:
            return None
        return self._changed(now, current, min(max(current, self._minimum), self._maximum))

    def settle(self, now: float, current: int, proposal: int) -> int:
        """Replicas to ask for, given what the metric proposes."""
        _forget(self._proposals, now - DOWNSCALE_WINDOW_SECONDS)
        _forget(self._changes, now - POLICY_PERIOD_SECONDS)
        floor = max([proposal, *(size for _, size in self._proposals)])
        self._proposals.append((now, proposal))
        stable = max(proposal, min(current, floor))
        if stable > current:
            stable = min(stable, self._maximum, max(current, self._up_limit(current)))
        elif stable < current:
            stable = max(stable, self._minimum)  # 100 % in 15 s allows everything
        return self._changed(now, current, stable)

    def _up_limit(self, current: int) -> int:
        start = current - sum(change for _, change in self._changes)
        return max(start + UP_PODS, start * UP_FACTOR)

    def _changed(self, now: float, current: int, size: int) -> int:
        if size != current:
            self._changes.append((now, size - current))
        return size


def _forget(events: deque[tuple[float, int]], cutoff: float) -> None:
    """Drop what is not newer than the cutoff."""
    while events and events[0][0] <= cutoff:
        events.popleft()
