"""Two services and a pool as the API server would hand them over; a keyword overrides one field, however deep."""

import copy
from typing import Any

Wire = dict[str, Any]

_SERVICE: Wire = {
    "apiVersion": "tightrope.dev/v1alpha1",
    "kind": "InferenceDeployment",
    "metadata": {
        "name": "sentiment",
        "namespace": "nlp",
        "uid": "5f0c1c2e-0001-4c2a-9d9f-1a2b3c4d5e6f",
        "generation": 3,
        "resourceVersion": "812",
    },
    "spec": {
        "slo": {"objectives": [{"metric": "latency", "threshold": "300ms", "percent": 99}]},
        "replicas": {"min": 2, "max": 40},
        "template": {
            "metadata": {"labels": {"team": "nlp"}, "annotations": {"note": "kept"}},
            "spec": {
                "containers": [
                    {
                        "name": "server",
                        "image": "registry.example/sentiment:1",
                        "ports": [{"name": "http", "containerPort": 8000}],
                        "env": [{"name": "THREADS", "value": "2"}, {"name": "LOG", "value": "info"}],
                        "resources": {"requests": {"cpu": "2", "memory": "4Gi"}},
                    }
                ]
            },
        },
        "variants": [
            {"name": "cpu", "pool": "c7i"},
            {
                "name": "gpu",
                "pool": "l4",
                "capacity": {"rate": 95, "at": "300ms"},
                "patch": {
                    "spec": {
                        "containers": [
                            {
                                "name": "server",
                                "image": "registry.example/sentiment:1-cuda",
                                "resources": {"limits": {"nvidia.com/gpu": 1}},
                            }
                        ]
                    }
                },
            },
        ],
    },
}

_POOL: Wire = {
    "apiVersion": "tightrope.dev/v1alpha1",
    "kind": "ComputePool",
    "metadata": {"name": "l4", "uid": "5f0c1c2e-0002-4c2a-9d9f-1a2b3c4d5e6f", "generation": 1, "resourceVersion": "7"},
    "spec": {
        "accelerator": "nvidia-l4",
        "price": {"perNodeHour": "0.8048"},
        "node": {"cpu": 8, "memory": "32Gi", "accelerators": 1},
        "maxNodes": 10,
        "placement": {
            "nodeSelector": {"tightrope.dev/pool": "l4"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        },
    },
}


def service_wire(**paths: Any) -> Wire:
    """nlp/sentiment with a CPU and a GPU variant; `spec__replicas__max=3` overrides one field, None removes it."""
    return _with(_SERVICE, paths)


def adopting_wire(**paths: Any) -> Wire:
    """nlp/sentiment, whose two variants scale what exists: a Deployment on CPU, a StatefulSet on GPU."""
    wire = copy.deepcopy(_SERVICE)
    del wire["spec"]["template"]
    wire["spec"]["variants"] = [
        {"name": "cpu", "pool": "c7i", "scaleTargetRef": {"kind": "Deployment", "name": "on-cpu"}},
        {"name": "gpu", "pool": "l4", "scaleTargetRef": {"kind": "StatefulSet", "name": "on-gpu"}},
    ]
    return _with(wire, paths)


def pool_wire(**paths: Any) -> Wire:
    """The GPU pool l4."""
    return _with(_POOL, paths)


def _with(wire: Wire, paths: dict[str, Any]) -> Wire:
    changed = copy.deepcopy(wire)
    for path, value in paths.items():
        *parents, last = path.split("__")
        holder = changed
        for parent in parents:
            holder = holder.setdefault(parent, {})
        if value is None:
            holder.pop(last, None)
        else:
            holder[last] = value
    return changed
