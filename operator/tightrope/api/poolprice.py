"""The price that was read of a pool, as its status keeps it: written for people, and read back after a restart.

`controller.prices` calls this. A status can be old or forged: whatever is not a plausible price of just this kind of
node, in this currency, is forgotten, and the declared price counts until one is read again.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tightrope.api.computepool import PoolPrice
from tightrope.api.figures import parse_number, parse_time, significant, time_text
from tightrope.api.parsed import ParsedPool, Quote

_DIGITS = 6
_MOST = 1e6


def price_status(parsed: ParsedPool, quote: Quote) -> dict[str, Any]:
    """The wire form of the quote."""
    price = PoolPrice(
        per_node_hour=price_text(quote.per_hour),
        currency=parsed.pool.currency,
        source=str(parsed.price_query),
        since=time_text(quote.since),
        last_read=None if quote.last_read_at is None else time_text(quote.last_read_at),
    )
    return price.model_dump(by_alias=True, exclude_none=True)


def price_text(per_hour: float) -> str:
    """The price to six digits, without zeros at the end: `0.05`, `98.32`."""
    text = significant(per_hour, _DIGITS)
    return text.rstrip("0").rstrip(".") if "." in text else text


def stored_quote(parsed: ParsedPool, *, now: float) -> Quote | None:
    """The quote that the status kept for what the pool asks for today; None if it kept none that can be believed.

    It was last read at its `lastRead`, or, by a process that died reading it, at some time since it was first read."""
    stored: Mapping[str, Any] | None = parsed.status.get("price")
    try:
        price = PoolPrice.model_validate(stored)
    except (ValidationError, RecursionError):
        return None
    if price.source != str(parsed.price_query) or price.currency != parsed.pool.currency:
        return None
    per_hour, since = parse_number(price.per_node_hour, 0.0, _MOST), parse_time(price.since)
    last_read = parse_time(price.last_read) or since
    if not per_hour or since is None or last_read is None or not since <= last_read <= now:
        return None
    return Quote(per_hour=per_hour, since=since, last_read_at=last_read)
