"""What a replay is judged by. `run` fills it, `compare`, `table` and `report` show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tightrope.dataplane.outcomes import Floats
from tightrope.replay.goals import Held, was_held


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One policy over one demand. Cost in the pools' currency; shares 0..1; attainment is None without requests.

    Time in violation counts minutes with requests in which fewer were good than the objective asks, in seconds.
    `changes` counts writes of replicas, `switches` changes of the set of variants that serve. Worst hour and day are
    the lowest attainment of a whole clock hour or day of the replay with requests in it. All of these are of the
    leading objective; `further` says by metric how the others were held.
    """

    policy: str
    title: str
    knobs: Mapping[str, float]
    variants: tuple[str, ...]
    requests: int
    good: int
    dropped: int
    attainment: float | None
    objective: float
    cost: float
    currency: str
    violation_seconds: float
    longest_violation_seconds: float
    worst_hour: float | None
    worst_day: float | None
    changes: int
    switches: int
    unknown_seconds: float
    further: Mapping[str, Held] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether every objective was met over the whole replay."""
        leading = self.attainment is None or self.attainment >= self.objective
        return leading and all(was_held(one) for one in self.further.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The course of a replay in equal steps; arrays of one length, one value a step.

    `demand` is requests per second; `good_share` 0..1 and the latencies in seconds are NaN where nothing was answered;
    `cost_per_hour` is what the nodes cost then; `budget_left` is the share of the error budget of the whole replay that
    was left at the step's end (negative when overspent). `ready` and `wanted` are replicas per variant.
    """

    step_seconds: float
    start_unix: float | None
    demand: Floats
    good_share: Floats
    p50: Floats
    p95: Floats
    p99: Floats
    cost_per_hour: Floats
    budget_left: Floats
    ready: Mapping[str, Floats]
    wanted: Mapping[str, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beaten:
    """A plan that a decision considered and did not choose."""

    plan: str
    cost_per_hour: float
    why_not: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change a policy made: seconds since the start, replicas after it, and, where the policy explains itself, its
    reason, its sentence and the plans it beat."""

    at: float
    replicas: Mapping[str, int]
    reason: str | None = None
    sentence: str | None = None
    beaten: tuple[Beaten, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A score with how it came about."""

    score: Score
    timeline: Timeline
    steps: Sequence[Step]
