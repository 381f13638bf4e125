"""What the decision carries from one tick to the next, as frozen values.

Nothing here is needed for safety: after a restart `Persisted` comes back from the service's status, history comes
back from Prometheus, and what is still unknown only removes the right to descend until it is known again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tightrope.domain.comparison import Comparison, Trial
from tightrope.domain.demand_history import DemandHistory, Recent
from tightrope.domain.pressure import Pressure
from tightrope.domain.shadows import Shadows
from tightrope.domain.spec import Metric, Objective, ServiceKey

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedCapacity:
    """What is believed of one variant: ln of its capacity (requests per second per replica at the SLO), as a normal
    distribution with this mean and standard deviation."""

    log_mean: float
    log_sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """A pool without room for this variant: not tried before `retry_at` (unix seconds); the next wait is longer.
    `taken_back` says that nodes of the spot pool were taken back."""

    retry_at: float
    wait_seconds: float
    taken_back: bool = False

    @property
    def since(self) -> float:
        return self.retry_at - self.wait_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Persisted:
    """The part of the memory that the service's status keeps: the plan before any write, and what was learned. Of
    several objectives it keeps each variant's smallest capacity: it is safe for all of them to begin with. `comparison`
    is what `mode: Recommend` has counted so far."""

    plan: Mapping[str, int] | None = None
    last_switch_at: float | None = None
    capacities: Mapping[str, LearnedCapacity] = field(default_factory=dict)
    time_to_ready_seconds: Mapping[str, float] = field(default_factory=dict)
    back_offs: Mapping[str, BackOff] = field(default_factory=dict)
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """Requests finished between `start` and `start + seconds`: counts, not rates."""

    start: float
    seconds: float
    total: float
    good: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ledger:
    """Entries in the order of time, none over another. Kept in an array, (4, entries) in the order of an entry's
    fields: some hundred objects a service would be most of what it is remembered by."""

    packed: Floats = field(default_factory=lambda: np.empty((4, 0)))

    def __len__(self) -> int:
        return len(self.packed[0])

    def __iter__(self) -> Iterator[LedgerEntry]:
        for start, seconds, total, good in self.packed.T.tolist():
            yield LedgerEntry(start=start, seconds=seconds, total=total, good=good)

    def __getitem__(self, place: int) -> LedgerEntry:
        start, seconds, total, good = self.packed[:, place].tolist()
        return LedgerEntry(start=start, seconds=seconds, total=total, good=good)

    @property
    def ends(self) -> Floats:
        """When each entry ends, unix seconds ascending."""
        found: Floats = self.packed[0] + self.packed[1]
        return found

    def ending_with(self, entries: Sequence[LedgerEntry], *, instead_of: int) -> "Ledger":
        """With these entries in the place of so many of the newest."""
        return Ledger(packed=np.concatenate((self.packed[:, : len(self) - instead_of], packed(entries)), axis=1))

    def later_than(self, since: float) -> "Ledger":
        """What ends after this time (unix seconds)."""
        if not len(self) or float(self.packed[0, 0] + self.packed[1, 0]) > since:
            return self
        return Ledger(packed=self.packed[:, int(self.ends.searchsorted(since, side="right")) :].copy())


def packed(entries: Sequence[LedgerEntry]) -> Floats:
    """Entries as an array, (4, entries)."""
    rows = [(entry.start, entry.seconds, entry.total, entry.good) for entry in entries]
    return np.array(rows, dtype=np.float64).reshape(-1, 4).T


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Requests that ended while a variant had little to do, and those of them that failed; both fade."""

    finished: float = 0.0
    failed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One objective of a service: what each variant is believed to carry while it holds, its finished requests and
    its debts. `backgrounds` are, per variant, the errors that do not come from load; only of an errors objective."""

    objective: Objective
    capacities: Mapping[str, LearnedCapacity] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    pressure: Pressure = field(default_factory=Pressure)
    backgrounds: Mapping[str, Background] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """How much of the past a memory was seeded with: seconds since the oldest sample there was, and how many of them
    nobody saw. Nothing at all is 0 seconds."""

    seconds: float
    missing_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMemory:
    """One service between ticks.

    `demand` is that of the last ticks. `covered` is (unix seconds, arrivals per second that
    had to be covered then, per variant): a descent waits until the largest of its window allows it. `planned` is the
    plan of each tick of that window. `loads` is, per variant,
    the arrivals per second per ready replica of the last ticks. `healthy_since` is when the data became whole,
    None while it is not. `history` reaches back a week; `period` is the one found in it (seconds, None if
    there is none), last looked for at `period_sought_at`. `shadows` are what the rules would have done, per variant.
    `accounts` has one for each objective. `seeded` says how much history the memory began with, None as long as none
    was read. `trial` is what `mode: Recommend` compares with; None in other modes.
    """

    persisted: Persisted = field(default_factory=Persisted)
    healthy_since: float | None = None
    demand: Recent = field(default_factory=Recent)
    history: DemandHistory = field(default_factory=DemandHistory)
    period: float | None = None
    period_sought_at: float | None = None
    shadows: Mapping[str, Shadows] = field(default_factory=dict)
    accounts: Mapping[Metric, Account] = field(default_factory=dict)
    covered: tuple[tuple[float, Mapping[str, float]], ...] = ()
    planned: tuple[tuple[float, Mapping[str, int]], ...] = ()
    loads: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    last_tick_at: float | None = None
    last_descent_at: float | None = None
    seeded: Seeded | None = None
    trial: Trial | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """All services' memories; a service that is gone is dropped by the next decision."""

    services: Mapping[ServiceKey, ServiceMemory] = field(default_factory=dict)

    def of(self, key: ServiceKey) -> ServiceMemory:
        """This service's memory; empty for one not seen before."""
        return self.services.get(key) or ServiceMemory()
