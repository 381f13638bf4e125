"""The client against a Prometheus that misbehaves: whatever it answers, a tick gets samples or a plain sentence."""

import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from prometheus_asking import client

from tightrope.adapters.prometheus import Connection
from tightrope.ports import MetricsUnavailable, PodKey, PodNames, PodSample

Respond = Callable[[BaseHTTPRequestHandler], None]
POD = {"namespace": "nlp", "pod": "a"}
NOW = 1_000_000.0


class FakePrometheus:
    """Answers every request with `respond`, and keeps what was asked."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.asked: list[tuple[str, dict[str, str], dict[str, list[str]]]] = []
        self.url = ""


@contextlib.contextmanager
def fake(respond: Respond) -> Iterator[FakePrometheus]:
    prometheus = FakePrometheus(respond)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            prometheus.asked.append((parts.path, dict(self.headers), parse_qs(parts.query)))
            with contextlib.suppress(OSError):
                prometheus.respond(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        prometheus.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield prometheus
        finally:
            server.shutdown()


def body(content: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return respond


def answer(document: Any, **options: Any) -> Respond:
    return body(json.dumps(document).encode(), **options)


def vector(*series: tuple[dict[str, str], Any], at: Any = NOW, **more: Any) -> dict[str, Any]:
    result = [{"metric": labels, "value": [at, value]} for labels, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}, **more}


async def failure(respond: Respond, **overrides: Any) -> str:
    """The one sentence that every signal fails with, without the address."""
    with fake(respond) as prometheus:
        async with client(prometheus.url, **overrides) as metrics:
            snapshot = await metrics.snapshot(["generic"])
        sentences = set(snapshot.failures.values())
        assert len(snapshot.failures) == 7
        assert len(sentences) == 1
        assert snapshot.pods == {"generic": {}}
        return sentences.pop().replace(prometheus.url, "URL")


@pytest.mark.parametrize(
    ("respond", "sentence"),
    [
        (
            answer({"status": "error", "errorType": "bad_data", "error": "parse error"}, status=400),
            "Prometheus at URL answered 400: parse error",
        ),
        (answer({"status": "error", "error": "boom"}), "Prometheus at URL reported an error: boom"),
        (
            answer(vector((POD, "1"), warnings=["one store did not answer"])),
            "Prometheus at URL warned that its answer may be partial: one store did not answer",
        ),
        (body(b"<html>log in</html>"), "the answer of Prometheus at URL is not what its API promises"),
        (body(b""), "the answer of Prometheus at URL is not what its API promises"),
        (body(b"[[["), "the answer of Prometheus at URL is not what its API promises"),
        (body(b"[" * 100_000), "the answer of Prometheus at URL is not what its API promises"),
        (body(b'{"status": "success"'), "the answer of Prometheus at URL is not what its API promises"),
        (body(b'{"status": NaN}'), "the answer of Prometheus at URL is not what its API promises"),
        (
            body(b'{"status": "success", "n": ' + b"9" * 6000 + b"}"),
            "the answer of Prometheus at URL is not what its API promises",
        ),
        (body(b"\xff\xfe\x00"), "the answer of Prometheus at URL is not what its API promises"),
        (answer({"status": "success"}), "the answer of Prometheus at URL holds no vector"),
        (
            answer({"status": "success", "data": {"resultType": "matrix", "result": []}}),
            "the answer of Prometheus at URL holds no vector",
        ),
        (
            answer({"status": "success", "data": {"resultType": "vector", "result": None}}),
            "the answer of Prometheus at URL holds no vector",
        ),
        (body(b"", status=204, headers={"Content-Length": "0"}), "Prometheus at URL answered 204"),
        (body(b"no", status=401), "Prometheus at URL answered 401: is the bearer token right?"),
        (body(b"no", status=404), "Prometheus at URL answered 404"),
        (body(b"busy", status=503), "Prometheus at URL answered 503"),
        (
            body(b"", status=301, headers={"Location": "http://127.0.0.1:1/", "Content-Length": "0"}),
            "Prometheus at URL answered 301, a redirect, which is not followed: set the final URL",
        ),
        (
            body(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
            "Prometheus at URL compressed its answer although it was asked not to",
        ),
        (body(b"{}", headers={"Content-Length": "500"}), "Prometheus at URL did not answer in time"),
        (
            body(b"{}", headers={"Content-Length": "500", "Connection": "close"}),
            "the connection to Prometheus at URL broke",
        ),
    ],
)  # fmt: skip
async def test_a_bad_answer_becomes_a_plain_sentence(respond: Respond, sentence: str) -> None:
    assert await failure(respond, timeout_seconds=1.0) == sentence


async def test_an_answer_over_the_cap_is_not_read_to_its_end() -> None:
    sent: list[int] = []

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(4000):
            handler.wfile.write(b" " * 65_536)
            sent.append(65_536)

    sentence = await failure(endless, max_answer_bytes=2**20)
    assert sentence == "the answer of Prometheus at URL is larger than 1 MiB"
    assert sum(sent) < 7 * 2**25


async def test_a_body_or_head_that_drips_in_ends_at_the_deadline() -> None:
    def drip_body(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    def drip_head(handler: BaseHTTPRequestHandler) -> None:
        for _ in range(100):
            handler.wfile.write(b"H")
            time.sleep(0.05)

    for drip in (drip_body, drip_head):
        started = time.monotonic()
        assert await failure(drip, timeout_seconds=0.5) == "Prometheus at URL did not answer in time"
        assert time.monotonic() - started < 1.5


async def test_a_body_that_drips_in_holds_its_thread_no_longer_than_the_deadline() -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    with fake(drip) as prometheus:
        async with client(prometheus.url, concurrency=1, timeout_seconds=0.5) as metrics:
            assert (await metrics.snapshot(["generic"])).failures
            prometheus.respond = answer(vector((POD, "1")))
            assert (await metrics.snapshot(["generic"])).failures == {}


async def test_a_closed_port_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with client(f"http://127.0.0.1:{port}") as metrics:
        snapshot = await metrics.snapshot(["generic"])
        with pytest.raises(MetricsUnavailable, match="refused the connection"):
            await metrics.history(["generic"], start=0, end=600, step_seconds=60)
    assert set(snapshot.failures.values()) == {f"Prometheus at http://127.0.0.1:{port} refused the connection"}


async def test_a_passing_failure_is_tried_again() -> None:
    refusals = iter([body(b"", status=503)] * 2)
    with fake(lambda handler: next(refusals, answer(vector((POD, "7"))))(handler)) as prometheus:
        async with client(prometheus.url, concurrency=1) as metrics:
            snapshot = await metrics.snapshot(["generic"])
    assert snapshot.failures == {}
    assert snapshot.pods["generic"][PodKey("nlp", "a")].arrivals == 7.0


async def test_one_failing_signal_leaves_the_others() -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        query = parse_qs(urlsplit(handler.path).query)["query"][0]
        failing = "http_request_duration_seconds_bucket" in query
        (body(b"", status=500) if failing else answer(vector((POD, "7"))))(handler)

    with fake(respond) as prometheus:
        async with client(prometheus.url) as metrics:
            snapshot = await metrics.snapshot(["generic"])
    assert set(snapshot.failures) == {("generic", "latency")}
    assert snapshot.pods["generic"][PodKey("nlp", "a")].arrivals == 7.0


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("NaN", "is NaN"),
        ("+Inf", "is +Inf"),
        ("-Inf", "is -Inf"),
        (1.5, "has a value that is no string"),
        (None, "has a value that is no string"),
        (True, "has a value that is no string"),
        ("1_000", "has a value that is no number"),
        (" 5 ", "has a value that is no number"),
        ("0x10", "has a value that is no number"),
        ("٣", "has a value that is no number"),
        ("", "has a value that is no number"),
        ("1e400", "is too large"),
        ("-5", "is negative"),
    ],
)
async def test_a_value_that_is_no_number_is_none_and_a_fault(value: Any, fault: str) -> None:
    with fake(answer(vector((POD, value)))) as prometheus:
        async with client(prometheus.url) as metrics:
            seen = (await metrics.snapshot(["generic"])).pods["generic"][PodKey("nlp", "a")]
    assert seen.arrivals is None
    assert f"arrivals: {fault}" in seen.faults
    assert (seen.newest_sample_at, seen.gpu_utilisation) == (None, None)


async def sample_of(document: dict[str, Any]) -> PodSample:
    with fake(answer(document)) as prometheus:
        async with client(prometheus.url) as metrics:
            return (await metrics.snapshot(["generic"])).pods["generic"][PodKey("nlp", "a")]


async def test_two_series_where_one_was_expected_are_none_and_a_fault() -> None:
    seen = await sample_of(vector((POD, "1"), (POD | {"extra": "x"}, "2")))
    assert seen.arrivals is None
    assert "arrivals: has two values where one was expected" in seen.faults


async def test_a_sample_from_the_future_has_no_age() -> None:
    seen = await sample_of(vector((POD, str(NOW + 3600)), (POD | {"seen": "before"}, "3")))
    assert seen.newest_sample_at is None
    assert "newest_sample_at: has a newest sample in the future" in seen.faults


async def test_dcgm_without_a_value_is_no_utilisation() -> None:
    seen = await sample_of(vector((POD, "9223372036854775794")))
    assert seen.gpu_utilisation is None
    assert any(fault.startswith("gpu_utilisation: is 9.223e+18") for fault in seen.faults)


async def test_buckets_are_ordered_rising_and_need_the_last() -> None:
    def buckets(*pairs: tuple[str, str]) -> dict[str, Any]:
        return vector(*((POD | {"le": bound}, count) for bound, count in pairs))

    whole = await sample_of(buckets(("+Inf", "9.5"), ("0.5", "4"), ("1", "3.99"), ("1.0", "0"), ("0.25", "2")))
    assert whole.latency == ((0.25, 2.0), (0.5, 4.0), (1.0, 4.0), (float("inf"), 9.5))
    cut = await sample_of(buckets(("0.5", "4"), ("1", "5")))
    assert cut.latency is None
    assert "latency: has no bucket +Inf" in cut.faults
    poisoned = await sample_of(buckets(("0.5", "4"), ("+Inf", "NaN")))
    assert poisoned.latency is None
    assert "latency: is NaN" in poisoned.faults


async def test_native_histograms_are_said_not_to_be_read() -> None:
    document = vector()
    document["data"]["result"] = [{"metric": POD, "histogram": [NOW, {"count": "3"}]}]
    assert "arrivals: has no plain value: native histograms are not read" in (await sample_of(document)).faults


async def test_age_is_told_by_the_clock_of_prometheus() -> None:
    with fake(answer(vector((POD, str(NOW - 3))))) as prometheus:
        async with client(prometheus.url) as metrics:
            snapshot = await metrics.snapshot(["generic"])
    assert snapshot.at == NOW
    assert snapshot.pods["generic"][PodKey("nlp", "a")].newest_sample_at == NOW - 3


async def test_nothing_is_asked_without_a_preset_in_use() -> None:
    with fake(answer(vector())) as prometheus:
        async with client(prometheus.url) as metrics:
            snapshot = await metrics.snapshot([])
    assert (prometheus.asked, dict(snapshot.pods), dict(snapshot.failures)) == ([], {}, {})


async def test_an_unknown_preset_fails_with_the_known_ones_named() -> None:
    with fake(answer(vector())) as prometheus:
        async with client(prometheus.url) as metrics:
            snapshot = await metrics.snapshot(["tgi"])
    assert snapshot.failures["tgi", "arrivals"] == "there is no preset 'tgi': write one of generic, triton, vllm"


@pytest.mark.parametrize("services", [1, 50])
async def test_the_number_of_queries_depends_on_the_presets_alone(services: int) -> None:
    series = [({"namespace": f"ns-{i}", "pod": f"p-{i}"}, "1") for i in range(services)]
    with fake(answer(vector(*series))) as prometheus:
        async with client(prometheus.url) as metrics:
            await metrics.snapshot(["generic"])
            assert metrics.queries_sent == len(prometheus.asked) == 7
            await metrics.snapshot(["generic", "vllm", "triton", "generic"])
            assert metrics.queries_sent == len(prometheus.asked) == 7 + 19


async def test_queries_are_the_same_whatever_prometheus_answers() -> None:
    hostile = {"namespace": 'x"} or vector(1) #', "pod": "${jndi}"}
    with fake(answer(vector((hostile, "1")))) as prometheus:
        async with client(prometheus.url) as metrics:
            await metrics.snapshot(["generic"])
            first = sorted(query["query"][0] for _, _, query in prometheus.asked)
            prometheus.asked.clear()
            await metrics.snapshot(["generic"])
    assert sorted(query["query"][0] for _, _, query in prometheus.asked) == first


async def test_proxies_netrc_and_cookies_of_the_environment_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with fake(answer(vector(), headers={"Set-Cookie": "a=b"})) as prometheus:
        async with client(prometheus.url) as metrics:
            for _ in range(2):
                assert (await metrics.snapshot(["generic"])).failures == {}
    headers = [headers for _, headers, _ in prometheus.asked]
    assert not any({"Authorization", "Cookie"} & set(one) for one in headers)
    assert {one["Accept-Encoding"] for one in headers} == {"identity"}


async def test_the_bearer_token_is_read_again_for_every_request(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    with fake(answer(vector())) as prometheus:
        async with client(prometheus.url, bearer_token_file=token) as metrics:
            await metrics.snapshot(["generic"])
            token.write_text("second\n")
            await metrics.snapshot(["generic"])
            token.unlink()
            snapshot = await metrics.snapshot(["generic"])
    sent = [headers["Authorization"] for _, headers, _ in prometheus.asked]
    assert sent == ["Bearer first"] * 7 + ["Bearer second"] * 7
    assert set(snapshot.failures.values()) == {f"the bearer token file {token} cannot be read"}


async def test_a_url_may_have_a_path_and_shows_no_password() -> None:
    with fake(answer(vector())) as prometheus:
        async with client(f"{prometheus.url}/prometheus/") as metrics:
            assert (await metrics.snapshot(["generic"])).failures == {}
    assert {path for path, _, _ in prometheus.asked} == {"/prometheus/api/v1/query"}
    assert Connection(url="https://me:secret@host:9090/x").shown == "https://host:9090/x"
    for bad in ("", "prometheus:9090", "file:///etc/passwd", "http://"):
        with pytest.raises(ValueError, match="write one such as http://prometheus"):
            Connection(url=bad)


async def test_a_history_is_asked_in_stretches_that_prometheus_accepts() -> None:
    empty = {"status": "success", "data": {"resultType": "matrix", "result": []}}
    with fake(answer(empty)) as prometheus:
        async with client(prometheus.url) as metrics:
            await metrics.history(["generic"], start=7.0, end=28 * 86400.0, step_seconds=60)
    stretches = sorted({(int(q["start"][0]), int(q["end"][0])) for _, _, q in prometheus.asked})
    assert len(prometheus.asked) == 3 * len(stretches) == 12
    assert (stretches[0][0], stretches[-1][1]) == (60, 28 * 86400)
    assert all((end - start) / 60 + 1 <= 11_000 for start, end in stretches)
    assert all(after - before == 60 for (_, before), (after, _) in itertools.pairwise(stretches))


async def test_what_cannot_be_believed_in_a_history_is_a_gap() -> None:
    values = [[60, "1"], [120, "NaN"], [180, "-4"], ["x", "3"], [240], [300, "2"]]
    document = {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": POD, "values": values}]}}
    with fake(answer(document)) as prometheus:
        async with client(prometheus.url) as metrics:
            history = await metrics.history(["generic"], start=0, end=300, step_seconds=60)
    assert history["generic"][PodKey("nlp", "a")].arrivals == ((60.0, 1.0), (300.0, 2.0))


def demand_points(handler: BaseHTTPRequestHandler) -> None:
    """A point of every step that is asked for, the second of them NaN."""
    asked = parse_qs(urlsplit(handler.path).query)
    start, end, step = (float(asked[name][0].rstrip("s")) for name in ("start", "end", "step"))
    times = [start + step * place for place in range(int((end - start) / step) + 1)]
    values = [[at, "NaN" if at == times[1] else "7.5"] for at in times]
    answer({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}})(
        handler
    )


async def test_the_earlier_demand_of_one_service_is_asked_for_its_pods_alone_and_gaps_are_left_out() -> None:
    pods = PodNames("nlp", "sentiment-cpu-[bc]{5}")
    with fake(demand_points) as prometheus:
        async with client(prometheus.url) as metrics:
            found = await metrics.earlier_demand("generic", pods, start=0.0, end=60.0 * 15_000, step_seconds=60)
            peaks = await metrics.earlier_demand(
                "generic", pods, start=0.0, end=3000.0, step_seconds=300, within_seconds=60
            )
    asked = [query["query"][0] for _, _, query in prometheus.asked]
    assert len(asked) == 3, "11,000 points at the most in one answer"
    assert all('namespace="nlp", pod=~"sentiment-cpu-[bc]{5}"' in text for text in asked)
    assert asked[2].startswith("max_over_time(sum(") and asked[2].endswith("[300s:60s])")
    assert len(found) == 15_001 - 2 and found[0] == (0.0, 7.5)
    assert len(peaks) == 10


async def test_an_earlier_demand_that_cannot_be_read_is_an_error_and_not_an_empty_past() -> None:
    with fake(lambda handler: handler.send_error(500)) as prometheus:
        async with client(prometheus.url) as metrics:
            with pytest.raises(MetricsUnavailable, match="answered 500"):
                await metrics.earlier_demand("generic", PodNames("n", "a"), start=0.0, end=600.0, step_seconds=60)
