"""What stands in front of services counts their requests, also while no pod of theirs is there: for `min: 0`.

`client` asks with the other queries of a tick, once for all services. Any counter will do whose labels name the
Kubernetes Service that a request was meant for, and that counts a request which nobody could answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tightrope.adapters.prometheus.presets import SECONDS, WINDOW, Signal, Unit, label_name, metric_name
from tightrope.adapters.prometheus.queries import SHARED_LABELS, Query
from tightrope.adapters.prometheus.samples import BadNumber, finite
from tightrope.ports import GATEWAY, ServiceName


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayNames:
    """The counter, and which of its labels name the namespace and the Service; None where no gateway counts."""

    requests_total: str | None = None
    namespace_label: str = "namespace"
    service_label: str = "service"

    def __post_init__(self) -> None:
        if self.requests_total is not None:
            metric_name("gateway requests_total", self.requests_total)
        label_name("gateway namespace_label", self.namespace_label)
        label_name("gateway service_label", self.service_label)


_PRESET, _SIGNAL = GATEWAY


def gateway_query(names: GatewayNames, window_seconds: float) -> Query | None:
    """Requests a second by service over the window; None without a counter.

    A series that was not there a window ago began with a request, which no rate sees: rates compare two samples. It
    counts as one request, however many it has by now: after a gap in Prometheus' own record all series look new.
    """
    metric = names.requests_total
    if metric is None:
        return None
    by = f"sum by ({names.namespace_label}, {names.service_label})"
    counted = f"{by} (rate({metric}[{WINDOW}]))"
    begun = f"{by} (clamp_max({metric} unless {metric} offset {WINDOW}, 1)) / {SECONDS}"
    signal = Signal(
        metric=metric, expression=f"(({counted}) + ({begun})) or ({counted}) or ({begun})", unit=Unit.PER_SECOND
    )
    return Query(
        preset=_PRESET,
        signal=_SIGNAL,
        text=signal.over(window_seconds),
        unit=signal.unit,
        metric=metric,
        labels=SHARED_LABELS,
        about_pods=False,
    )


def gateway_demand(names: GatewayNames, answer: Sequence[Any]) -> Mapping[ServiceName, float]:
    """Requests a second by service; one with a number that cannot be believed is left out: it is unknown."""
    found: dict[ServiceName, float] = {}
    for series in answer:
        match series:
            case {"metric": dict() as labels, "value": [_, text]}:
                namespace, service = (labels.get(name) for name in (names.namespace_label, names.service_label))
            case _:
                continue
        if not isinstance(namespace, str) or not isinstance(service, str) or not namespace or not service:
            continue
        try:
            found[ServiceName(namespace, service)] = finite(text)
        except BadNumber:
            continue
    return found
