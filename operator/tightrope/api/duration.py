"""Durations of the wire format: whole numbers with the units ms, s, m, h and d, one after the other (`1h30m`)."""

import re

DURATION_PATTERN = r"^([0-9]{1,6}(ms|s|m|h|d))+$"
DURATION_MAX_LENGTH = 32
_PART = re.compile(r"([0-9]{1,6})(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:[0-9]{1,6}(?:ms|s|m|h|d))+")
_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def parse_duration(text: str) -> float:
    """Seconds in a duration such as `300ms`, `4m` or `1d12h`. Raises ValueError for anything else."""
    if len(text) > DURATION_MAX_LENGTH or not _WHOLE.fullmatch(text):
        raise ValueError(f"{text[:DURATION_MAX_LENGTH]!r} is not a duration: write one such as 300ms, 4m, 2h or 28d")
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(text)) / 1000


def format_duration(seconds: float) -> str:
    """The shortest way to write this many seconds, to the millisecond: 0.3 is `300ms`, 5400 is `1h30m`."""
    rest = round(seconds * 1000)
    if rest < 0:
        raise ValueError(f"{seconds} seconds: a duration cannot be negative")
    parts = []
    for unit, size in _MILLISECONDS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
