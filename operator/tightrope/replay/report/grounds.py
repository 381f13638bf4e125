"""Why the page may be believed, and what it rests on: recorded, stated in the user's files, or assumed.

`page` shows the reasons at the top and the three lists at the end.
"""

from collections.abc import Iterator, Sequence

from tightrope.replay.goals import in_words
from tightrope.replay.report.axes import TimeAxis
from tightrope.replay.report.standing import Standing
from tightrope.replay.report.words import amount, length, milliseconds
from tightrope.replay.run import Case


def reasons(case: Case, standing: Standing) -> Iterator[str]:
    """Why the comparison is fair, and where it speaks against us."""
    count = len(standing.peers) + 1
    requests = standing.ours.score.requests
    yield (
        f"All {count} policies met the same {requests:,} requests, one by one, and the same prices, start-up times "
        f"and delays of metrics; none sees more than it would see in a cluster, unless the table says that it knows "
        f"the future."
        if count > 1
        else f"All {requests:,} requests were played one by one, with the prices and start-up times listed below."
    )
    yield (
        "Tightrope's course is the work of the operator's own decision code with its defaults; it saw each request "
        "only after it had come."
    )
    if any(peer.tuned for peer in standing.peers):
        yield "Tuned in hindsight: with the settings that turned out best for this very demand. Ours are the defaults."
    yield _against_us(standing)
    if case.demand.gaps:
        unknown = sum(end - start for start, end in case.demand.gaps)
        yield f"{length(unknown)} of the demand is unknown: not zero, but neither played nor scored nor billed."
    yield "It is a calculation, not a measurement: it is as good as what it rests on, listed at the end of the page."


def _against_us(standing: Standing) -> str:
    if not standing.peers:
        return "No other policy was played beside it, so nothing here says that Tightrope is the best choice."
    if not standing.ours.score.met:
        better = [peer for peer in standing.peers if peer.score.met]
        names = ", ".join(peer.name for peer in better)
        return f"These met the objective where Tightrope missed it: {names}." if better else "Nobody met the objective."
    if not standing.cheaper:
        return "No other policy here met the objective for less."
    ours = standing.ours.score.cost
    named = ", ".join(f"{peer.name} ({1 - peer.score.cost / ours:.0%} less)" for peer in standing.cheaper)
    return f"Where we lose: these met the objective for less than Tightrope: {named}."


def recorded(case: Case, axis: TimeAxis) -> Iterator[str]:
    """What somebody measured or what was made up in its place: the demand."""
    demand = case.demand
    yield f"Demand {demand.name}: {demand.source}"
    if demand.start_unix is not None:
        yield f"from {axis.day(0.0)} to {axis.day(demand.duration_seconds)}"
    yield from demand.notes


def stated(case: Case) -> Iterator[str]:
    """What the user's own files say: the SLO, prices, start-up times and capacities."""
    service = case.service
    objective = service.objective
    within = milliseconds(objective.threshold_seconds)
    yield (
        f"The SLO of {service.key}: {objective.percent:g}% of requests {in_words(objective, within)}, with "
        f"{service.min_replicas} to {service.max_replicas} replicas"
    )
    for profile in case.profiles():
        pool = case.pools[profile.pool]
        node, replica = (amount(p, pool.currency) for p in (pool.price_per_node_hour, profile.price_per_hour))
        yield (
            f"{profile.name} runs in pool {pool.name}, of at most {pool.max_nodes} nodes: {node} per node and hour "
            f"({replica} for the share of one replica), a new replica ready after {length(pool.time_to_ready_seconds)}"
        )
        prior = service.variant(profile.name).capacity
        if prior is not None and profile.name not in case.assumptions.measured:
            yield (
                f"one replica of {profile.name} carries {prior.rate_per_second:g} requests per second within "
                f"{milliseconds(prior.at_seconds)}"
            )


def assumed(case: Case, more: Sequence[str]) -> Iterator[str]:
    """What nobody measured or stated."""
    yield from case.assumptions.sentences()
    yield from more
    yield f"what is random is drawn with seed {case.seed}: the same command gives the same page"
