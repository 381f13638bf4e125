"""What one pod requests, as the scheduler counts it: for the replicas that fit a node.

Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers and
https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tightrope.api.invalid import SpecInvalid
from tightrope.api.quantity import parse_quantity
from tightrope.api.shapes import mapping, objects
from tightrope.domain.spec import Resources

_MOST = Decimal(2) ** 63


def pod_requests(spec: Mapping[str, Any], *, accelerator_resource: str, field: str) -> Resources:
    """CPU cores, bytes of memory and accelerators of a pod with this spec. `field` is where it stands, for errors.

    Also for live pods, whose requests a LimitRange may have set. Raises SpecInvalid for what is no quantity.
    """
    cpu, memory, accelerators = (
        _effective(spec, resource, field) for resource in ("cpu", "memory", accelerator_resource)
    )
    return Resources(cpu_cores=float(cpu), memory_bytes=float(memory), accelerators=int(accelerators))


def _effective(spec: Mapping[str, Any], resource: str, field: str) -> Decimal:
    """The pod's own figure if it has one. Else the larger of what runs together and what each init container needs
    while it runs: sidecars (init containers that always restart) started before it are still there. With overhead."""
    here = f"{field}.overhead"
    overhead = _quantity(mapping(spec.get("overhead"), here), resource, here) or Decimal(0)
    own = _request(spec, resource, field)
    if own is not None:
        return own + overhead
    sidecars = peak = Decimal(0)
    for index, container in enumerate(objects(spec.get("initContainers"), f"{field}.initContainers")):
        asked = _request(container, resource, f"{field}.initContainers[{index}]") or Decimal(0)
        peak = max(peak, sidecars + asked)
        if container.get("restartPolicy") == "Always":
            sidecars += asked
    together = sum(
        (
            _request(container, resource, f"{field}.containers[{index}]") or Decimal(0)
            for index, container in enumerate(objects(spec.get("containers"), f"{field}.containers"))
        ),
        start=sidecars,
    )
    return max(together, peak) + overhead


def _request(holder: Mapping[str, Any], resource: str, field: str) -> Decimal | None:
    """A request; where only a limit is written, the API server makes it the request."""
    resources = mapping(holder.get("resources"), f"{field}.resources")
    for part in ("requests", "limits"):
        here = f"{field}.resources.{part}"
        found = _quantity(mapping(resources.get(part), here), resource, here)
        if found is not None:
            return found
    return None


def _quantity(amounts: Mapping[str, Any], resource: str, field: str) -> Decimal | None:
    value = amounts.get(resource)
    if value is None:
        return None
    here = f"{field}[{resource}]"
    try:
        quantity = parse_quantity(value if isinstance(value, int) else str(value))
    except ValueError:
        raise SpecInvalid(here, value, "must be a quantity, such as 2, 500m or 4Gi") from None
    if not 0 <= quantity <= _MOST:
        raise SpecInvalid(here, value, "must be a quantity that is not negative, and that a node could have")
    return quantity
