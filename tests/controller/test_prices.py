"""Prices that change while the operator runs: what is read counts, and what is missing is never zero or guessed."""

import math
from dataclasses import replace
from typing import Any

import pytest
import wire
from fakes import FakeMetrics
from hypothesis import given
from hypothesis import strategies as st
from operation import Operation, operation

from tightrope.api.crd import KINDS, crd
from tightrope.api.parse import parse_pool
from tightrope.api.parsed import ParsedPool
from tightrope.controller.prices import PriceBook
from tightrope.ports import OWN_PRICE, Offer, PriceSnapshot

TYPE, ZONE = "node.kubernetes.io/instance-type", "topology.kubernetes.io/zone"


def asking(name: str = "gpu", *, source: str = "karpenter", zone: str | None = None, **spec: Any) -> dict[str, Any]:
    """A pool of g6.xlarge that asks for its price; 0.80 is declared."""
    selector = {TYPE: "g6.xlarge", **({ZONE: zone} if zone else {})}
    price = {"perNodeHour": "0.80", "query": source}
    return wire.compute_pool(name, price=price, placement={"nodeSelector": selector}, **spec)


def offer(per_hour: float, **overrides: Any) -> Offer:
    values: dict[str, Any] = {"instance_type": "g6.xlarge", "capacity_type": "on-demand", "zone": "eu-1a"}
    return Offer(per_hour=per_hour, **(values | overrides))


def seen(*offers: Offer, source: str = "karpenter") -> PriceSnapshot:
    return PriceSnapshot(offers={source: list(offers)})


def counted(pool: dict[str, Any], snapshot: PriceSnapshot) -> float:
    """The price that plans count with after one reading."""
    parsed = parse_pool(pool)
    done = PriceBook(FakeMetrics()).priced({"gpu": parsed}, snapshot, now=1000.0)
    return done.pools["gpu"].pool.price_per_node_hour


def test_the_price_of_just_this_kind_of_node_counts() -> None:
    others = [offer(9.0, instance_type="g6.2xlarge"), offer(0.1, capacity_type="spot")]
    assert counted(asking(), seen(offer(0.7), *others)) == 0.7
    assert counted(asking(capacityType="spot"), seen(offer(0.7), *others)) == 0.1


def test_of_several_zones_the_dearest_counts_unless_the_pool_names_its_own() -> None:
    zones = seen(offer(0.7), offer(0.9, zone="eu-1b"))
    assert counted(asking(), zones) == 0.9
    assert counted(asking(zone="eu-1a"), zones) == 0.7


def test_before_the_first_reading_the_declared_price_counts() -> None:
    assert counted(asking(), PriceSnapshot(failures={"karpenter": "Prometheus is down"})) == 0.80


def test_without_a_query_nothing_is_asked_and_nothing_changes() -> None:
    parsed = {"gpu": parse_pool(wire.compute_pool("gpu"))}
    done = PriceBook(FakeMetrics()).priced(parsed, PriceSnapshot(), now=1000.0)
    assert (done.pools, done.findings, done.statuses) == (parsed, {}, {})


async def test_each_source_is_asked_once_however_many_pools_there_are() -> None:
    metrics = FakeMetrics()
    pools = {f"gpu{n}": parse_pool(asking(f"gpu{n}", source=("karpenter", "opencost")[n % 2])) for n in range(40)}
    await PriceBook(metrics).read(pools)
    await PriceBook(metrics).read({"cpu": parse_pool(wire.compute_pool("cpu"))})
    assert metrics.asked_prices == [["karpenter", "opencost"]]


@given(readings=st.lists(st.one_of(st.none(), st.floats(0.01, 100.0)), min_size=1, max_size=30))
def test_what_counts_is_always_what_was_read_last_or_else_what_was_declared(readings: list[float | None]) -> None:
    book, parsed, last = PriceBook(FakeMetrics()), parse_pool(asking()), 0.80
    for tick, price in enumerate(readings):
        last = price or last
        done = book.priced({"gpu": parsed}, seen(*([offer(price)] if price else [])), now=1000.0 + tick)
        assert done.pools["gpu"].pool.price_per_node_hour == last
        assert done.findings["gpu"].status == ("True" if price else "False")


@pytest.mark.parametrize(
    "stored",
    [
        {"perNodeHour": "0"},
        {"perNodeHour": "nan"},
        {"perNodeHour": "-1"},
        {"perNodeHour": "1e300"},
        {"currency": "EUR"},
        {"source": "karpenter: g6.xlarge spot"},
        {"since": "2099-01-01T00:00:00Z"},
        {"lastRead": "1990-01-01T00:00:00Z"},
    ],
)
def test_a_stored_price_that_is_forged_or_of_another_kind_is_forgotten(stored: dict[str, str]) -> None:
    sound = {
        "perNodeHour": "0.55", "currency": "USD", "source": "karpenter: g6.xlarge on-demand",
        "since": "1970-01-01T00:00:10Z", "lastRead": "1970-01-01T00:10:00Z",
    }  # fmt: skip
    assert counted({**asking(), "status": {"price": sound}}, PriceSnapshot()) == 0.55
    assert counted({**asking(), "status": {"price": sound | stored}}, PriceSnapshot()) == 0.80


def test_another_kind_of_node_does_not_inherit_the_price() -> None:
    book, parsed = PriceBook(FakeMetrics()), parse_pool(asking())
    book.priced({"gpu": parsed}, seen(offer(0.7)), now=1000.0)
    assert parsed.price_query is not None
    moved: ParsedPool = replace(parsed, price_query=replace(parsed.price_query, capacity_type="spot"))
    assert book.priced({"gpu": moved}, PriceSnapshot(), now=1001.0).pools["gpu"].pool.price_per_node_hour == 0.80


def pool_status(op: Operation) -> dict[str, Any]:
    status: dict[str, Any] = op.cluster.get("ComputePool", "gpu", "")["status"]
    return status


def price_condition(op: Operation) -> tuple[str, str]:
    found = next(c for c in pool_status(op)["conditions"] if c["type"] == "PriceCurrent")
    return found["reason"], found["message"]


async def test_a_pool_that_becomes_cheap_draws_the_service_and_the_status_says_at_what_price() -> None:
    op = operation(wire.compute_pool("cpu"), asking(), wire.inference_deployment(), sentiment=20.0)
    op.metrics.offers = {"karpenter": [offer(0.80)]}
    await op.tick(40)
    assert op.cluster.replicas()["sentiment-gpu"] == 0
    op.metrics.offers = {"karpenter": [offer(0.05)]}
    await op.tick(120)
    assert op.cluster.replicas() == {"sentiment-cpu": 0, "sentiment-gpu": 1}
    assert pool_status(op)["price"]["perNodeHour"] == "0.05"
    assert price_condition(op)[0] == "PriceRead"


async def test_a_price_that_goes_missing_is_kept_named_and_survives_a_restart() -> None:
    op = operation(wire.compute_pool("cpu"), asking(), wire.inference_deployment(), sentiment=20.0)
    op.metrics.offers = {"karpenter": [offer(0.05)]}
    await op.tick(40)
    op.metrics.offers = {}
    await op.tick()
    op.writes()
    op.start()
    await op.tick(40)
    reason, message = price_condition(op)
    assert reason == "PriceMissing"
    assert "no price above zero for karpenter: g6.xlarge on-demand" in message and "the last one counts" in message
    assert math.isclose(float(pool_status(op)["price"]["perNodeHour"]), 0.05)
    assert not [write for write in op.writes() if write[:2] == ("status", "ComputePool")], "said once"
    assert op.cluster.replicas()["sentiment-gpu"] == 1, "the price that was read still counts"


def test_the_age_of_a_price_counts_from_its_last_reading_and_a_declared_one_has_none() -> None:
    book, pools = PriceBook(FakeMetrics()), {"gpu": parse_pool(asking()), "cpu": parse_pool(wire.compute_pool("cpu"))}
    assert book.priced(pools, PriceSnapshot(), now=1000.0).read_at == {}
    assert book.priced(pools, seen(offer(0.7)), now=1015.0).read_at == {"gpu": 1015.0}
    assert book.priced(pools, seen(offer(0.7)), now=1030.0).read_at == {"gpu": 1030.0}
    for now in (1045.0, 1060.0):
        last = book.priced(pools, PriceSnapshot(), now=now).read_at["gpu"]
        assert last == 1045.0, "from when it was found to be missing; no later"


async def test_a_scrape_shows_when_the_price_in_use_was_read() -> None:
    op = operation(wire.compute_pool("cpu"), asking(), wire.inference_deployment(), sentiment=20.0)
    op.metrics.offers = {"karpenter": [offer(0.05)]}
    await op.tick(3)
    (sample,) = [
        sample
        for family in op.telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "tightrope_pool_price_timestamp_seconds"
    ]
    assert sample.labels == {"pool": "gpu"} and 0 <= op.clock.at - sample.value <= 30


OWN = 'max(contract_price{kind="l4"}) / 730'


def own(name: str = "gpu", expression: str = OWN, **spec: Any) -> dict[str, Any]:
    """A pool whose price an administrator's own expression has; 0.80 is declared, and no kind of node is named."""
    return wire.compute_pool(name, price={"perNodeHour": "0.80", "promQL": expression}, **spec)


def answered(*prices: float, expression: str = OWN) -> PriceSnapshot:
    offers = [Offer(instance_type="", capacity_type="", per_hour=price) for price in prices]
    return PriceSnapshot(offers={OWN_PRICE + expression: offers})


def test_of_an_expression_of_ones_own_the_dearest_answer_counts_and_none_is_the_declared_price() -> None:
    assert counted(own(), answered(0.7, 0.9)) == 0.9
    assert counted(own(), PriceSnapshot()) == 0.80
    assert counted(own(), answered(0.7, expression="another")) == 0.80
    assert counted(own(capacityType="reserved"), answered(0.3)) == 0.3, "what reserved nodes were bought for"


def test_an_expression_that_finds_nothing_is_named_with_the_price_that_counts_instead() -> None:
    done = PriceBook(FakeMetrics()).priced({"gpu": parse_pool(own())}, answered(), now=1000.0)
    found = done.findings["gpu"]
    assert (found.status, found.reason) == ("False", "PriceMissing")
    assert f"no price above zero for promQL: {OWN}: price.perNodeHour counts" in found.message


async def test_pools_with_one_expression_ask_it_once_beside_the_other_sources() -> None:
    metrics = FakeMetrics()
    pools = {f"gpu{n}": parse_pool(own(f"gpu{n}")) for n in range(10)} | {"gpu": parse_pool(asking())}
    await PriceBook(metrics).read(pools)
    assert metrics.asked_prices == [["karpenter", OWN_PRICE + OWN]]


def test_another_expression_does_not_inherit_the_price() -> None:
    book = PriceBook(FakeMetrics())
    book.priced({"gpu": parse_pool(own())}, answered(0.7), now=1000.0)
    moved = book.priced({"gpu": parse_pool(own(expression="another"))}, PriceSnapshot(), now=1001.0)
    assert moved.pools["gpu"].pool.price_per_node_hour == 0.80


async def test_what_an_expression_said_survives_a_restart() -> None:
    op = operation(wire.compute_pool("cpu"), own(), wire.inference_deployment(), sentiment=20.0)
    op.metrics.offers = {OWN_PRICE + OWN: [Offer(instance_type="", capacity_type="", per_hour=0.05)]}
    await op.tick(3)
    assert pool_status(op)["price"]["source"] == f"promQL: {OWN}" and price_condition(op)[0] == "PriceRead"
    op.metrics.offers = {}
    op.start()
    await op.tick(3)
    assert pool_status(op)["price"]["perNodeHour"] == "0.05" and price_condition(op)[0] == "PriceMissing"


def test_only_a_pool_has_a_field_for_an_expression() -> None:
    def fields(schema: Any) -> set[str]:
        inner = [one for one in schema.values() if isinstance(one, dict)] if isinstance(schema, dict) else []
        own = set(schema.get("properties", {})) if isinstance(schema, dict) else set()
        return own.union(*map(fields, inner))

    named = {kind.model.__name__: "promQL" in fields(crd(kind)["spec"]["versions"][0]["schema"]) for kind in KINDS}
    assert named == {"ComputePool": True, "InferenceDeployment": False}
