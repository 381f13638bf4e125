"""What a replay takes for granted beyond the specs: servers, start-up, billing, scraping. The output says it aloud."""

from collections.abc import Mapping
from dataclasses import dataclass

from tightrope.dataplane.server_model import ServerModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """One set for all policies of a comparison. Seconds unless the name says otherwise.

    `servers` is how one replica of each variant works. A new replica is ready after a lognormal time around its pool's
    timeToReady with coefficient of variation `startup_cv` (0: exactly), whether its node is new or not. A node is
    billed from the request for it until its last replica is gone, and for `billing_minimum` at the least. A replica
    that is stopped takes nothing new and goes when it has finished what it has, or after `drain_seconds`. A scrape is
    visible `scrape_delay_seconds` after it was taken.
    """

    servers: Mapping[str, ServerModel]
    startup_cv: float = 0.1
    billing_minimum: float = 60.0
    drain_seconds: float = 30.0
    scrape_seconds: float = 15.0
    scrape_delay_seconds: float = 1.0
    rate_window_seconds: float = 60.0

    def sentences(self) -> list[str]:
        """Each assumption in plain words, for whoever reads the result."""
        servers = [
            f"a replica of {name} answers one request in {model.batch_seconds(1) * 1000:.1f} ms on average "
            f"({model.distribution.value}), {model.slots} at a time, in batches of up to {model.batch_limit}"
            for name, model in self.servers.items()
        ]
        return [
            *servers,
            f"a new replica is ready after its pool's timeToReady, give or take {self.startup_cv:.0%}",
            f"nodes are billed from request to release, for {self.billing_minimum:g} s at the least",
            f"metrics are scraped every {self.scrape_seconds:g} s and seen {self.scrape_delay_seconds:g} s later",
        ]
