"""llm-d's Workload Variant Autoscaler, SLO mode: replicas that keep the *mean* latency of a queueing model in bounds.

Source: llm-d/llm-d-autoscaling (WVA before), docs/developer-guide/slo-queuemodel.md, internal/queueing/analyzer and
`cost_aware`. Every 15 s: a replica carries lambda*, the highest rate at which an M/M(n)/1 queue with K = max batch +
100 places meets the target as a mean; required = arrivals - what all carry, spare is the opposite, with no band between
them. A variant that meets the target at no rate is left out. An HPA carries it out, with a window of 300 s on the way
down and without its tolerance of 10 %. Knob: the target as a share of the SLO's threshold.

There the service times are learnt by a Kalman filter from the times to the first and between later tokens; here they
are the profile's, as if it had converged, and the target bounds what the leading objective is about: the whole answer,
the first token or the gaps between tokens. Arrivals are those of the last minute; without samples it holds.
"""

from collections.abc import Mapping

from tightrope.replay.policies.cost_aware import Offer, chosen
from tightrope.replay.policies.state_queue import largest_rate
from tightrope.replay.policies.variant_hpas import VariantHpas
from tightrope.replay.seat import PolicyKind, Seat, Setting

INTERVAL_SECONDS = 15.0
WINDOW_SECONDS = 60.0


class WvaSlo:
    """All variants of one model together, sized for their mean latency."""

    def __init__(self, setting: Setting) -> None:
        target = setting.knobs["target_factor"] * setting.service.objective.threshold_seconds
        self._profiles, self._most = setting.variants, setting.service.max_replicas
        self._rates = {profile.name: largest_rate(profile, target) for profile in setting.variants}
        self._hpas = VariantHpas(setting.variants)

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        replicas = {profile.name: seat.variants[profile.name].wanted for profile in self._profiles}
        arrivals = seat.metrics.rate("arrivals", WINDOW_SECONDS)
        if arrivals is None:
            return replicas
        carried = sum(count * self._rates[name] for name, count in replicas.items())
        offers = [
            Offer(
                name=profile.name,
                price=profile.price_per_hour,
                capacity=self._rates[profile.name],
                count=replicas[profile.name],
                most=profile.max_replicas,
            )
            for profile in self._profiles
        ]
        room = self._most - sum(replicas.values())
        wished = chosen(offers, required=arrivals - carried, spare=carried - arrivals, room=room)
        return self._hpas.carried_out(seat.now, replicas, wished)


KIND = PolicyKind(
    name="wva-slo",
    title="WVA (SLO mode)",
    source="llm-d Workload Variant Autoscaler, queueing model",
    period_seconds=INTERVAL_SECONDS,
    build=WvaSlo,
    defaults={"target_factor": 1.0},
    knobs={"target_factor": (0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)},
    reach="all pools",
    memory_seconds=120.0,
)
