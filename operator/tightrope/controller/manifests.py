"""The Kubernetes objects of a service that runs its own template: Deployments, one Service, one PodDisruptionBudget.

Pure builders for server-side apply; `actuate` writes what they return. A Deployment is built without spec.replicas,
which is written on /scale alone, and with its uid once it exists, so that an apply never creates it anew.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from tightrope.api.parse import ParsedPool, ParsedService
from tightrope.api.schema import API_VERSION

Manifest: TypeAlias = dict[str, Any]

NAME_LABEL: Final = "app.kubernetes.io/name"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
SERVICE_LABEL: Final = "tightrope.dev/service"
SERVICE_UID_LABEL: Final = "tightrope.dev/service-uid"
VARIANT_LABEL: Final = "tightrope.dev/variant"


def workload_name(service: str, variant: str) -> str:
    """Name of the Deployment of one variant."""
    return f"{service}-{variant}"


def deployment(
    parsed: ParsedService, variant: str, pool: ParsedPool, *, uid: str | None = None, replicas: int | None = None
) -> Manifest:
    """The Deployment of one variant in its pool.

    `uid` when it exists already: the apply then fails instead of creating another one. `replicas` only when it is
    created. Raises KeyError for a variant that scales what exists.
    """
    name = workload_name(parsed.service.key.name, variant)
    labels = {**service_labels(parsed), VARIANT_LABEL: variant}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {**selector(parsed), VARIANT_LABEL: variant}},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {
                "maxSurge": parsed.rollout.max_surge,
                "maxUnavailable": parsed.rollout.max_unavailable,
            },
        },
        "minReadySeconds": parsed.rollout.min_ready_seconds,
        "template": _pod_template(parsed.templates[variant], labels, pool),
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return _owned(parsed, "apps/v1", "Deployment", name, labels=labels, uid=uid) | {"spec": spec}


def service(parsed: ParsedService, *, uid: str | None = None) -> Manifest:
    """The Service in front of all variants, with the ports of the template's containers. Needs a template."""
    spec = {"selector": selector(parsed), "ports": list(_service_ports(parsed))}
    return _owned(parsed, "v1", "Service", parsed.service.key.name, labels=service_labels(parsed), uid=uid) | {
        "spec": spec
    }


def pdb(parsed: ParsedService, min_available: int, *, uid: str | None = None) -> Manifest:
    """The PodDisruptionBudget over all variants: evictions leave this many ready pods. Pods that are not ready may
    always go: they serve nobody, and a broken one would block the drain of its node for ever."""
    spec = {
        "minAvailable": min_available,
        "selector": {"matchLabels": selector(parsed)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    labels, name = service_labels(parsed), parsed.service.key.name
    return _owned(parsed, "policy/v1", "PodDisruptionBudget", name, labels=labels, uid=uid) | {"spec": spec}


def selector(parsed: ParsedService) -> dict[str, str]:
    """What picks the pods of this service and no other: its name, and its uid against a namesake of another time."""
    return {SERVICE_LABEL: parsed.service.key.name, SERVICE_UID_LABEL: parsed.uid}


def service_labels(parsed: ParsedService) -> dict[str, str]:
    return {NAME_LABEL: parsed.service.key.name, MANAGED_BY_LABEL: "tightrope", **selector(parsed)}


def _owned(
    parsed: ParsedService, api_version: str, kind: str, name: str, *, labels: Mapping[str, str], uid: str | None
) -> Manifest:
    """The head of an object that goes when the service goes. blockOwnerDeletion would need more rights than that."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": parsed.service.key.namespace,
        "labels": dict(labels),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": "InferenceDeployment",
                "name": parsed.service.key.name,
                "uid": parsed.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }
    if uid is not None:
        metadata["uid"] = uid
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _pod_template(template: Mapping[str, Any], labels: Mapping[str, str], pool: ParsedPool) -> dict[str, Any]:
    """The variant's template with our labels and the pool's placement; where both speak, the pool's word counts."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    placed = dict(spec)
    if pool.node_selector:
        placed["nodeSelector"] = {**(spec.get("nodeSelector") or {}), **pool.node_selector}
    own = list(spec.get("tolerations") or ())
    added = [dict(toleration) for toleration in pool.tolerations if toleration not in own]
    if added:
        placed["tolerations"] = own + added
    return {
        **template,
        "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}},
        "spec": placed,
    }


def _service_ports(parsed: ParsedService) -> Iterator[dict[str, Any]]:
    """Each container port of the template once, by port and protocol. A named port is targeted by its name, so that a
    variant may patch the number behind it."""
    seen: set[tuple[int, str]] = set()
    template = parsed.template or {}
    for container in template["spec"]["containers"]:
        for port in container.get("ports") or ():
            number, protocol = port["containerPort"], port.get("protocol") or "TCP"
            if (number, protocol) in seen:
                continue
            seen.add((number, protocol))
            name = port.get("name") or f"{protocol.lower()}-{number}"
            target = port.get("name") or number
            yield {"name": name, "port": number, "targetPort": target, "protocol": protocol}
