"""What a replay takes for granted beyond the specs: servers, start-up, billing, scraping. The output says it aloud."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.routing import Routing
from tightrope.dataplane.server_model import ServerModel
from tightrope.dataplane.tokens import Lengths
from tightrope.replay.events import NO_EVENTS, Events
from tightrope.replay.llm_words import lengths_in_words, server_in_words

ROUTED: Mapping[Routing, str] = {
    Routing.EVEN: "each request goes to a ready replica at random, as behind a plain Service",
    Routing.WEIGHTED: "each request goes to a ready replica at random, by what its server can finish a second",
    Routing.LEAST_LOADED: "each request goes to the ready replica with the fewest requests inside",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """One set for all policies of a comparison. Seconds unless the name says otherwise.

    `servers` is how one replica of each variant works, all of them with tokens or none; with tokens, `lengths` says how
    many a request has. `measured` is what one was found to carry within the SLO, in requests per second, for those
    whose server is described and not made to fit a stated capacity. A new replica is ready after a lognormal time
    around its pool's timeToReady with coefficient of variation `startup_cv` (0: exactly), whether its node is new or
    not. A node is billed from the request for it until its last replica is gone, for `billing_minimum` at the least, in
    whole steps of `billing_step`. `events` befall the pools; `routing` shares out the requests. A replica that is
    stopped takes nothing new and goes when it has finished what it has, or after `drain_seconds`. A scrape is visible
    `scrape_delay_seconds` after it was taken. The first `warmup_seconds` are played, and learned from, and not scored.
    """

    servers: Mapping[str, ServerModel | LlmModel]
    lengths: Lengths | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    startup_cv: float = 0.1
    billing_minimum: float = 60.0
    billing_step: float = 1.0
    drain_seconds: float = 30.0
    scrape_seconds: float = 15.0
    scrape_delay_seconds: float = 1.0
    rate_window_seconds: float = 60.0
    events: Events = NO_EVENTS
    routing: Routing = Routing.EVEN
    warmup_seconds: float = 0.0

    def sentences(self) -> list[str]:
        """Each assumption in plain words, for whoever reads the result."""
        servers = [f"a replica of {name} {_works(model)}{self._capacity(name)}" for name, model in self.servers.items()]
        lengths = [] if self.lengths is None else [lengths_in_words(self.lengths)]
        warmup = [f"the first {self.warmup_seconds / 3600.0:g} hours are played and not scored"]
        return [
            *servers,
            *lengths,
            ROUTED[self.routing],
            f"a new replica is ready after its pool's timeToReady, give or take {self.startup_cv:.0%}",
            f"nodes are billed from request to release, for {self.billing_minimum:g} s at the least, in whole steps of "
            f"{self.billing_step:g} s",
            f"a replica that is stopped has {self.drain_seconds:g} s to finish what it has",
            f"metrics are scraped every {self.scrape_seconds:g} s and seen {self.scrape_delay_seconds:g} s later",
            *self.events.sentences(),
            *(warmup if self.warmup_seconds else []),
        ]

    @property
    def with_tokens(self) -> bool:
        """Whether the servers are those of language models."""
        return any(isinstance(model, LlmModel) for model in self.servers.values())

    def saturation(self, name: str) -> float:
        """Requests per second that one replica of this variant can finish at most."""
        model = self.servers[name]
        if isinstance(model, LlmModel):
            assert self.lengths is not None
            return model.saturation(self.lengths.averages())
        return model.saturation

    def billed_seconds(self, seconds: float) -> float:
        """How long is billed for a node that was there for so long."""
        # A step that is over by less than a microsecond is a rounding error of the clock.
        steps = math.ceil(max(seconds, self.billing_minimum) / self.billing_step - 1e-6)
        return steps * self.billing_step

    def _capacity(self, name: str) -> str:
        rate = self.measured.get(name)
        if rate is None:
            return ": made to fit the capacity that the spec states"
        return f": measured by driving it, it carries {rate:.4g} Poisson requests per second within the SLO"


def _works(model: ServerModel | LlmModel) -> str:
    if isinstance(model, LlmModel):
        return server_in_words(model)
    return (
        f"answers one request in {model.batch_seconds(1) * 1000:.1f} ms on average ({model.distribution.value}), "
        f"{model.slots} at a time, in batches of up to {model.batch_limit}"
    )
