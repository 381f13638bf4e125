"""llm-d's Workload Variant Autoscaler, saturation analysis V2: demand in what a replica can hold, against supply.

Source: llm-d/llm-d-autoscaling (WVA before), internal/engines/analyzers/saturation_v2 and `cost_aware`; the default
since 0.9. Every 15 s: required = demand / 0.85 - what is there or starting; if there is none, spare = supply of the
ready ones - demand / 0.70. A replica holds 80 % of its KV tokens (k1) or, if less, k2: what it has in use while 5
requests or more wait, else the mean of the last ten such observations; a variant holds the median of its replicas, and
without replicas what it held last. An HPA carries it out, with a window of 300 s on the way down; its tolerance of
10 % is not applied, which would keep large fleets from small steps. Knobs: the two thresholds.

With language models the unit is tokens: demand is the cache in use, and for each request that waits the mean input and
output of the last five minutes. To begin with a replica holds what its largest batch does on average, input and half of
the output each, if that is less than 80 % of its cache (the limit on tokens in a batch of prefills is not known here).

A request/response server has no tokens: capacity is requests inside, out of its slots times its largest batch, and
demand is the largest number inside all replicas during the last minute (it adds up each replica's largest, which is
no less). Tokens compare hardware, places do not say how fast they are: so it gets each pool in turn, where the real one
chooses among them by price per token. The thresholds tried in hindsight go over 1, as a queue may stand in front of a
place and no cache holds more than all. Without samples it holds.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from statistics import median

from tightrope.replay.policies.cost_aware import Offer, chosen
from tightrope.replay.policies.variant_hpas import VariantHpas
from tightrope.replay.seat import Counter, Gauge, LlmProfile, PolicyKind, Seat, Setting, VariantProfile

INTERVAL_SECONDS = 15.0
WINDOW_SECONDS = 60.0
LENGTHS_SECONDS = 300.0
TOKENS: tuple[Counter, ...] = ("input_tokens", "output_tokens")
HOLDS, CROWDED, OBSERVATIONS = 0.80, 5.0, 10


class Held:
    """How many requests, or tokens of a language model, a replica of one variant holds, as far as it was observed."""

    def __init__(self, profile: VariantProfile) -> None:
        self._known = HOLDS * profile.slots * profile.batch_limit if profile.llm is None else tokens_held(profile)
        self._observed: deque[float] = deque(maxlen=OBSERVATIONS)
        self._last: float | None = None

    def learnt(self, waiting: Sequence[float], running: Sequence[float]) -> float:
        """From what waits and runs in each replica now; none of them leaves what was last known."""
        held = [min(self._known, self._one(queue, work)) for queue, work in zip(waiting, running, strict=True)]
        if held:
            self._last = float(median(held))
        return self._known if self._last is None else self._last

    def _one(self, waiting: float, running: float) -> float:
        if waiting >= CROWDED and running > 0:
            self._observed.append(running)
            return running
        return sum(self._observed) / len(self._observed) if self._observed else self._known


class WvaV2:
    """All variants of one model together."""

    def __init__(self, setting: Setting) -> None:
        self._profiles, self._most = setting.variants, setting.service.max_replicas
        self._up, self._down = setting.knobs["scale_up"], setting.knobs["scale_down"]
        self._held = {profile.name: Held(profile) for profile in setting.variants}
        self._hpas = VariantHpas(setting.variants)
        self._llm = setting.variants[0].llm

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        replicas = {profile.name: seat.variants[profile.name].wanted for profile in self._profiles}
        demand = demand_in_tokens(seat, self._llm) if self._llm else seat.metrics.gauge_max("in_flight", WINDOW_SECONDS)
        if demand is None:
            return replicas
        offers = [self._offer(seat, profile) for profile in self._profiles]
        required, spare = lacking(seat, offers, demand, up=self._up, down=self._down)
        wished = chosen(offers, required=required, spare=spare, room=self._most - sum(replicas.values()))
        return self._hpas.carried_out(seat.now, replicas, wished)

    def _offer(self, seat: Seat, profile: VariantProfile) -> Offer:
        waiting = seat.metrics.per_replica("queued", profile.name).tolist()
        unit: Gauge = "running" if profile.llm is None else "cache_tokens"
        running = seat.metrics.per_replica(unit, profile.name).tolist()
        return Offer(
            name=profile.name,
            price=profile.price_per_hour,
            capacity=self._held[profile.name].learnt(waiting, running),
            count=seat.variants[profile.name].wanted,
            most=profile.max_replicas,
        )


def tokens_held(profile: VariantProfile) -> float:
    """Tokens that a replica holds before anything has been observed."""
    assert profile.llm is not None
    each = profile.llm.input_tokens + profile.llm.output_tokens / 2.0
    return min(HOLDS * profile.llm.cache_tokens, profile.batch_limit * each)


def demand_in_tokens(seat: Seat, llm: LlmProfile) -> float | None:
    """Tokens inside all replicas and of all that wait, the most of the last minute; None without samples. Lengths are
    the profile's until something has been answered."""
    metrics = seat.metrics
    inside, waiting = metrics.gauge_max("cache_tokens", WINDOW_SECONDS), metrics.gauge_max("queued", WINDOW_SECONDS)
    if inside is None or waiting is None:
        return None
    tokens = [metrics.rate(counter, LENGTHS_SECONDS) for counter in TOKENS]
    answered = metrics.rate("finished", LENGTHS_SECONDS)
    if not answered or tokens[0] is None or tokens[1] is None:
        return inside + waiting * (llm.input_tokens + llm.output_tokens)
    return inside + waiting * (tokens[0] + tokens[1]) / answered


def lacking(seat: Seat, offers: Sequence[Offer], demand: float, *, up: float, down: float) -> tuple[float, float]:
    """What is required beyond all that is there or starting, and what is spare of all that is ready; either may be
    negative."""
    anticipated = sum(offer.count * offer.capacity for offer in offers)
    supply = sum(seat.variants[offer.name].ready * offer.capacity for offer in offers)
    return demand / up - anticipated, supply - demand / down


KIND = PolicyKind(
    name="wva-v2",
    title="WVA (saturation V2)",
    source="llm-d Workload Variant Autoscaler 0.9, saturation V2",
    period_seconds=INTERVAL_SECONDS,
    build=WvaV2,
    defaults={"scale_up": 0.85, "scale_down": 0.70},
    knobs={"scale_up": (0.5, 0.85, 2.0, 5.0, 10.0, 20.0), "scale_down": (0.4, 0.7, 2.0, 5.0)},
    memory_seconds=LENGTHS_SECONDS + 60.0,
)
