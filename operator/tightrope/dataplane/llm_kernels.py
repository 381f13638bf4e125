"""The event loop of one pod that serves a language model, compiled. `llm_fleet` owns the arrays, `llm_fleet_kernels`
calls `arrive` and `work_until`.

Between two events every decoding sequence gets its tokens at one pace, so nobody is counted token by token: `progress`
counts the steps since the pod was last empty, a sequence that has n tokens to come ends when progress is n further, and
a heap of these goals says who is next. A request costs O(log batch), however long it is (the virtual time of
processor sharing: Demers, Keshav, Shenker, SIGCOMM 1989).

`progress` and its clock time `anchor` move only where the pace changes, never where a step of the caller ends, so that
results are the same to the last bit however time is cut.
"""

import math
from typing import Any

import numpy as np

from tightrope.dataplane.kernels import FINISHED, REFUSED, TIMED_OUT, Numbers, Records, compiled
from tightrope.dataplane.outcomes import Floats

NONE = -1
NEVER = math.inf
# Steps. A pod that is never empty admits only when somebody ends, and then progress and all goals lie whole numbers
# apart: sequences end together, but for rounding.
TOGETHER = 1e-7

# First how the server works, as in LlmModel: `chunk` is inf where decoding stands still during a prefill, `patience`
# where clients never give up. Then what is inside: `queued` requests from the ring's `head`, one in prefill in slot
# `prefilling` or NONE, `decoding` others. The prefill ends at `prefill_due`: a clock time or, in chunks, a progress;
# `chunk_seconds` is by how much it lengthens each step. A step takes `pace` seconds. `oldest` and `youngest` are the
# ends of the chain of slots by arrival, `spare` slots are not in use. `busy_since` is inf while nothing is inside. What
# `worked` had seen when it was last called has names of its own; `number` is the pod's.
ENGINE = np.dtype(
    [
        ("number", np.int64),
        ("step_base", np.float64),
        ("step_each", np.float64),
        ("prefill_base", np.float64),
        ("prefill_each", np.float64),
        ("batch", np.int64),
        ("cache", np.float64),
        ("chunk", np.float64),
        ("limit", np.int64),
        ("patience", np.float64),
        ("head", np.int64),
        ("queued", np.int64),
        ("prefilling", np.int64),
        ("prefill_due", np.float64),
        ("chunk_seconds", np.float64),
        ("decoding", np.int64),
        ("progress", np.float64),
        ("anchor", np.float64),
        ("pace", np.float64),
        ("cache_used", np.float64),
        ("oldest", np.int64),
        ("youngest", np.int64),
        ("spare", np.int64),
        ("busy_since", np.float64),
        ("busy", np.float64),
        ("accepted", np.int64),
        ("seen_busy", np.float64),
        ("seen_accepted", np.int64),
    ]
)
# One request that ended. `wait` is the time in the queue, `first` the time of its first token or NaN, `tokens` how
# many it was given.
ANSWERED = np.dtype(
    [
        ("pod", np.int64),
        ("arrival", np.float64),
        ("wait", np.float64),
        ("first", np.float64),
        ("end", np.float64),
        ("inputs", np.float64),
        ("tokens", np.float64),
        ("status", np.int64),
    ]
)
# What else the functions below take (those of a fleet with one more axis in front, a row a pod):
#   engine  (1,): the pod
#   waiting (places, 3): a ring; arrival, input and output tokens
#   held    (slots, 6): the sequences inside, columns as follows
#   links   (slots, 5): of slots, columns as follows; HEAP and SPARE are lists, the others belong to a slot
#   ended   requests that ended, in order; total[0] of them
ARRIVAL, ADMITTED, FIRST, GOAL, INPUTS, OUTPUTS = range(6)
HEAP, PLACE, OLDER, YOUNGER, SPARE = range(5)


@compiled
def end(
    ended: Records, total: Numbers, pod: int, arrival: float, wait: float, first: float, at: float, inputs: float,
    tokens: float, status: int,
) -> None:  # fmt: skip
    request: Any = ended[total[0]]
    request.pod = pod
    request.arrival, request.wait, request.first, request.end = arrival, wait, first, at
    request.inputs, request.tokens, request.status = inputs, tokens, status
    total[0] += 1


@compiled
def put(links: Numbers, place: int, slot: int) -> None:
    links[place, HEAP] = slot
    links[slot, PLACE] = place


@compiled
def rise(held: Floats, links: Numbers, place: int, slot: int) -> None:
    """Put the slot into the heap at this place or above it."""
    goal = held[slot, GOAL]
    while place > 0:
        above = (place - 1) // 2
        if held[links[above, HEAP], GOAL] <= goal:
            break
        put(links, place, links[above, HEAP])
        place = above
    put(links, place, slot)


@compiled
def sink(held: Floats, links: Numbers, size: int, place: int, slot: int) -> None:
    """Put the slot into a heap of this size at this place or below it."""
    goal = held[slot, GOAL]
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        if below + 1 < size and held[links[below + 1, HEAP], GOAL] < held[links[below, HEAP], GOAL]:
            below += 1
        if held[links[below, HEAP], GOAL] >= goal:
            break
        put(links, place, links[below, HEAP])
        place = below
    put(links, place, slot)


@compiled
def join(engine: Records, held: Floats, links: Numbers, slot: int) -> None:
    """The slot decodes from now on."""
    one: Any = engine[0]
    one.decoding += 1
    rise(held, links, one.decoding - 1, slot)


@compiled
def part(engine: Records, held: Floats, links: Numbers, slot: int) -> None:
    """The slot decodes no longer; the last of the heap takes its place."""
    one: Any = engine[0]
    one.decoding -= 1
    place, last = links[slot, PLACE], links[one.decoding, HEAP]
    if last == slot:
        return
    if held[last, GOAL] < held[slot, GOAL]:
        rise(held, links, place, last)
    else:
        sink(held, links, one.decoding, place, last)


@compiled
def occupy(engine: Records, links: Numbers) -> int:
    """A spare slot, now the youngest of the chain."""
    one: Any = engine[0]
    one.spare -= 1
    slot = links[one.spare, SPARE]
    links[slot, OLDER], links[slot, YOUNGER] = one.youngest, NONE
    if one.youngest == NONE:
        one.oldest = slot
    else:
        links[one.youngest, YOUNGER] = slot
    one.youngest = slot
    return int(slot)


@compiled
def vacate(
    engine: Records, held: Floats, links: Numbers, ended: Records, total: Numbers, slot: int, at: float, tokens: float,
    status: int,
) -> None:  # fmt: skip
    """The request in this slot has ended: out of the chain, its room in the cache given back."""
    one: Any = engine[0]
    arrival, admitted = held[slot, ARRIVAL], held[slot, ADMITTED]
    first, inputs = held[slot, FIRST], held[slot, INPUTS]
    end(ended, total, one.number, arrival, admitted - arrival, first, at, inputs, tokens, status)
    one.cache_used -= inputs + held[slot, OUTPUTS]
    older, younger = links[slot, OLDER], links[slot, YOUNGER]
    if older == NONE:
        one.oldest = younger
    else:
        links[older, YOUNGER] = younger
    if younger == NONE:
        one.youngest = older
    else:
        links[younger, OLDER] = older
    links[one.spare, SPARE] = slot
    one.spare += 1


@compiled
def catch_up(engine: Records, at: float) -> None:
    """Bring progress to this time, before the pace changes."""
    one: Any = engine[0]
    if at > one.anchor:
        if one.pace > 0.0:
            one.progress += (at - one.anchor) / one.pace
        one.anchor = at


@compiled
def set_pace(engine: Records) -> None:
    one: Any = engine[0]
    one.pace = one.step_base + one.step_each * one.decoding
    if one.prefilling != NONE:
        one.pace = one.pace + one.chunk_seconds if one.chunk < NEVER else NEVER


@compiled
def fits(engine: Records, tokens: float) -> bool:
    """Whether a request that needs so much cache can be admitted now."""
    one: Any = engine[0]
    return bool(one.prefilling == NONE and one.decoding < one.batch and one.cache_used + tokens <= one.cache)


@compiled
def begin_prefill(engine: Records, held: Floats, slot: int, at: float) -> None:
    """The sequence in this slot is worked through from now on."""
    one: Any = engine[0]
    if one.decoding == 0:  # nobody is on the way: count from 0 again, where numbers are finest
        one.progress = 0.0
    seconds = one.prefill_base + one.prefill_each * held[slot, INPUTS]
    one.prefilling = slot
    if one.chunk < NEVER:
        steps = held[slot, INPUTS] / one.chunk
        one.prefill_due, one.chunk_seconds = one.progress + steps, seconds / steps
    else:
        one.prefill_due = at + seconds


@compiled
def admit(engine: Records, waiting: Floats, held: Floats, links: Numbers, at: float) -> None:
    """Who waits longest goes in, if there is room; then the pace is that of who is inside."""
    one: Any = engine[0]
    if one.queued and fits(engine, waiting[one.head, 1] + waiting[one.head, 2]):
        catch_up(engine, at)
        slot = occupy(engine, links)
        held[slot, ARRIVAL], held[slot, ADMITTED], held[slot, FIRST] = waiting[one.head, 0], at, math.nan
        held[slot, INPUTS], held[slot, OUTPUTS] = waiting[one.head, 1], waiting[one.head, 2]
        one.cache_used += held[slot, INPUTS] + held[slot, OUTPUTS]
        one.head = one.head + 1 if one.head + 1 < len(waiting) else 0
        one.queued -= 1
        begin_prefill(engine, held, slot, at)
        one.busy_since = min(one.busy_since, at)
    if one.oldest == NONE and one.busy_since < NEVER:
        one.busy += at - one.busy_since
        one.busy_since = NEVER
    set_pace(engine)


@compiled
def next_progress(engine: Records, held: Floats, links: Numbers) -> float:
    """When the next prefill or the next sequence ends, if nothing comes in between."""
    one: Any = engine[0]
    goal = NEVER
    if one.decoding:
        goal = held[links[0, HEAP], GOAL]
    if one.prefilling != NONE:
        if one.chunk == NEVER:
            return float(one.prefill_due)
        goal = min(goal, one.prefill_due)
    if goal == NEVER:
        return NEVER
    ahead = goal - one.progress
    return float(one.anchor + ahead * one.pace if ahead > TOGETHER else one.anchor)


@compiled
def first_token(engine: Records, held: Floats, links: Numbers, ended: Records, total: Numbers, at: float) -> None:
    """The prefill ends now, with the first token."""
    one: Any = engine[0]
    slot = one.prefilling
    one.prefilling = NONE
    held[slot, FIRST] = at
    if held[slot, OUTPUTS] <= 1.0:
        vacate(engine, held, links, ended, total, slot, at, held[slot, OUTPUTS], FINISHED)
    else:
        held[slot, GOAL] = one.progress + held[slot, OUTPUTS] - 1.0
        join(engine, held, links, slot)


@compiled
def make_progress(engine: Records, held: Floats, links: Numbers, ended: Records, total: Numbers, at: float) -> None:
    """What `next_progress` foretold for this time."""
    one: Any = engine[0]
    one.anchor = at
    if one.prefilling != NONE and one.chunk == NEVER:
        first_token(engine, held, links, ended, total, at)
    elif one.prefilling != NONE and (one.decoding == 0 or one.prefill_due <= held[links[0, HEAP], GOAL]):
        one.progress = one.prefill_due
        first_token(engine, held, links, ended, total, at)
    else:
        slot = links[0, HEAP]
        one.progress = held[slot, GOAL]
        part(engine, held, links, slot)
        vacate(engine, held, links, ended, total, slot, at, held[slot, OUTPUTS], FINISHED)


@compiled
def abort_oldest(engine: Records, held: Floats, links: Numbers, ended: Records, total: Numbers, at: float) -> None:
    """The client of the oldest request inside gives up now. All clients are as patient, so it is always the oldest; and
    by the time that one gives up who waits, everybody before it has left, and it is inside too."""
    one: Any = engine[0]
    slot = one.oldest
    catch_up(engine, at)
    if slot == one.prefilling:
        one.prefilling = NONE
        vacate(engine, held, links, ended, total, slot, at, 0.0, TIMED_OUT)
        return
    part(engine, held, links, slot)
    to_come = max(held[slot, GOAL] - one.progress, 0.0)
    # A hair more, since progress may carry rounding: a token that was due now was given.
    given = math.floor(held[slot, OUTPUTS] - to_come + 1e-9)
    vacate(engine, held, links, ended, total, slot, at, given, TIMED_OUT)


@compiled
def next_due(engine: Records, held: Floats, links: Numbers) -> float:
    """Before this nothing happens in the pod unless a request comes."""
    one: Any = engine[0]
    gone = held[one.oldest, ARRIVAL] + one.patience if one.oldest != NONE else NEVER
    return float(min(next_progress(engine, held, links), gone))


@compiled
def work_until(
    engine: Records, waiting: Floats, held: Floats, links: Numbers, ended: Records, total: Numbers, until: float
) -> None:
    """Everything that is due by then. What would end when its client gives up has ended."""
    one: Any = engine[0]
    while True:
        progress = next_progress(engine, held, links)
        gone = held[one.oldest, ARRIVAL] + one.patience if one.oldest != NONE else NEVER
        at = min(progress, gone)
        if at > until or at == NEVER:
            return
        if progress <= at:
            make_progress(engine, held, links, ended, total, at)
            set_pace(engine)
            if next_progress(engine, held, links) <= at:
                continue  # all that end together do so before another prefill can hold them up
        else:
            abort_oldest(engine, held, links, ended, total, at)
        admit(engine, waiting, held, links, at)


@compiled
def arrive(
    engine: Records, waiting: Floats, held: Floats, links: Numbers, ended: Records, total: Numbers, at: float,
    inputs: float, outputs: float,
) -> None:  # fmt: skip
    """One request comes to this pod. What comes when something ends finds it gone."""
    one: Any = engine[0]
    need = inputs + outputs
    work_until(engine, waiting, held, links, ended, total, at)
    full = one.queued >= one.limit and not (one.queued == 0 and fits(engine, need))
    if full or need > one.cache:
        end(ended, total, one.number, at, 0.0, math.nan, at, inputs, 0.0, REFUSED)
        return
    place = one.head + one.queued
    if place >= len(waiting):
        place -= len(waiting)
    waiting[place, 0], waiting[place, 1], waiting[place, 2] = at, inputs, outputs
    one.queued += 1
    one.accepted += 1
    if one.queued == 1:  # who finds others waiting waits behind them
        admit(engine, waiting, held, links, at)
