"""Lengths that were recorded: request by request, drawn from a record, or scaled to means that change in time. A replay
builds these of a trace. What holds arrays is equal to itself alone; `fingerprint` says what is alike."""

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np

from tightrope.dataplane.outcomes import Floats
from tightrope.dataplane.tokens import (
    LlmRequests,
    TokenAverages,
    TokenMix,
    TokenStream,
    averages_of,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenPairs:
    """Whole tokens of input and of output of requests that were seen, 1 or more, two arrays of one length, not empty.
    Each that comes has the lengths of one of them, drawn at random: input and output go together as they were."""

    input_tokens: Floats = field(repr=False)
    output_tokens: Floats = field(repr=False)

    def stream(self, *, seed: int) -> TokenStream:
        return _Drawn(self, seed=seed)

    def shuffled(self) -> "TokenPairs":
        """Itself: its requests are in no order."""
        return self

    def averages(self) -> TokenAverages:
        return averages_of(self.input_tokens, self.output_tokens)

    def fingerprint(self) -> bytes:
        return _digest(type(self).__name__, self.input_tokens, self.output_tokens)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenRecord:
    """The lengths of every single request of a trace, in the order in which they came."""

    input_tokens: Floats = field(repr=False)
    output_tokens: Floats = field(repr=False)

    def stream(self, *, seed: int) -> TokenStream:
        return _InOrder(self)

    def shuffled(self) -> TokenPairs:
        return TokenPairs(input_tokens=self.input_tokens, output_tokens=self.output_tokens)

    def averages(self) -> TokenAverages:
        return averages_of(self.input_tokens, self.output_tokens)

    def fingerprint(self) -> bytes:
        return _digest(type(self).__name__, self.input_tokens, self.output_tokens)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenMeans:
    """Mean tokens of the requests from each of `starts` (seconds, ascending, the first is 0) until the next, and how
    many requests there were then (`weights`, relative); NaN where nobody knows, as where there were none."""

    starts: Floats = field(repr=False)
    input_means: Floats = field(repr=False)
    output_means: Floats = field(repr=False)
    weights: Floats = field(repr=False)

    def overall(self) -> tuple[float, float]:
        """Input and output, over all requests whose means are known; NaN where none are."""
        return self._mean(self.input_means), self._mean(self.output_means)

    def at(self, times: Floats) -> tuple[Floats, Floats]:
        """Input and output at these times; the overall mean where it is not known."""
        place = np.searchsorted(self.starts, times, side="right") - 1
        found = []
        for means, overall in zip((self.input_means, self.output_means), self.overall(), strict=True):
            values = means[place]
            found.append(np.where(np.isnan(values), overall, values))
        return found[0], found[1]

    def fingerprint(self) -> bytes:
        return _digest("means", self.starts, self.input_means, self.output_means, self.weights)

    def _mean(self, means: Floats) -> float:
        known = ~np.isnan(means) & (self.weights > 0)
        return float(np.average(means[known], weights=self.weights[known])) if known.any() else np.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCourse:
    """Lengths that vary around the means of their time as those of `shape` vary around its own: a request takes lengths
    from the shape, times the mean of its time over the mean of the shape."""

    shape: TokenMix | TokenPairs
    means: TokenMeans

    def stream(self, *, seed: int) -> TokenStream:
        return _Scaled(self, seed=seed)

    def shuffled(self) -> TokenMix | TokenPairs:
        """The shape at the overall means."""
        inputs, outputs = self.means.overall()
        if isinstance(self.shape, TokenMix):
            return replace(self.shape, mean_input_tokens=inputs, mean_output_tokens=outputs)
        found = self.shape.averages()
        return TokenPairs(
            input_tokens=whole(self.shape.input_tokens * inputs / found.input_tokens),
            output_tokens=whole(self.shape.output_tokens * outputs / found.output_tokens),
        )

    def averages(self) -> TokenAverages:
        return self.shuffled().averages()

    def fingerprint(self) -> bytes:
        return self.shape.fingerprint() + self.means.fingerprint()


class _InOrder:
    def __init__(self, record: TokenRecord) -> None:
        self._record, self._next = record, 0

    def of(self, arrivals: Floats) -> LlmRequests:
        first, self._next = self._next, self._next + len(arrivals)
        return LlmRequests(
            arrival=arrivals,
            input_tokens=self._record.input_tokens[first : self._next],
            output_tokens=self._record.output_tokens[first : self._next],
        )


class _Drawn:
    def __init__(self, pairs: TokenPairs, *, seed: int) -> None:
        self._pairs, self._random = pairs, np.random.default_rng(seed)

    def of(self, arrivals: Floats) -> LlmRequests:
        # Not by `integers`, which may draw again and so depend on what was asked for at once.
        places = (self._random.random(len(arrivals)) * len(self._pairs.input_tokens)).astype(np.int64)
        return LlmRequests(
            arrival=arrivals,
            input_tokens=self._pairs.input_tokens[places],
            output_tokens=self._pairs.output_tokens[places],
        )


class _Scaled:
    def __init__(self, course: TokenCourse, *, seed: int) -> None:
        shape = course.shuffled()
        self._stream, self._averages, self._means = shape.stream(seed=seed), shape.averages(), course.means

    def of(self, arrivals: Floats) -> LlmRequests:
        drawn, (inputs, outputs) = self._stream.of(arrivals), self._means.at(arrivals)
        return LlmRequests(
            arrival=arrivals,
            input_tokens=whole(drawn.input_tokens * inputs / self._averages.input_tokens),
            output_tokens=whole(drawn.output_tokens * outputs / self._averages.output_tokens),
        )


def whole(tokens: Floats) -> Floats:
    """Whole tokens, 1 or more."""
    rounded: Floats = np.maximum(np.rint(tokens), 1.0)
    return rounded


def _digest(kind: str, *arrays: Floats) -> bytes:
    hashed = hashlib.sha256(kind.encode())
    for array in arrays:
        hashed.update(array.tobytes())
    return hashed.digest()
