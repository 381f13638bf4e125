"""What an emulated inference server exports, under the true metric names of the server it plays.

`PodCounters` is what the emulator keeps for one pod; one module per server turns it into the text that this server
would answer on `/metrics`. `dcgm` and `cadvisor` render what the node's exporters say of the same pods. The lab and
the tests serve these texts to a real Prometheus.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Finished requests by how long they took.

    `buckets` are (upper bound in seconds, requests at or under it), ascending, the last bound being +Inf; `sum` is
    the seconds of all of them together. Counts only ever grow, except at a restart of the server.
    """

    buckets: tuple[tuple[float, float], ...]
    sum: float

    @property
    def count(self) -> float:
        """Requests in all; 0 for a histogram without buckets."""
        return self.buckets[-1][1] if self.buckets else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PodCounters:
    """One emulated server since it started.

    Counters: `received` requests accepted for work, `finished` those answered well, `failed` those answered with an
    error, `cpu_seconds` the CPU time used. Gauges: `in_flight` requests received and not yet answered, `running`
    those being worked on and `queued` those waiting, so in_flight = running + queued. `latency` is of finished
    requests; `first_token` and `between_tokens` (a count for each gap) are None for a server that does not stream.
    `gpu_utilisation` is 0..1, None without a GPU.
    """

    namespace: str
    pod: str
    node: str
    model: str
    received: float
    finished: float
    failed: float
    in_flight: float
    queued: float
    running: float
    latency: Histogram
    cpu_seconds: float
    first_token: Histogram | None = None
    between_tokens: Histogram | None = None
    gpu_utilisation: float | None = None
