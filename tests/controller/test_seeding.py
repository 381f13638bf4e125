"""The past of services is read beside the ticks, a few at a time, and lived through within a budget."""

import asyncio
import itertools
import math
import re
import time
from pathlib import Path

import build
import pytest
from alerts.backfill import Series, past_prometheus
from fakes import FakeClock, FakeMetrics
from operation import Operation, operation
from prometheus_asking import client
from prometheus_server import prometheus_program

from tightrope.controller.attribution import candidates, pod_pattern
from tightrope.controller.seeding import AWAITED_SECONDS, SERVICES_A_TICK, Seeding, Wish
from tightrope.domain.memory import Memory, Seeded
from tightrope.domain.situation import Clock
from tightrope.domain.spec import ServiceKey
from tightrope.ports import PodHistory, PodKey, PodNames

DAY, HOUR = 86_400.0, 3600.0


def wish(name: str, cost: float = 1.0) -> Wish:
    return Wish(
        uid=name,
        key=ServiceKey(namespace=name, name=name),
        preset="generic",
        pods=PodNames(name, f"{name}-.+"),
        cost_per_hour=cost,
    )


def seeding(metrics: FakeMetrics, *, length: float = 8 * DAY, clock: FakeClock | None = None) -> Seeding:
    return Seeding(metrics=metrics, clock=clock or FakeClock(), length_seconds=length, tick_seconds=15.0)


async def ask(one: Seeding, wishes: list[Wish], now: float, *, seeing: bool = True) -> None:
    one.ask(wishes, seeing=seeing, now=now)
    for _ in range(60):
        await asyncio.sleep(0)


def asked(metrics: FakeMetrics) -> list[str]:
    """Whose minutes were asked for, in order."""
    return [pods.namespace for pods, within in metrics.asked_pasts if not within]


def lived(one: Seeding, names: list[str], now: float) -> Memory:
    services = {name: build.service(key=ServiceKey(namespace=name, name=name)) for name in names}
    moment = Clock(now=now, tick_seconds=15.0, metrics_delay_seconds=30.0)
    return one.lived(Memory(), services, pools=build.pools(), moment=moment)


async def test_few_services_are_read_beside_a_tick_and_the_dearest_first() -> None:
    metrics, count = FakeMetrics(), SERVICES_A_TICK + 3
    everyone = [wish(f"s{number:02}", cost=number) for number in range(count)]
    one = seeding(metrics)
    await ask(one, everyone, 1e9)
    assert asked(metrics) == [f"s{number:02}" for number in range(count - 1, 2, -1)]
    assert len(metrics.asked_pasts) == 2 * SERVICES_A_TICK


async def test_a_service_that_is_new_here_comes_before_those_that_wait() -> None:
    metrics, one = FakeMetrics(), None
    one = seeding(metrics)
    old = [wish(f"s{number:02}", cost=9.0) for number in range(SERVICES_A_TICK + 2)]
    await ask(one, old, 1e9)
    metrics.asked_pasts.clear()
    memory = Memory()
    while not memory.services:
        await ask(one, old, 1e9 + 15.0)
        memory = lived(one, [w.uid for w in old], 1e9 + 15.0)
    await ask(one, [wish("fresh", cost=0.1), *old[-2:]], 1e9 + 30.0)
    await ask(one, [wish("fresh", cost=0.1), *old[-2:]], 1e9 + 45.0)
    assert asked(metrics)[0] == "fresh"


async def test_what_was_read_is_lived_through_and_says_how_much_it_was() -> None:
    metrics, now = FakeMetrics(), 1e9
    metrics.past = {"a": [(now - 60.0 * minute, 10.0) for minute in range(26 * 60, 0, -1) if not 300 < minute <= 480]}
    one = seeding(metrics)
    await ask(one, [wish("a"), wish("b")], now)
    await ask(one, [wish("a"), wish("b")], now + 15.0)
    found = lived(one, ["a", "b"], now + 15.0)
    one_hour = found.services[ServiceKey(namespace="a", name="a")].seeded
    assert one_hour is not None
    assert one_hour.seconds == pytest.approx(26 * HOUR, abs=120.0)
    assert one_hour.missing_seconds == pytest.approx(3 * HOUR, abs=120.0)
    assert found.services[ServiceKey(namespace="b", name="b")].seeded == Seeded(seconds=0.0, missing_seconds=0.0)


async def test_living_through_it_stops_when_the_ticks_share_is_used_up_and_goes_on_at_the_next() -> None:
    class Slow(FakeClock):
        def monotonic(self) -> float:
            self.at += 1.0
            return self.at

    metrics, names = FakeMetrics(), ["a", "b", "c"]
    one = seeding(metrics, clock=Slow())
    await ask(one, [wish(name) for name in names], 1e9)
    await ask(one, [wish(name) for name in names], 1e9 + 15.0)
    assert [len(lived(one, names, 1e9).services) for _ in range(4)] == [1, 1, 1, 0]


async def test_prometheus_away_is_said_and_asked_again_later_and_later() -> None:
    metrics = FakeMetrics()
    one, metrics.down = seeding(metrics), "Prometheus at http://p refused the connection"
    assert one.unknown("a") is None, "nobody asked for it yet"
    times = []
    for tick in range(80):
        before = len(metrics.asked_pasts)
        await ask(one, [wish("a")], tick * 15.0)
        if len(metrics.asked_pasts) > before:
            times.append(tick * 15.0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == sorted(gaps) and gaps[0] >= 60.0 and gaps[-1] >= 2 * gaps[0]
    assert "refused the connection" in (one.unknown("a") or "")
    metrics.down = None
    await ask(one, [wish("a")], 4000.0)
    await ask(one, [wish("a")], 4015.0)
    assert lived(one, ["a"], 4015.0).services


async def test_it_is_awaited_for_an_hour_and_not_for_ever_and_not_where_nothing_is_to_be_read() -> None:
    metrics = FakeMetrics()
    one, metrics.down = seeding(metrics), "down"
    await ask(one, [wish("a")], 0.0)
    assert one.awaited("a", now=AWAITED_SECONDS - 1.0) and not one.awaited("a", now=AWAITED_SECONDS)
    assert one.unknown("a"), "it is said for as long as it is so"
    none = seeding(metrics, length=0.0)
    metrics.asked_pasts.clear()
    await ask(none, [wish("a")], 0.0)
    assert none.unknown("a") is None and not none.awaited("a", now=15.0) and not metrics.asked_pasts


async def test_nothing_is_asked_while_prometheus_answers_nothing_at_all() -> None:
    metrics = FakeMetrics()
    await ask(seeding(metrics), [wish("a")], 0.0, seeing=False)
    assert not metrics.asked_pasts


@pytest.mark.parametrize(
    ("kind", "workload", "pod"),
    [
        ("Deployment", "sentiment-cpu", "sentiment-cpu-7d9f8b6c54-x2x4z"),
        ("StatefulSet", "sentiment.v2", "sentiment.v2-11"),
        ("LeaderWorkerSet", "llama", "llama-0"),
        ("Deployment", "n" * 57, "n" * 57 + "-x2x4z"),
    ],
)
def test_the_pods_asked_for_are_those_that_belong_to_the_workload(kind: str, workload: str, pod: str) -> None:
    pattern = pod_pattern(kind, workload)
    assert re.fullmatch(pattern, pod) and (kind, workload) in candidates(pod)
    for other in (f"{workload}-foo-abcde", f"x{pod}", f"{workload}"):
        assert not re.fullmatch(pattern, other)


async def test_after_a_restart_nothing_shrinks_until_the_past_has_been_lived_through() -> None:
    op = operation(sentiment=10.0)
    await op.tick(8)
    past = "HoldHistory"
    op.cluster.scaled_by("tightrope", "Deployment", "sentiment-cpu", 6)
    refuse, op.metrics.earlier_demand = op.metrics.earlier_demand, never  # type: ignore[method-assign]
    op.start()
    await op.tick(20)
    status = op.cluster.get("InferenceDeployment", "sentiment")["status"]
    assert op.cluster.replicas()["sentiment-cpu"] == 6
    assert status["decision"]["reason"] == past
    assert status["past"] == "Covered by the standing rule: its history is being read."
    op.metrics.earlier_demand = refuse  # type: ignore[method-assign]
    op.start()
    op.metrics.past = {"nlp": [(op.clock.at - 60.0 * minute, 10.0) for minute in range(26 * 60, 0, -1)]}
    await op.tick(30)
    assert op.cluster.get("InferenceDeployment", "sentiment")["status"]["past"] == "Seeded with 26 h of history."
    assert op.cluster.replicas()["sentiment-cpu"] == 1


async def test_after_a_restart_the_status_says_what_the_days_before_left_of_the_budget() -> None:
    op = operation(sentiment=10.0)
    await op.tick(8)
    hours = sorted(op.clock.at // HOUR * HOUR - HOUR * hour for hour in range(20))
    op.metrics.past = {"nlp": [(op.clock.at - 60.0 * minute, 10.0) for minute in range(20 * 60, 0, -1)]}
    op.metrics.days_before = {
        PodKey("nlp", "sentiment-cpu-7d9f8b6c54-x2x4z"): PodHistory(
            arrivals=tuple((at, 10.0) for at in hours),
            latency=tuple((at, ((0.3, 8.0), (math.inf, 10.0))) for at in hours),
        )
    }
    op.start()
    await op.tick(6)
    first = op.cluster.get("InferenceDeployment", "sentiment")["status"]["slo"][0]
    assert float(first["attainment"]) < 85.0


async def never(*_: object, **__: object) -> None:
    await asyncio.sleep(math.inf)


def at_rate(rates: list[float], times: list[float], pod: PodKey) -> list[Series]:
    """A pod's series as its scrapes left them, at so many requests a second between one time and the next."""
    counted = list(itertools.accumulate(rate * 15.0 for rate in rates))
    samples = list(zip(times, counted, strict=True))
    labels = {"namespace": pod.namespace, "pod": pod.pod}
    return [
        Series(name="http_requests_total", labels={**labels, "code": "200"}, samples=samples),
        *(
            Series(name="http_request_duration_seconds_bucket", labels={**labels, "le": bound}, samples=samples)
            for bound in ("0.3", "+Inf")
        ),
        Series(name="http_requests_in_flight", labels=labels, samples=[(at, 1.0) for at in times]),
    ]


async def until_past(op: Operation, beginning: str) -> float:
    """Ticks until the status says this of the past; what the plan is sized for then, requests per second."""
    deadline = time.monotonic() + 30.0
    while True:
        op.clock.at = time.time()
        await op.tick()
        status = op.cluster.get("InferenceDeployment", "sentiment")["status"]
        if status.get("past", "").startswith(beginning):
            return float(status["decision"].get("coveredDemand", "0/s").removesuffix("/s"))
        assert time.monotonic() < deadline, (status.get("past"), status["decision"])
        await asyncio.sleep(0.05)


@pytest.mark.lab
async def test_an_operator_that_starts_beside_a_real_prometheus_decides_by_the_days_before(tmp_path: Path) -> None:
    program = prometheus_program()
    if program is None:
        pytest.skip("no prometheus yet: python -m tightrope.lab.programs builds it")
    op = operation(sentiment=10.0)
    await op.tick(6)
    now, [here] = time.time(), op.serving("sentiment")
    # A burst of six minutes each half hour; the next one is a minute away. An hour ago another pod served.
    times = [now - 15.0 * step for step in range(30 * 240, -8, -1)]
    rates = [200.0 if (at - now - 60.0) % 1800.0 < 360.0 else 10.0 for at in times]
    gone = PodKey("nlp", "sentiment-cpu-7d9f8b6c54-x2x4z")
    with past_prometheus(program, tmp_path, rules=tmp_path / "none.yml") as prometheus:
        prometheus.write(at_rate(rates[:-248], times[:-248], gone))
        prometheus.write(at_rate(rates[-248:], times[-248:], here))
        covered = {}
        for name in ("forgets", "knows"):
            async with client(prometheus.url, rate_window_seconds=60.0, timeout_seconds=10.0) as metrics:
                op.metrics = metrics  # type: ignore[assignment]
                if name == "forgets":
                    metrics.earlier_demand = nothing  # type: ignore[method-assign]
                op.clock.at = time.time()
                op.start()
                covered[name] = await until_past(op, "No history" if name == "forgets" else "Seeded with 30 h")
    assert covered["forgets"] < 60.0, "the last ten minutes were calm"
    assert covered["knows"] > 100.0, "a burst comes every half hour"


async def nothing(*_: object, **__: object) -> list[tuple[float, float]]:
    return []
