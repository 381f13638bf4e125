"""Made-up demand: its mean and peak are those asked for, and its shape is the one in the name."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tightrope.replay.demand import Demand
from tightrope.replay.generators import KINDS, Wanted, generate
from tightrope.replay.profiles import ReplayError

HOURS = st.floats(1 / 60, 100.0)
RATES = st.floats(1e-3, 1e5)
SEEDS = st.integers(0, 2**63)


def made(kind: str, *, hours: float = 6.0, rate: float = 10.0, peak: float | None = None, seed: int = 1) -> Demand:
    return generate(kind, hours=hours, rate=rate, peak=peak, seed=seed)


def minutes(demand: Demand) -> np.ndarray:
    """The mean rate of each minute."""
    return demand.expected(np.arange(0.0, demand.duration_seconds + 1.0, 60.0)) / 60.0


def mean(demand: Demand) -> float:
    return float(demand.expected(np.array([0.0, demand.duration_seconds]))[0]) / demand.duration_seconds


def highest(demand: Demand) -> float:
    """Over a fine grid: never above the true peak, and a little below it where that lasts a moment only."""
    assert demand.curve is not None
    return max(demand.curve.rate(at) for at in np.linspace(0.0, demand.duration_seconds, 20_001).tolist())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(hours=HOURS, rate=RATES, seed=SEEDS)
def test_the_mean_is_the_rate_asked_for(kind: str, hours: float, rate: float, seed: int) -> None:
    assert mean(made(kind, hours=hours, rate=rate, seed=seed)) == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "steady"])
@settings(max_examples=25, deadline=None)
@given(times_mean=st.floats(1.0, 1.8), hours=HOURS, seed=SEEDS)
def test_a_stated_peak_is_reached_and_the_mean_is_kept(kind: str, times_mean: float, hours: float, seed: int) -> None:
    demand = made(kind, hours=hours, peak=10.0 * times_mean, seed=seed)

    assert mean(demand) == pytest.approx(10.0, rel=0.02)
    random = np.random.default_rng(seed)
    wanted = Wanted(duration=hours * 3600.0, rate=10.0, peak=10.0 * times_mean, random=random)
    rates = [rate for _, rate in KINDS[kind].points(wanted)]
    assert max(rates) == pytest.approx(10.0 * times_mean, rel=1e-6)
    assert min(rates) >= 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_demand_and_the_same_requests(kind: str) -> None:
    one, again = made(kind, seed=7), made(kind, seed=7)

    assert (minutes(one) == minutes(again)).all()
    assert (one.arrivals(seed=3).until(600.0) == again.arrivals(seed=3).until(600.0)).all()


@pytest.mark.parametrize("kind", ["spike", "recurring-bursts", "on-off", "heavy-tailed"])
def test_another_seed_places_what_happens_by_chance_elsewhere(kind: str) -> None:
    assert (minutes(made(kind, seed=1)) != minutes(made(kind, seed=2))).any()


def test_steady_never_moves() -> None:
    assert minutes(made("steady")) == pytest.approx(10.0)


def test_diurnal_has_its_trough_at_midnight_and_its_peak_at_noon_of_every_day() -> None:
    curve = made("diurnal", hours=48.0, peak=16.0).curve

    assert curve is not None
    assert [curve.rate(hour * 3600.0) for hour in (0, 12, 24, 36)] == pytest.approx([4.0, 16.0, 4.0, 16.0])
    assert curve.rate(6 * 3600.0) == pytest.approx(10.0)


def test_diurnal_of_less_than_a_day_is_one_whole_cycle() -> None:
    rates = minutes(made("diurnal", hours=2.0))

    assert int(rates.argmax()) in (59, 60)
    assert rates[0] == pytest.approx(rates[-1])


def test_ramp_rises_from_its_lowest_to_its_peak() -> None:
    curve = made("ramp", peak=16.0).curve

    assert curve is not None
    assert [curve.rate(hour * 3600.0) for hour in (0, 3, 6)] == pytest.approx([4.0, 10.0, 16.0])


def test_step_rises_once_and_at_once() -> None:
    assert minutes(made("step", peak=16.0)) == pytest.approx(np.repeat([4.0, 16.0], 180))


@pytest.mark.parametrize("seed", range(5))
def test_spike_is_flat_but_for_a_quarter_of_an_hour(seed: int) -> None:
    rates = minutes(made("spike", seed=seed))
    high = np.flatnonzero(rates > rates[0] * 1.001)

    assert highest(made("spike", seed=seed)) == pytest.approx(50.0, rel=0.05)
    assert 15 <= len(high) <= 17
    assert high[-1] - high[0] == len(high) - 1
    assert 0.25 * 360 - 1 <= high[0] <= 0.75 * 360


def test_recurring_bursts_come_once_an_hour_for_five_minutes() -> None:
    hours = minutes(made("recurring-bursts", hours=24.0)).reshape(24, 60)

    above = (hours - hours.min()).sum(axis=1) / (hours.max() - hours.min())
    assert above == pytest.approx(np.full(24, 5.0), rel=1e-6)


def test_on_off_is_its_peak_or_nothing() -> None:
    demand = made("on-off", peak=40.0)
    assert demand.curve is not None
    rates = {demand.curve.rate(at) for at in np.linspace(0.0, demand.duration_seconds - 1.0, 5000).tolist()}

    assert rates == {0.0, 40.0}


def test_heavy_tailed_is_low_most_of_the_time_and_ten_times_its_mean_once() -> None:
    rates = minutes(made("heavy-tailed", hours=24.0))

    assert rates.max() == pytest.approx(100.0)
    assert (rates < 10.0).mean() > 0.6


def test_heavy_tailed_with_a_higher_peak_has_a_heavier_tail() -> None:
    def busiest_share(peak: float) -> float:
        rates = np.sort(minutes(made("heavy-tailed", hours=24.0, peak=peak)))
        return float(rates[-14:].sum() / rates.sum())

    assert busiest_share(30.0) < busiest_share(100.0) < busiest_share(300.0)


def test_dispersion_reaches_the_arrivals() -> None:
    smooth, bursty = (
        generate("steady", hours=2.0, rate=10.0, peak=None, seed=1, dispersion=dispersion) for dispersion in (1.0, 9.0)
    )
    counts = [
        np.histogram(demand.arrivals(seed=1).until(7200.0), bins=720, range=(0.0, 7200.0))[0]
        for demand in (smooth, bursty)
    ]

    assert counts[1].var() > 4.0 * counts[0].var()


def test_an_unknown_kind_lists_those_there_are() -> None:
    with pytest.raises(ReplayError) as failed:
        made("sawtooth")
    assert all(kind in str(failed.value) for kind in ("sawtooth", *KINDS))


@pytest.mark.parametrize(
    ("kind", "peak", "highest_possible"),
    [("steady", 11.0, "10"), ("ramp", 21.0, "20"), ("step", 21.0, "20"), ("recurring-bursts", 121.0, "120"),
     ("heavy-tailed", 901.0, "900")],
)  # fmt: skip
def test_a_peak_out_of_reach_is_told_the_highest_there_is(kind: str, peak: float, highest_possible: str) -> None:
    with pytest.raises(ReplayError, match=f"can reach {highest_possible} at the most"):
        made(kind, peak=peak)
    assert mean(made(kind, peak=float(highest_possible))) == pytest.approx(10.0, rel=0.02)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0])
@pytest.mark.parametrize("field", ["hours", "rate", "peak", "dispersion"])
def test_a_value_out_of_range_is_named(field: str, value: float) -> None:
    asked: dict[str, float] = {"hours": 1.0, "rate": 10.0, "peak": 15.0, "dispersion": 1.0, field: value}
    with pytest.raises(ReplayError, match=f"{field} is .*: write"):
        generate("ramp", seed=1, **asked)


def test_a_negative_seed_is_named() -> None:
    with pytest.raises(ReplayError, match="seed is -1: write 0 or more"):
        made("steady", seed=-1)
