"""How numbers, times and mixes stand in the status, and how they are read back.

A figure is rounded to what a reader can use, and stays as it is while the value has hardly moved: a status is written
only when it says something new, also when a value hovers at the border between two roundings.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tightrope.api.duration import format_duration
from tightrope.domain.spec import ErrorsObjective, Objective

_LAST_YEAR_2100 = 4_133_980_800.0
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SAME_NUMBER = 0.25
_SAME_SUM, _LEAST_SUM = 0.01, 1e-6
_HOUR = 3600.0
_FIGURE_MAX = 64
_COVERED = tuple(
    [60.0, 120, 300, 600, 900, 1800]
    + [hours * 3600.0 for hours in (1, 2, 3, 6, 12)]
    + [days * 86_400.0 for days in range(1, 31)]
)


def objective_text(objective: Objective) -> str:
    """The objective in short: `99% < 300ms`, `99.9% without errors`."""
    if isinstance(objective, ErrorsObjective):
        return f"{objective.percent:.10g}% without errors"
    return f"{objective.percent:.10g}% < {format_duration(objective.threshold_seconds)}"


def mix_text(plan: Mapping[str, int], names: Sequence[str]) -> str:
    """Replicas by variant in this order: `l4:2 c7i:0`."""
    return " ".join(f"{name}:{plan.get(name, 0)}" for name in names)


def time_text(at: float) -> str:
    """Unix seconds as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(math.floor(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str | None) -> float | None:
    """Unix seconds of an RFC 3339 time; None if it is none, or not in this century."""
    try:
        at = datetime.fromisoformat(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
    return at if 0 <= at <= _LAST_YEAR_2100 else None


def parse_number(text: str | None, low: float, high: float) -> float | None:
    """The number if it is finite and within the bounds, else None."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if low <= value <= high else None


def money_text(amount: float) -> str:
    """An amount with cents, and with four decimals where cents would hide it: `12.30`, `0.0416`."""
    return f"{amount:.2f}" if amount >= 1 or amount == 0 else f"{amount:.4f}".rstrip("0").ljust(4, "0")


def steady(value: float, *, decimals: int, tolerance: float, previous: str | None) -> str:
    """The value rounded; the previous text as long as the value is within the tolerance of what that says."""
    before = parse_number(previous, -math.inf, math.inf)
    if previous is not None and before is not None and abs(value - before) <= tolerance:
        return previous
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # never -0.00


def significant(value: float, digits: int) -> str:
    """Rounded to this many significant digits, never in exponents: 41.23 is `41.2`, 1234 is `1230`."""
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def counted(value: float, previous: str | None) -> str:
    """A sum that grows, in four digits; as before while it differs by less than a hundredth."""
    before = parse_number(previous, 0.0, math.inf)
    if previous is not None and before is not None and abs(value - before) <= _SAME_SUM * before:
        return previous
    return significant(value, 4) if value >= _LEAST_SUM else "0"


def covered_text(seconds: float, window_seconds: float) -> str:
    """How much of the window is known, at the least, on a coarse ladder: `0s`, `5m`, `2h`, `28d`."""
    if seconds >= 0.99 * window_seconds:
        return format_duration(window_seconds)
    return format_duration(max((step for step in _COVERED if step <= seconds), default=0.0))


def burns_text(rates: Mapping[float, float], previous: str | None) -> str | None:
    """Burn rates over the stretches of an hour and more: `1h 0.6, 6h 0.5, 3d 0.9`; None without any. Each stays as it
    is while it has hardly moved. Shorter stretches never hold still."""
    olds = dict(part.split(" ", 1) for part in (previous or "").split(", ") if " " in part)
    parts = []
    for seconds, rate in sorted(rates.items()):
        if seconds >= _HOUR:
            name = format_duration(seconds)
            before = parse_number(olds.get(name), 0.0, math.inf) or 0.0
            rounded = steady(rate, decimals=1, tolerance=max(0.1, 0.25 * before), previous=olds.get(name))
            parts.append(f"{name} {rounded}")
    return ", ".join(parts)[:_FIGURE_MAX] or None


def steady_sentence(sentence: str, previous: str | None) -> str:
    """The sentence; the previous one if only its numbers differ, and each by less than a quarter."""
    if previous is None or _NUMBER.sub("#", sentence) != _NUMBER.sub("#", previous):
        return sentence
    pairs = zip(map(float, _NUMBER.findall(sentence)), map(float, _NUMBER.findall(previous)), strict=True)
    same = all(abs(new - old) < _SAME_NUMBER * max(new, old) or new == old for new, old in pairs)
    return previous if same else sentence
