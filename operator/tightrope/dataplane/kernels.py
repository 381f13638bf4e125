"""The event loop of a fleet, compiled: every pod an exact first-come-first-served queue, one step of time at a call.

`fleet` owns the arrays and calls `advance`. State is kept per pod (first axis, one row a pod): a ring of those who
wait, a heap of when each slot comes free, and those who are being worked on. What a request brings along was drawn when
it arrived (which pod it goes to, how much work it is), so that results do not depend on how time is cut into steps.

Arguments are plain arrays: of every array in a tuple numba counts the references at each use, which takes three times
as long as the work itself.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tightrope.dataplane.outcomes import Floats

Numbers = NDArray[np.int64]
Records = NDArray[np.void]

FINISHED, REFUSED, TIMED_OUT = 0, 1, 2  # as outcomes.Status
EXPONENTIAL, LOGNORMAL = 1, 2  # other service times are always the same
FIRST_TOKEN, INTER_TOKEN = 1, 2  # as goals.Quantity; all else is the latency
# Columns of the sums that `tallied` and `worked` add to, of each group of pods: seconds are those of the finished.
SUM_ENDED, SUM_FINISHED, SUM_REFUSED, SUM_LATENCY, SUM_WAITED = range(5)
SUM_ACCEPTED, SUM_BUSY, SUM_INPUTS, SUM_OUTPUTS = range(5, 9)
SUMS = 9

# One pod. First how its server works, as in ServerModel: `patience` is inf where clients never give up, `spread` the
# variance of the logarithm of a lognormal service time. Then what is inside: `queued` requests from the ring's `head`,
# `running` ones being worked on; before `due` nothing happens in it unless a request comes; since it was added,
# slot-seconds of work `given`, and requests `accepted`; and what `worked` had seen of both when it was last called.
POD = np.dtype(
    [
        ("base", np.float64),
        ("each", np.float64),
        ("batch", np.int64),
        ("slots", np.int64),
        ("limit", np.int64),
        ("patience", np.float64),
        ("distribution", np.int64),
        ("spread", np.float64),
        ("head", np.int64),
        ("queued", np.int64),
        ("running", np.int64),
        ("due", np.float64),
        ("given", np.float64),
        ("accepted", np.int64),
        ("seen_busy", np.float64),
        ("seen_accepted", np.int64),
    ]
)
# One request that ended.
ENDED = np.dtype(
    [
        ("pod", np.int64),
        ("arrival", np.float64),
        ("wait", np.float64),
        ("service", np.float64),
        ("status", np.int64),
    ]
)
# What else the functions below take:
#   waiting (pods, places, 3): rings; when each arrived, and its two random numbers
#   free    (pods, slots): heaps of when slots come free
#   inside  (pods, places, 3): of the first `running`, arrival, start and end
#   ended   requests that ended, in no order; total[0] of them

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """The same, compiled at the first call and kept for the next process: beside the code, else in the user's cache
    directory. In a container where neither can be written, every process compiles for itself."""
    try:
        return cast(_Function, njit(cache=True)(function))
    except RuntimeError:  # numba's word for having found no place to keep it
        return cast(_Function, njit(function))


@compiled
def end(ended: Records, total: Numbers, pod: int, arrival: float, wait: float, service: float, status: int) -> None:
    request: Any = ended[total[0]]
    request.pod, request.arrival, request.wait, request.service = pod, arrival, wait, service
    request.status = status
    total[0] += 1


@compiled
def let_go(pods: Records, inside: Floats, ended: Records, total: Numbers, pod: int, until: float) -> float:
    """Take out whoever is done by then, or whose client gave up; returns when the next of them is."""
    one: Any = pods[pod]
    kept, due = 0, math.inf
    for place in range(one.running):
        arrival, start, done = inside[pod, place, 0], inside[pod, place, 1], inside[pod, place, 2]
        gone = min(done, arrival + one.patience)
        if gone <= until:
            end(ended, total, pod, arrival, start - arrival, gone - start, FINISHED if gone >= done else TIMED_OUT)
        else:
            inside[pod, kept, 0], inside[pod, kept, 1], inside[pod, kept, 2] = arrival, start, done
            kept += 1
            due = min(due, gone)
    one.running = kept
    return float(due)


@compiled
def give_up(pods: Records, waiting: Floats, ended: Records, total: Numbers, pod: int, at: float) -> None:
    """Those at the head of the queue whose clients have given up by now leave it."""
    one: Any = pods[pod]
    while one.queued and waiting[pod, one.head, 0] + one.patience <= at:
        end(ended, total, pod, waiting[pod, one.head, 0], one.patience, 0.0, TIMED_OUT)
        one.head = one.head + 1 if one.head + 1 < waiting.shape[1] else 0
        one.queued -= 1


@compiled
def seconds_of(one: Any, batch: int, uniform: float, normal: float) -> float:
    """How long this batch takes; the first of it says how it differs from the mean."""
    mean = one.base + one.each * batch
    if one.distribution == EXPONENTIAL:
        return float(-mean * math.log1p(-uniform))
    if one.distribution == LOGNORMAL:
        return float(mean * math.exp(normal * math.sqrt(one.spread) - one.spread / 2.0))
    return float(mean)


@compiled
def replace_top(free: Floats, pod: int, slots: int, value: float) -> None:
    """The smallest of the heap gives way to this value."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= slots:
            break
        if child + 1 < slots and free[pod, child + 1] < free[pod, child]:
            child += 1
        if free[pod, child] >= value:
            break
        free[pod, place] = free[pod, child]
        place = child
    free[pod, place] = value


@compiled
def start(
    pods: Records,
    waiting: Floats,
    free: Floats,
    inside: Floats,
    ended: Records,
    total: Numbers,
    pod: int,
    at: float,
) -> None:
    """The slot that is free for longest takes what waits, as far as a batch goes."""
    one: Any = pods[pod]
    batch = min(one.queued, one.batch)
    if one.running + batch > inside.shape[1]:
        let_go(pods, inside, ended, total, pod, at)
    seconds = seconds_of(one, batch, waiting[pod, one.head, 1], waiting[pod, one.head, 2])
    one.given += seconds
    replace_top(free, pod, one.slots, at + seconds)
    one.due = min(one.due, at + seconds)
    for _ in range(batch):
        inside[pod, one.running, 0] = waiting[pod, one.head, 0]
        inside[pod, one.running, 1] = at
        inside[pod, one.running, 2] = at + seconds
        one.running += 1
        one.head = one.head + 1 if one.head + 1 < waiting.shape[1] else 0
    one.queued -= batch


@compiled
def work_until(
    pods: Records,
    waiting: Floats,
    free: Floats,
    inside: Floats,
    ended: Records,
    total: Numbers,
    pod: int,
    until: float,
) -> None:
    """Start whatever can be started by then; whoever has given up by then leaves the queue."""
    one: Any = pods[pod]
    while one.queued and free[pod, 0] <= until:
        at = free[pod, 0]
        give_up(pods, waiting, ended, total, pod, at)
        if one.queued:
            start(pods, waiting, free, inside, ended, total, pod, at)
    give_up(pods, waiting, ended, total, pod, until)


@compiled
def settle(
    pods: Records,
    waiting: Floats,
    free: Floats,
    inside: Floats,
    ended: Records,
    total: Numbers,
    pod: int,
    until: float,
) -> None:
    """Everything that is due in this pod by then."""
    one: Any = pods[pod]
    if one.due > until:
        return
    work_until(pods, waiting, free, inside, ended, total, pod, until)
    one.due = let_go(pods, inside, ended, total, pod, until)
    if one.queued:
        one.due = min(one.due, free[pod, 0], waiting[pod, one.head, 0] + one.patience)


@compiled
def arrive(
    pods: Records,
    waiting: Floats,
    free: Floats,
    inside: Floats,
    ended: Records,
    total: Numbers,
    pod: int,
    at: float,
    uniform: float,
    normal: float,
) -> None:
    """One request comes to this pod."""
    one: Any = pods[pod]
    work_until(pods, waiting, free, inside, ended, total, pod, at)
    at_once = one.queued == 0 and free[pod, 0] <= at
    if not at_once and one.queued >= one.limit:
        end(ended, total, pod, at, 0.0, 0.0, REFUSED)
        return
    place = one.head + one.queued
    if place >= waiting.shape[1]:
        place -= waiting.shape[1]
    waiting[pod, place, 0], waiting[pod, place, 1], waiting[pod, place, 2] = at, uniform, normal
    one.queued += 1
    one.accepted += 1
    one.due = min(one.due, at + one.patience)
    if at_once:
        start(pods, waiting, free, inside, ended, total, pod, at)
    else:
        one.due = min(one.due, free[pod, 0])


@compiled
def fewest_inside(load: Numbers, chance: float) -> int:
    """The place of the smallest load; one of them by chance where several are."""
    fewest, ties = load[0], 0
    for one in load:
        fewest = min(fewest, one)
    for one in load:
        ties += one == fewest
    nth = min(int(chance * ties), ties - 1)
    for place in range(len(load)):
        if load[place] == fewest:
            if nth == 0:
                return place
            nth -= 1
    return 0


@compiled
def share_by_load(
    pods: Records,
    waiting: Floats,
    free: Floats,
    inside: Floats,
    ended: Records,
    total: Numbers,
    arrivals: Floats,
    chances: Floats,
    ready: Numbers,
) -> None:
    """Each request goes to the ready pod with the fewest inside. Loads and what is due stand in arrays of their own,
    which two hundred pods are looked through in faster than in their records."""
    due, load = np.full(len(ready), -math.inf), np.zeros(len(ready), dtype=np.int64)
    for index in range(len(arrivals)):
        at = arrivals[index]
        for place in range(len(ready)):
            if due[place] <= at:
                pod = ready[place]
                settle(pods, waiting, free, inside, ended, total, pod, at)
                due[place], load[place] = pods[pod].due, pods[pod].queued + pods[pod].running
        place = fewest_inside(load, chances[index, 0])
        pod = ready[place]
        arrive(pods, waiting, free, inside, ended, total, pod, at, chances[index, 1], chances[index, 2])
        due[place], load[place] = pods[pod].due, pods[pod].queued + pods[pod].running


@compiled
def advance(
    pods: Records,
    waiting: Floats,
    free: Floats,
    inside: Floats,
    ended: Records,
    total: Numbers,
    arrivals: Floats,
    chances: Floats,
    used: Numbers,
    ready: Numbers,
    least: bool,
    until: float,
) -> None:
    """Every pod in `used` works until `until`. `arrivals` ascend; `chances` is (arrivals, 3): where each goes, and its
    two random numbers. With `least`, that pod of `ready` takes the next which has the fewest inside, and the chance
    decides among equals; else it is the place in `ready`."""
    if least:
        share_by_load(pods, waiting, free, inside, ended, total, arrivals, chances, ready)
    else:
        for index in range(len(arrivals)):
            pod, at = ready[int(chances[index, 0])], arrivals[index]
            arrive(pods, waiting, free, inside, ended, total, pod, at, chances[index, 1], chances[index, 2])
    for pod in used:
        settle(pods, waiting, free, inside, ended, total, pod, until)


@compiled
def busy_seconds(pods: Records, free: Floats, pod: int, at: float) -> float:
    """Slot-seconds worked up to `at`: all that was started, less what of it lies ahead."""
    ahead = 0.0
    for slot in range(pods[pod].slots):
        ahead += max(free[pod, slot] - at, 0.0)
    return float(pods[pod].given - ahead)


@compiled
def worked(pods: Records, free: Floats, used: Numbers, group: Numbers, at: float, sums: Floats) -> None:
    """Add what each pod in `used` accepted and worked since this was last asked to the sums of its group: requests and
    replica-seconds at work."""
    for pod in used:
        one: Any = pods[pod]
        busy = busy_seconds(pods, free, pod, at)
        sums[group[pod], SUM_ACCEPTED] += one.accepted - one.seen_accepted
        sums[group[pod], SUM_BUSY] += (busy - one.seen_busy) / one.slots
        one.seen_accepted, one.seen_busy = one.accepted, busy


@compiled
def tallied(
    group: Numbers,
    ended: Records,
    count: int,
    quantities: Numbers,
    thresholds: Floats,
    bounds: Floats,
    sums: Floats,
    kept: Floats,
    buckets: Floats,
) -> None:
    """Add the first `count` that ended to the sums of each group (`group` is by pod): columns of `sums` as above, of
    `kept` (groups, goals, 2) good and all of each goal; columns of `buckets` count latencies up to each bound."""
    for place in range(count):
        one: Any = ended[place]
        row = group[one.pod]
        sums[row, SUM_ENDED] += 1.0
        if one.status == REFUSED:
            sums[row, SUM_REFUSED] += 1.0
        # To the nanosecond: as differences of clock times they carry rounding.
        latency = np.rint((one.wait + one.service) * 1e9) / 1e9
        finished = one.status == FINISHED
        for goal in range(len(quantities)):
            if finished and quantities[goal] == INTER_TOKEN:
                continue
            kept[row, goal, 0] += 1.0 if finished and latency <= thresholds[goal] else 0.0
            kept[row, goal, 1] += 1.0
        if not finished:
            continue
        sums[row, SUM_FINISHED] += 1.0
        sums[row, SUM_LATENCY] += latency
        sums[row, SUM_WAITED] += one.wait
        buckets[row, np.searchsorted(bounds, latency)] += 1.0
