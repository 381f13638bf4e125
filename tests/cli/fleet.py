"""A service that runs, as the API server shows it: its Deployments as the operator makes them, and their pods."""

import time
from typing import Any

import wire
from cli.clusters import Cluster
from cli.prometheus import Pod, Prometheus
from fakes import pod_status, rfc3339

from tightrope.controller.manifests import SERVICE_UID_LABEL, VARIANT_LABEL

Wire = dict[str, Any]


def running(cluster: Cluster, asked: Prometheus, infd: Wire, **replicas: int) -> None:
    """Add this service with so many ready replicas of each variant, in pools that are there, each pod scraped."""
    stored = cluster.add(infd)
    name, namespace, uid = (stored["metadata"][part] for part in ("name", "namespace", "uid"))
    cluster.add(wire.namespace(namespace))
    for pool in ("cpu", "gpu"):
        cluster.add(wire.compute_pool(pool))
    for variant, count in replicas.items():
        labels = {SERVICE_UID_LABEL: uid, VARIANT_LABEL: variant}
        made = wire.deployment(f"{name}-{variant}", namespace, replicas=count)
        made["metadata"]["labels"] = labels
        made["metadata"]["ownerReferences"] = [
            {"kind": "InferenceDeployment", "name": name, "uid": uid, "controller": True}
        ]
        made["metadata"]["managedFields"] = [
            {"manager": "tightrope", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
        ]
        made["status"] = {"observedGeneration": 1, "replicas": count, "updatedReplicas": count}
        made["status"]["availableReplicas"] = count
        cluster.add(made)
        for number in range(count):
            add_pod(cluster, namespace, f"{name}-{variant}-{number}", labels, made["spec"]["template"]["spec"])
            asked.pods[namespace, f"{name}-{variant}-{number}"] = Pod()


def add_pod(cluster: Cluster, namespace: str, name: str, labels: dict[str, str], spec: Wire) -> None:
    """A pod that has been ready for an hour."""
    since = time.time() - 3600.0
    metadata = {"name": name, "namespace": namespace, "labels": labels, "creationTimestamp": rfc3339(since)}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    cluster.add({**pod, "status": pod_status(ready=True, now=since)})
