"""Demand out of stretches of constant rate, as files of rows and range queries give it: what is not known is a gap."""

import math

import numpy as np

from tightrope.dataplane.curve import RateCurve
from tightrope.dataplane.outcomes import Floats
from tightrope.replay.demand import Demand
from tightrope.replay.profiles import ReplayError


def check_dispersion(dispersion: float) -> None:
    """Refuse a dispersion of arrivals that cannot be drawn. Raises ReplayError."""
    if not (math.isfinite(dispersion) and 0.01 <= dispersion <= 10_000):
        raise ReplayError(f"--dispersion is {dispersion:g}: write 1 for Poisson, more for bursts, from 0.01 to 10000")


def demand_in_steps(
    *, name: str, source: str, starts: Floats, ends: Floats, rates: Floats, dispersion: float,
    start_unix: float | None = None, notes: tuple[str, ...] = (),
) -> Demand:  # fmt: skip
    """Requests per second from each start to its end (seconds; ascending, the first start is 0, none overlap). A rate
    of NaN, and whatever lies between an end and the next start, is unknown."""
    starts, ends, rates = stretches(starts, ends, rates)
    missing = np.isnan(rates)
    gaps = tuple(zip(starts[missing].tolist(), ends[missing].tolist(), strict=True))
    unknown = sum(end - start for start, end in gaps)
    if gaps:
        notes = (*notes, f"gaps: {len(gaps)}, {unknown:g} s in all, are unknown: not served, not billed, not scored")
    known = np.nan_to_num(rates)
    points = np.stack([np.stack([starts, known], axis=1), np.stack([ends, known], axis=1)], axis=1)
    return Demand(
        name=name,
        duration_seconds=float(ends[-1]),
        source=source,
        curve=RateCurve(points.reshape(-1, 2)),
        gaps=gaps,
        dispersion=dispersion,
        start_unix=start_unix,
        notes=notes,
    )


def stretches(starts: Floats, ends: Floats, rates: Floats) -> tuple[Floats, Floats, Floats]:
    """The same without holes, those filled with NaN, and with neighbours of one rate as one."""
    hole = starts[1:] > ends[:-1]
    order = np.argsort(np.concatenate([starts, ends[:-1][hole]]), kind="stable")
    starts, ends = np.concatenate([starts, ends[:-1][hole]])[order], np.concatenate([ends, starts[1:][hole]])[order]
    rates = np.concatenate([rates, np.full(np.count_nonzero(hole), np.nan)])[order]
    same = (rates[1:] == rates[:-1]) | (np.isnan(rates[1:]) & np.isnan(rates[:-1]))
    first, last = np.append(True, ~same), np.append(~same, True)
    return starts[first], ends[last], rates[first]
