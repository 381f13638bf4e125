"""How WVA turns a lack or a surplus of capacity into replicas of several variants: cheapest in, dearest out.

Source: llm-d/llm-d-autoscaling (WVA before), internal/engines/pipeline/cost_aware_optimizer.go, unlimited mode, before
its later floor on the service rate. `wva_v2` and `wva_slo` use it; the capacity's unit is theirs. What is lacking goes
to the variant with the least price per capacity, up to its maximum, then to the next. What is spare is taken in whole
replicas from the highest price down; the cheapest variant keeps one replica once no dearer one has any. A variant
without capacity is left alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One variant: what a replica costs an hour and holds, how many there are, and within which bounds."""

    name: str
    price: float
    capacity: float
    count: int
    least: int = 0
    most: int | None = None


def chosen(offers: Sequence[Offer], *, required: float, spare: float, room: int | None = None) -> Mapping[str, int]:
    """Replicas of each variant; `required` goes before `spare`, and `room` is how many more all may have together."""
    return grown(offers, required, room=room) if required > ROUNDING else shrunk(offers, spare)


def grown(offers: Sequence[Offer], required: float, *, room: int | None = None) -> dict[str, int]:
    """Add what is required, cheapest per capacity first."""
    counts = {offer.name: offer.count for offer in offers}
    left = math.inf if room is None else room
    usable = [offer for offer in offers if offer.capacity > 0]
    for offer in sorted(usable, key=lambda o: (o.price / o.capacity, o.name)):
        headroom = math.inf if offer.most is None else offer.most - offer.count
        added = int(max(min(math.ceil(required / offer.capacity - ROUNDING), headroom, left), 0))
        counts[offer.name] += added
        left -= added
        required -= added * offer.capacity
        if required <= ROUNDING:
            break
    return counts


def shrunk(offers: Sequence[Offer], spare: float) -> dict[str, int]:
    """Take away what is spare, highest price first."""
    counts = {offer.name: offer.count for offer in offers}
    order = sorted(offers, key=lambda o: (-o.price, o.capacity, o.name))
    for place, offer in enumerate(order):
        if offer.capacity <= 0:
            continue
        gone = min(math.floor(max(spare, 0.0) / offer.capacity + ROUNDING), offer.count - offer.least)
        alone = place == len(order) - 1 and not any(counts[dearer.name] for dearer in order[:place])
        if alone:
            gone = min(gone, offer.count - 1)
        if gone > 0:
            counts[offer.name] -= gone
            spare -= gone * offer.capacity
    return counts
