"""How one emulated server works. `fleet` runs it."""

import math
from dataclasses import dataclass
from enum import StrEnum


class Distribution(StrEnum):
    """How service times vary around their mean."""

    DETERMINISTIC = "deterministic"
    EXPONENTIAL = "exponential"
    LOGNORMAL = "lognormal"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerModel:
    """One pod: a queue, first come first served, in front of `slots` that work side by side.

    A slot that comes free takes what waits, up to `batch_limit` requests, and works on a batch of b for
    base_seconds + per_request_seconds * b on average, all of it ending together. It never waits for a batch to fill.
    `cv` is the standard deviation of a lognormal service time over its mean. A request that finds `queue_limit` others
    waiting is refused. A client gives up `timeout_seconds` after its arrival: one that waits leaves the queue; work
    that has begun is finished all the same. Raises ValueError.
    """

    base_seconds: float
    per_request_seconds: float = 0.0
    batch_limit: int = 1
    slots: int = 1
    distribution: Distribution = Distribution.DETERMINISTIC
    cv: float | None = None
    queue_limit: int = 1000
    timeout_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("base_seconds", "per_request_seconds"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name} is {getattr(self, name):g}: write seconds, 0 or more")
        if self.base_seconds + self.per_request_seconds <= 0:
            raise ValueError("base_seconds and per_request_seconds are both 0: write how long one request takes")
        for name, least in (("batch_limit", 1), ("slots", 1), ("queue_limit", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: write {least} or more")
        if self.timeout_seconds is not None and not self.timeout_seconds > 0:
            raise ValueError(f"timeout_seconds is {self.timeout_seconds:g}: write seconds above 0, or leave it out")
        self._check_cv()

    def _check_cv(self) -> None:
        lognormal = self.distribution is Distribution.LOGNORMAL
        if lognormal and (self.cv is None or not 0 < self.cv <= 10):
            raise ValueError(f"cv is {self.cv}: a lognormal service time needs one above 0, up to 10")
        if not lognormal and self.cv is not None:
            raise ValueError(f"cv is {self.cv}: only a lognormal service time has one; leave it out")

    def batch_seconds(self, batch: int) -> float:
        """Mean time to work on a batch of this many requests."""
        return self.base_seconds + self.per_request_seconds * batch

    @property
    def saturation(self) -> float:
        """Requests per second that one pod can finish at most, without regard to latency."""
        return self.slots * self.batch_limit / self.batch_seconds(self.batch_limit)
