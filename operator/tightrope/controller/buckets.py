"""Counting good requests in histogram buckets: never an average of percentiles.

`observe` calls this for every service and variant. Buckets are cumulative (upper bound in seconds, requests per second
at or under it), ascending, the last bound being +Inf, as in `ports.PodSample.latency`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from tightrope.domain.observation import Known, Missing, Outcomes, Signal, lower_bound

Buckets: TypeAlias = tuple[tuple[float, float], ...]

_SAME_BOUND = 1e-9  # 300 ms parsed as 0.3 and a bucket written "0.3" may differ in the last bit


def outcomes(pods: Iterable[Buckets], threshold_seconds: float) -> Outcomes:
    """Finished requests of all pods and the bounds on how many were at or under the threshold.

    Pods may have different buckets: each is bounded on its own, then the bounds are added.
    """
    total = low = high = 0.0
    for buckets in pods:
        below, above = around(buckets, threshold_seconds)
        low += below[1]
        high += above[1]
        total += buckets[-1][1]
    return Outcomes(total=total, good_low=low, good_high=high)


def without_errors(seen: Outcomes, errors: Signal) -> Outcomes:
    """The same with failed requests taken out of the good ones: an error that comes fast is not a request served.

    Only for the service's own account. A variant is not judged by its errors: a bug does not make it slower.
    """
    failed = lower_bound(errors) or 0.0
    return Outcomes(
        total=seen.total, good_low=max(seen.good_low - failed, 0.0), good_high=max(seen.good_high - failed, 0.0)
    )


def answered(seen: Outcomes, errors: Signal) -> Outcomes:
    """The same without failed requests, which an errors objective counts: they are supposed to be in the histogram,
    among the fastest."""
    failed = min(lower_bound(errors) or 0.0, seen.total)
    rest = without_errors(seen, errors)
    return Outcomes(total=seen.total - failed, good_low=rest.good_low, good_high=rest.good_high)


def failures(came: float, failed: float) -> Outcomes:
    """Requests judged by an errors objective, from arrivals and errors per second. Of those that failed more than came
    in the window, some came before it."""
    total = max(came, failed)
    return Outcomes(total=total, good_low=total - failed, good_high=total - failed)


def around(buckets: Buckets, threshold_seconds: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The nearest buckets (bound, count) under and over the threshold; twice the same when a bound is the threshold."""
    below = (0.0, 0.0)
    for bound, count in buckets:
        if math.isclose(bound, threshold_seconds, rel_tol=_SAME_BOUND):
            return (bound, count), (bound, count)
        if bound > threshold_seconds:
            return below, (bound, count)
        below = (bound, count)
    return below, buckets[-1]


def threshold_note(pods: Iterable[Buckets], threshold_seconds: float) -> str | None:
    """What to change in the server when its buckets cannot tell good from bad; None when one bound is the threshold."""
    for buckets in pods:
        below, above = around(buckets, threshold_seconds)
        if below[0] == above[0]:
            continue
        return (
            f"the threshold {threshold_seconds:g}s lies between the histogram bounds {below[0]:g}s and {above[0]:g}s, "
            f"so attainment is only known between two limits and the lower one counts: "
            f"add a bucket at {threshold_seconds:g}s"
        )
    return None


def cumulative_at(buckets: Buckets, seconds: float) -> float:
    """Requests per second at or under this latency, evenly spread within a bucket; up to +Inf all are counted."""
    below = (0.0, 0.0)
    for bound, count in buckets:
        if bound >= seconds:
            if math.isinf(bound):
                return count if math.isinf(seconds) else below[1]
            share = (seconds - below[0]) / (bound - below[0]) if bound > below[0] else 1.0
            return below[1] + share * (count - below[1])
        below = (bound, count)
    return below[1]


def merged(pods: Sequence[Buckets]) -> Buckets:
    """All pods as one histogram over the union of their bounds."""
    bounds = sorted({bound for buckets in pods for bound, _ in buckets})
    return tuple((bound, sum(cumulative_at(buckets, bound) for buckets in pods)) for bound in bounds)


def quantile(pods: Sequence[Buckets], fraction: float, *, at: float) -> Signal:
    """The latency that this fraction of the finished requests stayed under, in seconds, linear within its bucket."""
    buckets = merged(pods)
    if not buckets or buckets[-1][1] <= 0.0:
        return Missing(reason="no request finished in the rate window")
    wanted = fraction * buckets[-1][1]
    below = (0.0, 0.0)
    for bound, count in buckets:
        if count >= wanted and math.isinf(bound):
            reason = f"the p{fraction * 100:g} lies above the largest bucket of the histogram ({below[0]:g}s)"
            return Missing(reason=reason, at_least=below[0])
        if count >= wanted:
            share = (wanted - below[1]) / (count - below[1]) if count > below[1] else 1.0
            return Known(value=below[0] + share * (bound - below[0]), at=at)
        below = (bound, count)
    return Missing(reason="the histogram has no bucket that holds them all")
