"""Requests as a gateway counts them: how they are asked for, and which numbers are believed."""

import time
from pathlib import Path
from typing import Any

import pytest
from alerts.backfill import Series, past_prometheus
from hypothesis import given
from hypothesis import strategies as st
from prometheus_asking import client
from prometheus_server import prometheus_program

from tightrope.adapters.prometheus.gateway import GatewayNames, gateway_demand, gateway_query
from tightrope.ports import GATEWAY, ServiceName

RULES = Path(__file__).parents[2] / "helm/tightrope/files/tightrope.rules.yaml"
NAMES = GatewayNames(requests_total="gw_requests_total", namespace_label="ns", service_label="svc")
WHO = {"ns": "nlp", "svc": "sentiment"}
KEY = ServiceName("nlp", "sentiment")


def answer(value: Any, **labels: str) -> dict[str, Any]:
    return {"metric": WHO | labels, "value": [1000.0, value]}


def test_without_a_counter_nothing_is_asked() -> None:
    assert gateway_query(GatewayNames(), 60.0) is None


def test_demand_is_told_by_namespace_and_service() -> None:
    assert gateway_demand(NAMES, [answer("2.5"), answer("0", svc="ads")]) == {KEY: 2.5, ServiceName("nlp", "ads"): 0.0}


@pytest.mark.parametrize("series", [answer("NaN"), answer("-1"), answer(2.0), answer("1", ns=""), {"metric": {}}, None])
def test_what_cannot_be_believed_is_unknown_and_no_zero(series: Any) -> None:
    assert gateway_demand(NAMES, [series]) == {}


@given(
    st.lists(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(
        st.sampled_from(["metric", "value", "ns", "svc"]), x), max_leaves=12))
)  # fmt: skip
def test_no_answer_whatever_its_shape_raises(document: list[Any]) -> None:
    assert all(value >= 0 for value in gateway_demand(NAMES, document).values())


@pytest.mark.parametrize("wrong", [{"requests_total": "a-b"}, {"service_label": "a:b"}, {"namespace_label": ""}])
def test_a_name_that_is_none_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="gateway"):
        GatewayNames(**wrong)


def program() -> Path:
    found = prometheus_program()
    if found is None:
        pytest.skip("no prometheus yet: python -m tightrope.lab.programs builds it")
    return found


@pytest.mark.lab
async def test_a_real_prometheus_sees_the_very_first_request_and_knows_idle_from_absent(tmp_path: Path) -> None:
    now = time.time()

    def counter(service: str, course: Any, since: float, **labels: str) -> Series:
        ages = [age for age in range(300, -1, -15) if age <= since]
        samples = [(now - age, float(course(300 - age))) for age in ages]
        labels = {"ns": "nlp", "svc": service, "pod": "gateway-0"} | labels
        return Series(name="gw_requests_total", labels=labels, samples=samples)

    with past_prometheus(program(), tmp_path, rules=RULES) as prometheus:
        prometheus.write([
            counter("busy", lambda at: 2 * at, 300),
            counter("idle", lambda at: 700, 300),
            counter("first", lambda at: 40, 0),
            counter("again", lambda at: 700, 300, code="200"),
            counter("again", lambda at: 1, 15, code="503"),
        ])  # fmt: skip
        async with client(prometheus.url, gateway=NAMES, rate_window_seconds=60.0) as metrics:
            seen = await metrics.snapshot(["generic"])
    found = {key.name: value for key, value in seen.gateway.items()}
    assert seen.metric_names[GATEWAY] == "gw_requests_total"
    assert found["busy"] == pytest.approx(2.0, rel=0.1)
    assert found["idle"] == 0.0
    assert found["first"] == pytest.approx(1 / 60), "as one request, however many it counts"
    assert found["again"] == pytest.approx(1 / 60)
    assert "absent" not in found


async def test_a_prometheus_that_is_down_is_a_failure_and_no_zero() -> None:
    async with client("http://127.0.0.1:9", gateway=NAMES) as metrics:
        seen = await metrics.snapshot(["generic"])
    assert GATEWAY in seen.failures and not seen.gateway


async def test_without_a_gateway_no_query_is_sent_for_it() -> None:
    async with client("http://127.0.0.1:9") as metrics:
        seen = await metrics.snapshot(["generic"])
    assert GATEWAY not in seen.failures and GATEWAY not in seen.metric_names
