"""Faro's own planner for all jobs: the replicas with the most utility that the CPUs allow. `rules.Hybrid` asks it.

Source: as `latency`. Faro-Sum takes the sum of the utilities, Faro-FairSum adds the smallest less the largest, once for
each job. COBYLA (Powell 1994) searches over replicas that need not be whole, from those that are ready, with a first
step of 3; the result is rounded up, thinned out where that costs least until it fits, and then every job gives back
what it can without a loss. New replicas count from the second minute where every CPU is in use, at once where one is
free: 65 s of a start are one minute, and half of one is none.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tightrope.dataplane.outcomes import Floats
from tightrope.replay.faro.cluster import Cluster
from tightrope.replay.faro.latency import utility
from tightrope.replay.faro.world import PLANNED_SERVICE_SECONDS, TARGET_SECONDS
from tightrope.replay.profiles import ReplayError

FIRST_STEP = 3.0
START_MINUTES = 1
NO_LOSS = 1e-4

Loss = Callable[[Floats], float]


class Faro:
    """Plans for the minutes to come, jobs together."""

    def __init__(self, *, fair: bool) -> None:
        self._fair = fair

    def plan(self, rates: Sequence[Floats], cluster: Cluster) -> Sequence[int]:
        """Replicas of every job; `rates` are requests per second of each minute."""
        now = np.array([job.ready for job in cluster.jobs], dtype=np.float64)
        start = START_MINUTES if now.sum() >= cluster.cpus else START_MINUTES // 2
        loss = loss_of(together(rates), now, start_minutes=start, fair=self._fair)
        return [int(count) for count in best(loss, now, cluster.cpus)]


def together(rates: Sequence[Floats]) -> Floats:
    """(jobs, minutes); a job whose minutes are fewer has none then."""
    found = np.zeros((len(rates), max(len(rate) for rate in rates)))
    for job, rate in enumerate(rates):
        found[job, : len(rate)] = rate
    return found


def loss_of(rates: Floats, now: Floats, *, start_minutes: int, fair: bool) -> Loss:
    """What a vector of replicas loses: the less, the better. `now` are the replicas that are ready, `start_minutes` for
    how long what is added does not count, unless no more minutes than that are known."""
    late = start_minutes if start_minutes < rates.shape[1] else 0

    def loss(replicas: Floats) -> float:
        there = np.repeat(replicas[:, None], rates.shape[1], axis=1)
        there[:, :late] = np.minimum(replicas, now)[:, None]
        worth = utility(rates, there, service=PLANNED_SERVICE_SECONDS, target=TARGET_SECONDS).mean(axis=1)
        total = float(worth.sum())
        return -total - (float(worth.min() - worth.max()) + 1.0) * len(worth) if fair else -total

    return loss


def best(loss: Loss, now: Floats, cpus: int) -> Floats:
    """Whole replicas, at least one a job and `cpus` in all. Raises ReplayError without the optimiser."""
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise ReplayError('Faro\'s planner needs scipy: pip install "tightrope[validation]"') from None
    found = minimize(
        loss,
        now,
        method="COBYLA",
        constraints=[{"type": "ineq", "fun": lambda x: np.append(x - 1.0, cpus - x.sum())}],
        options={"rhobeg": FIRST_STEP},
    )
    return trimmed(thinned(np.maximum(np.ceil(found.x), 1.0), loss, now, cpus), loss, cpus)


def thinned(replicas: Floats, loss: Loss, now: Floats, cpus: int) -> Floats:
    """One replica fewer where that loses least, and of equals where least changes, until they fit the CPUs."""
    found = replicas.copy()
    while found.sum() > cpus:
        fewer = [less(found, job) for job in range(len(found)) if found[job] > 1]
        found = min(fewer, key=lambda one: (round(loss(one), 4), float(np.abs(one - now).max())))
    return found


def trimmed(replicas: Floats, loss: Loss, cpus: int) -> Floats:
    """Without the replicas that are worth nothing; if all that is left over helps one job, that job gets it."""
    found = _without_idle(replicas, loss)
    spare = cpus - found.sum()
    if np.array_equal(found, replicas) or spare <= 0:
        return found
    for job in range(len(found)):
        more = found.copy()
        more[job] += spare
        if loss(found) - loss(more) > NO_LOSS:
            return _without_idle(more, loss)
    return found


def _without_idle(replicas: Floats, loss: Loss) -> Floats:
    found, least = replicas.copy(), loss(replicas)
    for job in range(len(found)):
        while found[job] > 1 and (lost := loss(less(found, job))) - least <= NO_LOSS:
            found, least = less(found, job), lost
    return found


def less(replicas: Floats, job: int) -> Floats:
    """One replica fewer of one job."""
    found = replicas.copy()
    found[job] -= 1.0
    return found
