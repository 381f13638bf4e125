"""One pod as an exact first-come-first-served queue, advanced step by step. `fleet` holds one for each pod.

Two ways to compute the same thing: a loop over events, which knows every rule of the model; and, where everybody who
arrived in a step is served in turn and alone, a recursion over requests for the whole step at once. That needs a
server without batches, and nobody refused or giving up, which is looked at afterwards. Results do not depend on how
the time is cut into steps.
"""

import math
from collections import deque
from heapq import heapreplace

import numpy as np

from tightrope.dataplane.outcomes import NOTHING, Floats, Outcomes, Status, all_alike, together
from tightrope.dataplane.server_model import Distribution, Factors, ServerModel

WORTH_AN_ARRAY = 48  # below so many requests the loop is faster than numpy's calls
ROUNDING_SECONDS = 1e-9


class Server:
    """One pod at work. `now` is how far it has come, in seconds."""

    def __init__(self, model: ServerModel, *, seed: int) -> None:
        self.model = model
        self.now = -math.inf
        self.accepted = 0
        self._factors = Factors(model, seed=seed)
        self._queue: deque[float] = deque()
        self._free = [-math.inf] * model.slots  # a heap: when each slot comes free
        self._inside = (np.empty(0), np.empty(0), np.empty(0))  # arrival, start and end of what is being worked on
        self._given = 0.0  # slot-seconds of all work that was ever started
        # Slots come free in turn when there is one, or when all work takes equally long.
        in_turn = model.slots == 1 or model.distribution is Distribution.DETERMINISTIC
        self._starts = lindley if in_turn else earliest_free

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def running(self) -> int:
        """Requests being worked on whose clients still wait."""
        return len(self._inside[0])

    @property
    def idle(self) -> bool:
        """Nothing inside, so that a step without arrivals changes nothing."""
        return not self._queue and not len(self._inside[0])

    def busy_seconds(self, at: float) -> float:
        """Slot-seconds worked up to `at`, which is `now` or, on an idle server, later."""
        return self._given - sum(max(0.0, free - at) for free in self._free)

    def advance(self, arrivals: Floats, until: float) -> Outcomes:
        """Work until `until`, with these arrivals (ascending, after `now`, up to `until`): what ended on the way."""
        if len(arrivals) == 0 and self.idle:
            self.now = until
            return NOTHING
        ended = None
        if self.model.batch_limit == 1 and len(arrivals) + len(self._queue) >= WORTH_AN_ARRAY:
            ended = self._in_one_go(arrivals, until)
        if ended is None:
            ended = self._by_events(arrivals.tolist(), until)
        self.now = until
        return ended

    def lose(self) -> Outcomes:
        """The pod goes away now, and all that is inside with it."""
        arrival, start, _ = self._inside
        waiting = np.array(self._queue, dtype=np.float64)
        lost = [
            all_alike(Status.LOST, arrival=waiting, wait=self.now - waiting),
            all_alike(Status.LOST, arrival=arrival, wait=start - arrival, service=self.now - start),
        ]
        self._queue.clear()
        self._inside = (np.empty(0), np.empty(0), np.empty(0))
        return together(lost)

    def _in_one_go(self, arrivals: Floats, until: float) -> Outcomes | None:
        """The recursion over requests; None if somebody would be refused or give up, and nothing has changed then."""
        model = self.model
        everyone = np.concatenate([np.array(self._queue, dtype=np.float64), arrivals])
        seconds = model.batch_seconds(1) * self._factors.peek(len(everyone))
        starts = self._starts(everyone, seconds, np.sort(self._free))
        if model.timeout_seconds is not None and np.any(starts + seconds - everyone > model.timeout_seconds):
            return None
        if len(everyone) > model.queue_limit:
            ahead = np.arange(len(everyone)) - np.searchsorted(starts, everyone, side="right")
            if np.any(((starts > everyone) & (ahead >= model.queue_limit))[len(self._queue) :]):
                return None
        started = int(np.searchsorted(starts, until, side="right"))
        self.accepted += len(arrivals)
        self._factors.take(started)
        self._queue = deque(everyone[started:].tolist())
        ends = starts[:started] + seconds[:started]
        # A start takes the earliest time at which a slot is free, so that the latest ones are left.
        self._free = np.sort(np.append(self._free, ends))[-model.slots :].tolist()
        self._given += float(seconds[:started].sum())
        return self._leave(everyone[:started], starts[:started], ends, until)

    def _by_events(self, arrivals: list[float], until: float) -> Outcomes:
        """One event after another: an arrival, or a slot that comes free while somebody waits."""
        queue, free, limit = self._queue, self._free, self.model.queue_limit
        patience = self.model.timeout_seconds or math.inf
        work = _Work(self.model, self._factors.peek(len(queue) + len(arrivals)).tolist())
        refused: list[float] = []
        gave_up: list[float] = []
        index, count = 0, len(arrivals)
        while True:
            next_start = free[0] if queue else math.inf
            if index < count and arrivals[index] < next_start:
                at = arrivals[index]
                index += 1
                while queue and queue[0] + patience <= at:
                    gave_up.append(queue.popleft())
                if not queue and free[0] <= at:
                    queue.append(at)
                    work.start(queue, free, at)
                elif len(queue) < limit:
                    queue.append(at)
                else:
                    refused.append(at)
            elif next_start <= until:
                while queue and queue[0] + patience <= next_start:
                    gave_up.append(queue.popleft())
                if queue:
                    work.start(queue, free, next_start)
            else:
                break
        while queue and queue[0] + patience <= until:
            gave_up.append(queue.popleft())
        self.accepted += count - len(refused)
        self._factors.take(work.batches)
        self._given += work.given
        left = self._leave(np.array(work.arrival), np.array(work.begun), np.array(work.end), until)
        if not refused and not gave_up:
            return left
        tired = np.array(gave_up, dtype=np.float64)
        return together(
            [
                left,
                all_alike(Status.REFUSED, arrival=np.array(refused, dtype=np.float64)),
                all_alike(Status.TIMED_OUT, arrival=tired, wait=np.full(len(tired), patience)),
            ]
        )

    def _leave(self, arrival: Floats, start: Floats, end: Floats, until: float) -> Outcomes:
        """Add these to what is inside, and take out whoever is done or gave up by `until`."""
        if self.running:
            arrival, start, end = (
                np.concatenate(pair) for pair in zip(self._inside, (arrival, start, end), strict=True)
            )
        patience = self.model.timeout_seconds
        gone = end if patience is None else np.minimum(end, arrival + patience)
        out = gone <= until
        stay = ~out
        self._inside = (arrival[stay], start[stay], end[stay])
        arrival, start, end, gone = arrival[out], start[out], end[out], gone[out]
        status = (gone < end) * np.int8(Status.TIMED_OUT)
        return Outcomes(arrival=arrival, wait=start - arrival, service=gone - start, status=status)


class _Work:
    """Batches begun in one step, as one row a request; `factors` has one for each batch that could begin."""

    def __init__(self, model: ServerModel, factors: list[float]) -> None:
        self._batch_limit = model.batch_limit
        self._base, self._each = model.base_seconds, model.per_request_seconds
        self._factors = factors
        self.arrival: list[float] = []
        self.begun: list[float] = []
        self.end: list[float] = []
        self.batches = 0
        self.given = 0.0

    def start(self, queue: deque[float], free: list[float], at: float) -> None:
        """The slot that is free for longest takes what waits, as far as a batch goes."""
        batch = min(len(queue), self._batch_limit)
        seconds = (self._base + self._each * batch) * self._factors[self.batches]
        self.batches += 1
        self.given += seconds
        end = at + seconds
        heapreplace(free, end)
        for _ in range(batch):
            self.arrival.append(queue.popleft())
            self.begun.append(at)
            self.end.append(end)


def lindley(arrivals: Floats, seconds: Floats, free: Floats) -> Floats:
    """When each request starts, on slots that come free in turn: max(its arrival, end of the one len(free) before it).

    `free` (ascending) is when each slot first comes free. With row i of the requests that one slot serves and C the
    sum of their service times before it, start_i = C_i + max(free, max over j <= i of (arrival_j - C_j)): the
    recursion of D. V. Lindley, The theory of queues with a single server (1952), unrolled.
    """
    slots = len(free)
    rows = -(-len(arrivals) // slots)
    padding = rows * slots - len(arrivals)
    table = np.pad(arrivals, (0, padding), constant_values=arrivals[-1]).reshape(rows, slots)
    lengths = np.pad(seconds, (0, padding)).reshape(rows, slots)
    before = np.cumsum(lengths, axis=0) - lengths
    starts = before + np.maximum(free, np.maximum.accumulate(table - before, axis=0))
    # The sums lose the last digits: who waits for less than that starts on arrival.
    found: Floats = np.where(starts - table < ROUNDING_SECONDS, table, starts).reshape(-1)[: len(arrivals)]
    return found


def earliest_free(arrivals: Floats, seconds: Floats, free: Floats) -> Floats:
    """When each request starts, on slots that come free in any order: as soon as the earliest is (J. Kiefer and J.
    Wolfowitz, On the theory of queues with many servers, 1955). `free` is when each slot first comes free."""
    heap = free.tolist()
    starts = []
    for arrival, length in zip(arrivals.tolist(), seconds.tolist(), strict=True):
        start = max(arrival, heap[0])
        starts.append(start)
        heapreplace(heap, start + length)
    return np.array(starts)
