"""The pods of a fleet that serves a language model, compiled: who takes each request, and what became of them as sums.
`llm_fleet` and `tally` call these; `llm_kernels` is one pod."""

import math
from typing import Any

import numpy as np

from tightrope.dataplane.kernels import (
    FINISHED,
    FIRST_TOKEN,
    INTER_TOKEN,
    REFUSED,
    SUM_ACCEPTED,
    SUM_BUSY,
    SUM_ENDED,
    SUM_FINISHED,
    SUM_INPUTS,
    SUM_LATENCY,
    SUM_OUTPUTS,
    SUM_REFUSED,
    SUM_WAITED,
    Numbers,
    Records,
    compiled,
    fewest_inside,
)
from tightrope.dataplane.llm_kernels import arrive, next_due, work_until
from tightrope.dataplane.outcomes import Floats


@compiled
def share_by_load(
    engines: Records, waiting: Floats, held: Floats, links: Numbers, ended: Records, total: Numbers, arrivals: Floats,
    inputs: Floats, outputs: Floats, chances: Floats, ready: Numbers,
) -> None:  # fmt: skip
    """Each request goes to the ready pod with the fewest inside, waiting or not; the chance decides among equals."""
    due, load = np.full(len(ready), -math.inf), np.zeros(len(ready), dtype=np.int64)
    for index in range(len(arrivals)):
        at = arrivals[index]
        for place in range(len(ready)):
            if due[place] <= at:
                pod = ready[place]
                engine = engines[pod : pod + 1]
                work_until(engine, waiting[pod], held[pod], links[pod], ended, total, at)
                due[place] = next_due(engine, held[pod], links[pod])
                load[place] = engine[0].queued + engine[0].batch - engine[0].spare
        place = fewest_inside(load, chances[index])
        pod = ready[place]
        engine = engines[pod : pod + 1]
        arrive(engine, waiting[pod], held[pod], links[pod], ended, total, at, inputs[index], outputs[index])
        due[place] = next_due(engine, held[pod], links[pod])
        load[place] = engine[0].queued + engine[0].batch - engine[0].spare


@compiled
def advance(
    engines: Records,
    waiting: Floats,
    held: Floats,
    links: Numbers,
    ended: Records,
    total: Numbers,
    arrivals: Floats,
    inputs: Floats,
    outputs: Floats,
    chances: Floats,
    used: Numbers,
    ready: Numbers,
    least: bool,
    until: float,
) -> None:
    """Every pod in `used` works until `until`; the arrivals ascend. With `least`, that pod of `ready` takes the next
    which has the fewest inside, and the chance decides among equals; else it is the place in `ready`."""
    if least:
        share_by_load(engines, waiting, held, links, ended, total, arrivals, inputs, outputs, chances, ready)
    else:
        for index in range(len(arrivals)):
            pod = ready[int(chances[index])]
            arrive(
                engines[pod : pod + 1], waiting[pod], held[pod], links[pod], ended, total, arrivals[index],
                inputs[index], outputs[index],
            )  # fmt: skip
    for pod in used:
        work_until(engines[pod : pod + 1], waiting[pod], held[pod], links[pod], ended, total, until)


@compiled
def busy_seconds(engines: Records, pod: int, at: float) -> float:
    """Seconds up to `at`, the end of the last step or later, in which any sequence was inside."""
    return float(engines[pod].busy + max(at - engines[pod].busy_since, 0.0))


@compiled
def worked(engines: Records, used: Numbers, group: Numbers, at: float, sums: Floats) -> None:
    """Add what each pod in `used` accepted and worked since this was last asked to the sums of its group."""
    for pod in used:
        one: Any = engines[pod]
        busy = busy_seconds(engines, pod, at)
        sums[group[pod], SUM_ACCEPTED] += one.accepted - one.seen_accepted
        sums[group[pod], SUM_BUSY] += busy - one.seen_busy
        one.seen_accepted, one.seen_busy = one.accepted, busy


@compiled
def measured(one: Any, quantity: int) -> float:
    """Seconds of this quantity that an answer took; NaN for one of a single token, which has nothing between them. To
    the nanosecond: as differences of clock times they carry rounding."""
    if quantity == INTER_TOKEN:
        if one.tokens < 2.0:
            return math.nan
        return float(np.rint((one.end - one.first) / (one.tokens - 1.0) * 1e9) / 1e9)
    until = one.first if quantity == FIRST_TOKEN else one.end
    return float(np.rint((until - one.arrival) * 1e9) / 1e9)


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
    """As `kernels.tallied`, with tokens; the latencies are those of the first goal's quantity."""
    for place in range(count):
        one: Any = ended[place]
        row = group[one.pod]
        sums[row, SUM_ENDED] += 1.0
        if one.status == REFUSED:
            sums[row, SUM_REFUSED] += 1.0
        finished = one.status == FINISHED
        for goal in range(len(quantities)):
            seconds = measured(one, quantities[goal]) if finished else math.inf
            if not math.isnan(seconds):
                kept[row, goal, 0] += 1.0 if seconds <= thresholds[goal] else 0.0
                kept[row, goal, 1] += 1.0
        if not finished:
            continue
        sums[row, SUM_FINISHED] += 1.0
        sums[row, SUM_WAITED] += one.wait
        sums[row, SUM_INPUTS] += one.inputs
        sums[row, SUM_OUTPUTS] += one.tokens
        led = measured(one, quantities[0])
        if not math.isnan(led):
            sums[row, SUM_LATENCY] += led
            buckets[row, np.searchsorted(bounds, led)] += 1.0
