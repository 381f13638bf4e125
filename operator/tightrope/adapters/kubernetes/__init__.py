"""The cluster as the controller's port sees it, on the official client. Only `controller.wiring` imports this room."""

from tightrope.adapters.kubernetes.client import ApiServer
from tightrope.adapters.kubernetes.cluster import FIELD_MANAGER, KubernetesCluster
from tightrope.adapters.kubernetes.lease import KubernetesLease

__all__ = ["FIELD_MANAGER", "ApiServer", "KubernetesCluster", "KubernetesLease"]
