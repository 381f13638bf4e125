"""The verdict in plain words, at its most honest where we lose: every number is that of a score.

`page` puts them at the top. A cost is compared only with that of somebody who met the objective too.
"""

from collections.abc import Iterator

from tightrope.domain.spec import LatencyObjective
from tightrope.replay.demand import Demand
from tightrope.replay.goals import in_words
from tightrope.replay.report.standing import SAME, Entrant, Standing
from tightrope.replay.score import Score
from tightrope.replay.table import share

HOUR, DAY = 3600.0, 86_400.0
MONTH_DAYS = 30


def headline(standing: Standing) -> str:
    """The conclusion, in one line."""
    ours, rival, cheaper = standing.ours.score, standing.today or standing.cheapest, standing.cheaper
    if ours.attainment is None:
        return f"No request was played: nothing can be said of the objective. Idle, Tightrope costs {money(ours)}."
    if not ours.met:
        return f"Tightrope would have missed the objective: {share(ours.attainment)} instead of {percent(ours)}."
    lead = f"Tightrope would have met the objective for {money(ours)}"
    if rival is None or not rival.score.met:
        clause = "" if standing.cheapest or not standing.peers else ", which none of the others did"
    else:
        clause = f", {difference(ours, rival.score)} {rival.name}"
    if cheaper and cheaper[0] is not rival:
        clause += f". {cheaper[0].name} would have been cheaper still: {money(cheaper[0].score)}"
    return f"{lead}{clause}."


def verdict(standing: Standing, objective: LatencyObjective, demand: Demand) -> list[str]:
    """Sentences: what ours would have done, and beside it today's, the cheapest other, and the best possible."""
    ours = standing.ours.score
    served = "no request was played" if ours.attainment is None else (
        f"Tightrope would have served {share(ours.attainment)} of {ours.requests:,} requests "
        f"{in_words(objective, milliseconds(objective.threshold_seconds))} "
        f"(objective {objective.percent:g}%: "
        f"{'met' if ours.met else 'missed'}) for {money(ours)}"
    )  # fmt: skip
    return [f"Over {span(demand)}, {served}.", *_rivals(standing), *_best_possible(standing)]


def _rivals(standing: Standing) -> Iterator[str]:
    ours, today, cheapest = standing.ours.score, standing.today, standing.cheapest
    if today is not None:
        yield f"{today.name}, standing for what runs today, {beside(ours, today)}."
    if cheapest is not None and cheapest is not today:
        yield f"The cheapest of the others, {cheapest.name}, {beside(ours, cheapest)}."
    if cheapest is None and standing.peers:
        others = "The other policy here missed it" if len(standing.peers) == 1 else "All other policies here missed it"
        yield f"{others}."


def _best_possible(standing: Standing) -> Iterator[str]:
    bound, ours = standing.bound, standing.ours.score
    if bound is None:
        return
    score = bound.course.score
    if not score.met:
        yield (
            f"Even somebody who knew every arrival in advance would have missed it, with {share(score.attainment)}: "
            "start-up or the pools' size stand in the way."
        )
    elif ours.met and score.cost > 0:
        yield (
            f"Somebody who knew every arrival in advance would have paid {money(score)}; Tightrope, which knew none, "
            f"would have paid {difference(ours, score)} that."
        )
    else:
        yield f"Somebody who knew every arrival in advance would have met it for {money(score)}."


def beside(ours: Score, other: Entrant) -> str:
    """What the other did, and what that is beside ours."""
    score = other.score
    if score.attainment is None:
        return f"would have cost {money(score)}"
    if not score.met:
        return f"would have missed it with {share(score.attainment)}, for {money(score)}"
    if not ours.met:
        return f"would have met it with {share(score.attainment)}, for {money(score)}"
    return f"would have met it too, for {money(score)}: Tightrope costs {difference(ours, score)} that"


def difference(ours: Score, other: Score) -> str:
    """Our cost beside another's, for a name to follow: `24% less than`, `about as much as`, `3.1 times as much as`."""
    if other.cost <= 0:
        return "more than" if ours.cost > 0 else "as much as"
    ratio = ours.cost / other.cost
    if abs(ratio - 1.0) < SAME:
        return "about as much as"
    if ratio >= 2:
        return f"{ratio:.1f} times as much as"
    return f"{abs(ratio - 1.0):.0%} {'less' if ratio < 1 else 'more'} than"


def span(demand: Demand) -> str:
    """How long was played, and how much of it nobody knows."""
    unknown = sum(end - start for start, end in demand.gaps)
    hidden = f" (of which {length(unknown)} unknown: neither played nor billed)" if unknown > 0 else ""
    return f"{length(demand.duration_seconds)} of demand{hidden}"


def length(seconds: float) -> str:
    """`40 min`, `24.6 h`, `14 days`."""
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / HOUR:.3g} h" if seconds < 3 * DAY else f"{seconds / DAY:.3g} days"


def money(score: Score) -> str:
    return amount(score.cost, score.currency)


def amount(cost: float, currency: str) -> str:
    return f"{cost:,.2f}\N{NO-BREAK SPACE}{currency}"


def percent(score: Score) -> str:
    return f"{score.objective * 100:g}%"


def milliseconds(seconds: float) -> str:
    """`300 ms`, `2.5 s`."""
    return f"{seconds * 1000:g}\N{NO-BREAK SPACE}ms" if seconds < 1 else f"{seconds:g}\N{NO-BREAK SPACE}s"


def tiles(standing: Standing, demand: Demand) -> Iterator[tuple[str, str, str]]:
    """The few figures to remember, as (what, figure, remark)."""
    ours, rival = standing.ours.score, standing.today or standing.cheapest
    verdict_word = "no requests" if ours.attainment is None else ("met" if ours.met else "missed")
    yield "Within the SLO", share(ours.attainment), f"objective {percent(ours)}: {verdict_word}"
    if rival is not None and rival.score.met and ours.met and ours.attainment is not None:
        yield _saved(ours, rival, demand)
    else:
        yield "Cost", money(ours), _by_day(ours.cost, ours.currency, demand)
    if standing.bound is not None and ours.met and standing.bound.course.score.met and standing.bound.clairvoyant > 0:
        over = ours.cost / standing.bound.clairvoyant
        yield "Beside perfect foresight", f"{over:.2f} ×", f"which would cost {money(standing.bound.course.score)}"
    below = f"{length(ours.violation_seconds)} in all below {percent(ours)}, by the minute"
    yield "Worst hour", share(ours.worst_hour), below if ours.worst_hour is not None else "no whole hour with requests"


def _saved(ours: Score, rival: Entrant, demand: Demand) -> tuple[str, str, str]:
    saved = rival.score.cost - ours.cost
    what = f"Saved against {rival.name}" if saved >= 0 else f"Dearer than {rival.name}"
    relative = f"{abs(saved) / rival.score.cost:.0%} of {money(rival.score)}" if rival.score.cost > 0 else ""
    return (
        what,
        amount(abs(saved), ours.currency),
        "; ".join(part for part in (relative, _by_day(abs(saved), ours.currency, demand)) if part),
    )


def _by_day(cost: float, currency: str, demand: Demand) -> str:
    """What it comes to in a month that goes on like this; nothing for less than a day, which is no sample of one."""
    known = demand.duration_seconds - sum(end - start for start, end in demand.gaps)
    if known < 0.9 * DAY:
        return ""
    return f"{amount(cost / known * DAY * MONTH_DAYS, currency)} in {MONTH_DAYS} such days"
