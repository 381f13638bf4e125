"""Very many services on the lab's API server, fast: their namespaces, targets, pods and declarations.

`scale` creates them and `scale_series` serves metrics of the same pods. Each service adopts a Deployment of one replica
with one pod that is ready; with no controller running nothing moves but what the operator writes.
"""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from tightrope.lab.errors import LabError

NAMESPACE_SERVICES: Final = 200
# When, after its making, a pod says that it became ready: whoever looks must not look sooner.
READY_SECONDS: Final = 20.0
POOL: Final = "bench"
_AT_ONCE: Final = 48
_JSON: Final = "application/json"
_MERGE: Final = "application/merge-patch+json"
_APPLY: Final = "application/apply-patch+yaml"
_CREATE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a service lives. Its Deployment has its name."""

    namespace: str
    name: str

    @property
    def pod(self) -> str:
        return f"{self.name}-6f7c9d-x2x8q"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One request that makes or completes an object."""

    method: str
    path: str
    body: Mapping[str, Any]
    content_type: str = _JSON


def places(count: int, *, per_namespace: int = NAMESPACE_SERVICES) -> Iterator[Place]:
    """So many services, some to a namespace."""
    for index in range(count):
        yield Place(namespace=f"bench-{index // per_namespace:03d}", name=f"s{index:05d}")


def pool(count: int) -> Write:
    """A pool in which all of them have room."""
    body = {
        "apiVersion": "tightrope.dev/v1alpha1",
        "kind": "ComputePool",
        "metadata": {"name": POOL},
        "spec": {
            "price": {"perNodeHour": "0.20"},
            "node": {"cpu": "32", "memory": "128Gi"},
            "maxNodes": max(count, 10),
            "timeToReady": "30s",
            "placement": {"nodeSelector": {"tightrope.dev/pool": POOL}},
        },
    }
    return Write(method="POST", path="/apis/tightrope.dev/v1alpha1/computepools", body=body)


def namespace(name: str) -> list[Write]:
    """The namespace and the service account without which no pod is admitted to it."""
    bare = {"apiVersion": "v1", "metadata": {"name": name}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    return [
        Write(method="POST", path="/api/v1/namespaces", body={**bare, "kind": "Namespace"}),
        Write(method="POST", path=f"/api/v1/namespaces/{name}/serviceaccounts", body=account),
    ]


def writes_of(place: Place) -> list[Write]:
    """One service in order: the target with its status, its pod with its status, and last the declaration."""
    return [*_deployment(place), *_pod(place), _declaration(place)]


def _pod_spec() -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "server",
                "image": "registry.example/server:1",
                "ports": [{"name": "http", "containerPort": 8000}],
                "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}},
            }
        ],
    }


def _deployment(place: Place) -> list[Write]:
    """Applied without a size: the server's default of one replica is nobody's then, and free to be adopted."""
    path = f"/apis/apps/v1/namespaces/{place.namespace}/deployments/{place.name}"
    labels = {"app": place.name}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": place.name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec()},
        },
    }
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    status = {"status": {"observedGeneration": 1, **dict.fromkeys(counts, 1)}}
    return [
        Write(method="PATCH", path=f"{path}?fieldManager=bench", body=body, content_type=_APPLY),
        Write(method="PATCH", path=f"{path}/status", body=status, content_type=_MERGE),
    ]


def _pod(place: Place) -> list[Write]:
    path = f"/api/v1/namespaces/{place.namespace}/pods"
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": place.pod, "labels": {"app": place.name}},
        "spec": {**_pod_spec(), "nodeName": "bench"},
    }
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + READY_SECONDS))
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": since} for kind in ("PodScheduled", "Ready")]
    status = {"status": {"phase": "Running", "conditions": conditions}}
    return [
        Write(method="POST", path=path, body=body),
        Write(method="PATCH", path=f"{path}/{place.pod}/status", body=status, content_type=_MERGE),
    ]


def _declaration(place: Place) -> Write:
    body = {
        "apiVersion": "tightrope.dev/v1alpha1",
        "kind": "InferenceDeployment",
        "metadata": {"name": place.name, "namespace": place.namespace},
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
    path = f"/apis/tightrope.dev/v1alpha1/namespaces/{place.namespace}/inferencedeployments"
    return Write(method="POST", path=path, body=body)


def create(of: Sequence[Place], *, kubeconfig: Path) -> None:
    """Everything for these services, many requests at a time. Raises LabError at the first that is refused."""
    asyncio.run(_create(of, yaml.safe_load(kubeconfig.read_text())))


async def _create(of: Sequence[Place], config: Mapping[str, Any]) -> None:
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    connector = aiohttp.TCPConnector(limit=_AT_ONCE, ssl=ssl.create_default_context(cadata=authority))
    headers, timeout = {"Authorization": f"Bearer {user['token']}"}, aiohttp.ClientTimeout(total=_CREATE_SECONDS)
    async with aiohttp.ClientSession(
        cluster["server"], connector=connector, headers=headers, timeout=timeout
    ) as session:
        await _send(session, pool(len(of)))
        for name in sorted({place.namespace for place in of}):
            for write in namespace(name):
                await _send(session, write)
        todo = iter(of)

        async def work() -> None:
            for place in todo:
                for write in writes_of(place):
                    await _send(session, write)

        async with asyncio.TaskGroup() as workers:
            for _ in range(_AT_ONCE):
                workers.create_task(work())


async def _send(session: aiohttp.ClientSession, write: Write) -> None:
    """One write; a service account that a controller was quicker to make is there, which is all that is wanted."""
    headers = {"Content-Type": write.content_type}
    async with session.request(write.method, write.path, data=json.dumps(write.body), headers=headers) as answer:
        if answer.status >= 300 and not (answer.status == 409 and write.path.endswith("/serviceaccounts")):
            raise LabError(f"{write.method} {write.path}: {answer.status} {(await answer.text())[:300]}")
