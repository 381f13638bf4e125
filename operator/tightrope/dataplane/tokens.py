"""Requests to language models: when each comes, how many tokens it brings, and how many it will be answered with.

Lengths are drawn from a `TokenMix`, or come from a record (`token_records`). `llm_fleet` serves them; `llm_model` asks
for their averages to say what a pod can carry.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from tightrope.dataplane.outcomes import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAverages:
    """What a saturated pod notices of the lengths: mean tokens of input and of output of a request, and the mean of
    their sum over the requests that one finds decoding at a moment (long answers are found more often)."""

    input_tokens: float
    output_tokens: float
    held_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmRequests:
    """Three arrays of one length: times of arrival (seconds, ascending), whole tokens of input and output, 1 or more.
    Raises ValueError."""

    arrival: Floats
    input_tokens: Floats
    output_tokens: Floats

    def __post_init__(self) -> None:
        for name in ("input_tokens", "output_tokens"):
            tokens = getattr(self, name)
            if tokens.shape != self.arrival.shape:
                raise ValueError(
                    f"{name} has {len(tokens)} values for {len(self.arrival)} arrivals: write one for each"
                )
            # A comparison that NaN fails as well.
            if len(tokens) and not (tokens.min() >= 1 and tokens.max() < math.inf):
                raise ValueError(f"{name} has a request with {tokens.min():g} tokens: write 1 or more for each")

    def __len__(self) -> int:
        return len(self.arrival)

    def first(self, count: int) -> "LlmRequests":
        """The first so many of them."""
        return LlmRequests(
            arrival=self.arrival[:count],
            input_tokens=self.input_tokens[:count],
            output_tokens=self.output_tokens[:count],
        )

    def averages(self) -> TokenAverages:
        """Of these requests, of which there must be some."""
        return averages_of(self.input_tokens, self.output_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMix:
    """Lengths of input and output, independent and lognormal: means and coefficients of variation (standard deviation
    over mean; 0 for lengths that are all alike), before they are cut off at the maximum and at 1 and rounded.
    Raises ValueError."""

    mean_input_tokens: float
    cv_input: float
    mean_output_tokens: float
    cv_output: float
    max_input_tokens: float = 131_072.0
    max_output_tokens: float = 16_384.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least, most = (0.0, 10.0) if field.name.startswith("cv") else (1.0, 1e7)
            if not least <= value <= most:
                raise ValueError(f"{field.name} is {value:g}: write a number from {least:g} to {most:g}")

    def stream(self, *, seed: int) -> "RandomTokens":
        """Lengths for requests as they come."""
        return RandomTokens(self, seed=seed)

    def shuffled(self) -> "TokenMix":
        """Itself: its requests are in no order."""
        return self

    def fingerprint(self) -> bytes:
        """Differs where lengths do."""
        return repr(self).encode()

    def averages(self) -> TokenAverages:
        """Of lengths after the cut; rounding to whole tokens is left out, which moves a mean by less than 0.01."""
        sent, sent_cv, sent_most = self.mean_input_tokens, self.cv_input, self.max_input_tokens
        given, given_cv, given_most = self.mean_output_tokens, self.cv_output, self.max_output_tokens
        inputs, outputs = cut_moment(sent, sent_cv, sent_most, 1), cut_moment(given, given_cv, given_most, 1)
        steps, squares = outputs - 1, cut_moment(given, given_cv, given_most, 2)
        found = (squares - outputs) / steps if steps > 0 else outputs
        return TokenAverages(input_tokens=inputs, output_tokens=outputs, held_tokens=inputs + found)


class TokenStream(Protocol):
    """Gives requests their lengths, in the order in which they come, so that they do not depend on how time is cut into
    steps."""

    def of(self, arrivals: Floats) -> LlmRequests:
        """The next requests, which come at these times."""
        ...


class Lengths(Hashable, Protocol):
    """Which lengths the requests of a service have."""

    def stream(self, *, seed: int) -> TokenStream:
        """Lengths for requests as they come."""
        ...

    def shuffled(self) -> "Lengths":
        """The same lengths, whenever a request comes: what the capacity of a server is measured with."""
        ...

    def averages(self) -> TokenAverages:
        """What a saturated pod notices of them."""
        ...

    def fingerprint(self) -> bytes:
        """Differs where lengths do."""
        ...


class RandomTokens:
    """Draws lengths from a mix, request by request, so that they do not depend on how time is cut into steps."""

    def __init__(self, mix: TokenMix, *, seed: int) -> None:
        self._mix = mix
        self._random = np.random.default_rng(seed)

    def of(self, arrivals: Floats) -> LlmRequests:
        """The next requests, which come at these times."""
        mix, normals = self._mix, self._random.standard_normal((len(arrivals), 2))
        return LlmRequests(
            arrival=arrivals,
            input_tokens=lengths(mix.mean_input_tokens, mix.cv_input, mix.max_input_tokens, normals[:, 0]),
            output_tokens=lengths(mix.mean_output_tokens, mix.cv_output, mix.max_output_tokens, normals[:, 1]),
        )


def averages_of(input_tokens: Floats, output_tokens: Floats) -> TokenAverages:
    """Of requests with these lengths, of which there must be some."""
    steps, held = output_tokens - 1, input_tokens + output_tokens
    return TokenAverages(
        input_tokens=float(input_tokens.mean()),
        output_tokens=float(output_tokens.mean()),
        held_tokens=float(np.average(held, weights=steps) if steps.any() else held.mean()),
    )


def lengths(mean: float, cv: float, most: float, normals: Floats) -> Floats:
    """Whole tokens from 1 to `most`, lognormal with this mean and coefficient of variation before the cut."""
    middle, spread = logarithm(mean, cv)
    cut: Floats = np.clip(np.exp(middle + spread * normals), 1.0, most)
    return np.rint(cut)


def logarithm(mean: float, cv: float) -> tuple[float, float]:
    """Mean and standard deviation of the logarithm of a lognormal value."""
    variance = math.log1p(cv**2)
    return math.log(mean) - variance / 2, math.sqrt(variance)


def cut_moment(mean: float, cv: float, most: float, power: int) -> float:
    """The mean of a lognormal value cut off at 1 and at `most`, raised to this power: below and above the cut the
    value of the cut times the chance to be there, between them the partial moment exp(p m + p^2 s^2 / 2) times the
    normal chance of the interval shifted by p s (Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1,
    chapter 14)."""
    middle, spread = logarithm(mean, cv)
    if spread == 0:
        return float(min(max(mean, 1.0), most) ** power)
    low, high = -middle / spread, (math.log(most) - middle) / spread
    inside = math.exp(power * middle + (power * spread) ** 2 / 2)
    inside *= normal_chance(high - power * spread) - normal_chance(low - power * spread)
    return normal_chance(low) + inside + float(most**power) * normal_chance(-high)


def normal_chance(below: float) -> float:
    """That a standard normal value is below this."""
    return math.erfc(-below / math.sqrt(2)) / 2
