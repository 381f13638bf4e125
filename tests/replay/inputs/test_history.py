"""Demand out of a Prometheus: what is asked, what becomes of gaps, and what is said when there is nothing."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_server import FakePod, Scraped, prometheus_program, real_prometheus
from replay.answers import matrix, served

from tightrope.adapters.prometheus import Connection, GenericNames, TargetLabels
from tightrope.adapters.prometheus.queries import Span, catalogue
from tightrope.adapters.prometheus.session import QueryFailed
from tightrope.lab.exporters import generic
from tightrope.replay.inputs.history import Pods, Question, Range, arrivals_query, prometheus, range_of, read_history
from tightrope.replay.profiles import ReplayError

NOW = 1_772_352_000.0  # 2026-03-01T08:00:00Z
MONTH = 30 * 86_400.0
PODS = Pods(namespace="nlp", pattern="(sentiment-cpu|sentiment-gpu)-.+")
LABELS = TargetLabels()
SUM = Question(text="sum(rate(requests[5m]))")


class FakeAsks:
    """Answers with `rate(t)` at every point, one that is None being absent, and keeps what it was asked."""

    def __init__(self, rate: Callable[[float], float | str | None]) -> None:
        self.rate = rate
        self.asked: list[tuple[str, Span, int]] = []

    def __call__(self, query: str, span: Span, step_seconds: int) -> list[Any]:
        self.asked.append((query, span, step_seconds))
        times = np.arange(span.start, span.end + 1, step_seconds).tolist()
        values = [[at, str(value)] for at in times if (value := self.rate(at)) is not None]
        return [{"metric": {}, "values": values}] if values else []


def over(start: float, end: float = NOW, step: int = 60) -> Range:
    return Range(start=start, end=end, step_seconds=step)


def read(ask: Any, asked: Range, question: Question = SUM):
    return read_history(ask, question, asked, dispersion=1.0, where="http://prom:9090")


def test_a_month_by_the_minute_is_read_in_stretches_that_prometheus_answers() -> None:
    ask = FakeAsks(lambda at: 10.0 + math.sin(at / 86_400))
    demand = read(ask, over(NOW - MONTH))

    assert demand.duration_seconds == MONTH
    assert demand.start_unix == NOW - MONTH
    assert len(ask.asked) == 4
    assert all((span.end - span.start) / 60 < 11_000 for _, span, _ in ask.asked)
    assert demand.curve is not None and demand.curve.expected(MONTH) == pytest.approx(10 * MONTH, rel=0.02)


def test_the_rate_at_a_time_is_that_of_the_step_before_it() -> None:
    demand = read(FakeAsks(lambda at: 5.0 if at <= NOW - 300 else 50.0), over(NOW - 600))

    assert list(demand.expected(np.array([0.0, 300.0, 600.0]))) == pytest.approx([1500.0, 15000.0])


def test_what_is_absent_or_no_number_is_unknown_and_not_zero() -> None:
    answers = {NOW - 480: None, NOW - 420: "NaN", NOW - 180: "+Inf", NOW - 60: 0.0}
    demand = read(FakeAsks(lambda at: answers.get(at, 4.0)), over(NOW - 600))

    assert demand.gaps == ((60.0, 180.0), (360.0, 420.0))
    assert demand.expected(np.array([480.0, 540.0]))[0] == 0.0
    assert "2 values are no rate" in demand.notes[0]
    assert "gaps: 2, 180 s in all" in demand.notes[1]


def test_a_replay_begins_where_prometheus_begins_to_know() -> None:
    demand = read(FakeAsks(lambda at: 4.0 if at > NOW - 3600 else None), over(NOW - MONTH))

    assert demand.start_unix == NOW - 3600
    assert demand.duration_seconds == 3600.0
    assert demand.gaps == ()
    assert "nothing is known before 2026-03-01T07:00:00Z" in demand.notes[0]


def test_the_operators_own_question_is_narrowed_to_the_pods_of_the_service() -> None:
    presets = catalogue(LABELS, GenericNames())
    matchers = 'namespace="nlp", pod=~"(sentiment-cpu|sentiment-gpu)-.+"'
    for name, metrics in {
        "generic": ["http_requests_total", "http_requests_in_flight"],
        "vllm": ["vllm:time_to_first_token_seconds_count", "vllm:num_requests_waiting"],
        "triton": ["nv_inference_request_success", "nv_inference_request_failure"],
    }.items():
        text = arrivals_query(presets[name], PODS, step_seconds=120, labels=LABELS).text
        assert text.startswith("sum(")
        for metric in metrics:
            assert f"{metric}{{{matchers}}}[120s]" in text


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("30d", "now", (NOW - MONTH, NOW)),
        ("2h ago", "1h ago", (NOW - 7200, NOW - 3600)),
        ("1772265600", "2026-03-01T08:00:00Z", (NOW - 86_400, NOW)),
        ("2026-03-01T08:00:00+01:00", "now", (NOW - 3600, NOW)),
    ],
)
def test_times_are_written_as_people_write_them(start: str, end: str, expected: tuple[float, float]) -> None:
    found = range_of(start=start, end=end, step="60s", now=NOW)
    assert (found.start, found.end, found.step_seconds) == (*expected, 60)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": "yesterday"}, "--from 'yesterday' is no time: write 30d"),
        ({"start": "2026-02-01T08:00:00"}, "with its zone"),
        ({"start": "1h", "end": "2h"}, "holds less than two steps"),
        ({"end": "2026-03-02T08:00:00Z"}, "--to .* lies in the future"),
        ({"step": "1x"}, "--step '1x' is no length of time"),
        ({"step": "0s"}, "whole number of seconds"),
        ({"start": "52w", "step": "1s"}, "write a longer --step"),
        ({"start": "9" * 400}, "is no time"),
        ({"start": "1772265600000"}, "is no time: write .* unix seconds"),
    ],
)
def test_a_range_that_cannot_be_read_is_named_with_what_to_write(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ReplayError, match=words):
        range_of(**({"start": "30d", "end": "now", "step": "60s", "now": NOW} | changes))


def test_a_dispersion_that_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ReplayError, match="--dispersion is 0: write 1 for Poisson"):
        read_history(FakeAsks(lambda at: 1.0), SUM, over(NOW - 600), dispersion=0.0, where="x")


def test_a_query_with_several_series_is_no_demand() -> None:
    two = [{"metric": {"pod": name}, "values": [[NOW, "1"]]} for name in "ab"]
    with pytest.raises(ReplayError, match=r"gives 2 series \(with pod\).*as in sum\("):
        read(lambda *_: two, over(NOW - 600))


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ('namespace="nlp", pod=~', "scraped less than twice in 60 s: write a longer --step"),
        ('count by (pod) (http_requests_total{namespace="nlp"})', "is there for pods sentiment-7d9f8: write --pods"),
        ("count by (namespace) (http_requests_total)", "in namespace prod: write --namespace"),
        ("nowhere", "http_requests_total is not there at all: check spec.metrics.preset"),
    ],
)
def test_when_there_is_nothing_it_is_said_what_is_there_instead(there: str, words: str) -> None:
    def ask(query: str, span: Span, step_seconds: int) -> list[Any]:
        found = there in query and query.startswith("count")
        return [{"metric": {"pod": "sentiment-7d9f8", "namespace": "prod"}, "values": [[NOW, "1"]]}] if found else []

    question = arrivals_query(catalogue(LABELS, GenericNames())["generic"], PODS, step_seconds=60, labels=LABELS)
    with pytest.raises(ReplayError, match="there is nothing from 2026-") as failed:
        read(ask, over(NOW - 6000), question)
    assert words in str(failed.value)


def test_a_users_own_query_without_an_answer_says_what_to_check() -> None:
    with pytest.raises(ReplayError, match=r"nothing from .* for sum\(rate\(requests.*spans two scrapes"):
        read(FakeAsks(lambda at: None), over(NOW - 6000))
    with pytest.raises(ReplayError, match="but 99 values that are no rate"):
        read(FakeAsks(lambda at: "NaN" if at < NOW else None), over(NOW - 6000))


def test_what_prometheus_complains_of_is_said_in_its_own_words_with_advice() -> None:
    def ask(*_: Any) -> list[Any]:
        raise QueryFailed("Prometheus at x answered 422: query processing would load too many samples into memory")

    with pytest.raises(ReplayError, match="too many samples into memory: write a longer --step"):
        read(ask, over(NOW - 6000))


def test_over_http_a_token_is_sent_and_a_refused_query_comes_back_in_prometheus_words(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")

    def answer(asked: dict[str, list[str]]) -> tuple[int, Any]:
        if asked["token"] != ["Bearer secret"]:
            return 401, {}
        if asked["query"] != ["up"]:
            return 400, {"status": "error", "error": "1:4: parse error: unexpected end of input"}
        return 200, matrix(asked, lambda at: 3.0)

    with served(answer) as url:
        right = prometheus(Connection(url=url, bearer_token_file=tmp_path / "token"), monotonic=time.monotonic)
        demand = read(right, over(NOW - 86_400), Question(text="up"))
        with pytest.raises(ReplayError, match="answered 400: 1:4: parse error"):
            read(right, over(NOW - 86_400), Question(text="sum("))
        with pytest.raises(ReplayError, match="is the bearer token right"):
            read(prometheus(Connection(url=url), monotonic=time.monotonic), over(NOW - 86_400), Question(text="up"))
    assert demand.expected(np.array([0.0, 86_400.0]))[0] == pytest.approx(3 * 86_400)
    with pytest.raises(ReplayError, match="refused the connection: is it running"):
        read(prometheus(Connection(url=url), monotonic=time.monotonic), over(NOW - 86_400))


@pytest.mark.lab
def test_a_real_prometheus_gives_the_rate_of_the_services_pods_through_a_counter_that_starts_again(
    tmp_path: Path,
) -> None:
    program = prometheus_program()
    if program is None:
        pytest.skip("no prometheus yet: python -m tightrope.lab.programs builds it")
    pods = [FakePod(render=generic.render, name=f"sentiment-cpu-{i}", rate=20.0) for i in "ab"]
    other = FakePod(render=generic.render, name="translate-cpu-c", rate=500.0)
    with real_prometheus(program, tmp_path, Scraped([*pods, other])) as running:
        ask = prometheus(Connection(url=running.url), monotonic=time.monotonic)
        question = arrivals_query(catalogue(LABELS, GenericNames())["generic"], PODS, step_seconds=2, labels=LABELS)
        begun, demand, again = time.time(), None, False
        while demand is None or demand.duration_seconds < 10:
            assert time.time() < begun + 60
            if demand is not None and demand.duration_seconds >= 4 and not again:
                pods[0].since, again = time.monotonic(), True  # its counters begin again at zero
            time.sleep(0.3)
            try:
                demand = read(ask, over(begun - 2, time.time(), step=2), question)
            except ReplayError as failed:
                assert "there is nothing" in str(failed)
    rates = demand.expected(np.arange(0.0, demand.duration_seconds + 1, 2.0)) / 2
    assert np.median(rates) == pytest.approx(40.0, rel=0.15)
    assert rates.max() < 60.0
