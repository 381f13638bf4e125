"""One server of a language model by itself, for whoever asks what a single replica carries: `capacity`, benchmarks, and
checks against closed forms."""

import numpy as np

from tightrope.dataplane.llm_fleet import LlmFleet, LlmPod
from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.llm_outcomes import LlmOutcomes
from tightrope.dataplane.tokens import LlmRequests

_NAME = "server"


class LlmServer(LlmPod):
    """A fleet of one pod that is always ready. `now` is how far it has come, in seconds. Memory grows with what is
    inside and with the largest step, not with time."""

    def __init__(self, model: LlmModel) -> None:
        self._fleet = LlmFleet(seed=0)
        self._fleet.add(_NAME, model)
        self._fleet.set_ready([_NAME])
        super().__init__(self._fleet, self._fleet.servers[_NAME].number, model)
        self.now = 0.0

    def advance(self, requests: LlmRequests, until: float) -> LlmOutcomes:
        """Work until `until`, with these requests (ascending, after `now`, up to `until`): what ended on the way."""
        self.now = until
        return self._fleet.advance(requests, until).routed

    def lose(self) -> LlmOutcomes:
        """The pod goes away now, and all that is inside with it."""
        return self._fleet.remove(_NAME)


def compile_now() -> None:
    """Compile the event loop, or load what was compiled, before somebody waits for a first answer."""
    one = np.ones(1)
    LlmServer(LlmModel(step_base_seconds=1.0)).advance(
        LlmRequests(arrival=one, input_tokens=one, output_tokens=one), 2.0
    )
