"""NVIDIA Dynamo's throughput planner: replicas for the load to come at the best throughput that meets the SLA.

Source: ai-dynamo/dynamo 0c9050c, components/src/dynamo/planner/core/throughput_scaling.py and load/predictors.py. Every
180 s: n = max(ceil(predicted rate / engine rate), minimum); the engine's rate is the best over up to 128 batch sizes
whose time meets the SLA, else that of the one which misses it least. Of its predictors two are here: the next interval
is as the last was, or a Kalman filter's next step on a local linear trend (q 1.0 and 0.1, r 10.0). Its default, ARIMA,
is a library's own search for an order; for noise without a drift that comes to the last value or near the mean. Its
default budget of 8 GPUs is the pool's maximum here. Knobs: the share of the engine's rate that is counted on (1: all of
it), and whether the filter predicts.

An interval without samples holds, and the filter does not see it.
"""

import math
from collections.abc import Mapping

from tightrope.replay.seat import PolicyKind, Seat, Setting, VariantProfile

INTERVAL_SECONDS = 180.0
LARGEST_BATCH = 128
LEVEL_NOISE, TREND_NOISE, READING_NOISE, FIRST_VARIANCE = 1.0, 0.1, 10.0, 1000.0


class LocalLinearTrend:
    """Level and trend of a series, one reading a step (Harvey, Forecasting, Structural Time Series Models and the
    Kalman Filter, 1989, 2.3): level += trend + noise, trend += noise, reading = level + noise."""

    def __init__(self) -> None:
        self._level: float | None = None
        self._trend = 0.0
        self._level_var = self._trend_var = FIRST_VARIANCE
        self._covariance = 0.0

    def next(self, reading: float) -> float:
        """The forecast of the reading after this one, never under 0."""
        if self._level is None:
            self._level = reading
        else:
            total = self._level_var + READING_NOISE
            level_gain, trend_gain = self._level_var / total, self._covariance / total
            error = reading - self._level
            self._level += level_gain * error
            self._trend += trend_gain * error
            self._trend_var -= trend_gain * self._covariance
            self._covariance *= 1.0 - level_gain
            self._level_var *= 1.0 - level_gain
        self._level += self._trend
        self._level_var += 2.0 * self._covariance + self._trend_var + LEVEL_NOISE
        self._covariance += self._trend_var
        self._trend_var += TREND_NOISE
        return max(self._level, 0.0)


class DynamoThroughput:
    """Sized once an interval."""

    def __init__(self, setting: Setting) -> None:
        profile, service = setting.variants[0], setting.service
        self._name = profile.name
        self._engine = setting.knobs["share"] * engine_rate(profile, service.objective.threshold_seconds)
        self._least, self._most = max(1, service.min_replicas), min(service.max_replicas, profile.max_replicas)
        self._trend = LocalLinearTrend() if setting.knobs["kalman"] > 0 else None

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        decided = self.decided(seat)
        return {self._name: seat.variants[self._name].wanted if decided is None else decided}

    def decided(self, seat: Seat) -> int | None:
        """Replicas for the next interval; None without samples."""
        arrivals = seat.metrics.rate("arrivals", INTERVAL_SECONDS)
        if arrivals is None:
            return None
        requests = arrivals * INTERVAL_SECONDS
        predicted = requests if self._trend is None else self._trend.next(requests)
        return min(sized(predicted / INTERVAL_SECONDS, self._engine, least=self._least), self._most)


def sized(rate: float, engine: float, *, least: int) -> int:
    """Replicas for a rate when one carries `engine`, both in requests per second."""
    return max(math.ceil(rate / engine - 1e-9), least)


def engine_rate(profile: VariantProfile, sla_seconds: float) -> float:
    """Requests per second of one replica at the best batch size."""
    sizes = range(1, min(profile.batch_limit, LARGEST_BATCH) + 1)
    within = [size for size in sizes if profile.judged_seconds(size) <= sla_seconds]
    chosen = within or [min(sizes, key=profile.judged_seconds)]
    return max(profile.slots * size / profile.service_seconds(size) for size in chosen)


KIND = PolicyKind(
    name="dynamo-throughput",
    title="Dynamo (throughput)",
    source="NVIDIA Dynamo planner 0c9050c, throughput loop",
    period_seconds=INTERVAL_SECONDS,
    build=DynamoThroughput,
    defaults={"share": 1.0, "kalman": 0.0},
    knobs={"share": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0), "kalman": (0.0, 1.0)},
    memory_seconds=2 * INTERVAL_SECONDS,
)
