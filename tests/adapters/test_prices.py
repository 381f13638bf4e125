"""Prices as OpenCost and Karpenter export them: which numbers are believed, and how many queries are asked."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from alerts.backfill import Series, past_prometheus
from hypothesis import given
from hypothesis import strategies as st
from prometheus_asking import client
from prometheus_server import prometheus_program

from tightrope.adapters.prometheus.prices import offers, own_offers, price_queries, price_snapshot
from tightrope.ports import OWN_PRICE, Offer

RULES = Path(__file__).parents[2] / "helm/tightrope/files/tightrope.rules.yaml"
LABELS = {"instance_type": "g6.xlarge", "capacity_type": "spot", "zone": "eu-1a"}


def series(value: Any, **labels: str) -> dict[str, Any]:
    return {"metric": LABELS | labels, "value": [1000.0, value]}


def test_a_price_comes_with_its_kind_of_node_and_its_zone() -> None:
    assert offers([series("0.35")]) == [
        Offer(instance_type="g6.xlarge", capacity_type="spot", per_hour=0.35, zone="eu-1a")
    ]


@pytest.mark.parametrize("value", ["0", "NaN", "+Inf", "-0.2", "1e9", "cheap", 0.35, None])
def test_what_no_node_can_cost_is_no_price(value: Any) -> None:
    assert offers([series(value), series("0.5", zone="eu-1b")])[0].zone == "eu-1b"


@given(
    st.lists(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(
        st.sampled_from(["metric", "value", "instance_type", "capacity_type", "zone", "x"]), x), max_leaves=12))
)  # fmt: skip
def test_no_answer_whatever_its_shape_raises_or_gives_a_price_of_nothing(document: list[Any]) -> None:
    assert all(offer.per_hour > 0 for offer in [*offers(document), *own_offers(document)])


def test_an_administrators_own_expression_is_asked_as_it_is_and_its_labels_do_not_matter() -> None:
    source = OWN_PRICE + "max(contract_price) / 730"
    assert price_queries([source, source])[source].text == "max(contract_price) / 730"
    answer = [{"metric": {}, "value": [1000.0, "0.5"]}, series("0.25"), series("NaN"), series("0")]
    found = price_snapshot({source: answer}).offers[source]
    assert [one.per_hour for one in found] == [0.5, 0.25]


@pytest.mark.lab
async def test_a_real_prometheus_answers_one_query_a_source_and_tells_spot_from_on_demand(tmp_path: Path) -> None:
    now = time.time()
    exported = [
        ("node_total_hourly_cost", {"node": "a", "instance_type": "g6.xlarge", "provider_id": "x"}, 0.98),
        ("node_total_hourly_cost", {"node": "b", "instance_type": "g6.xlarge", "provider_id": "y"}, 0.31),
        ("kubecost_node_is_spot", {"node": "a", "instance_type": "g6.xlarge"}, 0.0),
        ("kubecost_node_is_spot", {"node": "b", "instance_type": "g6.xlarge"}, 1.0),
        ("node_total_hourly_cost", {"node": "c", "instance_type": "c7i.large"}, 0.09),
        ("karpenter_cloudprovider_instance_type_offering_price_estimate", LABELS | {"pod": "karpenter-0"}, 0.35),
        ("karpenter_cloudprovider_instance_type_offering_price_estimate", LABELS | {"pod": "karpenter-1"}, 0.35),
    ]
    with past_prometheus(program(), tmp_path, rules=RULES) as prometheus:
        prometheus.write(Series(name=name, labels=labels, samples=[(now, value)]) for name, labels, value in exported)
        async with client(prometheus.url) as metrics:
            own, wrong = f"{OWN_PRICE}max(node_total_hourly_cost) * 2", f"{OWN_PRICE}max(("
            seen = await metrics.prices(["karpenter", "karpenter", "opencost", own, wrong])
            assert metrics.queries_sent == 4
    assert [one.per_hour for one in seen.offers[own]] == [1.96]
    assert "parse error" in seen.failures.pop(wrong)
    assert seen.failures == {}
    assert seen.offers["karpenter"] == offers([series("0.35")])
    assert {(one.instance_type, one.capacity_type, one.per_hour) for one in seen.offers["opencost"]} == {
        ("g6.xlarge", "on-demand", 0.98),
        ("g6.xlarge", "spot", 0.31),
        ("c7i.large", "on-demand", 0.09),
    }


def program() -> Path:
    found = prometheus_program()
    if found is None:
        pytest.skip("no prometheus yet: python -m tightrope.lab.programs builds it")
    return found


async def test_a_prometheus_that_is_down_is_a_failure_of_the_source_and_no_price() -> None:
    async with client("http://127.0.0.1:9") as metrics:
        seen = await metrics.prices(["opencost"])
    assert seen.offers == {}
    assert "refused the connection" in seen.failures["opencost"]


def test_the_queries_hold_nothing_of_a_pool() -> None:
    texts = json.dumps([query.text for query in price_queries(["karpenter", "opencost"]).values()])
    assert "g6" not in texts and "node_total_hourly_cost" in texts
