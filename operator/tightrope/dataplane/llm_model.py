"""How one emulated server of a language model works. `llm` runs it; docs/llm-servers.md says what it leaves out."""

import math
from dataclasses import dataclass

from tightrope.dataplane.tokens import TokenAverages


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmModel:
    """One pod with continuous batching (Yu et al., Orca, OSDI 2022): sequences join and leave between steps, and each
    step gives every decoding sequence one token.

    A step takes step_base_seconds + step_per_sequence_seconds * n with n sequences decoding. Before a request decodes,
    its input is worked through, prefill_base_seconds + prefill_per_token_seconds * input tokens long, which ends with
    its first token. Inputs are worked through one at a time, first come first served. Without `chunk_tokens` decoding
    stands still meanwhile; with it, each step takes so many tokens of input along and becomes longer by their work.
    A request is admitted, and its prefill begins, when no other is in prefill, fewer than `batch_limit` sequences are
    inside, and `cache_tokens` has room for its input and all its output. One that needs more than the whole cache, or
    finds `queue_limit` others waiting, is refused. A client gives up `timeout_seconds` after its arrival, and its
    request leaves at once, wherever it is. Raises ValueError.
    """

    step_base_seconds: float
    step_per_sequence_seconds: float = 0.0
    prefill_base_seconds: float = 0.0
    prefill_per_token_seconds: float = 0.0
    batch_limit: int = 256
    cache_tokens: float = math.inf
    chunk_tokens: int | None = None
    queue_limit: int = 1000
    timeout_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in (
            "step_base_seconds", "step_per_sequence_seconds", "prefill_base_seconds", "prefill_per_token_seconds",
        ):  # fmt: skip
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name} is {getattr(self, name):g}: write seconds, 0 or more")
        if self.step_base_seconds + self.step_per_sequence_seconds <= 0:
            raise ValueError("step_base_seconds and step_per_sequence_seconds are both 0: write how long a step takes")
        for name, least in (("batch_limit", 1), ("queue_limit", 0), ("cache_tokens", 2), ("chunk_tokens", 1)):
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise ValueError(f"{name} is {value:g}: write {least} or more")
        if self.timeout_seconds is not None and not self.timeout_seconds > 0:
            raise ValueError(f"timeout_seconds is {self.timeout_seconds:g}: write seconds above 0, or leave it out")

    def step_seconds(self, sequences: float) -> float:
        """How long a step takes with so many sequences decoding and no input: their inter-token latency."""
        return self.step_base_seconds + self.step_per_sequence_seconds * sequences

    def prefill_seconds(self, input_tokens: float) -> float:
        """How long so many tokens of input keep the pod at work, decoding aside."""
        return self.prefill_base_seconds + self.prefill_per_token_seconds * input_tokens

    def batch(self, lengths: TokenAverages) -> int:
        """Sequences inside when the pod is full, on average: as many as it takes, or as its cache has room for."""
        return int(min(self.batch_limit, max(1.0, self.cache_tokens / lengths.held_tokens)))

    def saturation(self, lengths: TokenAverages) -> float:
        """Requests per second that one pod can finish at most, without regard to latency; inf if they are no work.

        Where the cache bounds the batch, that is what fits on average, and the true rate lower (1 % where thirty fit,
        13 % where three do): first come first served leaves room empty that the next in line is too long for.
        """
        full = min(float(self.batch_limit), max(1.0, self.cache_tokens / lengths.held_tokens))
        seconds = self._share_seconds(full, lengths)
        return 1 / seconds if seconds > 0 else math.inf

    def batch_seconds(self, sequences: int, lengths: TokenAverages) -> float:
        """How long so many requests take that are inside together, from the first prefill to the last token."""
        return sequences * self._share_seconds(float(sequences), lengths)

    def first_token_seconds(self, sequences: int, lengths: TokenAverages) -> float:
        """How long a request that is let in takes to its first token with so many inside, itself one of them: half a
        step is left to wait for on average, then comes its input, in chunks with a step beside each."""
        others, prefill = sequences - 1, self.prefill_seconds(lengths.input_tokens)
        if not others:
            return prefill
        if self.chunk_tokens is None:
            return prefill + self.step_seconds(others) / 2
        return prefill + self.step_seconds(others) * lengths.input_tokens / self.chunk_tokens

    def gap_seconds(self, sequences: int, lengths: TokenAverages) -> float:
        """The mean time between the tokens of an answer with so many inside together, prefill of the others included; 0
        where answers are of one token."""
        gaps = lengths.output_tokens - 1
        if gaps <= 0:
            return 0.0
        return (self.batch_seconds(sequences, lengths) - self.prefill_seconds(lengths.input_tokens)) / gaps

    def _share_seconds(self, batch: float, lengths: TokenAverages) -> float:
        """What a request takes of a pod with so many inside: its prefill, and its share of each of its steps,
        (base + each * batch) / batch. In chunks, batch - 1 sequences decode along while its prefill lasts; if that
        alone gives all the tokens there are to give, prefill never pauses, and the batch does not fill."""
        decoded, prefill = lengths.output_tokens - 1, self.prefill_seconds(lengths.input_tokens)
        steps = 0.0 if self.chunk_tokens is None else lengths.input_tokens / self.chunk_tokens
        along = min(decoded, (batch - 1) * steps)
        seconds = prefill + steps * self.step_base_seconds + along * self.step_per_sequence_seconds
        return seconds + (decoded - along) * self.step_seconds(batch) / batch
