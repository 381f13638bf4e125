"""The one error of this room: an object that cannot be acted on, with the sentence its owner will read."""

from typing import Any

_SHOWN = 60


class SpecInvalid(Exception):
    """A field holds what Tightrope cannot act on. `remedy` says what to write instead; the service is left as it is.

    `field` is the path in the object (`spec.slo.window`), `value` what stands there (None when it is missing).
    """

    def __init__(self, field: str, value: Any, remedy: str) -> None:
        self.field = field
        self.value = value
        self.remedy = remedy
        super().__init__(f"{field}: {_shown(value)}{remedy}")


def _shown(value: Any) -> str:
    """The value as a newcomer would recognise it: scalars only, cut short; an object or list is named by its field."""
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number beyond all bounds "
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return f"{text if len(text) <= _SHOWN else text[:_SHOWN] + '…'} "
