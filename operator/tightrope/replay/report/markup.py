"""Elements of a page whose text is always escaped: names of services, demands and policies are other people's words.

Every part of the report builds its HTML and SVG here, and nothing else writes a tag.
"""

import html
from collections.abc import Mapping

VOID = frozenset({"meta", "line", "path", "rect", "circle"})

Value = str | int | float | None


class Markup(str):
    """Text that is markup already and must not be escaped again."""

    __slots__ = ()


def element(name: str, attributes: Mapping[str, Value] | None = None, /, *children: str) -> Markup:
    """One element. Attributes that are None are left out; children that are not Markup are escaped. The result is
    well-formed XML as well as HTML."""
    given = "".join(
        f' {key}="{html.escape(shortest(value))}"' for key, value in (attributes or {}).items() if value is not None
    )
    inner = joined(*children)
    return Markup(f"<{name}{given}/>" if name in VOID and not inner else f"<{name}{given}>{inner}</{name}>")


def joined(*children: str) -> Markup:
    """Children next to each other, each escaped unless it is Markup."""
    return Markup("".join(one if isinstance(one, Markup) else html.escape(one, quote=False) for one in children))


def shortest(value: str | int | float) -> str:
    """Coordinates to two decimals, without trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
