"""CustomResourceDefinitions from the models: `python -m tightrope.api.crd crds/` writes one file for each kind.

pydantic's JSON schema is close to what the API server takes, but not the same: a structural schema has no references,
no `null` alternatives and no constants. Whatever this module does not know it refuses, so that nothing is lost quietly.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tightrope.api.computepool import ComputePool
from tightrope.api.inferencedeployment import InferenceDeployment
from tightrope.api.schema import GROUP, PRESERVE, VERSION, Wire

_KEPT = {
    "description", "type", "format", "pattern", "enum", "required", "minimum", "maximum",
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
}  # fmt: skip
_IGNORED = {"title", "default", "$ref", "anyOf", "const", "properties", "items", "additionalProperties"}
_IGNORED |= {"exclusiveMinimum", "exclusiveMaximum"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; a wide one shows with `-o wide`. A path into a list prints its first item only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def as_manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return {**manifest, "priority": 1} if self.wide else manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A model and how the API server offers it."""

    model: type[Wire]
    plural: str
    scope: str
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.model.__name__

    @property
    def file_name(self) -> str:
        return f"{self.plural}.{GROUP}.yaml"


def _ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


_AGE = Column("AGE", ".metadata.creationTimestamp", "date")
KINDS = (
    Kind(
        model=ComputePool,
        plural="computepools",
        scope="Cluster",
        columns=(
            Column("ACCELERATOR", ".spec.accelerator"),
            Column("$/H", ".spec.price.perNodeHour"),
            Column("MAX NODES", ".spec.maxNodes", "integer"),
            Column("READY", _ready("status")),
            _AGE,
            Column("CURRENCY", ".spec.price.currency", wide=True),
            Column("READ $/H", ".status.price.perNodeHour", wide=True),
            Column("REASON", _ready("reason"), wide=True),
        ),
    ),
    Kind(
        model=InferenceDeployment,
        plural="inferencedeployments",
        scope="Namespaced",
        short_names=("infd",),
        columns=(
            Column("MODE", ".spec.mode"),
            Column("SLO", ".status.slo[0].objective"),
            Column("ATTAINED", ".status.slo[0].attainment"),
            Column("BUDGET", ".status.slo[0].budgetRemaining"),
            Column("READY", ".status.ready"),
            Column("PLAN", ".status.plan"),
            Column("$/H", ".status.cost.perHour"),
            _AGE,
            Column("BURN", ".status.slo[0].burnRate", wide=True),
            Column("STATE", _ready("reason"), wide=True),
            Column("REASON", ".status.decision.reason", wide=True),
            Column("MESSAGE", ".status.decision.message", wide=True),
        ),
    ),
)


def structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """One node of pydantic's JSON schema as a structural schema. Raises ValueError for what has no equivalent."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return structural({**target, **{k: v for k, v in schema.items() if k != "$ref"}}, definitions)
    if "anyOf" in schema and "x-kubernetes-int-or-string" not in schema:
        options = [option for option in schema["anyOf"] if option != {"type": "null"}]
        if len(options) != 1:
            raise ValueError(f"a union has no structural schema: {schema['anyOf']}")
        return structural({**options[0], **{k: v for k, v in schema.items() if k != "anyOf"}}, definitions)
    unknown = {k for k in schema if k not in _KEPT | _IGNORED and not k.startswith("x-kubernetes-")}
    if unknown:
        raise ValueError(f"no structural schema for {sorted(unknown)} in {schema}")
    node = {k: v for k, v in schema.items() if k in _KEPT or k.startswith("x-kubernetes-")}
    if "x-kubernetes-int-or-string" in schema:
        node["anyOf"] = schema["anyOf"]
    return node | _bounds(schema) | _default(schema) | _children(schema, definitions)


def _bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0 says whether a bound is excluded with a flag beside it; constants are one-valued enumerations."""
    node: dict[str, Any] = {"enum": [schema["const"]]} if "const" in schema else {}
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in schema:
            node |= {bound: schema[exclusive], exclusive: True}
    return node


def _default(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An object's default is written out, because its rules are tried on it before the defaults of its fields are set.

    None, an empty list and an empty map mean no default."""
    default = _filled(schema.get("default"))
    return {} if default in (None, [], {}) else {"default": default}


def _filled(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    filled = {key: _filled(part) for key, part in value.items()}
    return {key: part for key, part in filled.items() if part not in (None, [], {})}


def _children(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    node: dict[str, Any] = {}
    if "properties" in schema:
        node["properties"] = {k: structural(v, definitions) for k, v in schema["properties"].items()}
    if "items" in schema:
        node["items"] = structural(schema["items"], definitions)
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        node["additionalProperties"] = structural(additional, definitions)
    elif additional is True:
        node[PRESERVE] = True
    return node


def crd(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind, as a manifest."""
    produced = kind.model.model_json_schema(by_alias=True)
    schema = structural(produced, produced.pop("$defs"))
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        **schema["properties"],
        "metadata": {"type": "object"},
    }
    schema["required"] = ["spec"]
    schema["properties"]["status"].pop("default", None)
    names = {"kind": kind.name, "listKind": f"{kind.name}List", "plural": kind.plural, "singular": kind.name.lower()}
    if kind.short_names:
        names |= {"shortNames": list(kind.short_names)}  # type: ignore[dict-item]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": names,
            "scope": kind.scope,
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [column.as_manifest() for column in kind.columns],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def as_yaml(manifest: Mapping[str, Any]) -> str:
    """The manifest as it is committed: the order of the models, no anchors, lines of at most 120 characters."""
    text = yaml.dump(manifest, Dumper=_NoAnchors, sort_keys=False, width=120, allow_unicode=True)
    return f"# Generated from operator/tightrope/api by `python -m tightrope.api.crd crds/`; do not edit.\n{text}"


class _NoAnchors(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def write(directory: Path) -> list[Path]:
    """Write one file for each kind into the directory, which must exist; returns the files."""
    files = []
    for kind in KINDS:
        file = directory / kind.file_name
        file.write_text(as_yaml(crd(kind)), encoding="utf-8")
        files.append(file)
    return files


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python -m tightrope.api.crd DIRECTORY (an existing directory, such as crds/)")
    for written in write(Path(sys.argv[1])):
        print(written)
