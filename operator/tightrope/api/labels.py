"""Labels and selectors over them, as `computepool` uses them for nodes and for namespaces.

Kubernetes has the same shape in many places; here everything is bounded, and a selector that selects nothing in
particular is refused, since some would read it as everybody and some as nobody.
"""

from re import fullmatch
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tightrope.api.schema import Rule, Wire, matching

_KEY = "([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_VALUE = "([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"


def _are_labels(labels: dict[str, str]) -> bool:
    return all(fullmatch(_KEY, key) and fullmatch(_VALUE, value) for key, value in labels.items())


def labels_of(what: str, example: str) -> Rule:
    """The map holds labels; the sentence says of what, and shows one."""
    return Rule(
        f"self.all(k, k.matches(r'^{_KEY}$') && self[k].matches(r'^{_VALUE}$'))",
        f"must be labels of {what}, such as {example}",
        _are_labels,
    )


class Requirement(Wire):
    """One condition on a label."""

    key: Annotated[
        str,
        Field(min_length=1, max_length=317),
        matching(_KEY, "must be the key of a label, such as kubernetes.io/metadata.name"),
    ] = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="NotIn and DoesNotExist also hold where the label is absent."
    )
    values: list[Annotated[str, Field(max_length=63)]] = Field(
        [], max_length=64, description="With In and NotIn: the values that count."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "values belong to the operators In and NotIn, which need at least one, and to no other",
            lambda requirement: (requirement.operator in ("In", "NotIn")) == bool(requirement.values),
        ),
    )


class NamespaceSelector(Wire):
    """Namespaces by their labels: those for which everything said here holds."""

    match_labels: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(max_length=16),
        labels_of("namespaces", "{team: nlp}"),
    ] = Field({}, description="Labels that the namespace carries.")
    match_expressions: list[Requirement] = Field([], max_length=8, description="Conditions on labels of the namespace.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.matchLabels) && size(self.matchLabels) > 0)"
            " || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
            "must say which namespaces, with matchLabels or matchExpressions; leave it out to allow all of them",
            lambda selector: bool(selector.match_labels or selector.match_expressions),
        ),
    )
