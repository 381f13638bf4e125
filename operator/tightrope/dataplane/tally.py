"""What became of requests, as sums per group of pods: what a replay keeps of them. No line of Python sees a single
request."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tightrope.dataplane import kernels, llm_fleet_kernels
from tightrope.dataplane.fleet import Fleet, Step
from tightrope.dataplane.goals import Goal
from tightrope.dataplane.llm_fleet import LlmFleet, LlmStep
from tightrope.dataplane.outcomes import Floats


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums of one step, a value for each group. `kept` is (groups, goals, 2): how many met each goal, of how many that
    count for it. `buckets` is (groups, bounds + 1): how many of those answered took up to each bound. What they took
    is the first goal's quantity, which not every answer need have."""

    sums: Floats
    kept: Floats
    buckets: Floats

    @property
    def ended(self) -> Floats:
        return self.sums[:, kernels.SUM_ENDED]

    @property
    def finished(self) -> Floats:
        """Answered, in time or not."""
        return self.sums[:, kernels.SUM_FINISHED]

    @property
    def good(self) -> Floats:
        """Answered within the first goal's threshold."""
        return self.kept[:, 0, 0]

    @property
    def refused(self) -> Floats:
        return self.sums[:, kernels.SUM_REFUSED]

    @property
    def latency_seconds(self) -> Floats:
        """Over those in `buckets`."""
        return self.sums[:, kernels.SUM_LATENCY]

    @property
    def waited_seconds(self) -> Floats:
        """Over those answered."""
        return self.sums[:, kernels.SUM_WAITED]

    @property
    def input_tokens(self) -> Floats:
        """Of those answered; 0 from servers without tokens."""
        return self.sums[:, kernels.SUM_INPUTS]

    @property
    def output_tokens(self) -> Floats:
        """In the answers; 0 from servers without tokens."""
        return self.sums[:, kernels.SUM_OUTPUTS]

    @property
    def came(self) -> Floats:
        """Requests that came to a pod, refused or not."""
        return self.sums[:, kernels.SUM_ACCEPTED] + self.refused

    @property
    def busy_seconds(self) -> Floats:
        """Replica-seconds at work: a pod with one of four slots busy works a quarter of the time, one that serves a
        language model whenever a sequence is inside."""
        return self.sums[:, kernels.SUM_BUSY]


class Groups:
    """Counts the steps of a fleet by group of its pods; `of` says which group (0 and up) each pod belongs to. The first
    of the `goals` is the one that `Tally.good` means."""

    def __init__(self, count: int, *, goals: Sequence[Goal], bounds: Floats) -> None:
        self._count, self._bounds = count, bounds
        self._quantities = np.array([int(goal.quantity) for goal in goals], dtype=np.int64)
        self._thresholds = np.array([goal.threshold_seconds for goal in goals])
        self._of: dict[str, int] = {}

    def put(self, pod: str, group: int) -> None:
        """This pod counts to this group."""
        self._of[pod] = group

    def counted(self, fleet: Fleet | LlmFleet, step: Step | LlmStep) -> Tally:
        """The sums of a step that the fleet has just made; once a step. Raises KeyError for a pod of no group."""
        self._of = {name: self._of[name] for name in fleet.servers}  # those that are gone are forgotten
        group = np.zeros(fleet.room, dtype=np.int64)
        for name, pod in fleet.servers.items():
            group[pod.number] = self._of[name]
        tally = Tally(
            np.zeros((self._count, kernels.SUMS)),
            np.zeros((self._count, len(self._quantities), 2)),
            np.zeros((self._count, len(self._bounds) + 1)),
        )
        tallied = llm_fleet_kernels.tallied if isinstance(step, LlmStep) else kernels.tallied
        tallied(
            group, step.ended, step.count, self._quantities, self._thresholds, self._bounds, tally.sums, tally.kept,
            tally.buckets,
        )  # fmt: skip
        fleet.add_work(group, tally.sums)
        return tally
