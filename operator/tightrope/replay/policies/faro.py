"""Faro: the fewest replicas whose expected 99th percentile is worth no less, planned for seven minutes every five.

Source: Jeon et al., A House United Within Itself: SLO-Awareness for On-Premises Containerized ML Inference Clusters via
Faro, EuroSys 2025, and its artefact (beomyeol/faro at b595c4a, src/solver.py, src/policy.py, with the settings of its
simulations). After the first minute and then every 300 s: forecast each of the next 7 minutes from the last 15, at
quantile 0.6; the utility of a count of replicas is the mean over these minutes of min(1, target / latency), the latency
that of `replay.faro.latency`; the fewest replicas are taken that are worth no more than 0.0001 less than the most. In
between, every 10 s, one replica more once the mean latency of the last 30 s was above the target at three turns, not
counting while replicas start; the planner alone takes some away. Knobs: the quantile, and the target as a share of the
SLO's threshold.

Departures. Faro shares a fixed cluster among jobs; with one service the trade between jobs, and the minutes in which
new replicas do not count yet, change nothing, so that no optimiser is needed (`replay.faro` plays all jobs together).
Its forecasts come from N-HiTS networks trained on earlier days; here a smoothed level does it. A replica with slots
counts as so many servers, one with batches as a server of its highest throughput, one of a language model as a server
for each sequence of its largest batch, as slow as it is then. Its model is of whole answers: where first tokens or gaps
are judged, the target has what a whole answer takes longer. Minutes without samples are left out
of the forecast; with none at all it holds.
"""

from collections.abc import Mapping

import numpy as np

from tightrope.dataplane.outcomes import Floats
from tightrope.replay.faro.forecast import CONTEXT, QUANTILE, Level
from tightrope.replay.faro.latency import utility
from tightrope.replay.faro.planner import NO_LOSS
from tightrope.replay.faro.rules import AHEAD_MINUTES, PLAN_SECONDS
from tightrope.replay.policies.step_counter import INTERVAL_SECONDS, UP_AFTER_SECONDS, WINDOW_SECONDS
from tightrope.replay.seat import PolicyKind, Seat, Setting, VariantProfile

MINUTE = 60.0
FIRST_MINUTES = 5  # what stands for a forecast before a quarter of an hour is behind it


class Faro:
    """A plan every five minutes, one more in between where it is too slow."""

    def __init__(self, setting: Setting) -> None:
        self._profile = setting.variants[0]
        self._least = max(1, setting.service.min_replicas)
        self._target = setting.knobs["target_factor"] * setting.service.objective.threshold_seconds
        self._forecast = Level(setting.knobs["quantile"])
        self._due, self._slow = MINUTE, 0

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        seen = seat.variants[self._profile.name]
        replicas = seen.wanted
        if seat.now >= self._due:
            rates = self._expected(seat)
            if len(rates):
                self._due = (seat.now // PLAN_SECONDS + 1) * PLAN_SECONDS
                self._slow = 0
                return {self._profile.name: fewest(rates, self._profile, target=self._target, least=self._least)}
        latency = seat.metrics.mean_latency(WINDOW_SECONDS)
        if not seen.starting and latency is not None and latency > self._target:
            self._slow += 1
        if self._slow >= UP_AFTER_SECONDS / INTERVAL_SECONDS:
            self._slow, replicas = 0, replicas + 1
        return {self._profile.name: replicas}

    def _expected(self, seat: Seat) -> Floats:
        """Requests per second in the minutes to come; empty where no minute was seen."""
        recent = seat.metrics.series("arrivals", MINUTE, CONTEXT)
        known = recent[~np.isnan(recent)]
        if len(known) < CONTEXT:
            return known[-FIRST_MINUTES:]
        return self._forecast.ahead(0, known * MINUTE, AHEAD_MINUTES) / MINUTE


def fewest(rates: Floats, profile: VariantProfile, *, target: float, least: int) -> int:
    """The fewest replicas that are worth as much as the most, for these rates (requests per second of each minute)."""
    each = profile.slots if profile.llm is None else profile.batch_limit
    service = each / profile.saturation
    beyond = 0.0 if profile.judged is None else max(service - profile.judged_seconds(profile.batch_limit), 0.0)

    def worth(replicas: int) -> float:
        servers = np.full(len(rates), float(replicas * each))
        return float(utility(rates, servers, service=service, target=target + beyond).mean())

    low, high = least, max(profile.max_replicas, least)
    enough = worth(high) - NO_LOSS
    while low < high:  # more replicas are never worth less
        middle = (low + high) // 2
        low, high = (low, middle) if worth(middle) >= enough else (middle + 1, high)
    return high


KIND = PolicyKind(
    name="faro",
    title="Faro",
    source="Faro, EuroSys 2025, planner of its artefact (b595c4a)",
    period_seconds=INTERVAL_SECONDS,
    build=Faro,
    defaults={"quantile": QUANTILE, "target_factor": 1.0},
    knobs={"quantile": (0.5, 0.6, 0.8, 0.9, 0.99), "target_factor": (0.5, 0.75, 1.0)},
    sample_seconds=INTERVAL_SECONDS,
    memory_seconds=CONTEXT * MINUTE + 120.0,
)
