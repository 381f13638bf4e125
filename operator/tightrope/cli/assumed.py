"""What the options of `replay` and `compare` say beyond the specs: servers, events, billing, start-up, scraping."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tightrope.dataplane.capacity import capacity, llm_capacity
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.routing import Routing
from tightrope.dataplane.server_model import ServerModel
from tightrope.dataplane.tokens import Lengths
from tightrope.domain.spec import Pools, Service
from tightrope.replay.assumptions import Assumptions
from tightrope.replay.demand import Demand
from tightrope.replay.events import NO_EVENTS
from tightrope.replay.goals import goals_of
from tightrope.replay.inputs.events import read_events
from tightrope.replay.inputs.lengths import length
from tightrope.replay.inputs.servers import Described, read_servers
from tightrope.replay.inputs.tokens import option_tokens
from tightrope.replay.profiles import ReplayError, server_of
from tightrope.replay.token_choice import lengths_of

_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """The options as they were written."""

    servers: Path | None = None
    tokens: str | None = None
    events: Path | None = None
    billing_minimum: str = "60s"
    billing_step: str = "1s"
    startup_cv: float = 0.1
    drain: str = "30s"
    scrape: str = "15s"
    routing: str = "even"
    warmup: str = "0s"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Assumed":
        """Of all options of a command, those that belong here."""
        return cls(**{one.name: options[one.name] for one in fields(cls)})

    def assumptions(self, service: Service, pools: Pools, demand: Demand) -> Assumptions:
        """What is taken for granted in this case; capacities of described servers are measured here. Raises
        ReplayError."""
        if not (math.isfinite(self.startup_cv) and 0 <= self.startup_cv <= 2):
            raise ReplayError(f"--startup-cv is {self.startup_cv:g}: write 0 for exactly, 0.1 for 10 %, up to 2")
        if self.routing not in list(Routing):
            raise ReplayError(f"--routing is {self.routing!r}: write {', '.join(Routing)}")
        names = [variant.name for variant in service.variants]
        described = Described() if self.servers is None else read_servers(self.servers, variants=names)
        lengths = self._lengths(service, described, demand)
        return Assumptions(
            servers={v.name: described.servers.get(v.name) or server_of(service, v) for v in service.variants},
            lengths=lengths,
            measured={name: _measured(model, lengths, service) for name, model in described.servers.items()},
            startup_cv=self.startup_cv,
            billing_minimum=_length("--billing-minimum", self.billing_minimum, least=0.0),
            billing_step=_length("--billing-step", self.billing_step, least=1.0),
            drain_seconds=_length("--drain", self.drain, least=0.0),
            scrape_seconds=_length("--scrape", self.scrape, least=1.0, most=300.0),
            routing=Routing(self.routing),
            warmup_seconds=self._warmup(demand),
            events=NO_EVENTS
            if self.events is None
            else read_events(self.events, pools=pools, start_unix=demand.start_unix),
        )

    def _warmup(self, demand: Demand) -> float:
        """Less than the demand is long. Raises ReplayError."""
        found = _length("--warmup", self.warmup, least=0.0, most=365 * _DAY)
        if found and found >= demand.duration_seconds:
            raise ReplayError(
                f"--warmup is {self.warmup!r}, and {demand.name} is {demand.duration_seconds / 3600.0:.4g} hours long: "
                "write less, so that something is left to score"
            )
        return found

    def _lengths(self, service: Service, described: Described, demand: Demand) -> Lengths | None:
        """Of the requests, where the servers are those of language models. Raises ReplayError."""
        given = described.tokens if self.tokens is None else option_tokens(self.tokens)
        with_tokens = [name for name, model in described.servers.items() if isinstance(model, LlmModel)]
        if not with_tokens:
            if given is not None:
                raise ReplayError("no server needs to know lengths: describe one with kind: llm, or leave tokens out")
            return None
        for variant in service.variants:
            if variant.name not in with_tokens:
                raise ReplayError(
                    f"{self.servers}: {with_tokens[0]} serves a language model, and variant {variant.name} is not "
                    "described as such: describe it with kind: llm too, or take it out of the spec"
                )
        return lengths_of(demand.tokens, given)


def _measured(model: ServerModel | LlmModel, lengths: Lengths | None, service: Service) -> float:
    seconds, percent = service.objective.threshold_seconds, service.objective.percent
    if isinstance(model, ServerModel):
        return capacity(model, threshold_seconds=seconds, percent=percent)
    assert lengths is not None
    return llm_capacity(model, lengths, goal=goals_of(service)[service.objective.metric], percent=percent)


def _length(option: str, text: str, *, least: float, most: float = _DAY) -> float:
    found = length(text)
    if found is None or not least <= found <= most:
        raise ReplayError(f"{option} is {text!r}: write a length of time from {least:g}s to {most:g}s, such as 60s")
    return found
