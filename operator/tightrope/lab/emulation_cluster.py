"""The pods of a cluster and who of them is behind which Service, as the API server says it now.

Two watches feed it from threads of their own; `emulator` takes a snapshot of it whenever it has changed. While the API
server is away, the last that was seen stands.
"""

import base64
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tightrope.api.quantity import parse_quantity
from tightrope.lab.api_client import ApiClient
from tightrope.lab.errors import LabError
from tightrope.lab.watch import Object, Watch

PODS: Final = "/api/v1/pods"
SLICES: Final = "/apis/discovery.k8s.io/v1/endpointslices"
VARIANT_LABEL: Final = "tightrope.dev/variant"
SERVICE_LABEL: Final = "kubernetes.io/service-name"
ACCELERATOR: Final = "nvidia.com/gpu"
UNSTATED_CPU_CORES = 1.0  # for pods that request no CPU


class PodName(NamedTuple):
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod whose containers run. `cpu_cores` is what it requests, `terminating` that its deletion has begun."""

    uid: str
    node: str
    variant: str | None
    cpu_cores: float
    accelerators: int
    terminating: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Running pods, and for each Service (`namespace/name`) the pods in its EndpointSlices: ready to be sent to?"""

    pods: Mapping[PodName, Pod]
    endpoints: Mapping[str, Mapping[PodName, bool]]


class ClusterView:
    """What the watches have seen so far. Thread-safe; `version` grows with every change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pods: dict[PodName, Pod] = {}
        self._slices: dict[str, tuple[str, Mapping[PodName, bool]]] = {}
        self.version = 0

    def changed(self, path: str, before: Object | None, after: Object | None, _at: float) -> None:
        """Called by a watch: an object of this path was added, changed or removed."""
        known = after or before or {}
        with self._lock:
            if path == PODS:
                self._take_pod(known, present=after is not None)
            else:
                self._take_slice(known, present=after is not None)
            self.version += 1

    def snapshot(self) -> Snapshot:
        with self._lock:
            endpoints: dict[str, dict[PodName, bool]] = {}
            for service, members in self._slices.values():
                known = endpoints.setdefault(service, {})
                for pod, ready in members.items():
                    known[pod] = known.get(pod, False) or ready
            return Snapshot(pods=dict(self._pods), endpoints=endpoints)

    def _take_pod(self, raw: Object, *, present: bool) -> None:
        name, pod = PodName(raw["metadata"]["namespace"], raw["metadata"]["name"]), read_pod(raw)
        if present and pod is not None:
            self._pods[name] = pod
        elif (known := self._pods.get(name)) is not None and known.uid == raw["metadata"]["uid"]:
            del self._pods[name]

    def _take_slice(self, raw: Object, *, present: bool) -> None:
        uid, service = raw["metadata"]["uid"], raw["metadata"].get("labels", {}).get(SERVICE_LABEL)
        if present and service:
            self._slices[uid] = (f"{raw['metadata']['namespace']}/{service}", read_endpoints(raw))
        else:
            self._slices.pop(uid, None)


def read_pod(raw: Object) -> Pod | None:
    """The pod, or None unless its containers run."""
    metadata, spec = raw["metadata"], raw["spec"]
    if raw.get("status", {}).get("phase") != "Running":
        return None
    requests = [container.get("resources", {}).get("requests", {}) for container in spec["containers"]]
    cpu = sum(float(parse_quantity(request["cpu"])) for request in requests if "cpu" in request)
    return Pod(
        uid=metadata["uid"],
        node=spec.get("nodeName", ""),
        variant=metadata.get("labels", {}).get(VARIANT_LABEL),
        cpu_cores=cpu or UNSTATED_CPU_CORES,
        accelerators=sum(int(parse_quantity(request.get(ACCELERATOR, 0))) for request in requests),
        terminating="deletionTimestamp" in metadata,
    )


def read_endpoints(raw: Object) -> Mapping[PodName, bool]:
    """The pods of one EndpointSlice, and whether requests may be sent to them."""
    found: dict[PodName, bool] = {}
    for endpoint in raw.get("endpoints") or ():
        target, conditions = endpoint.get("targetRef") or {}, endpoint.get("conditions") or {}
        if target.get("kind") == "Pod":
            # An unknown condition counts as ready (EndpointConditions in discovery/v1).
            ready = conditions.get("ready", True) and not conditions.get("terminating", False)
            found[PodName(raw["metadata"]["namespace"], target["name"])] = ready
    return found


def follow(view: ClusterView, kubeconfig: Path) -> list[Watch]:
    """Start the two watches that feed the view. Raises LabError for a kubeconfig that cannot be used."""
    connect = connector(kubeconfig)
    watches = [Watch(path, connect, view.changed) for path in (PODS, SLICES)]
    for watch in watches:
        watch.start()
    return watches


def connector(kubeconfig: Path) -> Callable[[], ApiClient]:
    """Connections as the current context of this kubeconfig says: a server, its CA and a token. Raises LabError."""
    try:
        raw: Any = yaml.safe_load(kubeconfig.read_text())
        context = _named(raw["contexts"], raw["current-context"])["context"]
        cluster = _named(raw["clusters"], context["cluster"])["cluster"]
        token = _named(raw["users"], context["user"])["user"]["token"]
        ca_file = kubeconfig.with_name(f"{kubeconfig.name}.ca.crt")
        ca_file.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        url = cluster["server"]
    except OSError as error:
        raise LabError(f"{kubeconfig}: {error.strerror}: write the path of a kubeconfig") from None
    except (KeyError, TypeError, StopIteration, ValueError, yaml.YAMLError) as error:
        raise LabError(
            f"{kubeconfig} has no {error}: write one whose current context has a server, its "
            "certificate-authority-data and a user's token"
        ) from None
    return lambda: ApiClient(url=url, ca_file=ca_file, token=token)


def _named(entries: Any, name: str) -> Any:
    return next(entry for entry in entries if entry["name"] == name)
