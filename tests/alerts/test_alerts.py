"""Each alert, played on the real Prometheus over a past in which it must fire and over pasts in which it must not."""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from alerts.backfill import PastPrometheus, past_prometheus
from alerts.timeline import RULES, Course, Fired, counter, fired, line, load, rendered, values
from prometheus_server import prometheus_program

pytestmark = pytest.mark.lab
RULE = load()
HOUR, DAY = 60.0, 1440.0
# Long ago, and each past far enough from the others for the longest window.
_BEGIN, _APART = 1_600_000_000.0, 20 * 86400.0
_PASTS = itertools.count()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PastPrometheus]:
    program = prometheus_program()
    if program is None:
        pytest.skip(
            "no prometheus yet: python -m tightrope.lab.programs builds it, or TIGHTROPE_LAB_BIN names its directory"
        )
    with past_prometheus(program, tmp_path_factory.mktemp("prometheus"), rules=RULES) as running:
        yield running


@dataclass
class Past:
    """A stretch of time of its own, `minutes` long, and what the operator exported in it."""

    prometheus: PastPrometheus
    minutes: float
    start: float = field(default_factory=lambda: _BEGIN + next(_PASTS) * _APART)

    def tell(self, metric: str, course: Course | float, /, **labels: str) -> None:
        self.prometheus.write([line(metric, course, until=self.minutes, start=self.start, labels=labels)])

    def service(self, metric: str, course: Course | float, /, **labels: str) -> None:
        """A figure of nlp/sentiment, from a process that leads."""
        self.tell(metric, course, namespace="nlp", name="sentiment", instance="a:8080", **labels)

    def objective(self, metric: str, course: Course | float, /, about: str = "latency") -> None:
        """A figure of one of its objectives."""
        self.service(metric, course, objective=about)

    def traffic(
        self, per_minute: float, missed: Callable[[float], float], share: float = 0.99, about: str = "latency"
    ) -> None:
        """So many requests a minute, of which this share misses the objective."""
        self.objective("tightrope_slo_objective_ratio", share, about)
        self.objective("tightrope_finished_requests_total", counter(per_minute), about)
        self.objective("tightrope_missed_requests_total", counter(lambda minute: per_minute * missed(minute)), about)

    def fires(self, alert: str) -> list[Fired]:
        """What the alert fired for; its summary must be a whole sentence for each."""
        found = fired(self.prometheus, RULE[alert], start=self.start, minutes=self.minutes)
        for one in found:
            assert "{{ $labels" not in rendered(RULE[alert].annotations["summary"], one.labels)
        return found

    def first(self, alert: str) -> float:
        """The minute at which it began to fire, for exactly one service; infinite if it never did."""
        found = self.fires(alert)
        assert len(found) <= 1
        return found[0].minutes[0] if found else math.inf

    def last(self, alert: str) -> float:
        return max((one.minutes[-1] for one in self.fires(alert)), default=-math.inf)


@pytest.fixture
def past(prometheus: PastPrometheus) -> Callable[[float], Past]:
    return lambda minutes: Past(prometheus, minutes)


Pasts = Callable[[float], Past]


def test_a_fast_burn_wakes_somebody_within_minutes_and_ends_within_half_an_hour(past: Pasts) -> None:
    one = past(4 * HOUR)
    one.traffic(600, lambda minute: 0.5 if 120 <= minute < 150 else 0.001)
    assert 130 <= one.first("TightropeSLOBurningFast") <= 145
    assert 150 <= one.last("TightropeSLOBurningFast") <= 180
    assert one.fires("TightropeSLOBurningFast")[0].labels == {
        "namespace": "nlp", "name": "sentiment", "objective": "latency",
    }  # fmt: skip


def test_of_several_objectives_the_one_that_burns_is_named(past: Pasts) -> None:
    one = past(2 * HOUR)
    one.traffic(600, lambda minute: 0.0)
    one.traffic(60_000, lambda minute: 0.9, share=0.95, about="itl")
    found = one.fires("TightropeSLOBurningFast")
    assert [each.labels["objective"] for each in found] == ["itl"]


def test_a_burn_of_seven_times_is_seen_over_six_hours(past: Pasts) -> None:
    one = past(9 * HOUR)
    one.traffic(600, lambda minute: 0.07)
    assert one.first("TightropeSLOBurningFast") <= 15
    spread = past(14 * HOUR)
    spread.traffic(600, lambda minute: 0.07 if minute >= 6 * HOUR else 0.0)
    assert 11 * HOUR <= spread.first("TightropeSLOBurningFast") <= 12 * HOUR


def test_a_burn_of_twenty_times_is_seen_within_the_hour(past: Pasts) -> None:
    one = past(9 * HOUR)
    one.traffic(600, lambda minute: 0.2 if minute >= 6 * HOUR else 0.0)
    assert 6 * HOUR + 40 <= one.first("TightropeSLOBurningFast") <= 6 * HOUR + 50


def test_three_late_requests_of_three_in_an_hour_wake_nobody(past: Pasts) -> None:
    one = past(8 * HOUR)
    one.objective("tightrope_slo_objective_ratio", 0.99)
    arrives: Callable[[float], float] = lambda minute: float(minute % 20 == 0)  # noqa: E731
    one.objective("tightrope_finished_requests_total", counter(arrives))
    one.objective(
        "tightrope_missed_requests_total", counter(lambda minute: arrives(minute) if 300 < minute <= 360 else 0.0)
    )
    assert not one.fires("TightropeSLOBurningFast")


@pytest.mark.parametrize(
    ("per_minute", "missed"),
    [
        pytest.param(600.0, lambda minute: 0.01, id="the whole budget and no more"),
        pytest.param(600.0, lambda minute: 0.9 if 300 <= minute < 304 else 0.0, id="a spike of four minutes"),
        pytest.param(600.0, lambda minute: 0.05, id="five times: not before three days"),
        pytest.param(0.0, lambda minute: 0.0, id="no requests at all"),
    ],
)
def test_what_the_budget_can_bear_wakes_nobody(
    past: Pasts, per_minute: float, missed: Callable[[float], float]
) -> None:
    one = past(8 * HOUR)
    one.traffic(per_minute, missed)
    assert not one.fires("TightropeSLOBurningFast")


def test_a_burn_goes_on_being_seen_when_another_process_leads(past: Pasts) -> None:
    """Each process counts for itself, from zero, and only while it leads."""
    one = past(3 * HOUR)
    one.objective("tightrope_slo_objective_ratio", 0.99)
    for instance, leads in (("a", lambda minute: minute < 60), ("b", lambda minute: minute >= 60)):
        for name, rate in (("finished", 600.0), ("missed", 300.0)):
            grows = counter(lambda minute, leads=leads, rate=rate: rate if leads(minute) else 0.0)

            def seen(minute: float, grows: Course = grows, leads: Callable[[float], bool] = leads) -> float | None:
                value = grows(minute)
                return value if leads(minute) else None

            whose = {"namespace": "nlp", "name": "sentiment", "objective": "latency"}
            one.tell(f"tightrope_{name}_requests_total", seen, instance=instance, **whose)
    minutes = one.fires("TightropeSLOBurningFast")[0].minutes
    assert [minute for minute in range(10, 180) if minute not in minutes and not 60 <= minute <= 65] == []


def test_a_slow_burn_is_told_in_days(past: Pasts) -> None:
    one = past(4 * DAY)
    one.traffic(600, lambda minute: 0.02 if minute >= DAY else 0.0)
    assert 2 * DAY <= one.first("TightropeSLOBurningSlowly") <= 3 * DAY
    assert not one.fires("TightropeSLOBurningFast")


def test_a_slow_burn_that_is_over_is_not_told(past: Pasts) -> None:
    one = past(3 * DAY)
    one.traffic(600, lambda minute: 0.5 if minute < HOUR else 0.0)
    assert one.last("TightropeSLOBurningSlowly") < 8 * HOUR


def during(begin: float, end: float) -> Course:
    return lambda minute: 1.0 if begin <= minute < end else None


@pytest.mark.parametrize(
    ("alert", "condition", "reason", "after"),
    [
        ("TightropeBlind", "MetricsHealthy", "DataMissing", 10),
        ("TightropeNoCapacity", "CapacityAvailable", "PoolFull", 10),
        ("TightropeNoCapacity", "CapacityAvailable", "Refused", 10),
        ("TightropeNoCapacity", "RolloutBlocked", "PoolFull", 10),
        ("TightropeMoneyBudget", "CapacityAvailable", "MoneyBudget", 10),
        ("TightropeMoneyBudget", "BudgetValid", "BudgetInvalid", 10),
        ("TightropeConflict", "Conflict", "OtherWriter", 5),
        ("TightropeConflict", "Conflict", "TargetTaken", 5),
        ("TightropeServiceRefused", "SpecValid", "SpecInvalid", 10),
        ("TightropeServiceRefused", "SpecValid", "InternalError", 10),
        ("TightropeServiceRefused", "TemplateValid", "TemplateInvalid", 10),
        ("TightropeServiceRefused", "TargetFound", "TargetNotFound", 10),
        ("TightropeServiceRefused", "NameTaken", "NameTaken", 10),
        ("TightropeServiceRefused", "Writable", "WriteRefused", 10),
    ],
)
def test_a_trouble_that_stays_is_told_by_its_own_alert_alone(
    past: Pasts, alert: str, condition: str, reason: str, after: float
) -> None:
    one = past(60)
    one.service("tightrope_service_trouble", during(20, 40), condition=condition, reason=reason)
    assert one.first(alert) == 20 + after
    assert one.last(alert) < 41
    assert one.fires(alert)[0].labels["reason"] == reason
    others = {name for name, rule in RULE.items() if rule.alerts} - {alert, "TightropeDown"}
    assert not [name for name in others if one.fires(name)]


@pytest.mark.parametrize(
    ("alert", "condition"),
    [
        ("TightropeBlind", "MetricsHealthy"),
        ("TightropeNoCapacity", "CapacityAvailable"),
        ("TightropeConflict", "Conflict"),
        ("TightropeServiceRefused", "SpecValid"),
    ],
)
def test_a_trouble_that_passes_is_not_told(past: Pasts, alert: str, condition: str) -> None:
    one = past(60)
    comes_and_goes: Course = lambda minute: 1.0 if minute % 10 < 4 else None  # noqa: E731
    one.service("tightrope_service_trouble", comes_and_goes, condition=condition, reason="Any")
    assert not one.fires(alert)


@pytest.mark.parametrize(
    ("reason", "told"), [("PoolFull", True), ("Maximum", True), ("NoFeasibleVariant", True), ("Steady", False)]
)
def test_a_plan_that_may_not_grow_is_told_by_its_reason(past: Pasts, reason: str, told: bool) -> None:
    one = past(60)
    one.service("tightrope_decision_reason", 1.0, reason=reason)
    assert bool(one.fires("TightropeNoCapacity")) is told


def test_two_signs_of_one_trouble_are_one_alert(past: Pasts) -> None:
    one = past(60)
    one.service("tightrope_decision_reason", 1.0, reason="PoolFull")
    one.service("tightrope_service_trouble", 1.0, condition="CapacityAvailable", reason="PoolFull")
    assert len(one.fires("TightropeNoCapacity")) == 1


def test_nobody_leading_is_told_after_two_minutes(past: Pasts) -> None:
    """A pod that is gone leaves no series, one that stands by says zero: neither leads."""
    one = past(60)
    one.tell("tightrope_leading", lambda minute: 1.0 if minute < 20 else None, instance="a")
    one.tell("tightrope_leading", lambda minute: 1.0 if minute >= 40 else 0.0, instance="b")
    assert one.first("TightropeDown") == 22
    assert one.last("TightropeDown") == 39


def test_a_takeover_is_not_told(past: Pasts) -> None:
    one = past(60)
    one.tell("tightrope_leading", lambda minute: 1.0 if minute < 20 else None, instance="a")
    one.tell("tightrope_leading", lambda minute: 1.0 if minute >= 21 else 0.0, instance="b")
    assert not one.fires("TightropeDown")


def ticks(past: Past, seconds: Callable[[float], float], per_minute: Callable[[float], float]) -> None:
    past.tell("tightrope_leading", 1.0, instance="a")
    past.tell("tightrope_tick_period_seconds", 15.0, instance="a")
    past.tell("tightrope_tick_seconds_count", counter(per_minute), instance="a")
    past.tell("tightrope_tick_seconds_sum", counter(lambda minute: per_minute(minute) * seconds(minute)), instance="a")


def test_a_leader_without_ticks_is_told(past: Pasts) -> None:
    one = past(60)
    ticks(one, lambda minute: 0.2, lambda minute: 4.0 if minute < 20 else 0.0)
    assert 30 <= one.first("TightropeStandsStill") <= 36
    assert not one.fires("TightropeTickSlow") and not one.fires("TightropeDown")


def test_ticks_as_they_should_be_are_not_told(past: Pasts) -> None:
    one = past(60)
    ticks(one, lambda minute: 14.0, lambda minute: 4.0)
    assert not [name for name, rule in RULE.items() if rule.alerts and one.fires(name)]


def test_a_standby_without_ticks_is_not_told(past: Pasts) -> None:
    one = past(60)
    one.tell("tightrope_leading", 1.0, instance="a")
    one.tell("tightrope_tick_seconds_count", counter(4.0), instance="a")
    one.tell("tightrope_leading", 0.0, instance="b")
    one.tell("tightrope_tick_seconds_count", 0.0, instance="b")
    assert not one.fires("TightropeStandsStill")


def test_that_nobody_leads_is_not_told_twice(past: Pasts) -> None:
    one = past(60)
    one.tell("tightrope_leading", 0.0, instance="a")
    one.tell("tightrope_tick_seconds_count", 7.0, instance="a")
    assert one.fires("TightropeDown") and not one.fires("TightropeStandsStill")


def test_ticks_longer_than_their_period_are_told(past: Pasts) -> None:
    one = past(60)
    ticks(one, lambda minute: 20.0 if minute >= 20 else 1.0, lambda minute: 3.0)
    assert 30 <= one.first("TightropeTickSlow") <= 45


def test_savings_are_against_the_dearest_plan_of_a_week(past: Pasts) -> None:
    one = past(9 * DAY)
    plan: Course = lambda minute: 8.0 if DAY <= minute < DAY + 60 else 2.0  # noqa: E731
    one.service("tightrope_plan_cost_per_hour", plan, currency="USD")
    one.service("tightrope_cost_per_hour", 3.0, currency="USD")
    (saved,) = values(
        one.prometheus, RULE["service:tightrope_savings_per_hour:baseline"], start=one.start, minutes=one.minutes
    ).values()
    assert saved[0.5 * DAY] == -1.0, "no peak seen yet: nothing is claimed to be saved"
    assert saved[2 * DAY] == saved[7.5 * DAY] == 5.0
    assert saved[8.5 * DAY] == -1.0


def test_prometheus_takes_the_file_and_renders_what_it_says(prometheus: PastPrometheus) -> None:
    """The rule manager itself: nothing leads now, so one alert is active, with its annotations filled in."""
    deadline = time.monotonic() + 30
    while not (active := prometheus.ask("alerts")["alerts"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [alert["labels"]["alertname"] for alert in active] == ["TightropeDown"]
    assert active[0]["annotations"]["summary"] == "No Tightrope process leads"
    groups = prometheus.ask("rules")["groups"]
    assert sum(len(group["rules"]) for group in groups) == len(RULE)
    assert not [rule["name"] for group in groups for rule in group["rules"] if rule.get("lastError")]


def test_a_series_that_ends_is_gone_at_once(prometheus: PastPrometheus) -> None:
    """What the other tests rest on: the marker of an ended series is one to this Prometheus, too."""
    one = Past(prometheus, 10)
    one.tell("ends", lambda minute: 1.0 if minute < 5 else None)
    (row,) = prometheus.ask("query_range", query="ends", start=one.start, end=one.start + 600, step=60)["result"]
    assert len(row["values"]) == 5
