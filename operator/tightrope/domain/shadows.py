"""Which rule to plan by: each of two hundred simple rules is played in the shadow of what really comes, and the plan
follows the one that would have been cheapest at the present price of a miss.

A rule is one of `bases` times a multiplier. For every variant and tick, `situation` tells the shadows what demand was:
each rule's replicas would have started after the variant's time to ready, cost what they cost, and missed what their
load says. This is tuning in hindsight, done all the time and for every service (following the leader of N. Cesa-Bianchi
and G. Lugosi, Prediction, Learning, and Games, 2006, with a price on the constraint that `pressure` moves).

The arithmetic is the same for all variants of all services, so it is done for many at once: each is a row of an array
of (variants, rules).
"""

import math
from collections.abc import Sequence
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
Counts: TypeAlias = NDArray[np.signedinteger]

MULTIPLIERS = np.array([0.6, 0.7, 0.8, 0.87, 0.94, 1.0, 1.06, 1.13, 1.2, 1.3, 1.45, 1.65, 1.9, 2.3, 3.0, 4.0])
RULES = len(NAMES) * len(MULTIPLIERS)
SCATTER = 1.645  # standard deviations (95 %) that every rule adds: rates scatter around their mean
MEMORY_HALF_LIFE_SECONDS = 86_400.0
# What missing all of the allowance is worth, in shares of the bill: always, and beyond the allowance.
MISS_PRICE = 0.25
EXCESS_PRICE = 1.5
# Beyond so many times a base nothing is asked for that lies clearly over all that a day has seen: at the height of a
# surge `4 x the demand of this moment` would else cover four times the highest demand ever.
SURE, OVER_RECORD = 1.9, 1.3
RECORD = NAMES.index("the most of a day")
# In the first hour one step of demand outweighs all else that was seen: it must not treble the fleet.
YOUNG = 0.4  # of the prior's weight left
BOLD = np.tile(MULTIPLIERS > 1.5, len(NAMES))
CLEARLY_BETTER = 0.99
AS_GOOD = 1e-3
SLOTS = 32  # how finely a start-up is followed
LARGEST_SHORT = np.iinfo(np.int16).max
# Before anything was seen each rule counts as played for a quarter of an hour, with misses (in shares of the allowance)
# that a fleet without room to spare is suspected of: more if replicas start slowly.
PRIOR_SECONDS, PRIOR_HALF_LIFE_SECONDS = 900.0, 2700.0
PRIOR_MISSES, PRIOR_LEANNESS = 1.0, 5.0
# From this weight on (a day) what was supposed is less than rounding beside what was seen, and is not kept.
NO_WEIGHT = 1e-9
NOTHING = np.zeros(RULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadows:
    """What every rule would have done for one variant; arrays of one value a rule.

    `cost` is replica-seconds and `missed` requests, both fading; `requests` what came in that time. `backlog` waits for
    this rule's replicas. `asked` is (slots, rules): the fewest replicas that the rule asked for in each slot of the
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What decides between rules now: `miss` is what a miss is worth, where serving as many requests as may be missed
    (the share `allowed`) of one is worth 1; `allowance` the share of requests (0..1) from which on it is worth more."""

    allowed: float
    miss: float
    allowance: float


def price_of(pressure: Pressure, terms: Terms) -> Price:
    """What a miss is worth under the present debts."""
    return Price(
        allowed=terms.objective.allowed_miss_fraction,
        miss=MISS_PRICE * pressure.price_factor(terms),
        allowance=pressure.allowance(terms),
    )


def column(values: Sequence[float]) -> Floats:
    """One value a variant, to be used beside rows of rules."""
    return np.array(values, dtype=np.float64)[:, None]


def demands(bases: Floats, servers: Sequence[Server], *, least: Sequence[float]) -> Floats:
    """Arrivals per second that each rule covers, `least` at the least: (variants, rules) of (variants, bases)."""
    enough = np.maximum(SURE * bases, OVER_RECORD * bases[:, RECORD, None])
    means = np.minimum(bases[:, :, None] * MULTIPLIERS, enough[:, :, None]).reshape(len(bases), RULES)
    covered: Floats = np.maximum(
        means + scatter(means, column([server.averaged_seconds for server in servers])), column(least)
    )
    return covered


def scatter(rates: Floats, averaged_seconds: float | Floats) -> Floats:
    """How far a rate (arrivals per second) that was averaged over some seconds lies from its mean, at the most: counts
    of a Poisson process have the variance of their mean."""
    found: Floats = SCATTER * np.sqrt(rates / averaged_seconds)
    return found


def needs(demanded: Floats, servers: Sequence[Server]) -> Counts:
    """Replicas that each rule asks for, (variants, rules)."""
    counts = np.ceil(demanded / column([server.planned for server in servers]) - 1e-9)
    most = column([max(server.most, server.least) for server in servers])
    counts = np.minimum(np.maximum(counts, column([server.least for server in servers])), most)
    return counts.astype(np.int16) if most.max() <= LARGEST_SHORT else counts.astype(np.int32)


def begun(demanded: Floats, rate: float, server: Server, *, now: float) -> Shadows:
    """Shadows that have seen nothing yet: what they would have cost and missed is supposed."""
    asked = needs(demanded[None, :], [server])
    rate = max(rate, 1e-9)
    spare = np.clip(asked[0] * server.planned / rate - 1.0, 0.0, 10.0)
    slow = math.sqrt(1.0 + server.startup_seconds / 60.0)
    requests = PRIOR_SECONDS * rate
    share = PRIOR_MISSES * server.objective.allowed_miss_fraction * slow * np.exp(-PRIOR_LEANNESS * spare)
    return Shadows(
        cost=np.zeros(RULES),
        missed=np.zeros(RULES),
        requests=0.0,
        backlog=np.zeros(RULES),
        asked=asked,
        slot_since=now,
        prior_cost=PRIOR_SECONDS * billed(asked[0], server.per_node),
        prior_missed=requests * np.minimum(share, 1.0),
        prior_requests=requests,
        prior_weight=1.0,
        chosen=-1,
    )


def billed(asked: Counts, per_node: float | Floats) -> Floats:
    """Replicas that are paid for: nodes are billed whole."""
    paid: Floats = np.ceil(asked / per_node - 1e-9) * per_node
    return paid


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came since the last tick: for so many seconds this many requests a second."""

    rate: float
    seconds: float


def after(
    known: Sequence[Shadows],
    demanded: Floats,
    servers: Sequence[Server],
    came: Sequence[Came],
    *,
    now: float,
    tick_seconds: float,
) -> list[Shadows]:
    """Each variant's shadows after this tick: every rule's cost and misses in what came, and the replicas that it asks
    for now. All servers are judged by one objective."""
    seconds = column([one.seconds for one in came])
    fade = column([0.5 ** (one.seconds / MEMORY_HALF_LIFE_SECONDS) for one in came])
    ready = np.stack([one.asked.min(axis=0) for one in known])
    paid = billed(np.stack([one.asked[-1] for one in known]), column([server.per_node for server in servers]))
    missed, backlog = outcome(
        column([one.rate for one in came]), seconds, np.stack([one.backlog for one in known]), ready, servers
    )
    costs = np.stack([one.cost for one in known]) * fade + paid * seconds
    misses = np.stack([one.missed for one in known]) * fade + missed
    wanted = needs(demanded, servers)
    found = []
    for row, (one, server, what) in enumerate(zip(known, servers, came, strict=True)):
        asked, since = asking(one, wanted[row], server, now=now, tick_seconds=tick_seconds)
        weight = one.prior_weight * 0.5 ** (what.seconds / PRIOR_HALF_LIFE_SECONDS)
        supposed = weight > NO_WEIGHT
        found.append(
            Shadows(
                cost=costs[row].copy(),  # a view would keep all the others' rows alive
                missed=misses[row].copy(),
                requests=one.requests * 0.5 ** (what.seconds / MEMORY_HALF_LIFE_SECONDS) + what.rate * what.seconds,
                backlog=backlog[row].copy(),
                asked=asked,
                slot_since=since,
                prior_cost=one.prior_cost if supposed else NOTHING,
                prior_missed=one.prior_missed if supposed else NOTHING,
                prior_requests=one.prior_requests,
                prior_weight=weight if supposed else 0.0,
                chosen=one.chosen,
            )
        )
    return found


def outcome(
    rate: Floats, seconds: float | Floats, backlog: Floats, ready: Counts, servers: Sequence[Server]
) -> tuple[Floats, Floats]:
    """Misses and what is left waiting, per variant and rule.

    Below saturation the miss fraction follows the load (`miss_curve`); above it a fluid queue builds up, and whoever
    would wait longer than the objective bears misses.
    """
    objective = servers[0].objective
    allowed, patience = objective.allowed_miss_fraction, miss_curve.patience_seconds(objective)
    fleet, saturation = np.maximum(ready, 1e-9), saturation_of(ready, servers)
    believed = column([server.believed for server in servers])
    over = np.minimum(miss_curve.over(rate / fleet, believed, objective), 50.0)
    share = np.minimum(allowed * np.exp(over), 1.0)
    arrived = rate * seconds
    left = np.maximum(backlog + arrived - saturation * seconds, 0.0)
    wait = 0.5 * (backlog + left) / saturation
    share = np.where(wait > patience, 1.0, np.maximum(share, np.minimum(wait / patience, 1.0) * (left > 0)))
    longest = miss_curve.GIVE_UP_SECONDS * saturation
    gave_up = np.maximum(left - longest, 0.0)
    missed = np.minimum(np.maximum(arrived * share, gave_up), arrived)
    return missed, np.minimum(left, longest)


def saturation_of(ready: Counts, servers: Sequence[Server]) -> Floats:
    """Requests per second that so many replicas work off at the most."""
    believed = column([server.believed for server in servers])
    found: Floats = (believed + miss_curve.room(believed, servers[0].objective)) * np.maximum(ready, 1e-9)
    return found


def backlogs(rates: Floats, seconds: float, backlog: Floats, ready: Counts, server: Server) -> Floats:
    """What waits for each rule before each of several stretches in a row and after the last one, as `outcome` leaves
    it: (stretches + 1, rules), from what waits before the first."""
    saturation = saturation_of(ready, [server])
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
    """`after` for many stretches of `seconds` in a row, in each of which so many requests a second came:
    (stretches,). `asked` is (earlier slots + stretches, rules): what the rules asked for before, and at the end of each
    stretch; replicas asked for start over `slots` stretches."""
    count = len(rates)
    before = asked[: len(asked) - count]
    unknown = np.full((max(slots - len(before), 0), RULES), np.iinfo(np.int32).max, dtype=np.int32)
    whole = np.concatenate([unknown, before[max(len(before) - slots, 0) :], asked[len(asked) - count :]])[:-1]
    ready = sliding_window_view(whole, slots, axis=0).min(axis=-1)
    waiting = backlogs(rates, seconds, shadows.backlog, ready, server)
    missed, _ = outcome(rates[:, None], seconds, waiting[:-1], ready, [server])
    fade = 0.5 ** (seconds / MEMORY_HALF_LIFE_SECONDS)
    weights = fade ** np.arange(count - 1.0, -1.0, -1.0)
    paid = billed(asked[len(before) - 1 : -1], server.per_node) * seconds
    return replace(
        shadows,
        cost=shadows.cost * fade**count + weights @ paid,
        missed=shadows.missed * fade**count + weights @ missed,
        requests=shadows.requests * fade**count + float(weights @ rates) * seconds,
        backlog=waiting[-1],
        prior_weight=shadows.prior_weight * 0.5 ** (count * seconds / PRIOR_HALF_LIFE_SECONDS),
    )


def asking(
    shadows: Shadows, wanted: Counts, server: Server, *, now: float, tick_seconds: float
) -> tuple[Counts, float]:
    """What each rule asked for in the slots of the start-up time, and when the last slot began, if it wants so many
    replicas now."""
    width = max(tick_seconds, server.startup_seconds / SLOTS)
    slots = max(math.ceil(server.startup_seconds / width), 0) + 1
    asked, since = shadows.asked, shadows.slot_since
    if now - since >= 0.99 * width or now < since:
        return np.concatenate((asked[max(len(asked) + 1 - slots, 0) :], wanted[None, :])), now
    asked = asked[-slots:].copy()
    asked[-1] = np.minimum(asked[-1], wanted)
    return asked, since


def chosen(
    known: Sequence[Shadows],
    demanded: Floats,
    servers: Sequence[Server],
    prices: Sequence[Price],
    levels: Sequence[float],
) -> list[int]:
    """The rule to follow, for each variant: the cheapest in hindsight at the present price of a miss. The one that was
    followed stays unless another is clearly better."""
    score = scores(known, servers, prices)
    best = score.min(axis=1)
    most = (best / CLEARLY_BETTER).tolist()
    followed = score[np.arange(len(known)), [one.chosen for one in known]].tolist()
    return [
        one.chosen
        if one.chosen >= 0 and followed[row] <= most[row]
        else of_the_best(score[row], demanded[row], servers[row], level=levels[row])
        for row, one in enumerate(known)
    ]


def scores(known: Sequence[Shadows], servers: Sequence[Server], prices: Sequence[Price]) -> Floats:
    """What each rule cost with its misses, in replica-seconds, (variants, rules); infinite for what is too bold yet."""
    weight = column([one.prior_weight for one in known])
    cost = np.stack([one.cost for one in known]) + weight * np.stack([one.prior_cost for one in known])
    missed = np.stack([one.missed for one in known]) + weight * np.stack([one.prior_missed for one in known])
    requests = [one.requests + one.prior_weight * one.prior_requests for one in known]
    free = column([price.allowance * came for price, came in zip(prices, requests, strict=True)])
    excess = np.maximum(missed - free, 0.0)
    # What serving one request costs at capacity, in replica-seconds, over the share that may be missed.
    unit = column([1.0 / (server.planned * price.allowed) for server, price in zip(servers, prices, strict=True)])
    miss = column([price.miss for price in prices])
    score: Floats = cost + unit * (miss * missed + EXCESS_PRICE * excess)
    return np.where(BOLD & (weight > YOUNG), math.inf, score) if weight.max() > YOUNG else score


def of_the_best(score: Floats, demanded: Floats, server: Server, *, level: float) -> int:
    """Of several rules that are as good (one large replica serves many rules) the one that asks for the least and still
    covers the present `level`: a rule that was saved by rounding is not trusted."""
    as_good = np.flatnonzero(score <= score.min() * (1.0 + AS_GOOD))
    enough = as_good[demanded[as_good] >= level + float(scatter(np.array(level), server.averaged_seconds))]
    if len(enough):
        # As many replicas by another rule are as good again; the first of them looks back the least.
        fewest = needs(demanded[enough][None, :], [server])[0]
        return int(enough[np.argmin(fewest)])
    return int(as_good[np.argmax(demanded[as_good])])


def rule_name(rule: int) -> str:
    """A rule in words, as `1.06 x the most of an hour`."""
    base, place = divmod(rule, len(MULTIPLIERS))
    name = f"{MULTIPLIERS[place]:g} x {NAMES[base]}"
    if MULTIPLIERS[place] <= SURE:
        return name
    return f"{name} (beyond {SURE:g} x it at most {OVER_RECORD:g} x {NAMES[RECORD]})"
