"""A worse variant for as long as a better one starts, where `quality.bridgeMin` allows that.

The first of the rails. Plans know only variants of `quality.min` and more. A worse one that starts sooner may carry
what would else go unserved meanwhile; it goes as soon as the plan is ready, and where nothing better starts it never
comes.
"""

from dataclasses import replace

from tightrope.domain.allocate import NO_LIMIT, carried, larger, replicas_for
from tightrope.domain.plan import Reason
from tightrope.domain.propose import Proposal, cost_of
from tightrope.domain.situation import Situation


def quality_bridge(situation: Situation, proposal: Proposal) -> Proposal:
    """Replicas of one worse variant beside a plan that is not ready. Those that were begun stay until it is: they would
    come and go with every breath of demand."""
    incoming = sorted(name for name, count in proposal.plan.items() if situation.ready[name] < count)
    service = situation.service
    if not incoming or not service.bridges:
        return proposal
    targets = larger(proposal.targets, {name: situation.wanted[name] for name in service.bridges})
    latest = max(situation.time_to_ready[name] for name in incoming)
    for name in sorted(service.bridges, key=lambda name: (situation.time_to_ready[name], name)):
        if situation.time_to_ready[name] < latest and (count := replicas_to_bridge(situation, targets, name)):
            targets[name] = count
            break
    if not any(targets[name] for name in service.bridges):
        return proposal
    worse = ", ".join(
        f"{name}:{targets[name]} of quality {service.variant(name).quality:g}"
        for name in sorted(service.bridges)
        if targets[name]
    )
    message = f"{worse} until {', '.join(incoming)} is ready. {proposal.message}"
    return replace(proposal, targets=targets, reason=Reason.QUALITY_BRIDGE, message=message)


def replicas_to_bridge(situation: Situation, targets: dict[str, int], name: str) -> int:
    """More replicas of this variant than now, with which all that will then be ready carries what must be; 0 where that
    is not needed, not to be had, or would cost more than the budget.

    Behind an even split a slower pod takes from a faster one what it cannot carry itself: where better ones serve
    already, only a pod that carries as much as theirs helps.
    """
    capacity, service = situation.capacities.get(name), situation.service
    serving = {other: count for other, count in situation.ready.items() if count > 0 and other != name}
    if capacity is None or any(situation.capacities.get(other, capacity) > capacity for other in serving):
        return 0
    demand, running = situation.covered[name], situation.wanted[name]
    if carried({**serving, name: running}, situation.capacities) >= demand:
        return 0
    slowest = min([capacity, *(situation.capacities.get(other, capacity) for other in serving)])
    needed = replicas_for(demand, slowest) - sum(serving.values())
    counts = larger(situation.wanted, targets) | {name: needed}
    room = min(situation.limits[name], service.max_replicas - (sum(counts.values()) - needed))
    budget = NO_LIMIT if service.budget_per_hour is None else service.budget_per_hour
    fits = running < needed <= room and cost_of(situation, counts) <= budget
    return needed if fits else 0
