"""Very many services on the lab's cluster, fast: their namespaces, targets, pods and declarations.

`scale` puts them there and `scale_series` serves metrics of the same pods. Each service adopts a Deployment of one
replica with one pod that is ready; with no controller running nothing moves but what the operator writes. They are put
into etcd as the API server would have stored them, with their statuses, some at a time: made one by one through the API
server, fifty thousand requests would take longer than all that is to be measured.
"""

import base64
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import requests

from tightrope.lab.errors import LabError

NAMESPACE_SERVICES: Final = 200
# When, after its making, a pod says that it became ready: whoever looks must not look sooner.
READY_SECONDS: Final = 20.0
POOL: Final = "bench"
# What etcd takes in one transaction, by default.
_AT_ONCE: Final = 128
_ASK_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a service lives. Its Deployment has its name."""

    namespace: str
    name: str

    @property
    def pod(self) -> str:
        return f"{self.name}-6f7c9d-x2x8q"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object and the key under which the API server keeps it."""

    key: str
    body: Mapping[str, Any]


def places(count: int, *, per_namespace: int = NAMESPACE_SERVICES) -> Iterator[Place]:
    """So many services, some to a namespace."""
    for index in range(count):
        yield Place(namespace=f"bench-{index // per_namespace:03d}", name=f"s{index:05d}")


def pool(count: int, *, now: float) -> Stored:
    """A pool in which all of them have room."""
    body = {
        "apiVersion": "tightrope.dev/v1alpha1",
        "kind": "ComputePool",
        "metadata": _metadata(POOL, now=now),
        "spec": {
            "price": {"perNodeHour": "0.20", "currency": "USD"},
            "node": {"cpu": "32", "memory": "128Gi"},
            "maxNodes": min(max(count, 10), 5000),
            "timeToReady": "30s",
            "placement": {"nodeSelector": {"tightrope.dev/pool": POOL}},
        },
    }
    return Stored(key=f"tightrope.dev/computepools/{POOL}", body=body)


def namespace(name: str, *, now: float) -> Stored:
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": _metadata(name, now=now),
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
    return Stored(key=f"namespaces/{name}", body=body)


def objects_of(place: Place, *, now: float) -> list[Stored]:
    """One service made at this unix time: its target, its pod, and its declaration."""
    where = f"{place.namespace}/{place.name}"
    return [
        Stored(key=f"deployments/{where}", body=_deployment(place, now)),
        Stored(key=f"pods/{place.namespace}/{place.pod}", body=_pod(place, now)),
        Stored(key=f"tightrope.dev/inferencedeployments/{where}", body=_declaration(place, now)),
    ]


def _metadata(name: str, *, now: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": _time(now), "generation": 1, **more}


def _time(unix: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix))


def _pod_spec() -> dict[str, Any]:
    return {
        "containers": [
            {
                "name": "server",
                "image": "registry.example/server:1",
                "ports": [{"name": "http", "containerPort": 8000}],
                "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}},
            }
        ],
    }


def _deployment(place: Place, now: float) -> dict[str, Any]:
    """Nobody has written its size, so it is free to be adopted."""
    labels = {"app": place.name}
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(place.name, namespace=place.namespace, now=now),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec()},
        },
        "status": {"observedGeneration": 1, **dict.fromkeys(counts, 1)},
    }


def _pod(place: Place, now: float) -> dict[str, Any]:
    since = _time(now + READY_SECONDS)
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": since} for kind in ("PodScheduled", "Ready")]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(place.pod, namespace=place.namespace, now=now, labels={"app": place.name}),
        "spec": {**_pod_spec(), "nodeName": "bench"},
        "status": {"phase": "Running", "conditions": conditions},
    }


def _declaration(place: Place, now: float) -> dict[str, Any]:
    return {
        "apiVersion": "tightrope.dev/v1alpha1",
        "kind": "InferenceDeployment",
        "metadata": _metadata(place.name, namespace=place.namespace, now=now),
        "spec": {
            "slo": {"objectives": [{"metric": "latency", "threshold": "300ms", "percent": 99}]},
            "metrics": {"preset": "generic"},
            "replicas": {"min": 1, "max": 4},
            "variants": [
                {
                    "name": "cpu",
                    "pool": POOL,
                    "capacity": {"rate": 25, "at": "300ms"},
                    "scaleTargetRef": {"kind": "Deployment", "name": place.name},
                }
            ],
        },
    }


def everything(of: Sequence[Place], *, now: float) -> Iterator[Stored]:
    """What must be there before others first."""
    yield pool(len(of), now=now)
    yield from (namespace(name, now=now) for name in sorted({place.namespace for place in of}))
    for place in of:
        yield from objects_of(place, now=now)


def put(of: Sequence[Place], *, etcd_url: str, now: float) -> None:
    """All of it into etcd, as made at this unix time. Raises LabError."""
    left, session = everything(of, now=now), requests.Session()
    session.trust_env = False
    while some := list(islice(left, _AT_ONCE)):
        puts = [{"requestPut": {"key": _encoded(f"/registry/{one.key}"), "value": _encoded(one.body)}} for one in some]
        try:
            answer = session.post(f"{etcd_url}/v3/kv/txn", json={"success": puts}, timeout=_ASK_SECONDS)
        except requests.RequestException as error:
            raise LabError(f"etcd at {etcd_url} cannot be written to: {error}") from error
        if not answer.ok:
            raise LabError(f"etcd refused {some[0].key} and what follows: {answer.text[:300]}")


def _encoded(value: str | Mapping[str, Any]) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.b64encode(text.encode()).decode()
