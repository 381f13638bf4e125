"""Which lengths the requests of a replay have: those of the trace, else those that the user gives. `cli` calls
`lengths_of`."""

import math
from dataclasses import dataclass

from tightrope.dataplane.token_records import TokenCourse, TokenMeans, TokenPairs, TokenRecord
from tightrope.dataplane.tokens import Lengths, TokenMix
from tightrope.replay.profiles import ReplayError

_HOW = (
    "write --tokens with a CSV file that has the columns input_tokens and output_tokens, or "
    "--tokens '{input: {mean: 1155, cv: 1}, output: {mean: 211, cv: 0.8}}'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenShape:
    """Lognormal lengths as a user gives them: a mean or None (that of the trace), its coefficient of variation, and the
    most tokens that there are, of input and of output."""

    mean_input: float | None
    mean_output: float | None
    cv_input: float
    cv_output: float
    max_input: float
    max_output: float

    def mix(self, mean_input: float, mean_output: float) -> TokenMix:
        """With these means. Raises ReplayError."""
        try:
            return TokenMix(
                mean_input_tokens=mean_input,
                cv_input=self.cv_input,
                mean_output_tokens=mean_output,
                cv_output=self.cv_output,
                max_input_tokens=self.max_input,
                max_output_tokens=self.max_output,
            )
        except ValueError as error:
            raise ReplayError(f"lengths of requests: {error}") from None


TraceTokens = TokenRecord | TokenPairs | TokenMeans
GivenTokens = TokenShape | TokenPairs

# Means say nothing of how lengths vary: those of chat services have coefficients of variation about 1.
USUAL_SHAPE = TokenShape(
    mean_input=None, mean_output=None, cv_input=1.0, cv_output=1.0, max_input=131_072.0, max_output=16_384.0
)


def lengths_of(recorded: TraceTokens | None, given: GivenTokens | None) -> Lengths:
    """A trace's own lengths come first, request by request or as means; what is given says how lengths vary around
    means, and stands in where the trace has none. Raises ReplayError where nobody says."""
    if isinstance(recorded, TokenRecord | TokenPairs):
        return recorded
    if isinstance(recorded, TokenMeans) and not math.isnan(sum(recorded.overall())):
        shape = USUAL_SHAPE if given is None else given
        around = shape.mix(*recorded.overall()) if isinstance(shape, TokenShape) else shape
        return TokenCourse(shape=around, means=recorded)
    if given is None:
        raise ReplayError(f"servers of language models need the lengths of requests, and the demand has none: {_HOW}")
    if isinstance(given, TokenPairs):
        return given
    for name, mean in (("input", given.mean_input), ("output", given.mean_output)):
        if mean is None:
            raise ReplayError(f"{name}.mean of the tokens is missing, and the demand has none: {_HOW}")
    assert given.mean_input is not None and given.mean_output is not None
    return given.mix(given.mean_input, given.mean_output)
