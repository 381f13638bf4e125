"""What goes wrong with the metrics of emulated pods, on purpose. `emulator` is told over HTTP; the requests themselves
are served as ever, for these are faults of what is seen, not of what happens."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, ValidationError

from tightrope.lab.emulation_spec import SpecInvalid
from tightrope.lab.exporters import Histogram, PodCounters

_COUNTED = re.compile(r"^# TYPE (\S+) (?:counter|histogram)$", re.MULTILINE)
RENAMED = "renamed_"


class Faults(BaseModel):
    """The faults in force, each for the pods that its patterns match (`namespace/pod`, with * for any rest): no answer,
    every value NaN, the request and latency metrics under another name, counters that began at zero again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    silent: tuple[str, ...] = ()
    nan: tuple[str, ...] = ()
    rename: Mapping[str, bool] = {}
    reset: tuple[str, ...] = ()

    def is_silent(self, pod: str) -> bool:
        return matches(self.silent, pod)

    def is_nan(self, pod: str) -> bool:
        return matches(self.nan, pod)

    def is_renamed(self, pod: str) -> bool:
        return matches([pattern for pattern, renamed in self.rename.items() if renamed], pod)

    def newly_reset(self, before: "Faults") -> tuple[str, ...]:
        """Patterns of pods to reset now: those that were not in force before."""
        return tuple(pattern for pattern in self.reset if pattern not in before.reset)


def parse_faults(raw: object) -> Faults:
    """Raises SpecInvalid."""
    try:
        return Faults.model_validate(raw)
    except ValidationError as error:
        raise SpecInvalid(
            "\n".join(
                f"{'.'.join(map(str, problem['loc'])) or 'the body'} is {problem['input']!r}: write lists of "
                "namespace/pod patterns under silent, nan and reset, and a map from pattern to true under rename."
                for problem in error.errors()
            )
        ) from None


def matches(patterns: Iterable[str], pod: str) -> bool:
    return any(fnmatchcase(pod, pattern) for pattern in patterns)


def all_nan(counters: PodCounters) -> PodCounters:
    """The same pod with every number NaN."""
    return replace(
        counters,
        received=math.nan,
        finished=math.nan,
        failed=math.nan,
        in_flight=math.nan,
        queued=math.nan,
        running=math.nan,
        latency=Histogram(buckets=tuple((bound, math.nan) for bound, _ in counters.latency.buckets), sum=math.nan),
    )


def renamed(text: str) -> str:
    """An exposition whose counters and histograms have another name."""
    names: Sequence[str] = _COUNTED.findall(text)
    for name in names:
        text = re.sub(rf"(?<![\w:]){re.escape(name)}(?=\b|_(?:bucket|count|sum)\b)", RENAMED + name, text)
    return text
