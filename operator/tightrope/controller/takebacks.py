"""Which pods lost their node: read from the pods alone, so that no right to see nodes is needed.

`store` keeps such a pod for a while after it is gone, `facts` asks when it happened. Whoever takes a node away says so
on each of its pods, by the condition DisruptionTarget: a drain evicts (Karpenter, the AWS node termination handler, and
a person's `kubectl drain`, which looks the same), the taint manager deletes, the kubelet ends them as its machine shuts
down (spot nodes of GKE and AKS), and the garbage collector removes what stood on a node that is gone. See "Pod
disruption conditions" in the Kubernetes documentation. A pod that a more important one preempts lost no node.
"""

from collections.abc import Mapping
from typing import Any, Final

_NODE_GOES: Final = frozenset(
    {"DeletionByTaintManager", "EvictionByEvictionAPI", "DeletionByPodGC", "TerminationByKubelet"}
)


def taken_back(pod: Mapping[str, Any]) -> str | None:
    """When this pod was told that its node goes, as the API writes times; None if it was not."""
    for condition in pod["status"].get("conditions") or ():
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            return condition.get("lastTransitionTime") if condition.get("reason") in _NODE_GOES else None
    return None
