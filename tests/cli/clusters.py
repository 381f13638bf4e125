"""An API server over HTTP for tests of commands: objects in a dictionary, a kubeconfig that points at it, and a record
of all that was asked. It does what the commands rely on and nothing else; tests marked `lab` ask a real one.
"""

import copy
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml
from fakes import merged

Wire = dict[str, Any]

PLURALS = {
    "inferencedeployments": "InferenceDeployment", "computepools": "ComputePool", "deployments": "Deployment",
    "statefulsets": "StatefulSet", "pods": "Pod", "namespaces": "Namespace", "services": "Service",
    "poddisruptionbudgets": "PodDisruptionBudget",
}  # fmt: skip
DRY = ("dryRun", "All")


class Cluster:
    """The objects by kind, namespace and name. `refuse` maps a part of a method and path to the status and the sentence
    with which requests for it are answered, `forbidden` are kinds that the user may not read; `asked` has the method,
    path and query of each request."""

    def __init__(self, directory: Path) -> None:
        self.objects: dict[tuple[str, str, str], Wire] = {}
        self.refuse: dict[str, tuple[int, str]] = {}
        self.forbidden: set[str] = set()
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.kubeconfig = directory / "kubeconfig"
        self._count = 100

    def add(self, wire: Mapping[str, Any]) -> Wire:
        stored = copy.deepcopy(dict(wire))
        metadata = stored["metadata"]
        self._count += 1
        metadata.setdefault("uid", f"uid-{self._count}")
        metadata.setdefault("generation", 1)
        metadata.setdefault("creationTimestamp", "2027-01-15T07:00:00Z")
        metadata["resourceVersion"] = str(self._count)
        self.objects[stored["kind"], metadata.get("namespace", ""), metadata["name"]] = stored
        return stored

    def get(self, kind: str, name: str, namespace: str = "nlp") -> Wire:
        return self.objects[kind, namespace, name]

    @property
    def writes(self) -> list[tuple[str, str, dict[str, str]]]:
        """What was asked that would have changed something."""
        return [asked for asked in self.asked if asked[0] != "GET" and DRY not in asked[2].items()]

    # How it works inside.

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        self.asked.append((method, path, query))
        for part, (code, sentence) in self.refuse.items():
            if part in f"{method} {path}":
                return failure(code, sentence)
        kind, namespace, name = address(path)
        if kind is None:
            return failure(404, "the server could not find the requested resource")
        if kind in self.forbidden:
            return failure(403, f'{path.split("/")[-1]} is forbidden: User "tenant" cannot read it')
        if method == "GET" and not name:
            return 200, {"items": self._listed(kind, namespace, query.get("labelSelector", "")), "metadata": {}}
        held = self.objects.get((kind, namespace, name or body["metadata"]["name"]))
        if held is None and method in ("GET", "PUT"):
            return failure(404, f'{path.split("/")[-2]} "{name}" not found')
        if method == "GET":
            return 200, held
        return self._written(query, body, held)

    def _written(self, query: dict[str, str], body: Wire, held: Wire | None) -> tuple[int, Any]:
        stored = merged(held or {"metadata": {"uid": "uid-new", "generation": 1, "resourceVersion": "9"}}, body)
        if held is not None and DRY not in query.items():
            held.clear()
            held.update(stored)
        return 200, stored

    def _listed(self, kind: str, namespace: str, selector: str) -> list[Wire]:
        wanted = dict(pair.split("=", 1) for pair in selector.split(",") if "=" in pair)
        return [
            {key: value for key, value in wire.items() if key not in ("kind", "apiVersion")}
            for (held, where, _), wire in self.objects.items()
            if held == kind
            and namespace in ("", where)
            and wanted.items() <= (wire["metadata"].get("labels") or {}).items()
        ]


def address(path: str) -> tuple[str | None, str, str]:
    """Kind, namespace and name of a path; "" for what it does not name."""
    parts = path.strip("/").split("/")[2 if path.startswith("/api/") else 3 :]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    return PLURALS.get(parts[0]), namespace, parts[1] if len(parts) > 1 else ""


def failure(code: int, sentence: str) -> tuple[int, Any]:
    return code, {"kind": "Status", "message": sentence, "code": code}


def kubeconfig(server: str, namespace: str = "nlp") -> str:
    """Its current context is `here`, for this namespace; `elsewhere` is of another server, that does not answer."""
    context = {"cluster": "c", "user": "u", "namespace": namespace}
    elsewhere = {"cluster": "away", "user": "u", "namespace": "vision"}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [
                {"name": "c", "cluster": {"server": server}},
                {"name": "away", "cluster": {"server": "http://127.0.0.1:1"}},
            ],
            "users": [{"name": "u", "user": {"token": "secret"}}],
            "contexts": [{"name": "here", "context": context}, {"name": "elsewhere", "context": elsewhere}],
        }
    )


@contextmanager
def cluster(directory: Path, *objects: Mapping[str, Any]) -> Iterator[Cluster]:
    """It listens, with these objects, until the end of the block."""
    made = Cluster(directory)
    for wire in objects:
        made.add(wire)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, document = made.answer(self.command, parts.path, dict(parse_qsl(parts.query)), body)
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PATCH = do_POST = do_PUT = answer

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        made.kubeconfig.write_text(kubeconfig(f"http://127.0.0.1:{server.server_address[1]}"))
        try:
            yield made
        finally:
            server.shutdown()
            thread.join(5)
