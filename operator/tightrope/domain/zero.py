"""To zero replicas and back, for services with `min: 0` whose demand is seen while nothing of them runs.

`propose` asks `resting` before anything else, and `stabilise` has the rail that says why a service does not rest. With
no replica there is nobody who could count requests: only what stands in front of the service can. So nothing goes to
zero unless that is known to see the service's requests, and unknown for longer than a descent window is no zero: then
one replica starts, whoever may need it.
"""

from tightrope.domain.observation import Known, describe
from tightrope.domain.situation import Situation


def resting(situation: Situation) -> str | None:
    """Why nothing of the service needs to run now, in words; None if something does. A service that never had a plan
    is no resting one: whether its replicas start at all is worth knowing at once."""
    if situation.service.min_replicas > 0:
        return None
    seen = situation.observation.gateway_demand
    if asleep(situation):
        if isinstance(seen, Known):
            return "Idle: no request has come" if seen.value <= 0 else None
        return f"Idle, and for a moment {describe(seen)}" if fresh(situation) else None
    if not isinstance(seen, Known) or seen.value > 0 or answering(situation) or not idle(situation):
        return None
    return f"Idle: no request has come for {idle_words(situation)}"


def asleep(situation: Situation) -> bool:
    """Whether it was decided that nothing runs, and nothing does."""
    plan = situation.memory.persisted.plan
    return plan is not None and not any(plan.values()) and not any(situation.wanted.values())


def fresh(situation: Situation) -> bool:
    """Whether demand was known within the descent window."""
    demand = situation.memory.demand
    return demand.newest_at > situation.now - situation.service.behavior.descent_window_seconds


def idle(situation: Situation) -> bool:
    """Whether no request has come for the idle window, with every tick of it known."""
    window, since = situation.service.behavior.idle_window_seconds, situation.memory.healthy_since
    if situation.blind is not None or since is None or situation.now - since < window:
        return False
    demand = situation.memory.demand
    return not bool((demand.rates[demand.times > situation.now - window] > 0).any())


def answering(situation: Situation) -> float:
    """Requests that are in flight, as far as anybody says so."""
    in_flight = situation.observation.in_flight
    return in_flight.value if isinstance(in_flight, Known) else 0.0


def idle_words(situation: Situation) -> str:
    return f"{situation.service.behavior.idle_window_seconds:g}s"


def held_awake(situation: Situation) -> str | None:
    """Why a service to which no request comes does not rest; None if it does, or if some came."""
    seen = situation.observation.gateway_demand
    if situation.service.min_replicas > 0 or not idle(situation):
        return None
    if not isinstance(seen, Known):
        return f"Hold: with no replica nothing would see demand return, since {describe(seen)}."
    if answering(situation):
        return f"Hold: no request comes, and {answering(situation):g} are still in flight, as the servers say."
    return None
