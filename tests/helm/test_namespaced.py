"""A team without rights on the cluster installs in its own namespace, and the operator sees nothing else."""

from collections.abc import Iterator

import pytest
import yaml
from e2e.world import ROOT, service_manifest, wait_for
from helm.chart import NAMESPACE, render
from helm.installation import AUDITED, Installation, granted, installation, operators, refused, used

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
TEAM = "system:serviceaccount:default:ml-engineer"
OWN = {"namespaces": [NAMESPACE]}
VALUES = {"namespaces": [AUDITED], "crds": {"install": False}, "rbac": {"pools": False}}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """What the administrator of the cluster does once: CRDs, rights for teams, a namespace and its admin."""
    with installation(tmp_path_factory.mktemp("lab"), controllers=["clusterrole-aggregation-controller"]) as built:
        built.kubectl("apply", "--server-side", "-k", str(ROOT / "deploy" / "teams"))
        built.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=30s")
        for namespace in (AUDITED, "others"):
            built.world.namespace(namespace)
        built.kubectl("create", "serviceaccount", "ml-engineer", "-n", "default")
        admin = ["--clusterrole=admin", "--serviceaccount=default:ml-engineer", "-n", AUDITED]
        built.kubectl("create", "rolebinding", "team", *admin)
        allowed = ["auth", "can-i", "patch", "infd", "--subresource=status", f"--as={TEAM}", "-n", AUDITED]
        wait_for(
            lambda: built.kubectl(*allowed, check=False).returncode == 0, seconds=30, what="the rights to be aggregated"
        )
        yield built


def test_a_release_for_some_namespaces_can_do_without_anything_of_the_cluster() -> None:
    assert all(document["metadata"].get("namespace") == NAMESPACE for document in render(**(VALUES | OWN)))
    everywhere = granted([role for role in operators(render(namespaces=["nlp"])) if role["kind"] == "ClusterRole"])
    assert everywhere == {("tightrope.dev", "computepools", verb) for verb in ("list", "watch")}


def test_a_team_installs_by_itself_and_its_operator_touches_nothing_else(lab: Installation) -> None:
    assert "cannot" in lab.install("others", user=TEAM, check=False, **VALUES)

    said = lab.install(AUDITED, user=TEAM, **VALUES)
    assert f"looks after {AUDITED}." in said
    lab.serve(AUDITED)
    lab.world.apply(service_manifest("others"))
    program = lab.start_operator(AUDITED)
    lab.wait_until_ready(AUDITED, program)

    account = f"system:serviceaccount:{AUDITED}:tightrope"
    requests = lab.requests(account)
    assert not refused(requests)
    elsewhere = [
        request["requestURI"]
        for request in requests
        if (reference := request.get("objectRef")) and reference.get("namespace") != AUDITED
    ]
    assert elsewhere and all("/computepools" in path for path in elsewhere)
    assert not lab.world.status("others") and not lab.world.get("deployments", "others")
    pool = lab.world.get("computepool", name="cpu")
    assert "status" not in pool, "pools are the cluster's"

    have = granted(operators(render(namespace=AUDITED, **VALUES))) | {
        ("tightrope.dev", "computepools", verb) for verb in ("list", "watch")
    }
    assert used(requests) <= have


def teams() -> list[dict[str, object]]:
    documents = yaml.safe_load_all((ROOT / "deploy" / "teams" / "teams.yaml").read_text())
    return [document for document in documents if document["kind"] == "ClusterRole"]


def test_what_admins_of_namespaces_get_is_what_their_operator_needs() -> None:
    aggregated = next(role for role in teams() if "labels" in role["metadata"])  # type: ignore[operator]
    needed = granted(operators(render(namespaces=["nlp"], rbac={"pools": False})))
    # The Lease is not ours alone: admins of namespaces have rights over Leases from the cluster.
    missing = needed - granted([aggregated])
    assert {resource for _, resource, _ in missing} <= {"leases"}
