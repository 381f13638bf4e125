"""What nodes cost, as OpenCost and Karpenter say it, or an administrator's own expression: one query for each, whatever
the number of pools that ask it.

`client` asks and calls this. OpenCost's `node_total_hourly_cost` knows the nodes that exist, with
`kubecost_node_is_spot` beside it; Karpenter's `karpenter_cloudprovider_instance_type_offering_price_estimate` all that
could be bought. Metric names and labels: OpenCost's metrics reference, and Karpenter's `pkg/metrics` and its providers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tightrope.adapters.prometheus.presets import Unit
from tightrope.adapters.prometheus.queries import SHARED_LABELS, Query
from tightrope.adapters.prometheus.samples import BadNumber, finite
from tightrope.adapters.prometheus.session import QueryFailed
from tightrope.ports import OWN_PRICE, Offer, PriceSnapshot

_DEAREST: Final = 1e6  # as much as a ComputePool can declare; beyond it is a unit mistaken
_NODE: Final = "node_total_hourly_cost"
_IS_SPOT: Final = "(kubecost_node_is_spot == 1)"
_OFFERING: Final = "karpenter_cloudprovider_instance_type_offering_price_estimate"
# Of several prices for one kind the dearest: the bill is then never more than what was said.
_EXPRESSIONS: Final[Mapping[str, tuple[str, str]]] = {
    "karpenter": (_OFFERING, f"max by (instance_type, capacity_type, zone) ({_OFFERING})"),
    "opencost": (
        _NODE,
        "max by (instance_type, capacity_type) ("
        f'label_replace({_NODE} and on (node) {_IS_SPOT}, "capacity_type", "spot", "", "") or '
        f'label_replace({_NODE} unless on (node) {_IS_SPOT}, "capacity_type", "on-demand", "", ""))',
    ),
}


def price_queries(sources: Sequence[str]) -> dict[str, Query]:
    """The query of each source. KeyError for one that there is none of."""
    return {source: _query(source) for source in sorted(set(sources))}


def _query(source: str) -> Query:
    own = source.removeprefix(OWN_PRICE)
    metric, text = ("", own) if own != source else _EXPRESSIONS[source]
    return Query(
        preset=None,
        signal="price",
        text=text,
        unit=Unit.PER_HOUR,
        metric=metric,
        labels=SHARED_LABELS,
        about_pods=False,
    )


def price_snapshot(answers: Mapping[str, list[Any] | QueryFailed]) -> PriceSnapshot:
    """The answers by source, as the controller reads them."""
    return PriceSnapshot(
        offers={
            source: own_offers(answer) if source.startswith(OWN_PRICE) else offers(answer)
            for source, answer in answers.items()
            if not isinstance(answer, QueryFailed)
        },
        failures={source: str(answer) for source, answer in answers.items() if isinstance(answer, QueryFailed)},
    )


def offers(answer: Sequence[Any]) -> list[Offer]:
    """Every price that can be believed. No node is free: a zero is a source that does not know, as is NaN."""
    found = (_offer(series) for series in answer)
    return [offer for offer in found if offer is not None]


def own_offers(answer: Sequence[Any]) -> list[Offer]:
    """The prices of an administrator's own expression, whatever labels its series carry: which nodes it is about is up
    to the expression."""
    found = []
    for series in answer:
        match series:
            case {"value": [_, text]}:
                per_hour = _price(text)
                found += [] if per_hour is None else [Offer(instance_type="", capacity_type="", per_hour=per_hour)]
    return found


def _price(text: Any) -> float | None:
    try:
        per_hour = finite(text)
    except BadNumber:
        return None
    return per_hour if 0.0 < per_hour <= _DEAREST else None


def _offer(series: Any) -> Offer | None:
    match series:
        case {
            "metric": {"instance_type": str() as instance_type, "capacity_type": str() as capacity_type, **rest},
            "value": [_, text],
        }:
            if (per_hour := _price(text)) is None:
                return None
            zone = rest.get("zone")
            return Offer(
                instance_type=instance_type,
                capacity_type=capacity_type,
                per_hour=per_hour,
                zone=zone if isinstance(zone, str) and zone else None,
            )
    return None
