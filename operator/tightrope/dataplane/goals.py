"""What a request is measured by, and the thresholds that it is held against. `tally` counts, a replay says which."""

from dataclasses import dataclass
from enum import IntEnum


class Quantity(IntEnum):
    """LATENCY: from arrival to the end of the whole answer. FIRST_TOKEN: from arrival to the first token (TTFT); a
    server that answers at once gives it with the rest. INTER_TOKEN: the mean between the tokens of one answer (ITL)."""

    LATENCY = 0
    FIRST_TOKEN = 1
    INTER_TOKEN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A quantity and the seconds that it must not exceed. Whatever was not answered misses every goal. An answer of one
    token, or of a server without tokens, has nothing between them: it does not count for INTER_TOKEN at all."""

    quantity: Quantity = Quantity.LATENCY
    threshold_seconds: float
