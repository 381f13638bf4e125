"""The whole way: the operator's own /metrics, scraped by the real Prometheus as a ServiceMonitor would, to an alert."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from alerts.backfill import PastPrometheus, past_prometheus
from alerts.exported import full
from alerts.timeline import RULES
from prometheus_server import prometheus_program

from tightrope.controller.telemetry import serve

pytestmark = pytest.mark.lab


async def until_active(prometheus: PastPrometheus, name: str) -> dict[str, Any]:
    """The alert of this name, pending or firing, as soon as there is one."""
    async with asyncio.timeout(30):
        while True:
            alerts = await asyncio.to_thread(prometheus.ask, "alerts")
            for alert in alerts["alerts"]:
                if alert["labels"]["alertname"] == name:
                    found: dict[str, Any] = alert
                    return found
            await asyncio.sleep(0.1)


async def test_a_service_without_room_is_told_by_its_own_namespace_and_name(tmp_path: Path) -> None:
    program = prometheus_program()
    if program is None:
        pytest.skip("no prometheus yet: python -m tightrope.lab.programs builds it")
    runner, port = await serve(full(), host="127.0.0.1", port=0, alive=lambda: None, ready=lambda: None)
    # A ServiceMonitor gives each target these labels; the operator's own must win.
    labels = {"namespace": "tightrope-system", "service": "tightrope", "pod": "tightrope-0"}
    scraping = {
        "job_name": "tightrope", "honor_labels": True, "scrape_interval": "1s",
        "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": labels}],
    }  # fmt: skip
    try:
        with past_prometheus(program, tmp_path, rules=RULES, scraping=[scraping]) as prometheus:
            alert = await until_active(prometheus, "TightropeNoCapacity")
            assert alert["labels"]["namespace"] == "nlp"
            assert alert["annotations"]["summary"] == "nlp/sentiment needs more than it can get (PoolFull)"
            (leader,) = (await asyncio.to_thread(prometheus.ask, "query", query="tightrope_leading"))["result"]
            assert leader["metric"]["namespace"] == "tightrope-system"
    finally:
        await runner.cleanup()
