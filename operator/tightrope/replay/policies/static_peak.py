"""Static peak: what its busiest minute needs, all the time; the size that never falls short.

A bound rather than an autoscaler: it reads the rates to come, minute by minute, and asks for
ceil(factor * peak rate / capacity of one replica within the SLO). Minutes nobody recorded (NaN) do not count. Source:
the usual fixed sizings of the autoscaling literature. Knob: the factor, 1 by default.
"""

import math
from collections.abc import Mapping

import numpy as np

from tightrope.replay.seat import PolicyKind, Seat, Setting


class StaticPeak:
    """One number of replicas for the whole replay. With no minute recorded, it keeps what it was given."""

    def __init__(self, setting: Setting) -> None:
        variant = setting.variants[0]
        self._name = variant.name
        self._replicas: int | None = None
        if not np.isnan(setting.ahead).all():
            needed = setting.knobs["factor"] * float(np.nanmax(setting.ahead)) / variant.capacity
            # Rounded first: 1.1 * 100 / 10 is a hair over 11 in floating point and must not buy a twelfth.
            self._replicas = max(1, math.ceil(round(needed, 9)))

    def wanted(self, seat: Seat) -> Mapping[str, int]:
        return {} if self._replicas is None else {self._name: self._replicas}


KIND = PolicyKind(
    name="static-peak",
    title="Static peak",
    source="fixed size for the peak rate of the replay, known in hindsight",
    period_seconds=60.0,
    build=StaticPeak,
    defaults={"factor": 1.0},
    knobs={"factor": (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1, 1.25, 1.5)},
    memory_seconds=60.0,
)
