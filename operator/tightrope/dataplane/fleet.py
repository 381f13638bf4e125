"""The pods behind one Service. The lab and the replay tell it which pods exist and which are ready, and advance it.

Every request goes to a ready pod drawn uniformly at random, as kube-proxy does in its iptables and nftables modes
(kubernetes.io, Virtual IPs and Service Proxies): nobody looks at who is busy. A pod that is no longer ready drains: it
gets nothing new and finishes what it has.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from tightrope.dataplane.outcomes import NOTHING, Floats, Outcomes, Status, all_alike, together
from tightrope.dataplane.server_model import ServerModel
from tightrope.dataplane.servers import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What ended in one step: by pod (those where something did), and the requests that found no ready pod."""

    by_pod: Mapping[str, Outcomes] = field(default_factory=dict)
    unrouted: Outcomes = NOTHING

    def everything(self) -> Outcomes:
        return together([*self.by_pod.values(), self.unrouted])


class Fleet:
    """Pods by name. Changes of pods take effect where the last step ended; cut a step there to be exact."""

    def __init__(self, *, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._servers: dict[str, Server] = {}
        self._ready: tuple[str, ...] = ()

    @property
    def servers(self) -> Mapping[str, Server]:
        return self._servers

    @property
    def ready(self) -> tuple[str, ...]:
        """The pods among which arrivals are split."""
        return self._ready

    def add(self, pod: str, model: ServerModel, *, seed: int) -> None:
        """A pod that exists; it gets requests once it is ready."""
        self._servers[pod] = Server(model, seed=seed)

    def set_ready(self, pods: Collection[str]) -> None:
        """Exactly these pods get requests from now on; all others drain. Raises KeyError for a pod that isn't there."""
        for pod in pods:
            self._servers[pod]
        self._ready = tuple(sorted(pods))

    def remove(self, pod: str) -> Outcomes:
        """The pod is gone; what it still had inside is lost."""
        self._ready = tuple(name for name in self._ready if name != pod)
        return self._servers.pop(pod).lose()

    def advance(self, arrivals: Floats, until: float) -> Step:
        """All pods work until `until`, with these arrivals (ascending, since the last step, up to `until`)."""
        if not self._ready:
            shares: dict[str, Floats] = {}
            unrouted = all_alike(Status.UNROUTED, arrival=arrivals) if len(arrivals) else NOTHING
        else:
            shares, unrouted = self._split(arrivals), NOTHING
        by_pod = {}
        for pod, server in self._servers.items():
            share = shares.get(pod)
            if share is None and server.idle:
                continue
            ended = server.advance(arrivals[:0] if share is None else share, until)
            if len(ended):
                by_pod[pod] = ended
        return Step(by_pod=by_pod, unrouted=unrouted)

    def _split(self, arrivals: Floats) -> dict[str, Floats]:
        """Each arrival to a ready pod at random; pods that got none are left out."""
        count = len(self._ready)
        if not len(arrivals):
            return {}
        chosen = (self._random.random(len(arrivals)) * count).astype(np.intp)
        if count == 1:
            return {self._ready[0]: arrivals}
        ordered = arrivals[np.argsort(chosen, kind="stable")]
        ends = np.cumsum(np.bincount(chosen, minlength=count)).tolist()
        starts = [0, *ends[:-1]]
        return {
            pod: ordered[start:end] for pod, start, end in zip(self._ready, starts, ends, strict=True) if end > start
        }
