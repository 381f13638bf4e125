"""One server by itself, for whoever asks what a single replica carries: `capacity`, and checks against closed forms."""

import numpy as np

from tightrope.dataplane.fleet import Fleet, Pod
from tightrope.dataplane.outcomes import Floats, Outcomes
from tightrope.dataplane.server_model import ServerModel

_NAME = "server"


class Server(Pod):
    """A fleet of one pod that is always ready. `now` is how far it has come, in seconds."""

    def __init__(self, model: ServerModel, *, seed: int) -> None:
        self._fleet = Fleet(seed=seed)
        self._fleet.add(_NAME, model)
        self._fleet.set_ready([_NAME])
        super().__init__(self._fleet, self._fleet.servers[_NAME].number, model)
        self.now = 0.0

    def advance(self, arrivals: Floats, until: float) -> Outcomes:
        """Work until `until`, with these arrivals (ascending, after `now`, up to `until`): what ended on the way."""
        self.now = until
        return self._fleet.advance(arrivals, until).routed

    def lose(self) -> Outcomes:
        """The pod goes away now, and all that is inside with it."""
        return self._fleet.remove(_NAME)


def compile_now() -> None:
    """Compile the event loop (about five seconds), or load what was compiled (one), before somebody waits for an
    answer."""
    Server(ServerModel(base_seconds=1.0), seed=0).advance(np.array([0.0]), 1.0)
