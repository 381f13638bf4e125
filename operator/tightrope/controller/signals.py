"""Whether a signal is known: the one place where a gap in the data becomes Missing or Stale, with a sentence.

`observe` calls this for every signal of a service and of its variants. A pod that must report and does not makes the
whole signal Missing; what the others reported stays as its lower bound.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from tightrope.domain.observation import Known, Missing, Signal, Stale
from tightrope.ports import MetricsSnapshot, PodKey, PodSample

Samples: TypeAlias = Mapping[PodKey, PodSample]

NEWEST = "newest_sample_at"
# What a signal measures, in words; the names of signals are the fields of PodSample.
_WORDS = {
    "arrivals": "demand",
    "latency": "latency",
    "errors": "errors",
    "in_flight": "requests in flight",
    "gpu_utilisation": "GPU utilisation",
    "cpu_cores": "CPU use",
    "ttft": "time to first token",
    "itl": "time between tokens",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The samples of one service or variant. `serving` are its pods that get requests; `required` those of them that
    have been ready for long enough to be measured; `samples` also hold those of pods that have just gone."""

    who: str
    preset: str
    metrics: MetricsSnapshot
    max_age_seconds: float
    serving: Sequence[PodKey]
    required: Sequence[PodKey]
    samples: Samples

    def metric(self, signal: str) -> str:
        return self.metrics.metric_names.get((self.preset, signal), "")

    def failure(self, signal: str) -> str | None:
        return self.metrics.failures.get((self.preset, signal))

    def age(self, key: PodKey) -> float | None:
        """Seconds since the pod's newest sample, by Prometheus' own clock; None if it has none."""
        newest = self.samples[key].newest_sample_at if key in self.samples else None
        return None if newest is None else self.metrics.at - newest

    def at(self) -> float:
        """Time of the newest sample of any serving pod; of the query itself when there is none."""
        ages = [age for key in self.serving if (age := self.age(key)) is not None]
        return self.metrics.at - min(ages) if ages else self.metrics.at


class _Gap(Enum):
    """Why a pod's sample cannot be used, the worst first."""

    ABSENT = "absent"
    SPARSE = "sparse"
    FAULTY = "faulty"
    OLD = "old"


def total(reading: Reading, signal: str) -> Signal:
    """The sum over all pods, also those that have just gone; Missing or Stale if a required pod leaves a gap."""
    values = [value for sample in reading.samples.values() if (value := number(sample, signal)) is not None]
    match problem(reading, signal):
        case None:
            return Known(value=math.fsum(values), at=reading.at())
        case Missing(reason=reason):
            return Missing(reason=reason, at_least=math.fsum(values) if values else None)
        case stale:
            return stale


def number(sample: PodSample, signal: str) -> float | None:
    """A scalar signal of one pod."""
    value: float | None = getattr(sample, signal)
    return value


def problem(reading: Reading, signal: str) -> Missing | Stale | None:
    """What stands between these samples and a known signal; None if nothing does."""
    unasked = _unasked(reading, signal)
    if unasked is not None:
        return Missing(reason=unasked)
    if not reading.serving:
        return Missing(reason=f"{reading.who} has no ready pods, so nothing measures {_WORDS[signal]}")
    gaps = {key: gap for key in reading.required if (gap := _gap(reading, key, signal)) is not None}
    if gaps:
        return _gap_in_words(reading, signal, gaps)
    if not reading.required and all(_gap(reading, key, signal) for key in reading.serving):
        return Missing(
            reason=f"the {len(reading.serving)} ready pods of {reading.who} are too young to be measured: "
            f"{_WORDS[signal]} will be known after the next scrapes"
        )
    return None


def _unasked(reading: Reading, signal: str) -> str | None:
    """Why the signal was not, or not well, asked for."""
    for asked in (signal, NEWEST):
        failure = reading.failure(asked)
        if failure is not None:
            return failure
    if not reading.metric(signal):
        return f"preset {reading.preset!r} has no metric for {_WORDS[signal]}{_remedy(reading, signal)}"
    return None


def _remedy(reading: Reading, signal: str) -> str:
    """What to write where an objective asks for what the preset does not measure."""
    if signal not in ("ttft", "itl"):
        return ""
    told = f"run the operator with --generic-{signal}-histogram, or " if reading.preset == "generic" else ""
    return f": {told}leave the objective {signal} out"


def _gap(reading: Reading, key: PodKey, signal: str) -> _Gap | None:
    sample, age = reading.samples.get(key), reading.age(key)
    if sample is None:
        return _Gap.ABSENT
    if fault(sample, signal) is not None:
        return _Gap.FAULTY
    # A rate outlives its series by a window: without a current sample the target has gone silent.
    if age is None:
        return _Gap.ABSENT
    if getattr(sample, signal) is None:
        return _Gap.SPARSE if signal == "arrivals" else _Gap.ABSENT
    return _Gap.OLD if age > reading.max_age_seconds else None


def fault(sample: PodSample, signal: str) -> str | None:
    """What is wrong with this signal of the pod, as the adapter put it after "<signal>: "."""
    prefix = f"{signal}: "
    return next((text.removeprefix(prefix) for text in sample.faults if text.startswith(prefix)), None)


def _gap_in_words(reading: Reading, signal: str, gaps: Mapping[PodKey, _Gap]) -> Missing | Stale:
    ages = [age for key in gaps if (age := reading.age(key)) is not None]
    if len(gaps) == len(reading.required) and all(gap is _Gap.OLD for gap in gaps.values()):
        return Stale(age_seconds=min(ages))
    worst = next(kind for kind in _Gap if kind in gaps.values())
    pods = sorted(key for key, gap in gaps.items() if gap is worst)
    which = f"for {len(pods)} of {len(reading.required)} ready pods of {reading.who} (first: {pods[0].pod})"
    metric = reading.metric(signal)
    match worst:
        case _Gap.ABSENT:
            hint = f"is the pod scraped, and is preset {reading.preset!r} right?"
            return Missing(reason=f"metric {metric} has no series {which}: {hint}")
        case _Gap.SPARSE:
            hint = "is the rate window at least two scrapes long?"
            return Missing(reason=f"metric {metric} has too few samples for a rate {which}: {hint}")
        case _Gap.FAULTY:
            return Missing(reason=f"metric {metric} {fault(reading.samples[pods[0]], signal)} {which}")
        case _Gap.OLD:
            hint = f"has Prometheus stopped scraping it? The newest sample is {max(ages):.0f}s old"
            return Missing(reason=f"metric {metric} has no fresh sample {which}: {hint}")
