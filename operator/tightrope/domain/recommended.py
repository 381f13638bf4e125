"""The fleet that `mode: Recommend` would have run: it follows every recommendation, and is never there.

`decide` calls this at every tick of such a service. The rails that hold a real fleet back hold this one back too, its
replicas start in the variant's time to ready, and the model that plans are made with says what it would have missed of
the demand that came. While a service is paused nothing is counted and nothing forgotten; `mode: Auto` ends the trial.
"""

from dataclasses import replace

import numpy as np

from tightrope.domain import background_errors, outlook, shadows
from tightrope.domain.comparison import Entry, Fleet, Judged, Trial, resumed
from tightrope.domain.memory import Background
from tightrope.domain.observation import Known, Missing
from tightrope.domain.propose import Proposal, cost_of
from tightrope.domain.situation import Situation
from tightrope.domain.spec import Metric, Mode, Objective
from tightrope.domain.stabilise import stabilised

HOUR = 3600.0


def tried(situation: Situation, proposal: Proposal) -> Trial | None:
    """The trial after this tick; None where there is none. `proposal` is as it was before the rails."""
    service, now = situation.service, situation.now
    if service.mode is Mode.AUTO:
        return None
    trial = going_on(situation)
    if service.mode is not Mode.RECOMMEND:
        return trial.with_entry(None, now=now, window_seconds=service.slo_window_seconds) if trial else None
    trial = trial or Trial(since=now, currency=currency_of(situation), objectives=service.objectives)
    if trial.at is None:
        trial = replace(trial, fleet=first_fleet(situation, trial))
    else:
        trial = compared(situation, trial, seconds_since(situation, trial.at))
    return ordered(situation, proposal, replace(trial, at=now))


def going_on(situation: Situation) -> Trial | None:
    """The trial so far, also from before a restart; None where it is about something else than now."""
    trial, persisted = situation.memory.trial, situation.memory.persisted.comparison
    if trial is None and persisted is not None:
        trial = resumed(persisted, situation.service.objectives, now=situation.now)
    about = (situation.service.objectives, currency_of(situation))
    return trial if trial is not None and (trial.objectives, trial.currency) == about else None


def currency_of(situation: Situation) -> str:
    return situation.pools[situation.service.variants[0].pool].currency


def seconds_since(situation: Situation, at: float) -> float:
    """The time since the last tick; of a gap of more than two ticks, nobody saw but the last one."""
    tick = situation.clock.tick_seconds
    seconds = situation.now - at
    return seconds if 0.0 < seconds <= 2.0 * tick else tick


def first_fleet(situation: Situation, trial: Trial) -> dict[str, Fleet]:
    """It begins as what runs; after a restart as what was recommended, which has had its time to start."""
    planned = situation.memory.persisted.plan or {}
    if trial.entries and planned:
        return {variant.name: Fleet(ready=planned.get(variant.name, 0)) for variant in situation.service.variants}
    found = {}
    for name, wanted in situation.wanted.items():
        fleet = Fleet(ready=min(situation.ready[name], wanted))
        found[name] = fleet.scaled(wanted, ready_at=situation.now + situation.time_to_ready[name])
    return found


def compared(situation: Situation, trial: Trial, seconds: float) -> Trial:
    """The trial with the time since the last tick: what both fleets cost, and what they missed where that is known."""
    hours = seconds / HOUR
    judged: dict[Metric, Judged] = {}
    backlog = dict(trial.backlog)
    for objective in situation.service.objectives:
        seen = situation.observation.judged_by(objective.metric, situation.service)
        share, waiting = predicted(situation, trial, objective, seconds)
        backlog |= waiting
        if share is not None and not isinstance(seen, Missing):
            finished = seen.total * seconds
            missed = (seen.total - seen.good_low) * seconds
            judged[objective.metric] = Judged(finished=finished, missed=missed, predicted=share * finished)
    entry = Entry(
        start=situation.now - seconds,
        seconds=seconds,
        cost=cost_of(situation, situation.wanted) * hours,
        plan_cost=cost_of(situation, {name: fleet.asked for name, fleet in trial.fleet.items()}) * hours,
        objectives=judged,
    )
    trial = replace(trial, backlog=backlog)
    return trial.with_entry(entry, now=situation.now, window_seconds=situation.service.slo_window_seconds)


def predicted(
    situation: Situation, trial: Trial, objective: Objective, seconds: float
) -> tuple[float | None, dict[tuple[Metric, str], float]]:
    """The share of requests that the recommended fleet would have missed (0..1), and what would be left waiting. None
    where demand is unknown, or what a variant in it carries. Every ready pod gets the same share of the demand."""
    demand, metric = situation.observation.demand, objective.metric
    account = situation.memory.accounts.get(metric)
    serving = {name: fleet.ready for name, fleet in trial.fleet.items() if fleet.ready > 0}
    if not isinstance(demand, Known) or account is None or any(name not in account.capacities for name in serving):
        return None, {}
    total = sum(serving.values())
    if total == 0:
        return 1.0, {}
    share, waiting = 0.0, {}
    for name, ready in serving.items():
        server = outlook.server_of(
            situation.service,
            account.capacities[name],
            objective=objective,
            per_node=situation.per_node[name],
            startup_seconds=situation.time_to_ready[name],
            averaged_seconds=situation.clock.tick_seconds,
        )
        part, before = ready / total, np.array([[trial.backlog.get((metric, name), 0.0)]])
        counts = np.array([[ready]], dtype=np.int32)
        missed, left = shadows.outcome(np.array([[demand.value * part]]), seconds, before, counts, [server])
        own = float(missed[0, 0]) / (demand.value * part * seconds) if demand.value > 0.0 else 0.0
        always = background_errors.share(account.backgrounds.get(name, Background()))
        share += part * (1.0 - (1.0 - min(own, 1.0)) * (1.0 - always))
        waiting[metric, name] = float(left[0, 0])
    return share, waiting


def ordered(situation: Situation, proposal: Proposal, trial: Trial) -> Trial:
    """The fleet does what is recommended, as far as the rails would let a real one."""
    fleet = {variant.name: trial.fleet.get(variant.name, Fleet()).at(situation.now) for variant in
             situation.service.variants}  # fmt: skip
    targets = stabilised(as_if(situation, fleet, trial.last_descent_at), proposal).targets
    after, descended = {}, trial.last_descent_at
    for name, now in fleet.items():
        target = targets.get(name, 0)
        after[name] = now.scaled(target, ready_at=situation.now + situation.time_to_ready[name])
        descended = situation.now if target < now.asked else descended
    return replace(trial, fleet=after, last_descent_at=descended)


def as_if(situation: Situation, fleet: dict[str, Fleet], last_descent_at: float | None) -> Situation:
    """The same service with this fleet, in `mode: Auto`, and nobody else who scales it or rolls it out."""
    variants = {
        name: replace(state, other_writer=None, rolling_out=False)
        for name, state in situation.observation.variants.items()
    }
    return replace(
        situation,
        service=replace(situation.service, mode=Mode.AUTO),
        observation=replace(situation.observation, variants=variants),
        memory=replace(situation.memory, last_descent_at=last_descent_at),
        wanted={name: one.asked for name, one in fleet.items()},
        ready={name: one.ready for name, one in fleet.items()},
    )
