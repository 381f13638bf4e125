"""A server of a language model in a servers file: its numbers, or a measured profile that they are fitted to. `servers`
calls this.

    gpu: {kind: llm, step: 8.3ms, stepPerSequence: 0.25ms, prefill: 10ms, prefillPerToken: 0.04ms, cacheTokens: 400000}
    gpu: {kind: llm, profile: llama.csv, withinTokens: 4300, batchLimit: 64, cacheTokens: 400000, timeout: 60s}
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.llm_profile import ProfileError, fitted, read_profile
from tightrope.replay.inputs.lengths import length
from tightrope.replay.inputs.wire import WIRE, Length, fields_of, wrong_field
from tightrope.replay.profiles import ReplayError

# The model speaks of its own fields; the user reads theirs.
_WRITTEN: Final = {
    "step_base_seconds": "step",
    "step_per_sequence_seconds": "stepPerSequence",
    "batch_limit": "batchLimit",
    "cache_tokens": "cacheTokens",
    "chunk_tokens": "chunkTokens",
    "queue_limit": "queueLimit",
    "timeout_seconds": "timeout",
}
_NONE: Final = "0s"
_MEASURED: Final = ("step", "step_per_sequence", "prefill", "prefill_per_token")


class LlmServerWire(BaseModel):
    """One replica, as a user writes it; what the fields mean is said at LlmModel."""

    model_config = WIRE
    step: Length | None = None
    step_per_sequence: Length = _NONE
    prefill: Length = _NONE
    prefill_per_token: Length = _NONE
    profile: str | None = None
    within_tokens: float | None = None
    batch_limit: int = 256
    cache_tokens: float | None = None
    chunk_tokens: int | None = None
    queue_limit: int = 1000
    timeout: Length | None = None

    @classmethod
    def read(cls, wire: Mapping[str, Any], where: str, folder: Path) -> LlmModel:
        """As the data plane reads it; a profile's path begins in `folder`. Raises ReplayError."""
        try:
            return cls.model_validate(wire)._model(where, folder)
        except ValidationError as error:
            raise wrong_field(error, where, cls) from None
        except ProfileError as error:
            raise ReplayError(f"{where}.profile: {error}") from None
        except ValueError as error:
            if isinstance(error, ReplayError):
                raise
            text = str(error)
            for ours, theirs in _WRITTEN.items():
                text = text.replace(ours, theirs)
            raise ReplayError(f"{where}: {text}") from None

    def _model(self, where: str, folder: Path) -> LlmModel:
        return LlmModel(
            **self._speed(where, folder),
            batch_limit=self.batch_limit,
            cache_tokens=math.inf if self.cache_tokens is None else self.cache_tokens,
            chunk_tokens=self.chunk_tokens,
            queue_limit=self.queue_limit,
            timeout_seconds=None if self.timeout is None else length(self.timeout),
        )

    def _speed(self, where: str, folder: Path) -> dict[str, float]:
        """How long a step and a prefill take: as measured, or as written, and not both."""
        if self.profile is None:
            if self.step is None:
                raise ReplayError(f"{where}: step is missing: write how long a step takes, or profile with a CSV of it")
            if self.within_tokens is not None:
                raise ReplayError(f"{where}: withinTokens says which runs of a profile count: leave it out")
            return {
                "step_base_seconds": length(self.step) or 0.0,
                "step_per_sequence_seconds": length(self.step_per_sequence) or 0.0,
                "prefill_base_seconds": length(self.prefill) or 0.0,
                "prefill_per_token_seconds": length(self.prefill_per_token) or 0.0,
            }
        written = [
            fields_of(type(self))[place] for place, name in enumerate(_MEASURED) if name in self.model_fields_set
        ]
        if written:
            raise ReplayError(f"{where}: {written[0]} is written and profile too: leave one of them out")
        fit = fitted(
            read_profile(folder / self.profile),
            within_tokens=math.inf if self.within_tokens is None else self.within_tokens,
        )
        return {
            "step_base_seconds": fit.step_base_seconds,
            "step_per_sequence_seconds": fit.step_per_sequence_seconds,
            "prefill_base_seconds": fit.prefill_base_seconds,
            "prefill_per_token_seconds": fit.prefill_per_token_seconds,
        }


FIELDS: Final = frozenset(fields_of(LlmServerWire))
