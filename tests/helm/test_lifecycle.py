"""Install, upgrade, roll back, uninstall, install again: with the real helm, while a service runs."""

from collections.abc import Iterator
from typing import Any

import pytest
from e2e.world import wait_for
from helm.installation import CHART, Installation, installation

from tightrope.lab.process import Program

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
NAMESPACE = "tightrope-system"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("lab")) as built:
        built.kubectl("create", "namespace", NAMESPACE)
        built.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
        yield built


def test_a_service_runs_through_the_whole_life_of_a_release(lab: Installation) -> None:
    said = lab.install(NAMESPACE, "--dry-run=server")
    assert "TIGHTROPE_PROMETHEUS_URL" in said and not lab.world.get("crd")

    said = lab.install(NAMESPACE, "--wait", "--timeout=60s")
    assert f"kubectl -n {NAMESPACE} rollout status deployment/tightrope" in said
    assert len(own_pods(lab)) == 2, "admitted under Pod Security restricted, and running"

    lab.world.namespace("nlp")
    lab.serve("nlp", replicas={"min": 2, "max": 2})
    program = lab.start_operator(NAMESPACE)
    lab.wait_until_ready("nlp", program)
    before = fleet(lab)
    assert before["replicas"] == [2] and len(before["pods"]) == 2

    # Upgrade: three processes, and everything paused.
    lab.helm("upgrade", "tightrope", str(CHART), "-n", NAMESPACE, **lab.values(replicas=3, paused="all"))
    wait_for(lambda: len(own_pods(lab)) == 3, seconds=60, what="three operators")
    program = restarted(lab, program)
    lab.serve("nlp", replicas={"min": 2, "max": 6})
    lab.world.traffic("nlp", 90.0)
    wait_for(lambda: reason(lab) == "Paused", seconds=60, what="a plan that is not carried out")
    assert fleet(lab) == before

    # Roll back: the pause goes with the values that brought it.
    lab.helm("rollback", "tightrope", "-n", NAMESPACE, "--wait", "--timeout=60s")
    assert fleet(lab) == before
    program = restarted(lab, program)
    wait_for(lambda: lab.world.fleet("nlp")["cpu"][0] > 2, seconds=60, what="more replicas")

    # Uninstall: everything of ours goes, and everything of the users stays.
    stop(program)
    before = fleet(lab)
    lab.helm("uninstall", "tightrope", "-n", NAMESPACE, "--wait", "--timeout=60s")
    assert not lab.world.get("deployment", NAMESPACE, "tightrope")
    assert not [role for role in lab.world.get("clusterroles") if role["metadata"]["name"].startswith("tightrope")]
    assert len(lab.world.get("crd")) == 2 and lab.world.status("nlp")["plan"]
    assert fleet(lab) == before

    # Install again: the CRDs that stayed are taken up, and so is the service.
    lab.install(NAMESPACE, "--wait", "--timeout=60s")
    lab.start_operator(NAMESPACE)
    lab.serve("nlp", replicas={"min": 1, "max": 1})
    wait_for(lambda: lab.world.fleet("nlp")["cpu"][0] == 1, seconds=60, what="the service to be looked after again")


def restarted(lab: Installation, program: Program) -> Program:
    """As a rollout does it: another process with what the Deployment says now."""
    stop(program)
    return lab.start_operator(NAMESPACE)


def stop(program: Program) -> None:
    program.terminate()
    assert program.wait(15) == 0, program.tail()


def reason(lab: Installation) -> str:
    return str(lab.world.status("nlp").get("decision", {}).get("reason"))


def fleet(lab: Installation) -> dict[str, Any]:
    """What runs of the service, so that any change shows: a template, a size or a pod that is another one."""
    deployments = lab.world.get("deployments", "nlp")
    return {
        "deployments": {(one["metadata"]["uid"], one["metadata"]["generation"]) for one in deployments},
        "replicas": [one["spec"]["replicas"] for one in deployments],
        "pods": {pod["metadata"]["uid"] for pod in lab.world.get("pods", "nlp")},
        "services": {one["metadata"]["uid"] for one in lab.world.get("services", "nlp")},
        "owner": {one["metadata"]["uid"] for one in lab.world.get("infd", "nlp")},
    }


def own_pods(lab: Installation) -> list[Any]:
    return [
        pod
        for pod in lab.world.get("pods", NAMESPACE)
        if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
        and "deletionTimestamp" not in pod["metadata"]
    ]
