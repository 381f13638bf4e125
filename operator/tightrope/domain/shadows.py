"""Which rule to plan by: each of two hundred simple rules is played in the shadow of what really comes, and the plan
follows the one that would have been cheapest at the present price of a miss.

A rule is one of `bases` times a multiplier. For every variant and tick, `situation` tells the shadows what demand was:
each rule's replicas would have started after the variant's time to ready, cost what they cost, and missed what their
load says. This is tuning in hindsight, done all the time and for every service (following the leader of N. Cesa-Bianchi
and G. Lugosi, Prediction, Learning, and Games, 2006, with a price on the constraint that `pressure` moves).
"""

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tightrope.domain import miss_curve
from tightrope.domain.bases import NAMES
from tightrope.domain.pressure import Pressure, Terms
from tightrope.domain.spec import Objective

Floats: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int32]

MULTIPLIERS = np.array([0.6, 0.7, 0.8, 0.87, 0.94, 1.0, 1.06, 1.13, 1.2, 1.3, 1.45, 1.65, 1.9, 2.3, 3.0, 4.0])
RULES = len(NAMES) * len(MULTIPLIERS)
SCATTER = 1.645  # standard deviations (95 %) that every rule adds: rates scatter around their mean
MEMORY_HALF_LIFE_SECONDS = 86_400.0
# What missing all of the allowance is worth, in shares of the bill: always, and beyond the allowance.
MISS_PRICE = 0.25
EXCESS_PRICE = 1.5
# In the first hour one step of demand outweighs all else that was seen: it must not treble the fleet.
YOUNG = 0.4  # of the prior's weight left
BOLD = np.tile(MULTIPLIERS > 1.5, len(NAMES))
CLEARLY_BETTER = 0.99
AS_GOOD = 1e-3
SLOTS = 32  # how finely a start-up is followed
# Before anything was seen each rule counts as played for a quarter of an hour, with misses (in shares of the allowance)
# that a fleet without room to spare is suspected of: more if replicas start slowly.
PRIOR_SECONDS, PRIOR_HALF_LIFE_SECONDS = 900.0, 2700.0
PRIOR_MISSES, PRIOR_LEANNESS = 1.0, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadows:
    """What every rule would have done for one variant; arrays of one value a rule.

    `cost` is replica-seconds and `missed` requests, both fading; `requests` what came in that time. `backlog` waits for
    this rule's replicas. `asked` is (rules, slots): the fewest replicas that the rule asked for in each slot of the
    start-up time, oldest first; `slot_since` (unix seconds) when the last slot began. `prior_weight` fades too.
    """

    cost: Floats
    missed: Floats
    requests: float
    backlog: Floats
    asked: Counts
    slot_since: float
    prior_cost: Floats
    prior_missed: Floats
    prior_requests: float
    prior_weight: float
    chosen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a shadow knows of a variant: requests per second per replica that the plan counts on (`planned`) and that
    are believed (`believed`), seconds to ready as seen through the metrics, over how many seconds rates are averaged,
    replicas a node, and the service's bounds.
    """

    planned: float
    believed: float
    startup_seconds: float
    averaged_seconds: float
    per_node: float
    least: int
    most: int
    objective: Objective


def demands(bases: Floats, server: Server, *, least: float | Floats) -> Floats:
    """Arrivals per second that each rule covers, `least` at the least; a row of rules for each row of bases."""
    means = (bases[..., None] * MULTIPLIERS).reshape(*bases.shape[:-1], RULES)
    covered: Floats = np.maximum(means + scatter(means, server), least)
    return covered


def scatter(rates: Floats, server: Server) -> Floats:
    """How far a rate (arrivals per second) that was averaged over some seconds lies from its mean, at the most: counts
    of a Poisson process have the variance of their mean."""
    found: Floats = SCATTER * np.sqrt(rates / server.averaged_seconds)
    return found


def needs(demanded: Floats, server: Server) -> Counts:
    """Replicas that each rule asks for."""
    counts = np.ceil(demanded / server.planned - 1e-9)
    return np.clip(counts, server.least, max(server.most, server.least)).astype(np.int32)


def begun(demanded: Floats, rate: float, server: Server, *, now: float) -> Shadows:
    """Shadows that have seen nothing yet: what they would have cost and missed is supposed."""
    asked = needs(demanded, server)
    rate = max(rate, 1e-9)
    spare = np.clip(asked * server.planned / rate - 1.0, 0.0, 10.0)
    slow = math.sqrt(1.0 + server.startup_seconds / 60.0)
    requests = PRIOR_SECONDS * rate
    share = PRIOR_MISSES * server.objective.allowed_miss_fraction * slow * np.exp(-PRIOR_LEANNESS * spare)
    return Shadows(
        cost=np.zeros(RULES),
        missed=np.zeros(RULES),
        requests=0.0,
        backlog=np.zeros(RULES),
        asked=asked.reshape(-1, 1),
        slot_since=now,
        prior_cost=PRIOR_SECONDS * billed(asked, server),
        prior_missed=requests * np.minimum(share, 1.0),
        prior_requests=requests,
        prior_weight=1.0,
        chosen=-1,
    )


def billed(asked: Counts, server: Server) -> Floats:
    """Replicas that are paid for: nodes are billed whole."""
    paid: Floats = np.ceil(asked / server.per_node - 1e-9) * server.per_node
    return paid


def played(shadows: Shadows, *, rate: float, seconds: float, server: Server) -> Shadows:
    """After `seconds` in which this many requests a second came: each rule's cost and misses."""
    ready = shadows.asked.min(axis=1)
    missed, backlog = outcome(rate, seconds, shadows.backlog, ready, server)
    fade = 0.5 ** (seconds / MEMORY_HALF_LIFE_SECONDS)
    return replace(
        shadows,
        cost=shadows.cost * fade + billed(shadows.asked[:, -1], server) * seconds,
        missed=shadows.missed * fade + missed,
        requests=shadows.requests * fade + rate * seconds,
        backlog=backlog,
        prior_weight=shadows.prior_weight * 0.5 ** (seconds / PRIOR_HALF_LIFE_SECONDS),
    )


def outcome(
    rate: float | Floats, seconds: float, backlog: Floats, ready: Counts, server: Server
) -> tuple[Floats, Floats]:
    """Misses and what is left waiting, per rule.

    Below saturation the miss fraction follows the load (`miss_curve`); above it a fluid queue builds up, and whoever
    would wait longer than the objective bears misses.
    """
    allowed, patience = server.objective.allowed_miss_fraction, miss_curve.patience_seconds(server.objective)
    fleet, saturation = np.maximum(ready, 1e-9), saturation_of(ready, server)
    believed = np.array(server.believed)
    over = np.minimum(miss_curve.over(rate / fleet, believed, server.objective), 50.0)
    share = np.minimum(allowed * np.exp(over), 1.0)
    arrived = rate * seconds
    left = np.maximum(backlog + arrived - saturation * seconds, 0.0)
    wait = 0.5 * (backlog + left) / saturation
    share = np.where(wait > patience, 1.0, np.maximum(share, np.minimum(wait / patience, 1.0) * (left > 0)))
    longest = miss_curve.GIVE_UP_SECONDS * saturation
    gave_up = np.maximum(left - longest, 0.0)
    missed = np.minimum(np.maximum(arrived * share, gave_up), arrived)
    return missed, np.minimum(left, longest)


def saturation_of(ready: Counts, server: Server) -> Floats:
    """Requests per second that so many replicas work off at the most."""
    believed = np.array(server.believed)
    found: Floats = (believed + miss_curve.room(believed, server.objective)) * np.maximum(ready, 1e-9)
    return found


def backlogs(rates: Floats, seconds: float, backlog: Floats, ready: Counts, server: Server) -> Floats:
    """What waits for each rule before each of several stretches in a row and after the last one, as `outcome` leaves
    it: (stretches + 1, rules), from what waits before the first."""
    saturation = saturation_of(ready, server)
    surplus, longest = rates[:, None] * seconds - saturation * seconds, miss_curve.GIVE_UP_SECONDS * saturation
    found = np.empty((len(rates) + 1, len(backlog)))
    found[0] = backlog
    for place in range(len(rates)):
        left = found[place + 1]
        np.add(found[place], surplus[place], out=left)
        np.maximum(left, 0.0, out=left)
        np.minimum(left, longest[place], out=left)
    return found


def played_through(
    shadows: Shadows, asked: Counts, *, rates: Floats, seconds: float, slots: int, server: Server
) -> Shadows:
    """`played` and `asking` for many stretches of `seconds` in a row, in each of which so many requests a second came:
    (stretches,). `asked` is (earlier slots + stretches, rules): what the rules asked for before, and at the end of each
    stretch; replicas asked for start over `slots` stretches."""
    count = len(rates)
    before = asked[: len(asked) - count]
    unknown = np.full((max(slots - len(before), 0), RULES), np.iinfo(np.int32).max, dtype=np.int32)
    whole = np.concatenate([unknown, before[max(len(before) - slots, 0) :], asked[len(asked) - count :]])[:-1]
    ready = sliding_window_view(whole, slots, axis=0).min(axis=-1)
    waiting = backlogs(rates, seconds, shadows.backlog, ready, server)
    missed, _ = outcome(rates[:, None], seconds, waiting[:-1], ready, server)
    fade = 0.5 ** (seconds / MEMORY_HALF_LIFE_SECONDS)
    weights = fade ** np.arange(count - 1.0, -1.0, -1.0)
    paid = billed(asked[len(before) - 1 : -1], server) * seconds
    return replace(
        shadows,
        cost=shadows.cost * fade**count + weights @ paid,
        missed=shadows.missed * fade**count + weights @ missed,
        requests=shadows.requests * fade**count + float(weights @ rates) * seconds,
        backlog=waiting[-1],
        prior_weight=shadows.prior_weight * 0.5 ** (count * seconds / PRIOR_HALF_LIFE_SECONDS),
    )


def asking(shadows: Shadows, demanded: Floats, server: Server, *, now: float, tick_seconds: float) -> Shadows:
    """Each rule asks for its replicas now."""
    wanted = needs(demanded, server)
    width = max(tick_seconds, server.startup_seconds / SLOTS)
    slots = max(math.ceil(server.startup_seconds / width), 0) + 1
    asked, since = shadows.asked, shadows.slot_since
    if now - since >= 0.99 * width or now < since:
        asked, since = np.column_stack([asked, wanted]), now
    else:
        asked = asked.copy()
        asked[:, -1] = np.minimum(asked[:, -1], wanted)
    return replace(shadows, asked=np.ascontiguousarray(asked[:, -slots:]), slot_since=since)


def chosen(
    shadows: Shadows, demanded: Floats, pressure: Pressure, server: Server, *, level: float, terms: Terms
) -> int:
    """The rule to follow: the cheapest in hindsight at the present price of a miss. The one that was followed stays
    unless another is clearly better. Of several that are as good (one large replica serves many rules) it is the one
    that asks for the least and still covers the present `level`: a rule that was saved by rounding is not trusted."""
    weight = shadows.prior_weight
    cost = shadows.cost + weight * shadows.prior_cost
    missed = shadows.missed + weight * shadows.prior_missed
    requests = shadows.requests + weight * shadows.prior_requests
    # What serving one request costs at capacity, in replica-seconds, over the share that may be missed.
    unit = 1.0 / (server.planned * terms.objective.allowed_miss_fraction)
    excess = np.maximum(missed - pressure.allowance(terms) * requests, 0.0)
    price = MISS_PRICE * pressure.price_factor(terms)
    score = cost + unit * (price * missed + EXCESS_PRICE * excess)
    if weight > YOUNG:
        score = np.where(BOLD, math.inf, score)
    good = score <= score.min() / CLEARLY_BETTER
    if shadows.chosen >= 0 and good[shadows.chosen]:
        return shadows.chosen
    as_good = np.flatnonzero(score <= score.min() * (1.0 + AS_GOOD))
    enough = as_good[demanded[as_good] >= level + float(scatter(np.array([level]), server)[0])]
    if len(enough):
        # As many replicas by another rule are as good again; the first of them looks back the least.
        fewest = needs(demanded[enough], server)
        return int(enough[np.argmin(fewest)])
    return int(as_good[np.argmax(demanded[as_good])])


def rule_name(rule: int) -> str:
    """A rule in words, as `1.06 x the most of an hour`."""
    base, multiplier = divmod(rule, len(MULTIPLIERS))
    return f"{MULTIPLIERS[multiplier]:g} x {NAMES[base]}"
