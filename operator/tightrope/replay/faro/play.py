"""One policy on the fixed cluster from the first request to the last; `__main__` calls it for each row of its table."""

from collections.abc import Sequence
from dataclasses import dataclass

from tightrope.replay.faro.cluster import Cluster
from tightrope.replay.faro.job import attainment
from tightrope.replay.faro.load import Load, arrivals
from tightrope.replay.faro.rules import Policy
from tightrope.replay.faro.world import World

LONGEST_QUEUE_SECONDS = 60.0  # after the last minute, for what still waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What became of the requests: attainment in percent of all, and by job; dropped ones; CPUs held on average."""

    attainment: float
    by_job: Sequence[float]
    requests: int
    dropped: int
    mean_replicas: float


def play(
    load: Load,
    policy: Policy,
    *,
    cpus: int,
    replicas: int = 1,
    period: float = 10.0,
    world: World | None = None,
    seed: int = 42,
) -> Course:
    """The course of a policy that has its turn every `period` seconds; each job begins with `replicas`."""
    cluster = Cluster(
        arrivals(load, seed=seed), world or World(), cpus=cpus, replicas=[replicas] * len(load.names), seed=seed
    )
    turns, held = 0, 0.0
    while (now := (turns + 1) * period) <= load.seconds:
        cluster.advance(now)
        held += sum(job.ready for job in cluster.jobs)
        cluster.take(policy.orders(cluster))
        turns += 1
    cluster.advance(load.seconds + LONGEST_QUEUE_SECONDS)
    return Course(
        attainment=attainment(cluster.jobs),
        by_job=[attainment([job]) for job in cluster.jobs],
        requests=sum(job.requests for job in cluster.jobs),
        dropped=sum(job.dropped for job in cluster.jobs),
        mean_replicas=held / turns if turns else float(replicas * len(load.names)),
    )
