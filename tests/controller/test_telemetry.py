"""What an operator of the operator sees: lines, metrics and probes."""

import json
import logging
import sys

import aiohttp
import pytest
from fakes import FakeCluster

from tightrope import __version__
from tightrope.controller.telemetry import CountedCluster, Telemetry, configure_logging, say, serve
from tightrope.ports import ClusterUnavailable, WriteRefused


def shown(telemetry: Telemetry) -> dict[str, float]:
    return {
        f"{sample.name}{sample.labels or ''}": sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
    }


def test_a_line_is_json_with_what_happened_and_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        configure_logging("info")
        root.handlers[0].setStream(sys.stderr)  # type: ignore[attr-defined]
        say("replicas set", service="sentiment", before=1, after=3)
        logging.getLogger("kopf._cogs.clients.watching").error("Request attempt #1/9 failed")
        try:
            raise ValueError("why")
        except ValueError as error:
            say("it failed", level=logging.ERROR, error=error)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(lines) == 2
    assert (lines[0]["event"], lines[0]["level"], lines[0]["after"]) == ("replicas set", "info", 3)
    assert "ValueError: why" in lines[1]["traceback"]


def test_queries_are_counted_and_the_version_is_told() -> None:
    telemetry = Telemetry()
    telemetry.count_queries(lambda: 7, lambda: 4096)
    telemetry.queried([("generic", "arrivals")])
    seen = shown(telemetry)
    assert seen["tightrope_prometheus_queries_total"] == 7
    assert [value for name, value in seen.items() if name.startswith("tightrope_prometheus_query_failures_total")] == [
        1
    ]
    assert any(__version__ in name for name in seen if name.startswith("tightrope_build_info"))


def test_what_has_not_happened_yet_has_no_time() -> None:
    telemetry = Telemetry()
    assert not [
        name for name in shown(telemetry) if name.startswith("tightrope_") and ("timestamp" in name or "period" in name)
    ]
    telemetry.listed_at.set(5.0)
    assert shown(telemetry)["tightrope_store_listed_timestamp_seconds"] == 5.0


async def test_writes_are_counted_by_how_they_ended() -> None:
    telemetry, inner = Telemetry(), FakeCluster()
    cluster = CountedCluster(inner, telemetry)
    manifest = {"kind": "Service", "metadata": {"name": "s", "namespace": "nlp"}, "spec": {}}
    await cluster.apply(manifest, dry_run=True)
    await cluster.apply(manifest)
    with pytest.raises(WriteRefused):
        await cluster.set_replicas(kind="Deployment", namespace="nlp", name="none", replicas=1)
    inner.down = True
    with pytest.raises(ClusterUnavailable):
        await cluster.delete(kind="Deployment", namespace="nlp", name="none", uid="u")
    counted = {name: value for name, value in shown(telemetry).items() if name.startswith("tightrope_writes_total")}
    assert sorted(
        (
            eval(name.removeprefix("tightrope_writes_total"))["verb"],
            eval(name.removeprefix("tightrope_writes_total"))["outcome"],
        )
        for name in counted
    ) == [("apply", "done"), ("delete", "unavailable"), ("dry-run", "done"), ("scale", "refused")]


async def test_probes_and_metrics_are_served() -> None:
    wrong: dict[str, str | None] = {"alive": None, "ready": "not yet"}
    runner, port = await serve(
        Telemetry(), host="127.0.0.1", port=0, alive=lambda: wrong["alive"], ready=lambda: wrong["ready"]
    )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/healthz") as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
            async with session.get("/readyz") as answer:
                assert (answer.status, await answer.text()) == (503, "not yet\n")
            async with session.get("/metrics") as answer:
                assert "tightrope_tick_seconds" in await answer.text()
    finally:
        await runner.cleanup()
