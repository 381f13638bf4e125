"""INFaaS: more replicas of the same variant, or a change to the fastest accelerator, whichever loads sooner.

Source: INFaaS, src/worker/autoscaler.cc, with its constants. Every second, per variant with n replicas of throughput t
and its own demand d (requests/s):

- slower variants: add ceil((d - 0.95 n t) / t); one fewer if d <= (n - 1) t. CPU throughput is that of batch 1, an
  accelerator's that of its largest batch.
- the fastest accelerator also takes the shortage of the others, plus 0.0002 requests/s per millisecond of load time.
- cost of adding to the slower ones: load time * additions, and 1000 load times more for a variant that would pass 2
  CPU or 1 accelerated replicas; cost of the fastest: load time * additions. The fastest is started when the first is
  more than 1.5 times the second; once it runs, all additions go to it while it has room.
- one fewer only after 10 (CPU) or 20 (accelerated) consecutive turns that ask for it. The last replica of the fastest
  goes when the demand fits one CPU replica; that CPU replica is started first.

Departures: one worker's rules are applied to the whole fleet, so more than one accelerator is allowed; replicas that
start count as there, else each second would ask again; time to ready stands for load time; slower accelerators use
the CPU's 5 % headroom, as the headroom proportional to load time presumes seconds and never ends with minutes; the
last accelerator goes by the demand on the whole service and not by its own, since an even split over pods leaves it
little enough to look idle and the rule flaps; earlier ones go when n - 1 would do, where INFaaS waits for the CPU's
throughput at any count; a start of several is held to the cost rule too, where INFaaS starts them without comparing.
Demand is the rate of the last 10 s (our choice). A missing rate holds everything. Knobs: the cost ratio and the
headroom of the fastest.
"""

import math
from collections.abc import Mapping

from tightrope.replay.seat import PolicyKind, Seat, Setting, VariantProfile

TURN_SECONDS = 1.0
SAMPLE_SECONDS = 2.0
RATE_WINDOW_SECONDS = 10.0
HEADROOM = 0.05
CROWDED_LOADS = 1000.0
CROWDED_ABOVE = {False: 2, True: 1}  # replicas, by accelerated
DESCENT_TURNS = {False: 10, True: 20}


class Infaas:
    """Greedy between scaling out and moving to the accelerator."""

    def __init__(self, setting: Setting) -> None:
        def quickest(accelerated: bool) -> VariantProfile | None:
            same = [variant for variant in setting.variants if variant.accelerated == accelerated]
            return min(same, key=lambda variant: variant.service_seconds(1), default=None)

        self._fastest, self._fallback = quickest(True), quickest(False)
        self._slower = [variant for variant in setting.variants if variant is not self._fastest]
        self._ratio, self._load_headroom = setting.knobs["cost_ratio"], setting.knobs["load_headroom"]
        self._fewer = {variant.name: 0 for variant in setting.variants}

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        rates: dict[str, float] = {}
        for name in self._fewer:
            rate = seat.metrics.rate("arrivals", RATE_WINDOW_SECONDS, name)
            if rate is None:
                return {}
            rates[name] = rate
        replicas = {name: seat.variants[name].wanted for name in self._fewer}
        additions = self._additions(seat, rates, replicas)
        extra = self._extra_of_fastest(additions, rates, replicas)
        growing = set(additions)
        if self._fastest is not None and self._moves(self._fastest, additions, extra, replicas):
            replicas[self._fastest.name] += extra
            growing |= {self._fastest.name} if extra else set()
        else:
            for variant in self._slower:
                there = replicas[variant.name]
                room = max(0, variant.max_replicas - there)
                replicas[variant.name] = there + min(additions.get(variant.name, 0), room)
        self._descend(seat, rates, replicas, growing)
        return replicas

    def _additions(self, seat: Seat, rates: Mapping[str, float], replicas: Mapping[str, int]) -> dict[str, int]:
        """What each slower variant lacks, in replicas; a variant that is still loading its first asks for nothing."""
        lacking = {}
        for variant in self._slower:
            name = variant.name
            if seat.variants[name].ready > 0 and (short := self._shortage(variant, rates, replicas)) > 0:
                lacking[name] = math.ceil(round(short / throughput(variant), 9))
        return lacking

    def _shortage(self, variant: VariantProfile, rates: Mapping[str, float], replicas: Mapping[str, int]) -> float:
        return rates[variant.name] - (1 - HEADROOM) * replicas[variant.name] * throughput(variant)

    def _extra_of_fastest(
        self, additions: Mapping[str, int], rates: Mapping[str, float], replicas: Mapping[str, int]
    ) -> int:
        """Replicas the fastest would add to carry its own demand and what the others lack; never beyond its pool."""
        fastest = self._fastest
        if fastest is None:
            return 0
        lacking = sum(self._shortage(v, rates, replicas) for v in self._slower if v.name in additions)
        demand, there = rates[fastest.name] + lacking, replicas[fastest.name]
        if demand <= 0:
            return 0
        short = demand - there * throughput(fastest) + self._load_headroom * 1000.0 * fastest.time_to_ready_seconds
        return max(0, min(math.ceil(round(short / throughput(fastest), 9)), fastest.max_replicas - there))

    def _moves(
        self, fastest: VariantProfile, additions: Mapping[str, int], extra: int, replicas: Mapping[str, int]
    ) -> bool:
        """Whether the fastest takes what is added: always while it runs and has room, else if it loads sooner."""
        if replicas[fastest.name] > 0:
            return replicas[fastest.name] < fastest.max_replicas
        cost = 0.0
        for variant in self._slower:
            if (add := additions.get(variant.name, 0)) > 0:
                crowded = replicas[variant.name] + add > CROWDED_ABOVE[variant.accelerated]
                cost += variant.time_to_ready_seconds * (add + (CROWDED_LOADS if crowded else 0.0))
        return extra > 0 and cost > self._ratio * fastest.time_to_ready_seconds * extra

    def _descend(self, seat: Seat, rates: Mapping[str, float], replicas: dict[str, int], growing: set[str]) -> None:
        """One fewer of each variant that has asked for it long enough."""
        for variant in [*self._slower, *([self._fastest] if self._fastest else [])]:
            name = variant.name
            settled = seat.variants[name].ready > 0 and replicas[name] > 0 and name not in growing
            if not (settled and self._too_many(variant, replicas[name], rates)):
                self._fewer[name] = 0
                continue
            self._fewer[name] += 1
            if self._fewer[name] >= DESCENT_TURNS[variant.accelerated] and self._may_go(seat, variant, replicas):
                replicas[name] -= 1
                self._fewer[name] = 0

    def _too_many(self, variant: VariantProfile, count: int, rates: Mapping[str, float]) -> bool:
        """Whether one fewer would do."""
        if variant is self._fastest and self._fallback is not None and count == 1:
            return sum(rates.values()) <= throughput(self._fallback)
        return rates[variant.name] <= (count - 1) * throughput(variant)

    def _may_go(self, seat: Seat, variant: VariantProfile, replicas: dict[str, int]) -> bool:
        """The last of the fastest waits for a CPU replica, which it calls; the last of all stays."""
        if variant is self._fastest and self._fallback is not None and replicas[variant.name] == 1:
            replicas[self._fallback.name] = max(1, replicas[self._fallback.name])
            return seat.variants[self._fallback.name].ready > 0
        return sum(replicas.values()) > 1


def throughput(variant: VariantProfile) -> float:
    """Requests per second of one replica as INFaaS reckons it."""
    return variant.saturation if variant.accelerated else variant.slots / variant.service_seconds(1)


KIND = PolicyKind(
    name="infaas",
    title="INFaaS",
    source="INFaaS, src/worker/autoscaler.cc",
    period_seconds=TURN_SECONDS,
    build=Infaas,
    defaults={"cost_ratio": 1.5, "load_headroom": 0.0002},
    knobs={"cost_ratio": (0.5, 1.5, 5.0), "load_headroom": (0.0, 0.00005, 0.0002)},
    reach="all pools",
    sample_seconds=SAMPLE_SECONDS,
    memory_seconds=RATE_WINDOW_SECONDS + SAMPLE_SECONDS,
)
