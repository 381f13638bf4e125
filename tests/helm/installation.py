"""A lab into which the chart is installed with the real helm, and the operator run as its Deployment says: the command,
the environment and the ServiceAccount's token are those of the release.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from e2e.world import ROOT, SCRAPE, World, free_port, pool_manifest, service_manifest, wait_for

from tightrope.lab.lab import Lab, NodePool
from tightrope.lab.process import Program

CHART = ROOT / "helm" / "tightrope"
# Short times, as the end-to-end tests have them.
QUICK = {
    "tickSeconds": 2,
    "rateWindowSeconds": 6,
    "reconcileSeconds": 5,
    "leaseSeconds": 5,
    "historySeconds": 60,
}
AUDITED = "tightrope-audited"
# Nodes that stay: the operator's own pods ask for no pool, so none would be added for them.
NODES = NodePool(name="cpu", initial_nodes=2, max_nodes=8, provision_seconds=1, idle_seconds=3600)


class Installation:
    """The lab, its emulated servers, and helm."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lab = world.lab
        self.kubectl = world.kubectl

    def helm(self, *arguments: str, user: str | None = None, check: bool = True, **values: Any) -> str:
        """Run helm as the admin or as this user; values as a file. Returns what it said."""
        given = ["--values", "-"] if values else []
        who = ["--kube-as-user", user] if user else []
        home = self.lab.directory / "helm"
        own = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [self.lab.programs["helm"], *arguments, *given, *who],
            input=yaml.safe_dump(values) if values else "",
            capture_output=True,
            text=True,
            env={**os.environ, **own, "KUBECONFIG": str(self.lab.kubeconfig)},
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}"
        return done.stdout + done.stderr

    def values(self, **others: Any) -> dict[str, Any]:
        return {"prometheus": {"url": self.lab.prometheus_url}, "operator": QUICK} | others

    def install(self, namespace: str, *flags: str, user: str | None = None, check: bool = True, **values: Any) -> str:
        given = self.values(**values)
        return self.helm("install", "tightrope", str(CHART), "-n", namespace, *flags, user=user, check=check, **given)

    def start_operator(
        self,
        namespace: str,
        *,
        name: str = "operator",
        kubeconfig: Path | None = None,
        also: Mapping[str, str] | None = None,
    ) -> Program:
        """One process of the release, outside of a pod: only the port, the Lease's namespace and `also` are told
        besides. It has the token of the release's ServiceAccount unless it is given a kubeconfig."""
        deployment = self.world.get("deployment", namespace, "tightrope")
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        assert container["command"] == ["tightrope", "run"]
        env = {variable["name"]: variable["value"] for variable in container["env"]}
        env |= {"TIGHTROPE_METRICS_PORT": str(free_port()), "TIGHTROPE_LEASE_NAMESPACE": namespace, **(also or {})}
        kubeconfig = kubeconfig or self.lab.service_account_kubeconfig(namespace, "tightrope")
        env |= {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT / "operator")}
        return self.lab.spawn(name, [sys.executable, "-m", "tightrope.cli", "run"], env=env)

    def serve(self, namespace: str, name: str = "sentiment", **spec: Any) -> None:
        """A pool, and a service on it with traffic."""
        self.world.apply(pool_manifest("cpu", price="0.20"))
        only = [{"name": "cpu", "pool": "cpu", "capacity": {"rate": 34, "at": "300ms"}}]
        self.world.apply(service_manifest(namespace, name, **({"variants": only} | spec)))
        self.world.traffic(namespace, 20.0, name)

    def wait_until_ready(self, namespace: str, program: Program, name: str = "sentiment") -> None:
        def ready() -> bool:
            assert program.poll() is None, program.tail()
            return self.world.condition(namespace, "Ready", name).get("status") == "True"

        wait_for(ready, seconds=60, what=f"{namespace}/{name} to be ready")

    def requests(self, account: str) -> list[dict[str, Any]]:
        """What this service account asked of the API server, as the audit log has it."""
        lines = self.lab.audit_log.read_text().splitlines() if self.lab.audit_log.exists() else []
        return [entry for line in lines if line and (entry := json.loads(line))["user"]["username"] == account]


@contextmanager
def installation(directory: Path, *, controllers: Sequence[str] = ()) -> Iterator[Installation]:
    """A lab without anything of ours in it, and emulated servers for what will come."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with Lab.start(
        pools=[NODES],
        directory=directory,
        progress=lambda _: None,
        scrape_seconds=SCRAPE,
        targets_url=url,
        extra_controllers=controllers,
    ) as lab:
        own = ["--kubeconfig", str(lab.kubeconfig), "--listen", f"127.0.0.1:{port}"]
        announce = ["--announce", str(lab.directory / "emulator.url")]
        lab.spawn("emulator", [sys.executable, "-m", "tightrope.lab.emulator", *own, *announce])
        world = World(lab, url)
        wait_for(
            lambda: world.http("GET", "/healthz") is not None,
            seconds=120,
            what="the emulator to listen, which may have to be compiled first",
        )
        yield Installation(world)


Right = tuple[str, str, str]


def operators(documents: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The roles that are the operator's, and not people's."""
    roles = (one for one in documents if one["kind"] in ("ClusterRole", "Role"))
    return [role for role in roles if not any("aggregate-to" in label for label in role["metadata"]["labels"])]


def granted(roles: Sequence[Mapping[str, Any]]) -> set[Right]:
    """(group, resource, verb) of every rule."""
    return {
        (group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(requests: Sequence[Mapping[str, Any]]) -> set[Right]:
    """The rights that these requests took. An apply that made its object asked for create as well as for patch."""
    rights = set()
    for request in requests:
        reference = request.get("objectRef")
        if reference is None:
            continue  # no resource: which kinds a group has, and the like
        resource = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
        right = (reference.get("apiGroup", ""), resource)
        rights.add((*right, request["verb"]))
        if request["verb"] == "patch" and request.get("responseStatus", {}).get("code") == 201:
            rights.add((*right, "create"))
    return rights


def refused(requests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Requests for which the right was missing, in words."""
    return [
        f"{request['verb']} {request['requestURI']}"
        for request in requests
        if request.get("responseStatus", {}).get("code") == 403
    ]
