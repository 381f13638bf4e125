"""What the replicas of a scenario truly carry at its SLO.

`drive` asks for every variant, so that the checks and the fixed fleet rest on the server as it is built and not on the
capacity that a manifest states or that the operator has learned.
"""

from collections.abc import Iterable, Mapping

from tightrope.dataplane.capacity import capacity
from tightrope.dataplane.server_model import ServerModel


def of_variants(
    servers: Mapping[str, ServerModel], variants: Iterable[str], *, threshold_seconds: float, percent: float
) -> dict[str, float]:
    """Capacity per variant; `servers` may name one model for all others under "*"."""
    return {
        name: capacity(servers.get(name) or servers["*"], threshold_seconds=threshold_seconds, percent=percent)
        for name in variants
    }
