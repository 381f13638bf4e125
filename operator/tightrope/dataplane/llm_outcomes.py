"""What became of each request to a language model. `llm_fleet` returns it step by step; whoever drives it counts it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tightrope.dataplane.kernels import Records
from tightrope.dataplane.outcomes import Codes, Floats, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmOutcomes:
    """Requests that ended in one step, in the order of their ends; arrays of one length, times in seconds.

    `wait` is the time in the queue, before the prefill begins. `first_token` is the time from arrival to the first
    token, NaN for a request that got none. `end_to_end` is from arrival to the end, whichever it was. `inter_token` is
    the mean time between the tokens of an answer, NaN unless it was finished and has two or more. `output_tokens` are
    the tokens given, for a finished request all it asked for.
    """

    arrival: Floats
    wait: Floats
    first_token: Floats
    end_to_end: Floats
    inter_token: Floats
    input_tokens: Floats
    output_tokens: Floats
    status: Codes

    def __len__(self) -> int:
        return len(self.arrival)

    @property
    def finished(self) -> NDArray[np.bool_]:
        finished: NDArray[np.bool_] = self.status == np.int8(Status.FINISHED)
        return finished

    def count(self, status: Status) -> int:
        return int(np.count_nonzero(self.status == np.int8(status)))


def outcomes_of(ended: Records) -> LlmOutcomes:
    """To the nanosecond: as differences of clock times they carry rounding, and 0.1 s must be found at or under it."""
    finished, tokens = ended["status"] == int(Status.FINISHED), ended["tokens"]
    gaps = np.where(finished & (tokens >= 2), tokens - 1, math.nan)
    return LlmOutcomes(
        arrival=ended["arrival"].copy(),
        wait=np.round(ended["wait"], 9),
        first_token=np.round(ended["first"] - ended["arrival"], 9),
        end_to_end=np.round(ended["end"] - ended["arrival"], 9),
        inter_token=np.round((ended["end"] - ended["first"]) / gaps, 9),
        input_tokens=ended["inputs"].copy(),
        output_tokens=tokens.copy(),
        status=ended["status"].astype(np.int8),
    )
