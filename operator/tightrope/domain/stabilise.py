"""The rails: what of a proposal may be done at this tick, as an ordered list of small functions.

Each rail takes the situation and a proposal and returns the proposal, lowered or raised, with its reason if it changed
anything. The order matters: what a user commanded (mode, min, max) wins over everything, so those rails come last;
not knowing comes before money.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from tightrope.domain import zero
from tightrope.domain.allocate import carried, replicas_for
from tightrope.domain.explain import mix_label
from tightrope.domain.observation import Known
from tightrope.domain.plan import Reason
from tightrope.domain.propose import Proposal, cost_of, reentry_passed
from tightrope.domain.quality import quality_bridge
from tightrope.domain.situation import Situation
from tightrope.domain.spec import Mode

MARGIN = 0.05  # of what is to be covered: counts of a steady demand scatter by less
BUSY = 0.95  # a CPU fleet is not shrunk into more utilisation than this

Rail = Callable[[Situation, Proposal], Proposal]


def bridge(situation: Situation, proposal: Proposal) -> Proposal:
    """While a switch's new variants are not ready, the old ones grow with the demand: they start faster than the
    wait is long, and without them a burst in mid-switch would have nobody."""
    incoming = {name: count for name, count in proposal.plan.items() if situation.ready[name] < count}
    bridges = situation.service.bridges  # these have a rail of their own
    outgoing = [n for n, wanted in situation.wanted.items() if wanted > 0 and n not in {*proposal.plan, *bridges}]
    if not incoming or not outgoing:
        return proposal
    targets = dict(proposal.targets)
    name = min(outgoing, key=lambda n: (situation.time_to_ready[n], n))
    capacity = situation.capacities.get(name)
    if capacity is None or situation.time_to_ready[name] >= max(situation.time_to_ready[n] for n in incoming):
        return proposal
    serving = sum(min(situation.ready[n], situation.wanted[n]) for n in situation.ready if n != name)
    needed = replicas_for(situation.covered[name], capacity) - serving
    # Replicas that a bridge has begun to start stay until the switch ends, or they would come and go every tick.
    targets[name] = max(situation.wanted[name], min(needed, situation.limits[name]))
    return replace(proposal, targets=targets)


def missing_data(situation: Situation, proposal: Proposal) -> Proposal:
    """Missing, stale or partial data removes the right to descend, and nothing else."""
    if situation.blind is None:
        return proposal
    previous = situation.previous_plan or {}
    plan = {**proposal.plan, **{name: max(proposal.plan.get(name, 0), count) for name, count in previous.items()}}
    kept = replace(proposal, plan=plan, cost_per_hour=cost_of(situation, plan))
    return no_descent(situation, kept, Reason.HOLD_MISSING_DATA, f"Hold: {situation.blind}.")


def re_entry(situation: Situation, proposal: Proposal) -> Proposal:
    """After data returns, or after a start, it must stay whole for a while before anything descends."""
    if situation.blind is not None or reentry_passed(situation):
        return proposal
    return no_descent(
        situation, proposal, Reason.HOLD_REENTRY, "Hold: data has not been whole for a descent window yet."
    )


def awaited_past(situation: Situation, proposal: Proposal) -> Proposal:
    """What one start knows is no reason to shrink what days have taught: it is worth minutes to read them first."""
    if not situation.observation.past_awaited or situation.memory.seeded is not None:
        return proposal
    return no_descent(situation, proposal, Reason.HOLD_HISTORY, f"Hold: {situation.observation.past_unknown}.")


def rollout(situation: Situation, proposal: Proposal) -> Proposal:
    """A rollout in flight has pods of its own coming and going: no descent until it ends."""
    rolling = sorted(name for name, state in situation.observation.variants.items() if state.rolling_out)
    if not rolling:
        return proposal
    return no_descent(
        situation, proposal, Reason.HOLD_ROLLOUT, f"Hold: a rollout of {', '.join(rolling)} is in flight."
    )


def paused_descents(situation: Situation, proposal: Proposal) -> Proposal:
    """Somebody has paused descents: replicas may be added, and none is taken away."""
    if not situation.service.descents_paused:
        return proposal
    return no_descent(situation, proposal, Reason.HOLD_DESCENTS_PAUSED, "Hold: descents are paused.")


def other_writer(situation: Situation, proposal: Proposal) -> Proposal:
    """A variant whose replicas somebody else sets is left alone: no fight. With mode Recommend nothing is set anyway,
    and what is asked for is what we would do in their place."""
    if situation.service.mode is Mode.RECOMMEND:
        return proposal
    targets = dict(proposal.targets)
    contested = []
    for name, state in situation.observation.variants.items():
        if state.other_writer is not None:
            contested.append(f"{name} by {state.other_writer}")
            targets[name] = situation.wanted[name]
    if not contested:
        return proposal
    message = f"Hold: replicas are set by another writer ({', '.join(sorted(contested))})."
    return replace(proposal, targets=targets, reason=Reason.HOLD_CONFLICT, message=message)


def utilisation_guard(situation: Situation, proposal: Proposal) -> Proposal:
    """A CPU fleet is not shrunk into saturation, whatever the capacity model believes."""
    targets, guarded = dict(proposal.targets), []
    for variant in situation.service.variants:
        state, target = situation.observation.variants[variant.name], targets.get(variant.name, 0)
        if situation.pools[variant.pool].node.accelerators or not isinstance(state.utilisation, Known) or target < 1:
            continue
        floor = min(math.ceil(state.ready * state.utilisation.value / BUSY), situation.wanted[variant.name])
        if target < floor:
            targets[variant.name] = floor
            guarded.append(variant.name)
    if not guarded:
        return proposal
    message = f"Hold: {', '.join(sorted(guarded))} would be busier than {BUSY:.0%} with fewer replicas."
    return replace(proposal, targets=targets, reason=Reason.UTILISATION_HIGH, message=message)


def descent_window(situation: Situation, proposal: Proposal) -> Proposal:
    """No variant of the plan goes under what any tick of the descent window planned for it: a capacity that is still
    being learned moves the plan as demand does."""
    targets, held = dict(proposal.targets), []
    for name in proposal.plan:
        most = max((plan.get(name, 0) for _, plan in situation.memory.planned), default=0)
        floor = min(most, situation.wanted[name])
        if targets.get(name, 0) < floor:
            targets[name] = floor
            held.append(name)
    if not held:
        return proposal
    message = f"Hold: {', '.join(sorted(held))} was planned larger within the descent window."
    return replace(proposal, targets=targets, reason=Reason.HOLD_DESCENT_WINDOW, message=message)


def margin(situation: Situation, proposal: Proposal) -> Proposal:
    """A replica goes only where it will not be asked for again at the next breath of demand: the smaller fleet must
    carry a little more than what is to be covered."""
    targets, held = dict(proposal.targets), []
    if len(proposal.plan) != 1:
        return proposal
    for name in proposal.plan:
        capacity, wanted = situation.capacities.get(name), situation.wanted[name]
        if capacity is None or not 0 < targets.get(name, 0) < wanted:
            continue
        roomy = min(replicas_for(situation.covered[name] * (1.0 + MARGIN), capacity), wanted)
        if targets[name] < roomy:
            targets[name] = roomy
            held.append(name)
    if not held:
        return proposal
    message = f"Hold: with fewer replicas {', '.join(held)} would have less than {MARGIN:.0%} to spare."
    return replace(proposal, targets=targets, reason=Reason.HOLD_MARGIN, message=message)


def rate_limit(situation: Situation, proposal: Proposal) -> Proposal:
    """A descent within a variant goes by steps. The end of a switch does not: behind an even split half an old fleet
    carries nothing that the new one does not."""
    targets, limited = dict(proposal.targets), []
    since = situation.memory.last_descent_at
    minutes = min(1.0, (situation.now - since) / 60.0) if since is not None else 1.0
    for name, wanted in situation.wanted.items():
        target = targets.get(name, 0)
        if not 0 < target < wanted:
            continue
        step = math.floor(wanted * situation.service.behavior.descent_percent_per_minute / 100.0 * minutes)
        if since is None or minutes >= 1.0:
            step = max(step, 1)
        if wanted - target > step:
            targets[name] = wanted - step
            limited.append(name)
    if not limited or situation.blind:
        return with_targets(proposal, targets)
    unchanged = all(targets.get(name, 0) == wanted for name, wanted in situation.wanted.items())
    if not unchanged:
        return replace(proposal, targets=targets)
    message = f"Hold: {', '.join(sorted(limited))} descends by steps (descent.percentPerMinute)."
    return replace(proposal, targets=targets, reason=Reason.HOLD_RATE_LIMIT, message=message)


def make_before_break(situation: Situation, proposal: Proposal) -> Proposal:
    """No descent leaves less ready capacity than must be covered; dearest variants are tried first.

    Behind an even split a variant on its way out goes at once or not at all: each of its last pods would get the
    share of a fast one. Pods that are not ready carry nothing, so taking them away is always safe.
    """
    targets = {name: proposal.targets.get(name, 0) for name in situation.wanted}
    after = {name: min(situation.ready[name], max(targets[name], situation.wanted[name])) for name in targets}
    held = []
    # A plan of nothing carries nothing: no demand is left that anybody could break.
    for name in descending(situation, targets) if proposal.plan else ():
        floor = kept_ready(situation, proposal, after, name, targets[name])
        if floor > targets[name]:
            targets[name] = min(floor, situation.wanted[name])
            held.append(name)
        after[name] = min(situation.ready[name], targets[name])
    if not held:
        return with_targets(proposal, targets)
    message = (
        f"Switching to {mix_label(proposal.plan)}: {', '.join(sorted(held))} stays until "
        f"{proposal.covered or situation.least_covered:.1f}/s can be carried without it."
    )
    return replace(proposal, targets=targets, reason=Reason.HOLD_MAKE_BEFORE_BREAK, message=message)


def switch_room(situation: Situation, proposal: Proposal) -> Proposal:
    """Where `max` leaves no room for the new variants of a switch, the old ones give up what they can spare: twelve of
    twelve replicas that carry more than is needed would otherwise bar the switch for ever."""
    targets, most = dict(proposal.targets), situation.service.max_replicas
    outgoing = [name for name in targets if targets[name] > 0 and name not in proposal.plan]
    rolling = any(state.rolling_out for state in situation.observation.variants.values())
    if not outgoing or sum(targets.values()) <= most or rolling or situation.blind or not reentry_passed(situation):
        return proposal
    demand = must_carry(situation, proposal)
    for name in sorted(outgoing):
        least = max(targets[name] - (sum(targets.values()) - most), 0)
        targets[name] = next(
            (n for n in range(least, targets[name]) if carries(situation, {**targets, name: n}, demand)), targets[name]
        )
    kept = sum(min(targets[name], wanted) for name, wanted in situation.wanted.items())
    if kept < most:
        return replace(proposal, targets=targets)
    message = (
        f"Switching to {mix_label(proposal.plan)}: {', '.join(sorted(outgoing))} stays until {demand:.1f}/s can be "
        f"carried without it, and replicas.max {most} leaves no room beside it: raise replicas.max."
    )
    return replace(proposal, targets=targets, reason=Reason.HOLD_MAKE_BEFORE_BREAK, message=message)


def carries(situation: Situation, targets: Mapping[str, int], demand: float) -> bool:
    """Whether the pods that are ready now and stay with these targets carry this demand."""
    fleet = {name: min(situation.ready[name], count) for name, count in targets.items()}
    return sum(fleet.values()) > 0 and carried(fleet, situation.capacities) >= demand - 1e-9


def descending(situation: Situation, targets: Mapping[str, int]) -> list[str]:
    """Variants that would shrink, those whose replicas save most first."""

    def price(name: str) -> float:
        pool = situation.pools[situation.service.variant(name).pool]
        return pool.marginal_price_per_node_hour / (situation.per_node[name] or 1)

    shrinking = [name for name in targets if targets[name] < situation.wanted[name]]
    return sorted(shrinking, key=lambda name: (-price(name), name))


def kept_ready(situation: Situation, proposal: Proposal, after: Mapping[str, int], name: str, target: int) -> int:
    """The fewest ready pods of this variant, from `target` up, with which the fleet still carries what it must; all of
    them when nothing less does."""
    ready, demand = situation.ready[name], must_carry(situation, proposal)
    counts = [target] if name not in proposal.plan else range(target, ready)
    for count in counts:
        fleet = {**after, name: min(count, ready)}
        if count >= ready or carries(situation, fleet, demand):
            return count
    return max(ready, target)


def must_carry(situation: Situation, proposal: Proposal) -> float:
    """Arrivals per second that ready pods must carry through a descent. A plan that itself falls short (at max, or
    with full pools) can't promise more than it has."""
    demand = proposal.covered if proposal.covered is not None else situation.least_covered
    planned = carried(proposal.plan, situation.capacities)
    return min(demand, planned) if planned > 0 else demand


def held_awake(situation: Situation, proposal: Proposal) -> Proposal:
    """A service that would rest, if only something saw its demand return."""
    why = zero.held_awake(situation)
    if why is None or any(proposal.targets.get(name, 0) != wanted for name, wanted in situation.wanted.items()):
        return proposal
    return replace(proposal, reason=Reason.HOLD_AWAKE, message=why)


def bounds(situation: Situation, proposal: Proposal) -> Proposal:
    """Never over `max` and never under `min`, over all variants together, whatever came before.

    Scale-ups are cut first, then what runs (a user who lowers `max` commands a descent, data or no data). Growth is
    written before descents, so that it waits for the tick after the one that makes room.
    """
    service, targets, wanted = situation.service, dict(proposal.targets), situation.wanted
    names = sorted(targets, key=lambda name: (name in proposal.plan, name))
    for name in names:
        excess = sum(max(targets[other], wanted[other]) for other in targets) - service.max_replicas
        if excess > 0 and targets[name] > wanted[name]:
            targets[name] = max(wanted[name], targets[name] - excess)
    for name in names:
        excess = sum(targets.values()) - service.max_replicas
        if excess > 0:
            targets[name] = max(targets[name] - excess, 0)
    missing = service.min_replicas - sum(targets.values())
    for name in sorted(proposal.plan, key=lambda name: (-proposal.plan[name], name)):
        room = max(situation.limits[name] - targets[name], 0)
        added = min(max(missing, 0), room)
        targets[name] += added
        missing -= added
    return with_targets(proposal, targets)


def mode(situation: Situation, proposal: Proposal) -> Proposal:
    """Recommend and Paused write nothing; the plan is still shown."""
    if situation.service.mode is Mode.AUTO:
        return proposal
    reason = Reason.PAUSED if situation.service.mode is Mode.PAUSED else Reason.RECOMMEND_ONLY
    lead = "Paused" if reason is Reason.PAUSED else "Recommendation"
    return replace(
        proposal, targets=dict(situation.wanted), reason=reason, message=f"{lead}. {proposal.message}", switched=False
    )


def with_targets(proposal: Proposal, targets: Mapping[str, int]) -> Proposal:
    """The proposal with these targets, and all else as it was."""
    return proposal if targets == proposal.targets else replace(proposal, targets=targets)


def no_descent(situation: Situation, proposal: Proposal, reason: Reason, message: str) -> Proposal:
    """Targets raised to what is wanted already; the reason changes only if that held something back and nothing
    grows, since growth has a reason of its own."""
    targets = {name: max(proposal.targets.get(name, 0), wanted) for name, wanted in situation.wanted.items()}
    held = any(targets[name] > proposal.targets.get(name, 0) for name in targets)
    grows = any(targets[name] > situation.wanted[name] for name in targets)
    if grows or (not held and reason is not Reason.HOLD_MISSING_DATA):
        return replace(proposal, targets=targets)
    return replace(proposal, targets=targets, reason=reason, message=message)


RAILS: tuple[Rail, ...] = (
    quality_bridge,  # as the next one
    bridge,  # before the holds: a burst in mid-switch is served even when blind
    missing_data,
    re_entry,
    awaited_past,
    rollout,
    utilisation_guard,
    descent_window,
    margin,
    rate_limit,
    make_before_break,  # after everything that lowers by less, so that it judges the final descent
    switch_room,  # over the bridge, which may have filled all the room there is
    held_awake,  # only where nothing else moves
    paused_descents,  # over every rail that lowers, under the spec's own bounds
    other_writer,  # over the decision's own wishes, under the user's commands
    bounds,
    mode,
)


def stabilised(situation: Situation, proposal: Proposal) -> Proposal:
    """The proposal after every rail, in order."""
    for rail in RAILS:
        proposal = rail(situation, proposal)
    return proposal
