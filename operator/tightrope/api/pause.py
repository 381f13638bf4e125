"""Pausing a service without touching its spec: the annotation `tightrope.dev/paused`, in the on-call's hand.

`parse` reads it for the decision; `tightrope pause` and `resume` write it, `explain` and `top` show it. The
operator can be told to pause all services alike; the stricter of the two holds.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from tightrope.api.invalid import SpecInvalid

PAUSED: Final = "tightrope.dev/paused"


class Pause(StrEnum):
    """What is paused: every change, as with `mode: Paused`, or descents only."""

    ALL = "all"
    DESCENTS = "descents"


def stricter(one: Pause | None, other: Pause | None) -> Pause | None:
    """What two pauses stop together: everything, descents, or nothing."""
    return next((pause for pause in Pause if pause in (one, other)), None)


def pause_of(annotations: Any) -> Pause | None:
    """What the annotations pause; None for nothing. Raises SpecInvalid for another word: whoever wrote it meant to
    pause something, and as long as it stands nothing is changed."""
    value = annotations.get(PAUSED) if isinstance(annotations, Mapping) else None
    if value is None:
        return None
    if value not in list(Pause):
        field = f"metadata.annotations[{PAUSED}]"
        raise SpecInvalid(field, value, "must be all or descents, or be removed to resume")
    return Pause(value)
