"""What the probes ask: does the process get on, and may it be trusted with the lead?

`process` marks its steps here, `telemetry` serves the answers as /healthz and /readyz, and `watchdog` ends the process
when it does not get on any more.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tightrope.ports import Clock

# Three listings failed in a row: what the store holds may be old.
_STALE_LISTINGS: Final = 3
_LISTING_SECONDS: Final = 30.0
# A process that neither ends a turn nor a step of one for three periods and this is stuck. The longest step by far is
# a listing that is not answered.
_STUCK_TICKS: Final = 3
_STEP_SECONDS: Final = 60.0
# A step over all services at once may take this much longer for each: ten thousand decisions are one step, of half a
# minute on a slow core, and whoever ends that process halfway gets another one that never comes further.
_SERVICE_SECONDS: Final = 0.02


def _sure() -> str | None:
    return None


@dataclass(slots=True, kw_only=True)
class Pulse:
    """Times are on the monotonic clock. `unsure` says why this process does not know who leads, or None; `services` is
    how many the tick under way has to decide."""

    clock: Clock
    tick_seconds: float
    reconcile_seconds: float
    unsure: Callable[[], str | None] = _sure
    listed_at: float | None = None
    turned_at: float | None = None
    services: int = 0
    stirred_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.stirred_at = self.clock.monotonic()

    def stir(self) -> None:
        """Something was brought to an end, well or not: a listing, one service's writes, a turn of the tick loop."""
        self.stirred_at = self.clock.monotonic()

    def turned(self) -> None:
        """A turn of the tick loop ended, be it a tick, a hold or a standby's nothing."""
        self.stir()
        self.turned_at = self.stirred_at

    def alive(self) -> str | None:
        """Why a restart is the cure, or None. Waiting for the API server or for Prometheus never is: it has its time
        limits, and a restart would not bring them back."""
        age = self.clock.monotonic() - self.stirred_at
        if age <= _STUCK_TICKS * self.tick_seconds + _STEP_SECONDS + _SERVICE_SECONDS * self.services:
            return None
        return f"nothing was brought to an end for {age:.0f}s"

    def fresh(self) -> str | None:
        """Why nothing may be planned from the store, or None."""
        if self.listed_at is None:
            return "the cluster has not been listed whole yet"
        age = self.clock.monotonic() - self.listed_at
        if age > _STALE_LISTINGS * self.reconcile_seconds + _LISTING_SECONDS:
            return f"the cluster was last listed whole {age:.0f}s ago"
        return None

    def ready(self) -> str | None:
        """Why this process could not take over now, or None: leader and standby are ready alike."""
        return self.fresh() or (None if self.turned_at is not None else "no turn has ended yet") or self.unsure()
