"""Where each kind lives on the API server. Read by the adapter's requests; a kind not listed here is never touched."""

from dataclasses import dataclass
from typing import Final

MANAGED_SELECTOR: Final = "app.kubernetes.io/managed-by=tightrope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind's address: group ("" is the core group), version, plural; `selector` narrows listings to our objects.
    Where the definition of an `optional` kind is not installed, there are none of it."""

    group: str
    version: str
    plural: str
    namespaced: bool = True
    selector: str | None = None
    optional: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection, of one object, or of its subresource."""
        root = f"/apis/{self.group}" if self.group else "/api"
        parts = [root, self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


RESOURCES: Final = {
    "InferenceDeployment": Resource(group="tightrope.dev", version="v1alpha1", plural="inferencedeployments"),
    "ComputePool": Resource(group="tightrope.dev", version="v1alpha1", plural="computepools", namespaced=False),
    "Deployment": Resource(group="apps", version="v1", plural="deployments"),
    "StatefulSet": Resource(group="apps", version="v1", plural="statefulsets"),
    "LeaderWorkerSet": Resource(
        group="leaderworkerset.x-k8s.io", version="v1", plural="leaderworkersets", optional=True
    ),
    "Pod": Resource(group="", version="v1", plural="pods"),
    "Namespace": Resource(group="", version="v1", plural="namespaces", namespaced=False),
    "Service": Resource(group="", version="v1", plural="services", selector=MANAGED_SELECTOR),
    "PodDisruptionBudget": Resource(
        group="policy", version="v1", plural="poddisruptionbudgets", selector=MANAGED_SELECTOR
    ),
    "Event": Resource(group="events.k8s.io", version="v1", plural="events"),
    "Lease": Resource(group="coordination.k8s.io", version="v1", plural="leases"),
}
