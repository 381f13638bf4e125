"""What nodes cost now: the prices that pools ask Prometheus for, and the last known ones while it has none.

`tick` calls `read` with its other queries and `priced` before the decision. A price that is missing is never zero and
never guessed: the last one that was read counts, before the first one the declared one, and the pool's condition
PriceCurrent says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tightrope.api.conditions import Finding
from tightrope.api.figures import time_text
from tightrope.api.parsed import ParsedPool, PriceQuery, Quote
from tightrope.api.poolprice import price_status, stored_quote
from tightrope.ports import Prices, PriceSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """The pools at the prices that plans count with. `statuses` are the prices that were read, as a status has them,
    and `findings` what there is to say of them, both of the pools that ask for theirs; `read_at` is when the price that
    counts was last read, in unix seconds, absent while the declared one counts."""

    pools: Mapping[str, ParsedPool] = field(default_factory=dict)
    statuses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    findings: Mapping[str, Finding] = field(default_factory=dict)
    read_at: Mapping[str, float] = field(default_factory=dict)


class PriceBook:
    """Reads prices, and keeps the last one of each pool between ticks; across restarts its status keeps it."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._known: dict[str, tuple[PriceQuery, str, Quote]] = {}

    async def read(self, pools: Mapping[str, ParsedPool]) -> PriceSnapshot:
        """What the sources in use say now; nothing is asked while no pool wants to know."""
        sources = sorted({parsed.price_query.source for parsed in pools.values() if parsed.price_query})
        return await self._prices.prices(sources) if sources else PriceSnapshot()

    def priced(self, pools: Mapping[str, ParsedPool], seen: PriceSnapshot, *, now: float) -> Priced:
        """All pools, at the price read now, else at the last one, else at the declared one."""
        asking = {name: query for name, parsed in pools.items() if (query := parsed.price_query) is not None}
        uids = {pools[name].uid for name in asking}
        self._known = {uid: entry for uid, entry in self._known.items() if uid in uids}
        statuses: dict[str, Mapping[str, Any]] = {}
        findings: dict[str, Finding] = {}
        read_at: dict[str, float] = {}
        found = dict(pools)
        for name, query in asking.items():
            quote = self._quote(pools[name], query, seen, now)
            findings[name] = finding(query, quote, seen)
            if quote is not None:
                statuses[name] = price_status(pools[name], quote)
                read_at[name] = now if quote.last_read_at is None else quote.last_read_at
                found[name] = replace(pools[name], pool=replace(pools[name].pool, price_per_node_hour=quote.per_hour))
        return Priced(pools=found, statuses=statuses, findings=findings, read_at=read_at)

    def _quote(self, parsed: ParsedPool, query: PriceQuery, seen: PriceSnapshot, now: float) -> Quote | None:
        before, price = self._before(parsed, query, now), price_of(query, seen)
        if price is None:
            last = replace(before, last_read_at=before.last_read_at or now) if before else None
        elif before is not None and before.per_hour == price:
            last = replace(before, last_read_at=None)
        else:
            last = Quote(per_hour=price, since=now)
        if last is not None:
            self._known[parsed.uid] = (query, parsed.pool.currency, last)
        return last

    def _before(self, parsed: ParsedPool, query: PriceQuery, now: float) -> Quote | None:
        """The last quote, if it is of the same kind of node in the same currency."""
        known = self._known.get(parsed.uid)
        if known is None:
            return stored_quote(parsed, now=now)
        return known[2] if known[:2] == (query, parsed.pool.currency) else None


def price_of(query: PriceQuery, seen: PriceSnapshot) -> float | None:
    """The price that is asked for; of several zones that the nodes may be in, that of the dearest."""
    fitting = (
        offer.per_hour
        for offer in seen.offers.get(query.source, ())
        if (offer.instance_type, offer.capacity_type) == (query.instance_type, query.capacity_type)
        and (query.zone is None or offer.zone in (None, query.zone))
    )
    return max(fitting, default=None)


def finding(query: PriceQuery, quote: Quote | None, seen: PriceSnapshot) -> Finding:
    """PriceCurrent: whether the price was read just now, and which one counts otherwise."""
    if quote is not None and quote.last_read_at is None:
        return Finding(type="PriceCurrent", status="True", reason="PriceRead", message=f"the price is read ({query})")
    why = seen.failures.get(query.source) or f"Prometheus has no price above zero for {query}"
    instead = (
        "price.perNodeHour counts, since none was read yet"
        if quote is None or quote.last_read_at is None
        else f"the last one counts, read at {time_text(quote.last_read_at)}"
    )
    return Finding(type="PriceCurrent", status="False", reason="PriceMissing", message=f"{why}: {instead}")
