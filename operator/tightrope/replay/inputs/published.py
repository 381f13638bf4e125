"""Layouts in which traces of language models are published, as `table` and `tokens` read them.

Azure LLM inference traces 2023 and 2024 (Azure/AzurePublicDataset): TIMESTAMP,ContextTokens,GeneratedTokens, times in
UTC with or without saying so. BurstGPT (HPMLL/BurstGPT): Timestamp in seconds since the start, tokens of request and
response. Vidur (microsoft/vidur): arrived_at and two counts of tokens. Mooncake (kvcache-ai/Mooncake): JSON lines with
milliseconds since the start and two lengths.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from tightrope.dataplane.outcomes import Floats
from tightrope.replay.profiles import ReplayError

ALIASES: Final[Mapping[str, str]] = {
    "contexttokens": "input_tokens",
    "generatedtokens": "output_tokens",
    "request tokens": "input_tokens",
    "response tokens": "output_tokens",
    "num_prefill_tokens": "input_tokens",
    "num_decode_tokens": "output_tokens",
    "arrived_at": "time",
}
# Columns of these layouts that say nothing of demand.
PASSED_OVER: Final = ("model", "total tokens", "log type", "session id", "elapsed time")

_JSON: Final = 'write a request a line, as in {"timestamp": 1500, "input_length": 800, "output_length": 60}'
JSON_COLUMNS: Final = ("time", "input_tokens", "output_tokens")


def is_json_lines(path: Path) -> bool:
    """Whether the name says that the file has a JSON object a line."""
    return path.name.endswith((".jsonl", ".jsonl.gz"))


def json_rows(text: str, path: Path) -> Floats:
    """A row a request: seconds, tokens of input and of output. Raises ReplayError."""
    rows = [_row(line, f"{path}, line {number}") for number, line in enumerate(text.splitlines(), start=1)]
    if not rows:
        raise ReplayError(f"{path}: the file is empty: {_JSON}")
    return np.array(rows)


def _row(line: str, where: str) -> tuple[float, float, float]:
    try:
        found = json.loads(line)
        values = [float(found[name]) for name in ("timestamp", "input_length", "output_length")]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ReplayError(f"{where}: this is no such request: {_JSON}") from None
    if not all(0 <= value < math.inf for value in values):
        raise ReplayError(f"{where}: it has a number that cannot be: {_JSON}")
    return values[0] / 1000.0, values[1], values[2]
