"""Which pods stand behind one Service, which of them are ready, and who takes the next request.

`fleet` and `llm_fleet` are rosters that also serve what comes. A pod has a number, its row in their arrays; the number
of one that is gone is given again.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tightrope.dataplane.kernels import Numbers, Records
from tightrope.dataplane.outcomes import Floats
from tightrope.dataplane.routing import Routing


class Numbered(Protocol):
    """A pod of a roster."""

    number: int


_Pod = TypeVar("_Pod", bound=Numbered)


class Roster(Generic[_Pod]):
    """Pods by name. Who takes a request is drawn from a stream of its own, in the order of arrivals: the same whatever
    the steps."""

    def __init__(self, *, seed: int, routing: Routing) -> None:
        self._routing = routing
        self._where = np.random.default_rng([seed, 0])
        self._servers: dict[str, _Pod] = {}
        self._names: dict[int, str] = {}
        self._unused: list[int] = []
        self._ready: tuple[str, ...] = ()
        self._weights: dict[str, float] = {}
        self._edges: Floats = np.empty(0)

    @property
    def servers(self) -> Mapping[str, _Pod]:
        return self._servers

    @property
    def ready(self) -> tuple[str, ...]:
        """The pods among which arrivals are split."""
        return self._ready

    def set_ready(self, pods: Collection[str], weights: Mapping[str, float] | None = None) -> None:
        """Exactly these pods get requests from now on; all others drain. `weights` count with weighted routing.
        Raises KeyError for a pod that isn't there or has no weight, ValueError for a weight that is none."""
        for pod in pods:
            self._servers[pod]
        if weights is None or self._routing is not Routing.WEIGHTED:
            weights = dict.fromkeys(pods, 1.0)
        self._weights = {pod: checked(pod, weights[pod]) for pod in sorted(pods)}
        self._ready = tuple(self._weights)
        shares = np.cumsum(list(self._weights.values()))
        self._edges = shares / shares[-1] if len(shares) else shares

    def _enter(self, name: str, pod: _Pod) -> None:
        self._servers[name], self._names[pod.number] = pod, name

    def _leave(self, name: str) -> _Pod:
        """The pod is gone; its number is free."""
        self.set_ready([other for other in self._ready if other != name], self._weights)
        pod = self._servers.pop(name)
        del self._names[pod.number]
        self._unused.append(pod.number)
        return pod

    def _places(self, count: int) -> Floats:
        """For each of so many requests, which ready pod takes it, or, least-loaded, the chance that decides among
        equals."""
        chances = self._where.random(count)
        if self._routing is Routing.EVEN:
            return chances * len(self._ready)
        if self._routing is Routing.WEIGHTED and self._ready:
            places = np.searchsorted(self._edges, chances, side="right")
            return np.minimum(places, len(self._ready) - 1).astype(np.float64)
        return chances

    def _numbers(self, pods: Iterable[str]) -> Numbers:
        return np.array([self._servers[name].number for name in pods], dtype=np.int64)


def checked(pod: str, weight: float) -> float:
    if not 0 < weight < math.inf:
        raise ValueError(f"the weight of pod {pod} is {weight:g}: write one above 0, or leave the pod out")
    return weight


def grown(array: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """The same in the corner of a larger array of zeros."""
    larger = np.zeros(shape, dtype=array.dtype)
    larger[tuple(slice(0, size) for size in array.shape)] = array
    return larger


def roomier(rings: Floats, pods: Records, places: int) -> Floats:
    """Rings (pods, places, columns) with so many places, each now begun at its first; `pods` has the heads."""
    order = (pods["head"][:, None] + np.arange(rings.shape[1])) % rings.shape[1]
    begun_at_the_first = rings[np.arange(len(pods))[:, None], order]
    pods["head"] = 0
    return grown(begun_at_the_first, (len(pods), places, rings.shape[2]))
