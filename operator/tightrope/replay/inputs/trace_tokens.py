"""The columns of tokens in a trace: of every single request, or sums or means of a step. `table` calls this."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from tightrope.dataplane.outcomes import Floats
from tightrope.dataplane.token_records import TokenMeans, TokenRecord, whole
from tightrope.replay.profiles import ReplayError

TOKENS: Final = ("input_tokens", "output_tokens")
MEANS: Final = ("mean_input_tokens", "mean_output_tokens")

Column = Callable[[str], Floats]  # by name; NaN for an empty cell


def of_requests(path: Path, header: Sequence[str], column: Column) -> tuple[TokenRecord | None, tuple[str, ...]]:
    """The lengths of every request, None where the trace has none; and what to say of them. Raises ReplayError."""
    there = _both(path, header, TOKENS)
    if not there:
        return None, ()
    inputs, outputs = column(TOKENS[0]), column(TOKENS[1])
    nothing = int(np.count_nonzero((inputs < 1) | (outputs < 1)))
    notes = (f"requests with 0 tokens of input or output: {nothing:,}, counted as 1 token",) if nothing else ()
    return TokenRecord(input_tokens=whole(inputs), output_tokens=whole(outputs)), notes


def of_steps(
    path: Path, header: Sequence[str], column: Column, *, name: str, starts: Floats, counts: Floats
) -> TokenMeans | None:
    """The means of each step, which begins at `starts` and has so many requests, in column `name`: as they are written,
    or of sums beside a column of requests. None where the trace says nothing of them. Raises ReplayError."""
    if _both(path, header, MEANS):
        inputs, outputs = column(MEANS[0]), column(MEANS[1])
    elif name == "requests" and _both(path, header, TOKENS):
        with np.errstate(invalid="ignore", divide="ignore"):
            inputs, outputs = (np.where(counts > 0, column(one) / counts, np.nan) for one in TOKENS)
    else:
        return None
    # Nobody sends fewer than one token: a mean of 0 stands where there were no requests.
    means = [np.where(values >= 1, values, np.nan) for values in (inputs, outputs)]
    return TokenMeans(starts=starts, input_means=means[0], output_means=means[1], weights=np.nan_to_num(counts))


def _both(path: Path, header: Sequence[str], names: Sequence[str]) -> bool:
    there = [name for name in names if name in header]
    if len(there) == 1:
        other = next(name for name in names if name not in header)
        raise ReplayError(f"{path}: there is a column {there[0]} and no {other}: write both, or neither")
    return bool(there)
