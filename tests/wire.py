"""Builders for wire objects as users and the API server write them: sensible defaults, overrides by keyword."""

from typing import Any

API = "tightrope.dev/v1alpha1"


def compute_pool(name: str = "cpu", **spec: Any) -> dict[str, Any]:
    """A pool of 8-core nodes; a name that starts with `gpu` has one accelerator per node and a higher price."""
    gpu = name.startswith("gpu")
    values: dict[str, Any] = {
        "price": {"perNodeHour": "0.80" if gpu else "0.20", "currency": "USD"},
        "node": {"cpu": "8", "memory": "32Gi", **({"accelerators": 1} if gpu else {})},
        "maxNodes": 20,
        "placement": {"nodeSelector": {"tightrope.dev/pool": name}},
        "timeToReady": "60s" if gpu else "20s",
    }
    if gpu:
        values["accelerator"] = "nvidia-l4"
    return {"apiVersion": API, "kind": "ComputePool", "metadata": {"name": name}, "spec": {**values, **spec}}


def variant(name: str = "cpu", **overrides: Any) -> dict[str, Any]:
    rate = 300 if name.startswith("gpu") else 25
    return {"name": name, "pool": name, "capacity": {"rate": rate, "at": "300ms"}, **overrides}


def inference_deployment(name: str = "sentiment", namespace: str = "nlp", **spec: Any) -> dict[str, Any]:
    """99 % under 300 ms on one CPU and one GPU variant, 1 to 40 replicas."""
    container = {
        "name": "server",
        "image": "registry.example/sentiment:1",
        "ports": [{"name": "http", "containerPort": 8000}],
        "resources": {"requests": {"cpu": "8", "memory": "4Gi"}},
    }
    values: dict[str, Any] = {
        "slo": {"window": "28d", "objectives": [{"metric": "latency", "threshold": "300ms", "percent": 99}]},
        "replicas": {"min": 1, "max": 40},
        "template": {"spec": {"containers": [container]}},
        "variants": [variant("cpu"), variant("gpu")],
    }
    whole = {key: value for key, value in {**values, **spec}.items() if value is not None}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API, "kind": "InferenceDeployment", "metadata": metadata, "spec": whole}


def namespace(name: str = "nlp", *, phase: str = "Active") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "status": {"phase": phase}}


def deployment(name: str = "legacy", namespace: str = "nlp", *, replicas: int = 3, **spec: Any) -> dict[str, Any]:
    """Somebody's own Deployment."""
    labels = {"app": name}
    pod = {"containers": [{"name": "server", "resources": {"requests": {"cpu": "8", "memory": "4Gi"}}}]}
    values = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {**values, **spec}}


def leader_worker_set(
    name: str = "legacy", namespace: str = "nlp", *, replicas: int = 3, size: int = 2
) -> dict[str, Any]:
    """Somebody's own groups: a leader of 8 cores and workers of 4."""
    leader, worker = ({"spec": group_pod(name, 0, place)["spec"]} for place in (0, 1))
    template = {"size": size, "leaderTemplate": leader, "workerTemplate": worker}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "leaderWorkerTemplate": template},
    }


def group_pod(
    name: str, group: int, place: int, *, namespace: str = "nlp", created: str = "2027-01-15T07:59:00Z"
) -> dict[str, Any]:
    """The pod at this place of a group, 0 for its leader."""
    prefix = "leaderworkerset.sigs.k8s.io"
    labels = {f"{prefix}/name": name, f"{prefix}/group-index": str(group), f"{prefix}/worker-index": str(place)}
    requests = {"cpu": "4" if place else "8", "memory": "4Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-{group}" + (f"-{place}" if place else ""),
            "namespace": namespace,
            "labels": labels,
            "creationTimestamp": created,
        },
        "spec": {"containers": [{"name": "server", "resources": {"requests": requests}}]},
    }


def target_variant(name: str = "legacy", *, pool: str = "cpu", kind: str = "Deployment") -> dict[str, Any]:
    return variant(name, pool=pool, scaleTargetRef={"kind": kind, "name": name})
