"""Durations of the wire format: whole days (`28d`), or whole numbers of h, m, s and ms one after the other (`1h30m`).

Days stand alone, because the rules of the API server can read them alone or the rest, and not both in one text.
"""

import re

DURATION_FORM = "([0-9]{1,6}d|([0-9]{1,6}(ms|s|m|h))+)"
DURATION_MAX_LENGTH = 32
_PART = re.compile(r"([0-9]{1,6})(ms|s|m|h|d)")
_WHOLE = re.compile(DURATION_FORM)
_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def parse_duration(text: str) -> float:
    """Seconds in a duration such as `300ms`, `1h30m` or `28d`. Raises ValueError for anything else."""
    if len(text) > DURATION_MAX_LENGTH or not _WHOLE.fullmatch(text):
        raise ValueError(f"{text[:DURATION_MAX_LENGTH]!r} is not a duration: write one such as 300ms, 4m, 2h or 28d")
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(text)) / 1000


def format_duration(seconds: float) -> str:
    """The shortest way to write this many seconds, to the millisecond: 0.3 is `300ms`, 5400 is `1h30m`."""
    rest = round(seconds * 1000)
    if rest < 0:
        raise ValueError(f"{seconds} seconds: a duration cannot be negative")
    parts = []
    whole_days = rest % _MILLISECONDS["d"] == 0
    for unit, size in _MILLISECONDS.items():
        if unit == "d" and not whole_days:
            continue
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
