"""What the models of both kinds are made of: the base model, the rule that is checked twice, and shared field types.

A rule is declared once, next to the field it guards, in CEL for the API server and in Python for the operator, with
one sentence for both: the server refuses it at `kubectl apply`, and `parse` refuses what was stored before the rule.
"""

from collections.abc import Callable
from dataclasses import dataclass
from re import fullmatch
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SkipValidation,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from tightrope.api.duration import DURATION_FORM, DURATION_MAX_LENGTH, parse_duration
from tightrope.api.quantity import parse_quantity

GROUP = "tightrope.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

RULES = "x-kubernetes-validations"
PRESERVE = "x-kubernetes-preserve-unknown-fields"


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on one value: `cel` for the API server, `holds` for the operator, `message` from both.

    As an annotation it guards a field, in a model's `rules` the whole object. CEL costs are estimated from bounds, so
    everything that a rule walks is bounded.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]

    def check(self, value: Any) -> Any:
        """The value itself; raises the rule's sentence if it does not hold."""
        if not self.holds(value):
            raise PydanticCustomError("rule", "{message}", {"message": self.message})
        return value

    def as_schema(self) -> dict[str, str]:
        return {"rule": self.cel, "message": self.message}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        produced = handler(schema)
        produced[RULES] = [*produced.get(RULES, []), self.as_schema()]
        return produced


def _publish(schema: dict[str, Any], model: type[Any]) -> None:
    if model.rules:
        schema[RULES] = [rule.as_schema() for rule in model.rules]


class Wire(BaseModel):
    """An object of the wire format. Unknown fields are ignored: a newer CRD may know more than this operator."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        strict=True,
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        json_schema_extra=_publish,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        for rule in type(self).rules:
            rule.check(self)
        return self


class OpenWire(Wire):
    """A part of a pod template: the fields that Tightrope reads are declared, all others are kept as written."""

    model_config = ConfigDict(extra="allow")


def matching(pattern: str, message: str) -> Rule:
    """The text has this form; a rule and not a `pattern`, because the server would print the expression instead."""
    return Rule(f"self.matches(r'^{pattern}$')", message, lambda text: fullmatch(pattern, text) is not None)


def between(low: str, high: str) -> Rule:
    """A duration within these bounds, both included. Text that is no duration is left to IS_DURATION's sentence."""
    least, most = parse_duration(low), parse_duration(high)
    # CEL's duration() knows no days, and the server bounds what a rule may cost, so days are compared as a number.
    days = f"int(self.substring(0, self.size() - 1)) <= {int(most // 86_400)}" if most >= 86_400 else "false"
    rest = f"duration(self) >= duration('{_in_go(low)}') && duration(self) <= duration('{_in_go(high)}')"
    return Rule(
        f"!self.matches(r'^{DURATION_FORM}$') || (self.endsWith('d') ? {days} : {rest})",
        f"must be between {low} and {high}",
        lambda text: fullmatch(DURATION_FORM, text) is None or least <= parse_duration(text) <= most,
    )


def _in_go(duration: str) -> str:
    """CEL's duration() knows no days."""
    return f"{int(duration[:-1]) * 24}h" if duration.endswith("d") else duration


def _is_positive_quantity(value: Any) -> bool:
    try:
        return isinstance(value, str | int) and parse_quantity(value) > 0
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class ListMap:
    """A list whose items are told apart by one field: duplicates are refused, and two appliers may share it."""

    key: str

    def check(self, items: list[Any]) -> list[Any]:
        names = [getattr(item, self.key) for item in items]
        for name in names:
            if names.count(name) > 1:
                message = f"every {self.key} must be there once, and {name!r} is there twice"
                raise PydanticCustomError("duplicate", "{message}", {"message": message})
        return items

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}


def _is_count_or_percentage(value: Any) -> bool:
    if isinstance(value, str):
        return fullmatch("(100|[1-9]?[0-9])%", value) is not None
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1000


_INT_OR_STRING: dict[str, Any] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}

IS_DURATION = matching(DURATION_FORM, "must be a duration such as 300ms, 4m, 1h30m or 28d")
Duration = Annotated[str, Field(max_length=DURATION_MAX_LENGTH), IS_DURATION]
IS_LABEL = matching(
    "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
    "must be lower-case letters, digits and '-', beginning and ending with a letter or digit",
)
Label = Annotated[str, Field(min_length=1, max_length=63), IS_LABEL]
Quantity = Annotated[
    SkipValidation[str | int],
    WithJsonSchema({**_INT_OR_STRING, "maxLength": 32}),
    Rule(
        "isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))",
        "must be a quantity greater than zero, such as 8, 500m or 32Gi",
        _is_positive_quantity,
    ),
]
IntOrPercent = Annotated[
    SkipValidation[int | str],
    WithJsonSchema({**_INT_OR_STRING, "minimum": 0, "maximum": 1000, "maxLength": 8}),
    Rule(
        "type(self) == int || string(self).matches('^(100|[1-9]?[0-9])%$')",
        'must be a number of replicas, such as 1, or a percentage in quotes, such as "25%"',
        _is_count_or_percentage,
    ),
]
MONEY_FORM = r"[0-9]{1,6}([.][0-9]{1,6})?"
Money = Annotated[
    str,
    Field(min_length=1, max_length=20),
    matching(MONEY_FORM, 'must be a decimal number in quotes, such as "0.8048"'),
]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Text = Annotated[str, Field(max_length=1024)]
Figure = Annotated[str, Field(max_length=64)]


class Condition(Wire):
    """A standard Kubernetes condition."""

    type: str = Field(min_length=1, max_length=316, description="What is said to hold or not, in CamelCase.")
    status: str = Field(max_length=7, description='"True", "False" or "Unknown".')
    observed_generation: int | None = Field(None, ge=0, description="The generation of the spec that this was said of.")
    last_transition_time: Time = Field(description="When the status last changed.")
    reason: str = Field(min_length=1, max_length=1024, description="Why, as one documented CamelCase word.")
    message: str = Field(max_length=32768, description="Why, in a sentence for people.")


Conditions = Annotated[list[Condition], Field(max_length=16), ListMap("type")]
