"""Our seat: the controller's own `decide`, fed with the observation types that the controller feeds it."""

from collections.abc import Mapping
from dataclasses import replace

from tightrope.domain.decide import decide
from tightrope.domain.explain import mix_label
from tightrope.domain.memory import Memory
from tightrope.domain.observation import Known, Missing, Observation, Outcomes, Signal, VariantState
from tightrope.domain.plan import Decision
from tightrope.domain.spec import Metric, Service
from tightrope.replay.goals import counts_errors
from tightrope.replay.score import Beaten, Step
from tightrope.replay.seat import Metrics, PolicyKind, Seat, Setting

TICK_SECONDS = 15.0  # the operator's default tick and rate window
RATE_WINDOW_SECONDS = 60.0
UNSCRAPED = "no finished requests were scraped"
# Second 0 of a replay of which nobody knows when it was, in unix seconds: a Monday at midnight (UTC).
SOME_MONDAY = 999_475_200.0


class Tightrope:
    """The decision at every tick, with its memory."""

    def __init__(self, setting: Setting) -> None:
        self._service, self._pools = setting.service, setting.pools
        self._memory = Memory()
        self._epoch = SOME_MONDAY if setting.start_unix is None else setting.start_unix
        self._last: tuple[float, Mapping[str, int], Decision] | None = None

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        now = self._epoch + seat.now
        key, prices = self._service.key, seat.prices
        decisions, self._memory = decide(
            services=[self._service],
            pools={
                name: replace(pool, price_per_node_hour=prices.get(name, pool.price_per_node_hour))
                for name, pool in self._pools.items()
            },
            observations={key: observation(seat, self._epoch, self._service)},
            memory=self._memory,
            now=now,
            tick_seconds=TICK_SECONDS,
            metrics_delay_seconds=RATE_WINDOW_SECONDS / 2,
        )
        decision = decisions[key]
        wanted = {name: variant.wanted for name, variant in seat.variants.items()}
        wanted.update({write.variant: write.replicas for write in decision.writes})
        self._last = (seat.now, wanted, decision)
        return wanted

    def explanation(self) -> Step | None:
        """The last decision: its reason, its sentence and the plans it beat."""
        if self._last is None:
            return None
        at, replicas, decision = self._last
        beaten = tuple(
            Beaten(plan=mix_label(other.replicas), cost_per_hour=other.cost_per_hour, why_not=other.why_not)
            for other in decision.alternatives
        )
        return Step(at=at, replicas=replicas, reason=decision.reason.value, sentence=decision.message, beaten=beaten)


def observation(seat: Seat, epoch: float, service: Service) -> Observation:
    """What the controller would see: rates over its window, Missing where no scrape says. `epoch` is when the replay
    began, in unix seconds."""
    now, metrics, names = epoch + seat.now, seat.metrics, list(seat.variants)
    arrivals = signal(metrics.rate("arrivals", RATE_WINDOW_SECONDS), now)
    seen = outcomes(metrics, service, service.objective.metric)
    further = {
        one.metric: outcomes(metrics, service, one.metric) or Missing(reason=UNSCRAPED)
        for one in service.further_objectives
    }
    return Observation(
        at=now,
        demand=arrivals,
        variants={name: state(seat, name, epoch, service) for name in names},
        outcomes=seen,
        outcomes_missing=None if seen else UNSCRAPED,
        errors=signal(metrics.rate("dropped", RATE_WINDOW_SECONDS), now),
        in_flight=signal(metrics.gauge("in_flight"), now),
        p99_seconds=signal(metrics.quantile(0.99, RATE_WINDOW_SECONDS), now),
        further_outcomes=further,
        # The replay counts requests before any replica has them, as a gateway does.
        gateway_demand=arrivals,
    )


def state(seat: Seat, name: str, epoch: float, service: Service) -> VariantState:
    """One variant as the cluster and its metrics show it."""
    now, variant, metrics = epoch + seat.now, seat.variants[name], seat.metrics
    since = variant.pending_since
    further = {one.metric: outcomes(metrics, service, one.metric, name) for one in service.further_objectives}
    return VariantState(
        wanted=variant.wanted,
        ready=variant.ready,
        pods=variant.wanted,
        serving_demand=signal(metrics.rate("arrivals", RATE_WINDOW_SECONDS, name), now),
        outcomes=outcomes(metrics, service, service.objective.metric, name),
        utilisation=signal(metrics.utilisation(RATE_WINDOW_SECONDS, name), now),
        unschedulable_since=None if since is None else epoch + since,
        unschedulable=variant.pending,
        startup_seconds=variant.startup_seconds,
        further_outcomes={metric: seen for metric, seen in further.items() if seen is not None},
        taken_back_at=None if variant.taken_back_at is None else epoch + variant.taken_back_at,
    )


def outcomes(metrics: Metrics, service: Service, metric: Metric, name: str | None = None) -> Outcomes | None:
    """What ended in the window as this objective judges it: what was dropped was not good, or, where an objective of
    errors counts it, is left out of the others. None where nothing ended, unless it is that an answer has no gaps."""
    seen, ended = (metrics.judged(each, RATE_WINDOW_SECONDS, name) for each in (metric, Metric.ERRORS))
    if seen is None or ended is None or ended[1] <= 0:
        return None
    (good, counted), (answered, all_of_them) = seen, ended
    if metric is not Metric.ERRORS and counts_errors(service):
        counted = max(counted - (all_of_them - answered), good)
    return Outcomes(total=counted, good_low=good, good_high=good)


def signal(value: float | None, now: float) -> Signal:
    return Missing(reason="no scrape says") if value is None else Known(value=value, at=now)


KIND = PolicyKind(
    name="tightrope",
    title="Tightrope",
    source="the controller's own decision, with its defaults",
    period_seconds=TICK_SECONDS,
    build=Tightrope,
    defaults={},
    reach="all pools",
    memory_seconds=2 * RATE_WINDOW_SECONDS,
)
