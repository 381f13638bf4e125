"""What one replica carries: a queueing model with one learned parameter, the capacity at the SLO.

`decide` calls this for every variant at every tick: a prior becomes a belief, the tick's evidence corrects it, and the
plan uses its lower quantile.

Model. The time in system of an M/M/1 queue is exponential: P(T > t) = exp(-(mu - lambda) t) (Kleinrock, Queueing
Systems I, 3.2). The capacity c at threshold t and allowed miss fraction e is the lambda at which that equals e:
c = mu - ln(1/e)/t. So the miss fraction at load lambda, written with the capacity, is e * exp((lambda - c) t): at the
capacity it is e, above it the curve rises to 1. Servers with several slots or dynamic batching have a steeper curve
for the same capacity; learning the capacity itself, not mu, keeps that error out of the plan.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tightrope.domain import miss_curve
from tightrope.domain.memory import LearnedCapacity
from tightrope.domain.observation import Known, VariantState
from tightrope.domain.spec import CapacityPrior, LatencyObjective, Objective

Floats: TypeAlias = NDArray[np.float64]

PRIOR_SD = 0.2  # a stated capacity is trusted to about 20 % either way
GUESS_SD = 0.4  # a capacity guessed from the first loads that met the SLO
MIN_SD = 0.05  # never surer than 5 %: servers drift
MAX_SD = 0.7  # a factor of two either way is as little as we ever know
DRIFT_SD_PER_HOUR = 0.05  # slow forgetting
PLAN_QUANTILE_Z = 1.2816  # plans use the 10 % quantile of the capacity
MAX_EVIDENCE = 60.0  # requests a tick may count for: requests of one tick are not independent
GRID = np.linspace(-4.0, 4.0, 81)
UTILISATION_SD = 0.25  # ln(load / utilisation) measures the saturation rate of a CPU server this well
UTILISATION_WEIGHT = 0.1  # one reading in ten ticks is news: utilisation is itself a moving average
ACCELERATOR_SHARE = 0.5  # an accelerator carries within its SLO at least about half of what load / utilisation says
STEADY_RATIO = 1.5  # largest over smallest load of a stretch that teaches
SURPRISING = 3.0  # nats; ordinary noise of sixty requests stays under one
SURPRISE_WIDENING = 1.5
MIN_LOG_CAPACITY = math.log(1e-4)
BUSY_ENOUGH = 0.1  # below it, utilisation is mostly overhead


def capacity_at(prior: CapacityPrior, objective: LatencyObjective) -> float:
    """The stated capacity moved to another threshold, requests per second per replica; <= 0 if none is left.

    With one saturation rate mu behind both: c(t) = rate + ln(1/e) (1/at - 1/t). A replica that carries 410/s within
    300 ms carries 379/s within 100 ms, and nothing within 10 ms.
    """
    log_odds = math.log(1.0 / objective.allowed_miss_fraction)
    return prior.rate_per_second + log_odds * (1.0 / prior.at_seconds - 1.0 / objective.threshold_seconds)


def prior_belief(prior: CapacityPrior | None, objective: Objective) -> LearnedCapacity | None:
    """The belief before any evidence; None when nothing is stated, or when what is stated leaves no capacity.

    What is stated is a whole answer's latency at some load. For other objectives the load stands as it is: whoever
    measured it looked at a replica that was well.
    """
    if prior is None:
        return None
    capacity = capacity_at(prior, objective) if miss_curve.is_queueing(objective) else prior.rate_per_second
    return LearnedCapacity(log_mean=math.log(capacity), log_sd=PRIOR_SD) if capacity > 0 else None


def miss_fraction(load: float | Floats, log_capacity: Floats, objective: Objective) -> Floats:
    """Fraction of requests that miss the objective at this load (per second per replica), for each ln capacity."""
    exponent = miss_curve.over(load, np.exp(log_capacity), objective)
    fraction = objective.allowed_miss_fraction * np.exp(np.minimum(exponent, 50.0))
    found: Floats = np.minimum(np.maximum(fraction, 1e-5), 0.999)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one tick says of one variant. `load` is the present one, `peak` the largest of the last minute (both per
    second per replica): misses of a queue that still drains belong to the load that filled it, while requests that
    were good prove no more than the load at which they were served."""

    load: float
    peak: float
    finished: float
    missed: float
    utilisation: float | None
    accelerated: bool


def evidence_of(
    state: VariantState,
    *,
    recent_loads: tuple[tuple[float, float], ...],
    settling_seconds: float,
    seconds: float,
    accelerated: bool,
) -> Evidence | None:
    """This tick's evidence; None unless load and outcomes are both known, something was served, and the load was
    steady: a rate lags behind a step, so its misses would be held against a load that they do not belong to."""
    if state.outcomes is None or state.ready < 1 or not isinstance(state.serving_demand, Known):
        return None
    if not is_steady(recent_loads, settling_seconds):
        return None
    finished = state.outcomes.total * seconds
    if finished < 1.0:
        return None
    utilisation = state.utilisation.value if isinstance(state.utilisation, Known) else None
    return Evidence(
        load=recent_loads[-1][1],
        peak=max(load for _, load in recent_loads),
        finished=finished,
        missed=(state.outcomes.total - state.outcomes.good_low) * seconds,
        utilisation=utilisation,
        accelerated=accelerated,
    )


def is_steady(loads: tuple[tuple[float, float], ...], seconds: float) -> bool:
    """Whether (unix seconds, load) reach back this long and moved little within it."""
    if not loads or loads[-1][0] - loads[0][0] < seconds:
        return False
    recent = [load for at, load in loads if at >= loads[-1][0] - seconds]
    return max(recent) <= STEADY_RATIO * min(recent)


def learn(
    belief: LearnedCapacity | None, evidence: Evidence | None, objective: Objective, *, seconds: float
) -> LearnedCapacity | None:
    """The belief after `seconds` more, with this evidence: Bayes on a grid, moment-matched back to a log-normal."""
    if belief is None:
        return first_guess(evidence, objective)
    drift = DRIFT_SD_PER_HOUR * math.sqrt(seconds / 3600.0)
    sd = min(math.hypot(belief.log_sd, drift), MAX_SD)
    if evidence is None:
        return LearnedCapacity(log_mean=belief.log_mean, log_sd=sd)
    if surprise(evidence, belief, objective) > SURPRISING:
        sd = min(sd * SURPRISE_WIDENING, MAX_SD)
    grid = belief.log_mean + sd * GRID
    log_weight = -0.5 * GRID**2 + outcome_log_likelihood(evidence, grid, objective)
    log_weight = log_weight + utilisation_log_likelihood(evidence, grid, objective)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = max(float(weight @ grid), MIN_LOG_CAPACITY)
    spread = float(np.sqrt(weight @ (grid - mean) ** 2))
    return LearnedCapacity(log_mean=mean, log_sd=min(max(spread, MIN_SD), MAX_SD))


def surprise(evidence: Evidence, belief: LearnedCapacity, objective: Objective) -> float:
    """How badly the belief explains the misses: counted requests x Kullback-Leibler divergence, in nats.

    A server that changed (a new image, a slower node) contradicts what was learned; without widening, a belief that
    has become sure would take hours to follow.
    """
    seen = min(max(evidence.missed / evidence.finished, 1e-5), 0.999)
    loads = np.array((evidence.load, evidence.peak))
    low, high = miss_fraction(loads, np.array(belief.log_mean), objective).tolist()
    expected = min(max(seen, low), high)
    divergence = seen * math.log(seen / expected) + (1.0 - seen) * math.log((1.0 - seen) / (1.0 - expected))
    return min(evidence.finished, MAX_EVIDENCE) * divergence


def outcome_log_likelihood(evidence: Evidence, grid: Floats, objective: Objective) -> Floats:
    """Binomial, with the count bounded: a thousand requests of one tick share one queue and tell far less."""
    weight = min(evidence.finished, MAX_EVIDENCE) / evidence.finished
    at_peak = miss_fraction(evidence.peak, grid, objective)
    now = at_peak if evidence.load == evidence.peak else miss_fraction(evidence.load, grid, objective)
    hits = evidence.finished - evidence.missed
    likelihood: Floats = weight * (evidence.missed * np.log(at_peak) + hits * np.log1p(-now))
    return likelihood


def utilisation_log_likelihood(evidence: Evidence, grid: Floats, objective: Objective) -> Floats:
    """Load over utilisation measures the saturation rate of a CPU server. Of an accelerator it only says that the
    capacity is not far below it: batches grow with load, so a device busy half the time carries more than twice as
    much, but how much of that within the threshold it does not say."""
    if evidence.utilisation is None or evidence.utilisation < BUSY_ENOUGH or evidence.load <= 0:
        return np.zeros_like(grid)
    measured = math.log(evidence.load / min(evidence.utilisation, 1.0))
    gap: Floats
    if evidence.accelerated:
        gap = np.minimum(grid - (measured + math.log(ACCELERATOR_SHARE)), 0.0)
    else:
        capacities = np.exp(grid)
        gap = np.log(capacities + miss_curve.room(capacities, objective)) - measured
    likelihood: Floats = -0.5 * UTILISATION_WEIGHT * (gap / UTILISATION_SD) ** 2
    return likelihood


def first_guess(evidence: Evidence | None, objective: Objective) -> LearnedCapacity | None:
    """A belief where nothing was stated: half as much again as the load that was seen to meet the SLO."""
    if evidence is None or evidence.load <= 0:
        return None
    if evidence.missed > objective.allowed_miss_fraction * evidence.finished:
        return LearnedCapacity(log_mean=math.log(evidence.load * 0.7), log_sd=GUESS_SD)
    guess = evidence.load * 1.5
    if evidence.utilisation is not None and evidence.utilisation >= BUSY_ENOUGH:
        saturation = evidence.load / min(evidence.utilisation, 1.0)
        guess = max(evidence.load, miss_curve.within(saturation, objective))
    return LearnedCapacity(log_mean=math.log(guess), log_sd=GUESS_SD)


def moved(belief: LearnedCapacity, *, old: Objective, new: Objective) -> LearnedCapacity | None:
    """The belief for another objective; None when the new one leaves no capacity of what was believed.

    Only the queueing curve says how far; where it does not hold the capacity stays, and is as uncertain as a guess.
    """
    if old == new:
        return belief
    capacity = math.exp(belief.log_mean)
    if not (miss_curve.is_queueing(old) and miss_curve.is_queueing(new)):
        return LearnedCapacity(log_mean=belief.log_mean, log_sd=max(belief.log_sd, GUESS_SD))
    saturation = capacity + float(miss_curve.room(np.array(capacity), old))
    capacity = miss_curve.within(saturation, new)
    if capacity <= 0:
        return None
    return LearnedCapacity(log_mean=math.log(capacity), log_sd=max(belief.log_sd, PRIOR_SD))


def is_infeasible(belief: LearnedCapacity, objective: Objective) -> bool:
    """Whether even lone requests miss the objective."""
    return math.exp(belief.log_mean) < miss_curve.least_capacity(objective)


def widened(belief: LearnedCapacity) -> LearnedCapacity:
    """The belief when the server itself has changed: as uncertain as a stated capacity again."""
    return LearnedCapacity(log_mean=belief.log_mean, log_sd=max(belief.log_sd, PRIOR_SD))


def median_capacity(belief: LearnedCapacity) -> float:
    """Requests per second per replica at the SLO, as likely more as less."""
    return math.exp(belief.log_mean)


def planning_capacity(belief: LearnedCapacity) -> float:
    """Requests per second per replica that the plan counts on: the 10 % quantile of the belief."""
    return math.exp(belief.log_mean - PLAN_QUANTILE_Z * belief.log_sd)


def measured_time_to_ready(states: VariantState, *, remembered: float | None, prior: float, seconds: float) -> float:
    """Seconds from creation to ready: the 90 % quantile of pods now alive, forgetting slower starts over an hour.

    A pod that found a warm node starts fast; the next may need a node first, so a slow start is not forgotten at
    once. Without any measurement it is the pool's stated time.
    """
    if not states.startup_seconds:
        return remembered if remembered is not None else prior
    p90 = quantile(states.startup_seconds, 0.9)
    if remembered is None:
        return p90
    return max(p90, remembered * math.exp(-seconds / 3600.0))


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile between the two nearest of these finite values, as numpy's, which takes longer to begin than a few
    values take to sort."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = min(int(place), len(ordered) - 1)
    step, part = ordered[min(low + 1, len(ordered) - 1)] - ordered[low], place - low
    # Rounded as numpy does, from the nearer side.
    return ordered[low] + step * part if part < 0.5 else ordered[min(low + 1, len(ordered) - 1)] - step * (1.0 - part)
