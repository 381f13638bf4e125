"""Stand-ins for the outside: an API server with the rules that matter to us, a Prometheus, a clock. No mocks.

The fake API server keeps what the real one keeps (uids, resource versions, generations, who owns spec.replicas) and
plays the controllers when told to. `die_after` kills the operator after its n-th write, as SIGKILL would.
"""

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import wire

from tightrope.controller.store import Store
from tightrope.ports import (
    GATEWAY,
    ClusterUnavailable,
    MetricsSnapshot,
    MetricsUnavailable,
    Offer,
    PodHistory,
    PodKey,
    PodNames,
    PodSample,
    PriceSnapshot,
    ServiceName,
    WriteConflict,
    WriteRefused,
)

OURS = "tightrope"


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


class FakeClock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class FakeMetrics:
    """Answers with the samples it was given; `down` makes every query fail."""

    def __init__(self) -> None:
        self.samples: dict[str, dict[PodKey, PodSample]] = {}
        self.earlier: dict[str, dict[PodKey, PodHistory]] = {}
        self.down: str | None = None
        self.at = 0.0
        self.histories = 0
        self.past: dict[str, list[tuple[float, float]]] = {}
        self.days_before: dict[PodKey, PodHistory] = {}
        self.asked_pasts: list[tuple[PodNames, int]] = []
        self.offers: dict[str, list[Offer]] = {}
        self.asked_prices: list[list[str]] = []
        self.gateway: dict[ServiceName, float] | None = None

    async def prices(self, sources: Sequence[str]) -> PriceSnapshot:
        self.asked_prices.append(list(sources))
        if self.down:
            return PriceSnapshot(failures=dict.fromkeys(sources, self.down))
        return PriceSnapshot(offers={source: self.offers.get(source, []) for source in sources})

    async def snapshot(self, presets: Sequence[str]) -> MetricsSnapshot:
        if self.down:
            failures = {(preset, signal): self.down for preset in presets for signal in ("arrivals", "latency")}
            return MetricsSnapshot(at=self.at, pods={}, failures=failures, metric_names=names(presets))
        pods = {preset: self.samples.get(preset, {}) for preset in presets}
        known = names(presets)
        if self.gateway is not None:
            known[GATEWAY] = "gateway_requests_total"
        return MetricsSnapshot(at=self.at, pods=pods, metric_names=known, gateway=self.gateway or {})

    async def earlier_demand(
        self, preset: str, pods: PodNames, *, start: float, end: float, step_seconds: int, within_seconds: int = 0
    ) -> Sequence[tuple[float, float]]:
        self.asked_pasts.append((pods, within_seconds))
        if self.down:
            raise MetricsUnavailable(self.down)
        return [(at, rate) for at, rate in self.past.get(pods.namespace, []) if start <= at <= end]

    async def history(
        self, presets: Sequence[str], *, start: float, end: float, step_seconds: float, pods: PodNames | None = None
    ) -> Mapping[str, Mapping[PodKey, PodHistory]]:
        if pods is not None:
            return dict.fromkeys(presets, self.days_before) if not self.down else {}
        self.histories += 1
        if self.down:
            raise MetricsUnavailable(self.down)
        return {preset: self.earlier.get(preset, {}) for preset in presets}


class FakeCluster:
    """An API server in a dictionary. `writes` is what the operator did, in order."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.writes: list[tuple[Any, ...]] = []
        self.events: list[tuple[str, str]] = []
        self.dry_runs = 0
        self.die_after: int | None = None
        self.dead = False
        self.down = False
        self.refuse: dict[str, str] = {}
        self._count = itertools.count(1)

    # What the operator calls.

    async def apply(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Mapping[str, Any]:
        self._reachable()
        metadata = manifest["metadata"]
        key = (manifest["kind"], metadata.get("namespace", ""), metadata["name"])
        for part, sentence in self.refuse.items():
            if part in str(manifest):
                raise WriteRefused(sentence)
        held = self.objects.get(key)
        if "uid" in metadata and held is None:
            raise WriteConflict("uid mismatch: no existing object was found")
        if "uid" in metadata and held is not None and held["metadata"]["uid"] != metadata["uid"]:
            raise WriteRefused("metadata.uid: field is immutable")
        if "uid" not in metadata and held is not None:
            raise WriteConflict("conflict", other_writer="somebody")
        if dry_run:
            self.dry_runs += 1
            return dict(manifest)
        stored = self._applied(key, manifest, held)
        self._wrote("apply", *key, manifest.get("spec", {}).get("replicas"))
        return copy.deepcopy(stored)

    async def set_replicas(
        self, *, kind: str, namespace: str, name: str, replicas: int, force: bool = False, version: str | None = None
    ) -> None:
        self._reachable()
        held = self.objects.get((kind, namespace, name))
        if held is None:
            raise WriteRefused(f"{kind} {name} not found")
        assert (version is not None) == (kind == "LeaderWorkerSet"), "a custom resource's /scale knows no apply"
        if version is not None:
            # A swap overrules every owner; a zero leaves none, and nobody is written down after it.
            if version != held["metadata"]["resourceVersion"]:
                raise WriteConflict("the object has been modified")
            self._own(held, [(OURS, "scale")] if replicas and self.writers(held) else [])
            force = True
        # A zero is left out of a Scale object: the server sees a contradiction even to the same value.
        same = held["spec"].get("replicas") == replicas != 0
        others = [w for w in self.writers(held) if w != (OURS, "scale")]
        if others and not same and not force:
            raise WriteConflict("conflict", other_writer=others[0][0])
        if force and not same:
            self._own(held, [])
        if (OURS, "scale") not in self.writers(held):
            self._own(held, [*self.writers(held), (OURS, "scale")])
        if held["spec"].get("replicas") != replicas:
            held["spec"]["replicas"] = replicas
            held["metadata"]["generation"] += 1
        self._touch(held)
        self._wrote("scale", kind, namespace, name, replicas)

    async def delete(self, *, kind: str, namespace: str, name: str, uid: str) -> None:
        self._reachable()
        held = self.objects.get((kind, namespace, name))
        if held is not None and held["metadata"]["uid"] != uid:
            raise WriteConflict("the UID in the precondition does not match")
        self.objects.pop((kind, namespace, name), None)
        self._wrote("delete", kind, namespace, name, None)

    async def patch_status(
        self, *, kind: str, namespace: str | None, name: str, status: Mapping[str, Any], resource_version: str | None
    ) -> None:
        self._reachable()
        held = self.objects.get((kind, namespace or "", name))
        if held is None:
            raise WriteRefused(f"{kind} {name} not found")
        held["status"] = merged(held.get("status", {}), status)
        self._touch(held)
        self._wrote("status", kind, namespace or "", name, None)

    async def record_event(
        self, *, regarding: Mapping[str, Any], reason: str, message: str, warning: bool = False
    ) -> None:
        self._reachable()
        self.events.append((reason, message))

    async def list_objects(self, kind: str) -> Sequence[Mapping[str, Any]]:
        self._reachable()
        return [copy.deepcopy(wire) for (held_kind, _, _), wire in self.objects.items() if held_kind == kind]

    # What tests call.

    def add(self, wire: Mapping[str, Any], *, writers: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """An object made by somebody else; `writers` own its spec.replicas."""
        stored = copy.deepcopy(dict(wire))
        metadata = stored["metadata"]
        metadata.setdefault("uid", f"uid-{next(self._count)}")
        metadata.setdefault("generation", 1)
        metadata.setdefault("creationTimestamp", "2027-01-15T07:00:00Z")
        stored.setdefault("status", {})
        self._own(stored, list(writers))
        self._touch(stored)
        self.objects[stored["kind"], metadata.get("namespace", ""), metadata["name"]] = stored
        return stored

    def get(self, kind: str, name: str, namespace: str = "nlp") -> dict[str, Any]:
        return self.objects[kind, namespace, name]

    def edit_spec(self, kind: str, name: str, namespace: str = "nlp", **changes: Any) -> None:
        held = self.get(kind, name, namespace)
        held["spec"] |= changes
        held["metadata"]["generation"] += 1
        self._touch(held)

    def touch(self, kind: str, name: str, namespace: str = "nlp") -> None:
        self._touch(self.get(kind, name, namespace))

    def scaled_by(self, manager: str, kind: str, name: str, replicas: int, namespace: str = "nlp") -> None:
        """Somebody else writes spec.replicas through /scale."""
        held = self.get(kind, name, namespace)
        held["spec"]["replicas"] = replicas
        held["metadata"]["generation"] += 1
        self._own(held, [(manager, "scale")])
        self._touch(held)

    def settle(self, *, now: float, ready: bool = True) -> None:
        """Deployment controller, scheduler and kubelet at once: pods for every wanted replica, ready if so told."""
        for (kind, namespace, name), held in list(self.objects.items()):
            if kind == "LeaderWorkerSet":
                self._groups(held, namespace, name, now=now, ready=ready)
                continue
            if kind not in ("Deployment", "StatefulSet"):
                continue
            replicas = held["spec"].get("replicas", 1)
            self._pods(held, namespace, name, replicas, now=now, ready=ready)
            status = {"observedGeneration": held["metadata"]["generation"], "replicas": replicas}
            status |= {"updatedReplicas": replicas, "availableReplicas": replicas if ready else 0}
            if held["status"] != status:
                held["status"] = status
                self._touch(held)

    def deliver(self, store: Store) -> None:
        """Everything as a listing brings it."""
        for kind in store.kinds:
            held = store.uids(kind)
            listed = [copy.deepcopy(wire) for (name, _, _), wire in self.objects.items() if name == kind]
            store.reconcile(kind, listed, held_before=held)

    def replicas(self, namespace: str = "nlp") -> dict[str, int]:
        return {
            name: wire["spec"].get("replicas", 1)
            for (kind, where, name), wire in self.objects.items()
            if kind in ("Deployment", "StatefulSet") and where == namespace
        }

    def writers(self, wire: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(entry["manager"], entry.get("subresource", "")) for entry in wire["metadata"]["managedFields"]]

    # How it works inside.

    def _reachable(self) -> None:
        if self.dead:
            raise Killed
        if self.down:
            raise ClusterUnavailable("connection refused")

    def _wrote(self, *write: Any) -> None:
        self.writes.append(write)
        if self.die_after is not None and len(self.writes) >= self.die_after:
            self.dead = True
            raise Killed

    def _touch(self, wire: dict[str, Any]) -> None:
        wire["metadata"]["resourceVersion"] = str(next(self._count))

    def _own(self, wire: dict[str, Any], writers: Sequence[tuple[str, str]]) -> None:
        fields = {"f:spec": {"f:replicas": {}}}
        wire["metadata"]["managedFields"] = [
            {"manager": manager, "subresource": subresource, "fieldsV1": fields} for manager, subresource in writers
        ]

    def _applied(
        self, key: tuple[str, str, str], manifest: Mapping[str, Any], held: dict[str, Any] | None
    ) -> dict[str, Any]:
        if held is None:
            created = {k: v for k, v in copy.deepcopy(dict(manifest)).items() if k != "status"}
            writers = [(OURS, "")] if "replicas" in created.get("spec", {}) else []
            if key[0] == "Deployment":
                created["spec"].setdefault("replicas", 1)
            return self.add(created, writers=writers)
        spec, before = copy.deepcopy(dict(manifest["spec"])), held["spec"]
        if key[0] == "Deployment" and "replicas" not in spec:
            # The field leaves our main entry; without another owner the server falls back to the default.
            rest = [w for w in self.writers(held) if w != (OURS, "")]
            dropped = (OURS, "") in self.writers(held) and not rest
            spec["replicas"] = 1 if dropped else before["replicas"]
            self._own(held, rest)
        if spec != before:
            held["metadata"]["generation"] += 1
        held["spec"] = spec
        for part in ("labels", "annotations", "ownerReferences"):
            held["metadata"][part] = manifest["metadata"].get(part, held["metadata"].get(part))
        self._touch(held)
        return held

    def _pods(
        self, held: Mapping[str, Any], namespace: str, name: str, replicas: int, *, now: float, ready: bool
    ) -> None:
        for number in range(100):
            key = ("Pod", namespace, f"{name}-{number}")
            if number >= replicas:
                self.objects.pop(key, None)
            elif key not in self.objects:
                template = held["spec"]["template"]
                metadata = {"name": key[2], "namespace": namespace, "labels": template["metadata"]["labels"]}
                metadata["creationTimestamp"] = rfc3339(now)
                self.add({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
                self.objects[key]["status"] = pod_status(ready=ready, now=now)
            elif self.objects[key]["status"]["conditions"][0]["status"] != ("True" if ready else "False"):
                self.objects[key]["status"] = pod_status(ready=ready, now=now)
                self._touch(self.objects[key])

    def _groups(self, held: dict[str, Any], namespace: str, name: str, *, now: float, ready: bool) -> None:
        """The controller of LeaderWorkerSets: a leader and its workers for each replica, ready as a whole."""
        spec, replicas = held["spec"], held["spec"]["replicas"]
        for group in range(100):
            for place in range(spec["leaderWorkerTemplate"]["size"]):
                pod = f"{name}-{group}" + (f"-{place}" if place else "")
                if group >= replicas:
                    self.objects.pop(("Pod", namespace, pod), None)
                elif ("Pod", namespace, pod) not in self.objects:
                    made = wire.group_pod(name, group, place, namespace=namespace, created=rfc3339(now))
                    self.add(made | {"status": pod_status(ready=ready, now=now)})
        status = {"observedGeneration": held["metadata"]["generation"], "replicas": replicas}
        status |= {"updatedReplicas": replicas, "readyReplicas": replicas if ready else 0}
        if held["status"] != status:
            held["status"] = status
            self._touch(held)


def merged(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """JSON merge patch."""
    result = dict(old)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merged(result.get(key) or {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def pod_status(*, ready: bool, now: float) -> dict[str, Any]:
    return {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": rfc3339(now)}],
    }


def rfc3339(at: float) -> str:
    import datetime

    return datetime.datetime.fromtimestamp(at, tz=datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def names(presets: Sequence[str]) -> dict[tuple[str, str], str]:
    """The metrics behind the signals, for messages."""
    signals = ("arrivals", "latency", "errors", "in_flight", "gpu_utilisation", "cpu_cores", "newest_sample_at")
    return {(preset, signal): f"{preset}_{signal}" for preset in presets for signal in signals}
