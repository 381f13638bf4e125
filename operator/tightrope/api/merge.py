"""Strategic merge of a variant's patch over the pod template, as the API server merges a patch into a Deployment.

Lists that have a merge key are merged item by item, all others are replaced; null deletes a field; `$patch: delete` and
`$patch: replace` do so for an item or an object. Source: the merge keys of PodTemplateSpec in
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ and
https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tightrope.api.invalid import SpecInvalid
from tightrope.api.shapes import mapping, objects

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
MERGE_KEYS: Final[Mapping[tuple[str, ...], str]] = {
    **{("spec", group): "name" for group in _CONTAINERS},
    **{("spec", group, "env"): "name" for group in _CONTAINERS},
    **{("spec", group, "ports"): "containerPort" for group in _CONTAINERS},
    **{("spec", group, "volumeMounts"): "mountPath" for group in _CONTAINERS},
    **{("spec", group, "volumeDevices"): "devicePath" for group in _CONTAINERS},
    ("spec", "volumes"): "name",
    ("spec", "imagePullSecrets"): "name",
    ("spec", "resourceClaims"): "name",
    ("spec", "schedulingGates"): "name",
    ("spec", "hostAliases"): "ip",
    ("spec", "topologySpreadConstraints"): "topologyKey",
}
_DIRECTIVE = "$patch"


def strategic_merge(template: Mapping[str, Any], patch: Mapping[str, Any], *, field: str) -> dict[str, Any]:
    """The pod template with the patch applied; neither is changed. `field` is where the patch stands, for errors.

    Raises SpecInvalid for an item without its merge key or a directive that is not supported.
    """
    return _objects(template, patch, (), field)


def _objects(base: Mapping[str, Any], patch: Mapping[str, Any], path: tuple[str, ...], field: str) -> dict[str, Any]:
    directive = _directive(patch, field)
    if directive == "delete":
        return {}
    merged = {} if directive == "replace" else dict(base)
    for key, value in patch.items():
        here, inner = (*path, key), f"{field}.{key}"
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            old = merged.get(key)
            merged[key] = _objects(old if isinstance(old, dict) else {}, value, here, inner)
        elif here in MERGE_KEYS:
            merged[key] = _lists(objects(merged.get(key), inner), objects(value, inner), here, inner)
        elif key != _DIRECTIVE:
            merged[key] = value
    return merged


def _lists(
    base: Sequence[Mapping[str, Any]], patch: Sequence[Mapping[str, Any]], path: tuple[str, ...], field: str
) -> list[Mapping[str, Any]]:
    """Items in the template's order, new ones after them. A bare `$patch: replace` item replaces the whole list."""
    key = MERGE_KEYS[path]
    if any(item == {_DIRECTIVE: "replace"} for item in patch):
        base, patch = (), [item for item in patch if item != {_DIRECTIVE: "replace"}]
    merged = list(base)
    for index, item in enumerate(patch):
        here = f"{field}[{index}]"
        name = item.get(key)
        if name is None or isinstance(name, dict | list):
            raise SpecInvalid(f"{here}.{key}", name, f"must say which item of {path[-1]} the patch is for")
        at = next((i for i, old in enumerate(merged) if old.get(key) == name), None)
        if _directive(item, here) == "delete":
            merged = [old for old in merged if old.get(key) != name]
        elif at is None:
            merged.append(_objects({}, item, path, here))
        else:
            merged[at] = _objects(merged[at], item, path, here)
    return merged


def _directive(patch: Mapping[str, Any], field: str) -> Any:
    """`delete`, `replace` or None. Every other directive is refused: ignoring it would build another pod."""
    for key in patch:
        if isinstance(key, str) and key.startswith("$") and key != _DIRECTIVE:
            raise SpecInvalid(f"{field}.{key}", None, "is not supported: use $patch: delete or $patch: replace")
    directive = mapping(patch, field).get(_DIRECTIVE)
    if directive not in (None, "merge", "delete", "replace"):
        raise SpecInvalid(f"{field}.{_DIRECTIVE}", directive, "must be delete or replace")
    return directive
