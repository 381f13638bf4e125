"""Lengths of time as people write them in options and files: a number and a unit. All of `inputs` reads them here."""

import re
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH: Final = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|s|m|h|d|w)", re.ASCII)


def length(text: str) -> float | None:
    """Seconds in `12.5ms`, `90s`, `4m`, `2h`, `30d` or `1w`; None for anything else."""
    found = _LENGTH.fullmatch(text.strip())
    return float(found[1]) * _UNITS[found[2]] if found else None
