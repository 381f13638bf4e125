"""The operator's rights are exactly what it uses: each verb is missed when it is gone, each is used in a life on the
lab, and none is missing there."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e.world import pool_manifest, service_manifest, wait_for
from helm.chart import render
from helm.installation import AUDITED, Installation, Right, granted, installation, operators, refused, used

from tightrope.adapters.kubernetes import ApiServer, KubernetesCluster, KubernetesLease
from tightrope.adapters.kubernetes.resources import RESOURCES
from tightrope.controller.store import KINDS
from tightrope.lab.process import Program
from tightrope.ports import LeaseRecord, WriteRefused

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
ACCOUNT = f"system:serviceaccount:{AUDITED}:tightrope"
PLACE = "rights"
SECONDS = 30.0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("lab")) as built:
        built.world.namespace(AUDITED)
        built.install(AUDITED)
        yield built


# Each verb taken away


@dataclass
class Deputy:
    """Somebody with the chart's rights, and the operator's own adapters in his hands."""

    cluster: KubernetesCluster
    lease: KubernetesLease
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    place: str = PLACE
    now: float = 1_800_000_000.0

    def fresh(self) -> str:
        return f"new-{next(self.names)}"


Deed = Callable[[Deputy], Awaitable[Any]]


def listing(kind: str) -> Deed:
    return lambda deputy: deputy.cluster.list_objects(kind)


def watching(kind: str) -> Deed:
    async def watch(deputy: Deputy) -> None:
        server = deputy.cluster._server
        # A watch begins with a 200 and then says nothing; what is refused is refused at once.
        await server.request(
            "GET", RESOURCES[kind].path(), query=[("watch", "1"), ("timeoutSeconds", "1")], again=False
        )

    return watch


def making(kind: str) -> Deed:
    return lambda deputy: deputy.cluster.apply(manifest(kind, deputy.fresh()))


def changing(kind: str) -> Deed:
    async def change(deputy: Deputy) -> None:
        made = manifest(kind, "held")
        made["metadata"]["labels"] = {"changed": deputy.fresh()}
        await deputy.cluster.apply(made)

    return change


def scaling(kind: str) -> Deed:
    return lambda deputy: deputy.cluster.set_replicas(kind=kind, namespace=PLACE, name="held", replicas=1, force=True)


def saying(kind: str, namespace: str | None, name: str) -> Deed:
    status = {"conditions": []}
    return lambda deputy: deputy.cluster.patch_status(
        kind=kind, namespace=namespace, name=name, status=status, resource_version=None
    )


async def removing(deputy: Deputy) -> None:
    deployments = await deputy.cluster.list_objects("Deployment")
    uid = next(one["metadata"]["uid"] for one in deployments if one["metadata"]["name"] == "held")
    # A dry run would be refused alike, and nothing needs to be made again.
    path = RESOURCES["Deployment"].path(namespace=PLACE, name="held")
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}, "dryRun": ["All"]}
    await deputy.cluster._server.request("DELETE", path, body=body)


async def telling(deputy: Deputy) -> None:
    await deputy.cluster.record_event(regarding=service(deputy.place), reason="DemandRose", message=deputy.fresh())


async def telling_again(deputy: Deputy) -> None:
    """The same thing is counted on its Event once five minutes have gone by."""
    message = deputy.fresh()
    for _ in range(2):
        await deputy.cluster.record_event(regarding=service(deputy.place), reason="DemandRose", message=message)
        deputy.now += 301.0


def service(namespace: str = PLACE) -> dict[str, Any]:
    return service_manifest(namespace, "held")


async def claiming(deputy: Deputy) -> None:
    """Make the Lease; it is there already, which only somebody with the right to make it is told."""
    with_version = LeaseRecord(holder="deputy", seconds=5.0, transitions=0)
    try:
        await deputy.lease.write(with_version)
    except WriteRefused:
        raise
    except Exception as conflict:
        assert "exists" in str(conflict)


async def renewing(deputy: Deputy) -> None:
    held = await deputy.lease.read()
    assert held is not None
    await deputy.lease.write(held)


PLURALS = {kind: RESOURCES[kind] for kind in KINDS}
DEEDS: dict[Right, Deed] = {
    **{(at.group, at.plural, "list"): listing(kind) for kind, at in PLURALS.items()},
    **{(at.group, at.plural, "watch"): watching(kind) for kind, at in PLURALS.items()},
    ("apps", "deployments", "create"): making("Deployment"),
    ("apps", "deployments", "patch"): changing("Deployment"),
    ("apps", "deployments", "delete"): removing,
    ("", "services", "create"): making("Service"),
    ("", "services", "patch"): changing("Service"),
    ("policy", "poddisruptionbudgets", "create"): making("PodDisruptionBudget"),
    ("policy", "poddisruptionbudgets", "patch"): changing("PodDisruptionBudget"),
    ("apps", "deployments/scale", "patch"): scaling("Deployment"),
    ("apps", "statefulsets/scale", "patch"): scaling("StatefulSet"),
    ("tightrope.dev", "inferencedeployments/status", "patch"): saying("InferenceDeployment", PLACE, "held"),
    ("tightrope.dev", "computepools/status", "patch"): saying("ComputePool", None, "held"),
    ("events.k8s.io", "events", "create"): telling,
    ("events.k8s.io", "events", "patch"): telling_again,
    ("coordination.k8s.io", "leases", "get"): lambda deputy: deputy.lease.read(),
    ("coordination.k8s.io", "leases", "create"): claiming,
    ("coordination.k8s.io", "leases", "patch"): renewing,
}


def manifest(kind: str, name: str) -> dict[str, Any]:
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "server", "image": "i"}]}}
    specs: dict[str, dict[str, Any]] = {
        "Deployment": {"selector": {"matchLabels": labels}, "template": pod},
        "StatefulSet": {"selector": {"matchLabels": labels}, "template": pod, "serviceName": name},
        "Service": {"selector": labels, "ports": [{"port": 80}]},
        "PodDisruptionBudget": {"selector": {"matchLabels": labels}, "minAvailable": 0},
    }
    head = {"apiVersion": RESOURCES[kind].api_version, "kind": kind, "metadata": {"name": name, "namespace": PLACE}}
    return {**head, "spec": specs[kind]}


class Rights:
    """The chart's rules, bound to a deputy; any of them can be taken away for a moment."""

    def __init__(self, lab: Installation) -> None:
        self.lab = lab
        documents = render(release="deputy-tightrope", namespace=PLACE)
        others = [one for one in documents if one["kind"] in ("ServiceAccount", "ClusterRoleBinding", "RoleBinding")]
        self.roles = operators(documents)
        self.rights = granted(self.roles)
        lab.world.apply(*others, *self.roles)
        self.file: Path = lab.lab.service_account_kubeconfig(PLACE, "deputy-tightrope")

    def without(self, *missing: Right) -> None:
        """Rules that name several resources or verbs are taken apart, so that exactly these are missing."""
        self.lab.world.apply(*({**role, "rules": list(narrowed(role["rules"], missing))} for role in self.roles))

    def whole(self) -> None:
        self.lab.world.apply(*self.roles)


def narrowed(rules: Sequence[Mapping[str, Any]], missing: Sequence[Right]) -> Iterator[dict[str, Any]]:
    for rule in rules:
        for group, resource in itertools.product(rule["apiGroups"], rule["resources"]):
            verbs = [verb for verb in rule["verbs"] if (group, resource, verb) not in missing]
            if verbs:
                yield {**rule, "apiGroups": [group], "resources": [resource], "verbs": verbs}


@pytest.fixture(scope="module")
def rights(lab: Installation) -> Rights:
    lab.world.namespace(PLACE)
    lab.world.apply(pool_manifest("held", price="0.20"), service())
    objects = [manifest(kind, "held") for kind in ("Deployment", "StatefulSet", "Service", "PodDisruptionBudget")]
    lab.kubectl("apply", "--server-side", "--field-manager=tightrope", "-f", "-", stdin=yaml.safe_dump_all(objects))
    return Rights(lab)


@pytest.fixture
async def deputy(rights: Rights) -> AsyncIterator[Deputy]:
    server = ApiServer(kubeconfig=str(rights.file))
    lease = KubernetesLease(server=server, namespace=PLACE, name="tightrope")
    cluster = KubernetesCluster(server=server, instance="deputy", now=lambda: made.now)
    made = Deputy(cluster, lease)
    rights.whole()
    await until(lambda: done(claiming, made), "the Lease to be there")
    yield made
    await server.close()


async def done(deed: Deed, deputy: Deputy) -> bool:
    """Whether the server let it pass."""
    try:
        await deed(deputy)
    except WriteRefused as refusal:
        assert "forbidden" in str(refusal), refusal
        return False
    except ValueError:
        return True  # a watch: what it says is not one object
    return True


async def until(probe: Callable[[], Awaitable[bool]], what: str) -> None:
    """Rights take a moment to reach the authorizer."""
    deadline = time.monotonic() + SECONDS
    while not await probe():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.05)


def test_every_right_of_the_chart_has_its_deed_here(rights: Rights) -> None:
    assert set(DEEDS) == rights.rights


@pytest.mark.parametrize("right", DEEDS, ids=" ".join)
async def test_without_one_verb_what_needs_it_is_refused(rights: Rights, deputy: Deputy, right: Right) -> None:
    await until(lambda: done(DEEDS[right], deputy), "the whole role to suffice")
    rights.without(right)

    async def missed() -> bool:
        return not await done(DEEDS[right], deputy)

    await until(missed, f"{' '.join(right)} to be missed")


def test_without_listings_the_operator_says_of_each_kind_what_it_waits_for(lab: Installation, rights: Rights) -> None:
    listings = [right for right in rights.rights if right[2] == "list"]
    rights.without(*listings)
    program = lab.start_operator(AUDITED, name="blind", kubeconfig=rights.file)
    try:
        wait_for(lambda: told(program) == set(KINDS), seconds=30, what="a word on every kind")
        assert "forbidden" in program.log.read_text()
        assert program.poll() is None, "it waits: the right may be given while it runs"
        rights.whole()
        wait_for(lambda: '"standing by"' in program.log.read_text(), seconds=30, what="the operator to go on")
    finally:
        rights.whole()
        program.kill()


def told(program: Program) -> set[str]:
    """The kinds that it says it waits for."""
    said = [json.loads(line) for line in program.log.read_text().splitlines() if line.startswith("{")]
    return {line["kind"] for line in said if "waiting for a kind" in str(line)}


# All verbs in one life


async def test_a_life_uses_every_right_and_misses_none(lab: Installation) -> None:
    namespace = lab.world.namespace("life")
    program = lab.start_operator(AUDITED)
    two = [
        {"name": name, "pool": "cpu", "capacity": {"rate": rate, "at": "300ms"}}
        for name, rate in (("cpu", 34), ("gpu", 30))
    ]
    lab.serve(namespace, variants=two)
    lab.wait_until_ready(namespace, program)
    adopt(lab, namespace)
    # Another size, and a variant less.
    lab.serve(namespace, variants=two[:1], replicas={"min": 2, "max": 2})
    wait_for(lambda: lab.world.fleet(namespace) == {"cpu": (2, 2)}, seconds=60, what="one variant of two replicas")
    wait_for(lambda: adopted(lab, namespace) == 2, seconds=60, what="the adopted StatefulSet to be scaled")
    # What takes five minutes is done with the operator's own hands and token, and another clock.
    server = ApiServer(kubeconfig=str(lab.lab.service_account_kubeconfig(AUDITED, "tightrope")))
    lease = KubernetesLease(server=server, namespace=AUDITED, name="tightrope")
    cluster = KubernetesCluster(server=server, instance="life", now=lambda: deputy.now)
    deputy = Deputy(cluster, lease, place=namespace)
    await telling_again(deputy)
    await server.close()

    requests = lab.requests(ACCOUNT)
    assert not refused(requests)
    assert used(requests) == granted(operators(render(namespace=AUDITED)))


def adopt(lab: Installation, namespace: str) -> None:
    """A StatefulSet that runs already, and a service that scales it."""
    workload = manifest("StatefulSet", "legacy")
    workload["metadata"]["namespace"] = namespace
    adopting = service_manifest(
        namespace,
        "adopting",
        replicas={"min": 2, "max": 2},
        variants=[
            {
                "name": "old",
                "pool": "cpu",
                "capacity": {"rate": 34, "at": "300ms"},
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "legacy"},
            }
        ],
    )
    del adopting["spec"]["template"]
    lab.world.apply(workload, adopting)


def adopted(lab: Installation, namespace: str) -> int:
    return int(lab.world.get("statefulset", namespace, "legacy")["spec"]["replicas"])
