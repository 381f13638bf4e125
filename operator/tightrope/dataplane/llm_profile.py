"""The numbers of an `LlmModel` from a measured profile of a real server, and how well they describe it.

Whoever describes a server to a replay or to the lab starts here; docs/llm-servers.md has the figures for public
profiles.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tightrope.dataplane.outcomes import Floats

_COLUMNS: Final = ("prompt_size", "batch_size", "token_size", "prompt_time", "token_time")


class ProfileError(ValueError):
    """The profile cannot be used; the message names the file, the line or column, and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Measured runs, a value of each array for one run: `sequences` were given `input_tokens` each, took
    `prefill_seconds` until their first tokens, and then `decode_seconds` until each had its `output_tokens`."""

    input_tokens: Floats
    sequences: Floats
    output_tokens: Floats
    prefill_seconds: Floats
    decode_seconds: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Fields of `LlmModel`, and the largest relative error of the step and of the prefill over the runs used."""

    step_base_seconds: float
    step_per_sequence_seconds: float
    prefill_base_seconds: float
    prefill_per_token_seconds: float
    step_error: float
    prefill_error: float


def read_profile(path: Path) -> Profile:
    """A CSV with the columns of the published SageServe and Splitwise profiles: prompt_size, batch_size, token_size
    (tokens), prompt_time, token_time (seconds). Raises ProfileError."""
    rows = np.array(list(_rows(path))).reshape(-1, len(_COLUMNS))
    if not len(rows):
        raise ProfileError(f"{path}: there is no run in it: write one a line, with the columns {', '.join(_COLUMNS)}")
    return Profile(
        input_tokens=rows[:, 0],
        sequences=rows[:, 1],
        output_tokens=rows[:, 2],
        prefill_seconds=rows[:, 3],
        decode_seconds=rows[:, 4],
    )


def fitted(profile: Profile, *, within_tokens: float = math.inf) -> Fit:
    """Least squares of relative errors. Runs whose input and output together are longer than `within_tokens` are left
    out: long contexts slow a step down, which the model does not know. The prefill is fitted to runs of one sequence,
    since the model works inputs through one at a time. Raises ProfileError where too few runs are left."""
    short = profile.input_tokens + profile.output_tokens <= within_tokens
    several, alone = short & (profile.output_tokens >= 2), short & (profile.sequences == 1)
    steps = profile.decode_seconds[several] / (profile.output_tokens[several] - 1)
    base, each, step_error = line("batch_size", profile.sequences[several], steps)
    begin, token, error = line("prompt_size", profile.input_tokens[alone], profile.prefill_seconds[alone])
    return Fit(
        step_base_seconds=base,
        step_per_sequence_seconds=each,
        prefill_base_seconds=begin,
        prefill_per_token_seconds=token,
        step_error=step_error,
        prefill_error=error,
    )


def line(name: str, at: Floats, seconds: Floats) -> tuple[float, float, float]:
    """Base and slope, neither below 0, of the line with the least squares of relative errors, and its largest."""
    if len(np.unique(at)) < 2:
        raise ProfileError(f"{name} has fewer than two values among the runs to fit: measure more, or leave more in")
    table = np.stack([1 / seconds, at / seconds], axis=1)
    ones = np.ones(len(at))
    base, slope = np.linalg.lstsq(table, ones, rcond=None)[0].tolist()
    if base < 0:
        base, slope = 0.0, float(table[:, 1].sum() / (table[:, 1] ** 2).sum())
    if slope < 0:
        base, slope = float(table[:, 0].sum() / (table[:, 0] ** 2).sum()), 0.0
    return base, slope, float(np.abs(table @ [base, slope] - 1).max())


def _rows(path: Path) -> Iterator[list[float]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ProfileError(f"{path}: no column {missing[0]}: write {', '.join(_COLUMNS)} in the first line")
            for row in reader:
                yield [_number(path, reader.line_num, name, row[name]) for name in _COLUMNS]
    except UnicodeDecodeError:
        raise ProfileError(f"{path}: this is not text: write a CSV file") from None
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}: write the path of a CSV file") from None


def _number(path: Path, number: int, name: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ProfileError(f"{path}, line {number}: {name} is {text!r}: write a number above 0")
    return value
