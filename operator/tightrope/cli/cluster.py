"""The live cluster as the commands see it, with their user's own rights: reads, and nothing else by default.

`live` opens one connection a command. Whatever the API server answers becomes a `Failure` with what to do; only `pause`
writes, one annotation, and `plan` asks for dry runs.
"""

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from tightrope import __version__
from tightrope.adapters.kubernetes import ApiServer, KubernetesCluster
from tightrope.adapters.kubernetes.client import MERGE
from tightrope.adapters.kubernetes.errors import Absent
from tightrope.adapters.kubernetes.kubeconfig import contexts, default_namespace
from tightrope.adapters.kubernetes.resources import RESOURCES
from tightrope.cli.failure import Exit, Failure
from tightrope.cli.where import Where
from tightrope.ports import ClusterUnavailable, WriteConflict, WriteRefused

Wire: TypeAlias = Mapping[str, Any]

SERVICE: Final = "InferenceDeployment"
# A person waits for the answer: shorter than the operator's own patience.
_PATIENCE_SECONDS: Final = 4.0
_FIELD_MANAGER: Final = "tightrope-cli"
_DRY_RUN: Final = (("dryRun", "All"), ("fieldValidation", "Strict"))


class LiveCluster:
    """One connection. `namespace` is where a name is looked for that came without one."""

    def __init__(self, server: ApiServer, *, namespace: str) -> None:
        self.server = server
        self.namespace = namespace
        # The time is for Events, which no command records.
        self._cluster = KubernetesCluster(server=server, instance="tightrope-cli", now=time.time)  # noqa: TID251

    async def service(self, name: str) -> Wire:
        """The InferenceDeployment of that name. Raises Failure."""
        found = await self.find(SERVICE, self.namespace, name)
        if found is None:
            raise Failure(
                f"there is no InferenceDeployment {name} in namespace {self.namespace}: write -n NAMESPACE if it is "
                "in another one; tightrope top -A lists them all"
            )
        return found

    async def services(self, *, everywhere: bool = False, selector: str | None = None) -> Sequence[Wire]:
        """The InferenceDeployments of the namespace, or of all. Raises Failure."""
        return await self.listed(SERVICE, namespace=None if everywhere else self.namespace, selector=selector)

    async def find(self, kind: str, namespace: str, name: str) -> Wire | None:
        """One object, None if there is none. Raises Failure."""
        path = RESOURCES[kind].path(namespace=namespace, name=name)
        with asked(kind):
            try:
                found = await self.server.request("GET", path)
            except Absent as absent:
                if name not in str(absent):
                    raise  # it is the kind that is not there
                return None
            return found

    async def listed(self, kind: str, *, namespace: str | None, selector: str | None = None) -> Sequence[Wire]:
        """All objects of a kind, in one namespace or (None) everywhere. Raises Failure."""
        with asked(kind):
            return await self._cluster.list_objects(kind, namespace=namespace, selector=selector)

    async def tried(self, wire: Wire) -> Wire:
        """The object as the server would store it: validated, with its defaults, and not stored. Annotations and
        labels that the file does not name stay, as with kubectl apply. Raises Failure."""
        kind, metadata, resource = wire["kind"], wire["metadata"], RESOURCES[wire["kind"]]
        namespace = str(metadata.get("namespace") or self.namespace) if resource.namespaced else ""
        placed = {**metadata, "namespace": namespace} if namespace else metadata
        live = await self.find(kind, namespace, metadata["name"])
        body = {**wire, "metadata": placed} if live is None else replacing(live, wire)
        method, name = ("POST", None) if live is None else ("PUT", metadata["name"])
        path = resource.path(namespace=namespace, name=name)
        try:
            stored = await self.server.request(method, path, query=_DRY_RUN, body=body)
        except (WriteRefused, WriteConflict) as refused:
            raise Failure(f"{kind} {metadata['name']} would be refused: {refused}") from None
        # What was never stored has no version yet.
        return {**stored, "kind": kind, "metadata": {**stored["metadata"], "resourceVersion": version(stored)}}

    async def annotate(self, wire: Wire, annotations: Mapping[str, str | None]) -> None:
        """Set these annotations of a stored object, None removes one. Raises Failure."""
        kind, metadata = wire.get("kind", SERVICE), wire["metadata"]
        path = RESOURCES[kind].path(namespace=metadata["namespace"], name=metadata["name"])
        body = {"metadata": {"annotations": dict(annotations)}}
        try:
            await self.server.request(
                "PATCH", path, query=[("fieldManager", _FIELD_MANAGER)], body=body, content_type=MERGE
            )
        except (WriteRefused, WriteConflict) as refused:
            raise Failure(f"{kind} {metadata['name']} can't be annotated: {refused}") from None

    async def judged(self, manifest: Wire) -> Wire:
        """What the server says to an object that the operator would apply: a dry run. Raises the port's exceptions."""
        return await self._cluster.apply(manifest, dry_run=True)


def version(wire: Wire) -> str:
    return wire["metadata"].get("resourceVersion") or "0"


def replacing(live: Wire, wire: Wire) -> Wire:
    """The stored object with the file's spec, labels and annotations."""
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    for part in ("labels", "annotations"):
        merged = {**(metadata.get(part) or {}), **(wire["metadata"].get(part) or {})}
        metadata |= {part: merged} if merged else {}
    return {**live, "apiVersion": wire["apiVersion"], "kind": wire["kind"], "metadata": metadata, "spec": wire["spec"]}


@asynccontextmanager
async def connected(where: Where) -> AsyncIterator[LiveCluster]:
    """A connection with the credentials of this kubeconfig, else of KUBECONFIG, ~/.kube/config or the pod's account.
    Raises Failure."""
    there(where)
    server = ApiServer(
        kubeconfig=where.kubeconfig,
        context=where.context,
        retry_seconds=_PATIENCE_SECONDS,
        agent=f"tightrope-cli/{__version__}",
    )
    try:
        yield LiveCluster(server, namespace=where.namespace or default_namespace(where.kubeconfig, where.context))
    except ClusterUnavailable as error:
        raise Failure(
            f"the API server can't be asked ({error}): does kubectl get ns answer? If it takes another kubeconfig, "
            "write --kubeconfig FILE or set KUBECONFIG, and --context NAME for another of its clusters",
            ends=Exit.UNREACHABLE,
        ) from None
    finally:
        await server.close()


def there(where: Where) -> None:
    """Raises Failure for a file or a context that is named and does not exist."""
    kubeconfig, context = where.kubeconfig, where.context
    if kubeconfig is not None and not Path(kubeconfig).is_file():
        raise Failure(f"--kubeconfig {kubeconfig}: there is no such file: write the path of one", ends=Exit.USAGE)
    if context is not None and context not in (known := contexts(kubeconfig)):
        has = f"it has {', '.join(known)}" if known else "no context can be read from it"
        raise Failure(f"--context {context}: the kubeconfig has no such context: {has}", ends=Exit.USAGE)


@contextmanager
def asked(kind: str) -> Iterator[None]:
    """Refused reads in words."""
    try:
        yield
    except Absent:
        raise Failure(
            f"the cluster knows no {kind}: install Tightrope there first, at the least its definitions with "
            "tightrope crd | kubectl apply --server-side -f -"
        ) from None
    except (WriteRefused, WriteConflict) as refused:
        raise Failure(
            f"the API server refuses: {refused}. Ask whoever runs the cluster for the right to read {kind}s",
            ends=Exit.UNREACHABLE,
        ) from None
