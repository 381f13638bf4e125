"""The CRDs on a real API server: good objects are accepted with their defaults, stored ones outlive a new schema."""

import copy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import build
import pytest
import yaml
from apiserver import ApiServer
from customresources import pool_wire, service_wire

from tightrope.api.conditions import Finding
from tightrope.api.crd import KINDS, crd
from tightrope.api.parse import SpecInvalid, parse_pool, parse_service
from tightrope.api.status import render_status, status_patch
from tightrope.controller import manifests
from tightrope.domain.memory import LearnedCapacity, Persisted
from tightrope.domain.observation import Missing, Observation
from tightrope.domain.plan import BudgetState, Decision, Reason, VariantBelief

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def namespace(server: ApiServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = "test-" + str(abs(hash(request.node.name)))[:10]
    assert server.kubectl("create", "namespace", name).returncode == 0
    yield name
    server.kubectl("delete", "infd", "--all", "-n", name)


def stored(server: ApiServer, namespace: str, **paths: Any) -> dict[str, Any]:
    """A service as the API server has it after an apply."""
    applied = server.apply(service_wire(metadata={"name": "sentiment", "namespace": namespace}, **paths))
    assert applied.returncode == 0, applied.stderr
    return server.get("infd", "sentiment", "-n", namespace)


@pytest.mark.parametrize("document", [d for f in sorted(EXAMPLES.glob("*.yaml")) for d in yaml.safe_load_all(f.open())],
                         ids=lambda document: document["metadata"]["name"])  # fmt: skip
@pytest.mark.lab
def test_the_examples_are_accepted_and_can_be_acted_on(document: dict[str, Any], server: ApiServer) -> None:
    applied = server.apply(document)
    assert applied.returncode == 0, applied.stderr
    found = server.get(document["kind"], document["metadata"]["name"])
    (parse_pool if document["kind"] == "ComputePool" else parse_service)(found)


@pytest.mark.lab
def test_defaults_are_visible_and_the_same_on_both_sides(server: ApiServer, namespace: str) -> None:
    found = stored(server, namespace)
    assert found["spec"]["mode"] == "Auto"
    assert found["spec"]["metrics"] == {"preset": "generic"}
    assert found["spec"]["rollout"] == {"maxSurge": "25%", "maxUnavailable": 0, "minReadySeconds": 0}
    assert found["spec"]["behavior"]["descent"] == {
        "window": "1m",
        "idleWindow": "10m",
        "percentPerMinute": 50,
    }
    assert found["spec"]["slo"]["window"] == "28d"
    bare = service_wire(metadata=found["metadata"])
    assert parse_service(found).service == parse_service(bare).service
    assert parse_service(found).rollout == parse_service(bare).rollout


@pytest.mark.lab
def test_a_default_that_is_half_written_is_filled_up(server: ApiServer, namespace: str) -> None:
    found = stored(server, namespace, spec__rollout={"maxSurge": 0, "maxUnavailable": 1}, spec__behavior={"switch": {}})
    assert found["spec"]["rollout"]["minReadySeconds"] == 0
    assert found["spec"]["behavior"]["switch"] == {"minDwell": "10m", "minSavingsPercent": 5}


@pytest.mark.lab
def test_a_template_is_stored_as_written_with_all_that_we_do_not_declare(server: ApiServer, namespace: str) -> None:
    written = service_wire()["spec"]
    written["template"]["spec"] |= {"affinity": {"nodeAffinity": {}}, "volumes": [{"name": "m", "emptyDir": {}}]}
    written["variants"][1]["patch"]["spec"] |= {"volumes": [{"$patch": "replace"}], "affinity": {"$patch": "delete"}}
    found = stored(server, namespace, spec=written)
    assert found["spec"]["template"] == written["template"]
    assert found["spec"]["variants"][1]["patch"] == written["variants"][1]["patch"]
    assert parse_service(found).templates["gpu"]["spec"]["volumes"] == []


@pytest.mark.lab
def test_the_objects_that_we_build_are_accepted(server: ApiServer, namespace: str) -> None:
    parsed = parse_service(stored(server, namespace))
    pool = parse_pool(pool_wire())
    for made in (
        manifests.deployment(parsed, "cpu", pool, replicas=2),
        manifests.deployment(parsed, "gpu", pool, replicas=0),
        manifests.service(parsed),
        manifests.pdb(parsed, 1),
    ):
        applied = server.apply(made, "--server-side", "--field-manager=tightrope", "--validate=strict")
        assert applied.returncode == 0, applied.stderr
    found = server.get("deployment", "sentiment-gpu", "-n", namespace)
    again = manifests.deployment(parsed, "gpu", pool, uid=found["metadata"]["uid"])
    assert server.apply(again, "--server-side", "--field-manager=tightrope").returncode == 0
    other = manifests.deployment(parsed, "cpu", pool, uid=found["metadata"]["uid"])
    assert server.apply(other, "--server-side", "--field-manager=tightrope").returncode != 0


def eventually(holds: Callable[[], bool], otherwise: str) -> None:
    """The API server takes up a changed CRD in its own time."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)


def full_status(previous: dict[str, Any]) -> dict[str, Any]:
    service = parse_service(service_wire()).service
    beliefs = {
        name: VariantBelief(capacity=24.5, capacity_low=22, time_to_ready_seconds=38, cost_per_hour=0.34)
        for name in ("cpu", "gpu")
    }
    decision = Decision(
        key=service.key, plan={"cpu": 3, "gpu": 1}, writes=(), reason=Reason.DEMAND_ROSE, message="demand rose to 80/s",
        required_ready=3, covered_demand=84.3, cost_per_hour=1.34, beliefs=beliefs,
        persisted=Persisted(
            plan={"cpu": 3, "gpu": 1}, last_switch_at=1_795_402_800.0,
            capacities={"cpu": LearnedCapacity(log_mean=3.2, log_sd=0.07)}, time_to_ready_seconds={"cpu": 38.0},
        ),
        budget=BudgetState(attainment=0.9942, remaining=0.42, burn_rate=0.6, covered_seconds=900_000),
    )  # fmt: skip
    observation = Observation(
        at=0, demand=Missing(reason="none"), variants={"cpu": build.state(3), "gpu": build.state(1, 0)}
    )
    healthy = Finding(type="MetricsHealthy", status="True", reason="Complete", message="whole")
    return render_status(
        previous=previous, generation=1, now=1_795_406_400.0, findings=[healthy],
        service=service, decision=decision, observation=observation, currency="USD",
    )  # fmt: skip


@pytest.mark.lab
def test_a_rendered_status_is_stored_as_it_is_and_fills_the_columns(server: ApiServer, namespace: str) -> None:
    stored(server, namespace)
    status = full_status({})
    patch = yaml.safe_dump({"status": status})
    arguments = ("infd", "sentiment", "-n", namespace, "--subresource=status", "--type=merge", f"--patch={patch}")
    patched = server.kubectl("patch", *arguments)
    assert patched.returncode == 0, patched.stderr
    found = server.get("infd", "sentiment", "-n", namespace)["status"]
    assert status_patch(found, full_status(found)) is None, "what is stored says the same, so nothing is written"
    printed = server.kubectl("get", "infd", "sentiment", "-n", namespace).stdout
    header, row = (line.split("   ") for line in printed.splitlines())
    assert [name.strip() for name in header if name.strip()] == [
        "NAME", "MODE", "SLO", "ATTAINED", "BUDGET", "READY", "PLAN", "$/H", "AGE",
    ]  # fmt: skip
    cells = [cell.strip() for cell in row if cell.strip()]
    assert cells[:8] == ["sentiment", "Auto", "99% < 300ms", "99.42", "0.42", "3/4", "cpu:3 gpu:1", "1.34"]


@pytest.mark.lab
def test_a_stored_object_outlives_a_tighter_schema_and_the_operator_says_what_is_wrong(
    server: ApiServer, namespace: str
) -> None:
    """An older schema took what today's refuses: such an object still takes a status, labels, and its own repair."""
    kind = next(kind for kind in KINDS if kind.name == "InferenceDeployment")
    looser = copy.deepcopy(crd(kind))
    spec = looser["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    del spec["replicas"]["x-kubernetes-validations"]
    old = service_wire(metadata={"name": "old", "namespace": namespace}, spec__replicas={"min": 5, "max": 3})
    try:
        assert server.apply(looser, "--server-side", "--force-conflicts").returncode == 0
        eventually(lambda: server.apply(old).returncode == 0, "the looser schema was never served")
    finally:
        assert server.apply(crd(kind), "--server-side", "--force-conflicts").returncode == 0
        fresh = {**old, "metadata": {"name": "fresh", "namespace": namespace}}
        eventually(lambda: server.apply(fresh, "--dry-run=server").returncode != 0, "the rule did not come back")
    with pytest.raises(SpecInvalid, match=r"spec\.replicas: min must not be greater than max"):
        parse_service(server.get("infd", "old", "-n", namespace))
    arguments = ("infd", "old", "-n", namespace, "--type=merge")
    status = server.kubectl("patch", *arguments, "--subresource=status", '--patch={"status":{"plan":"cpu:1"}}')
    assert status.returncode == 0, status.stderr
    assert server.kubectl("label", "infd", "old", "-n", namespace, "team=nlp").returncode == 0
    unrelated = server.kubectl("patch", *arguments, '--patch={"spec":{"mode":"Paused"}}')
    assert unrelated.returncode == 0, unrelated.stderr
    repaired = server.kubectl("patch", *arguments, '--patch={"spec":{"replicas":{"min":1}}}')
    assert repaired.returncode == 0, repaired.stderr
