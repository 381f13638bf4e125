"""One HPA a variant that carries out how many replicas an autoscaler wishes, as WVA leaves it to them.

`wva_v2` and `wva_slo` use it. Each HPA stabilises and limits the wish of its own variant, and a variant may go to none.
"""

from collections.abc import Mapping, Sequence

from tightrope.replay.policies.hpa_behavior import Behavior
from tightrope.replay.seat import VariantProfile


class VariantHpas:
    """The memories of all of them."""

    def __init__(self, profiles: Sequence[VariantProfile]) -> None:
        self._hpas = {profile.name: Behavior(minimum=0, maximum=profile.max_replicas) for profile in profiles}

    def carried_out(self, now: float, replicas: Mapping[str, int], wished: Mapping[str, int]) -> dict[str, int]:
        """Replicas to ask for now (seconds), from those there are and those wished."""
        found = {}
        for name, hpa in self._hpas.items():
            jump = hpa.gate(now, replicas[name])
            found[name] = hpa.settle(now, replicas[name], wished[name]) if jump is None else jump
        return found
