"""When a cron expression began last: `spec.schedules` for the decision, which asks at every tick.

Expressions are read as Debian's cron reads them, which is also how a CronJob's are: a time that the change to summer
time leaves out begins when the clock has jumped, one that comes twice in autumn begins once.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A cron expression of five fields in an IANA time zone; both were looked at by `fault_of`."""

    expression: str
    time_zone: str

    def latest(self, until: float) -> float | None:
        """The newest of its times that is not after `until`; both in unix seconds. None if there was none yet."""
        return _latest(self.expression, self.time_zone, int(until // _MINUTE))

    def __str__(self) -> str:
        return f"{self.expression} {self.time_zone}"


@lru_cache(maxsize=4096)
def _latest(expression: str, time_zone: str, minute: int) -> float | None:
    # The search leaves out where it begins, and no expression is finer than a minute.
    moment = datetime.fromtimestamp(minute * _MINUTE + 1, tz=ZoneInfo(time_zone))
    found = next(CronSim(expression, moment, reverse=True), None)
    return None if found is None else found.timestamp()


def fault_of_cron(expression: str) -> str | None:
    """What is wrong with the expression; None if nothing is."""
    if len(expression.split()) != 5:
        return "must have five fields (minute, hour, day of month, month, day of week), such as '0 8 * * 1-5'"
    try:
        CronSim(expression, datetime.fromtimestamp(0, tz=ZoneInfo("UTC")))
    except CronSimError as error:
        words = str(error)
        return f"is no cron expression ({words[:1].lower()}{words[1:]}): write such as '0 8 * * 1-5'"
    return None


def fault_of_zone(name: str) -> str | None:
    """What is wrong with the name of a time zone; None if nothing is."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "is no time zone: write an IANA name such as Europe/Berlin, or Etc/UTC"
    return None
