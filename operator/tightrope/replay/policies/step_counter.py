"""Patience by counting: act only after enough turns in a row have asked for the same direction. For AIAD and one-shot.

Rule of Faro's reactive baselines (commit b595c4a): each evaluation counts one step up when the metric is above its
target and one step down otherwise; a change of direction starts again at one; an action starts again from nothing.
"""

INTERVAL_SECONDS = 10.0
WINDOW_SECONDS = 30.0  # the metric is the mean latency over it
UP_AFTER_SECONDS = 30.0
DOWN_AFTER_SECONDS = 600.0


class StepCounter:
    """Counts evaluations that are INTERVAL_SECONDS apart."""

    def __init__(self, *, up_after_seconds: float, down_after_seconds: float) -> None:
        self._up_after = max(1, round(up_after_seconds / INTERVAL_SECONDS))
        self._down_after = max(1, round(down_after_seconds / INTERVAL_SECONDS))
        self._count = 0

    def turn(self, above: bool) -> int:
        """1 when it is time to go up, -1 when it is time to go down, else 0."""
        step = 1 if above else -1
        self._count = self._count + step if self._count * step > 0 else step
        if self._count >= self._up_after or self._count <= -self._down_after:
            self._count = 0
            return step
        return 0
