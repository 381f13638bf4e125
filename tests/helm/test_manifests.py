"""A bare API server: the plain manifests, and what a newer schema does to objects that are stored already."""

import copy
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from apiserver import ApiServer, api_server
from customresources import service_wire
from helm.chart import NAMESPACE, ROOT, URL, helm

from tightrope.lab import programs

pytestmark = pytest.mark.lab
CRD = ROOT / "crds" / "inferencedeployments.tightrope.dev.yaml"
# Rules that every edit of a spec is judged by: they compare two fields of it, and were there from the first release.
# A later release may not add any, or stored objects would become uneditable.
ON_SPEC = {
    "inferencedeployments": [
        "template is missing",
        "template is used by no variant",
        "preset triton measures neither ttft nor itl",
        "schedules: min must not be greater than replicas.max",
        "quality.min needs the quality of every variant",
        "no variant has the quality that quality.min asks for",
    ],
    "computepools": [
        "accelerator and node.accelerators go together",
        "price.query knows what nodes are sold for today",
        "price.query finds a price by the kind of node",
    ],
}
REQUIRED = {"inferencedeployments": {"slo", "replicas", "variants"}, "computepools": {"price", "node", "maxNodes"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api"), programs.prepare(lambda _: None)) as running:
        yield running


def ok(done: Any) -> str:
    assert done.returncode == 0, done.stderr
    return str(done.stdout + done.stderr)


def test_the_plain_manifests_are_taken_as_they_are(server: ApiServer) -> None:
    said = ok(server.kubectl("apply", "--server-side", "-k", str(ROOT / "deploy")))
    assert "Warning" not in said, "Pod Security restricted is enforced in the namespace"
    for _ in range(2):
        said = ok(server.kubectl("apply", "--server-side", "-k", str(ROOT / "deploy" / "teams"), "--force-conflicts"))
    environment = server.get("deployment", "tightrope", "-n", NAMESPACE)["spec"]["template"]["spec"]["containers"][0]
    assert environment["env"][0]["name"] == "TIGHTROPE_PROMETHEUS_URL"
    everything = server.kubectl("get", "deploy,sa,role,clusterrole,pdb,netpol", "-A", "-o", "name").stdout
    assert everything.count("tightrope") >= 8


def test_monitoring_is_taken_where_its_kinds_are_known(server: ApiServer) -> None:
    for kind, plural in (("PodMonitor", "podmonitors"), ("PrometheusRule", "prometheusrules")):
        ok(server.apply(stand_in(kind, plural), "--server-side"))
    ok(server.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=30s"))
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    ok(server.apply(namespace, "--server-side"))
    ok(server.kubectl("apply", "--server-side", "-k", str(ROOT / "deploy" / "monitoring")))


def stand_in(kind: str, plural: str) -> dict[str, Any]:
    """A kind of the Prometheus operator without its schema."""
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [version],
        },
    }


def test_an_object_from_before_a_tighter_schema_stays_editable(server: ApiServer) -> None:
    ok(server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds")))
    ok(server.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=30s"))
    ok(server.kubectl("create", "namespace", "nlp"))
    old = service_wire(spec__replicas__max=400)
    old["metadata"] = {"name": "old", "namespace": "nlp"}
    ok(server.apply(old))

    ok(server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", manifest=tighter()))
    new = copy.deepcopy(old)
    new["metadata"]["name"] = "new"
    deadline = time.monotonic() + 30
    while (refused := server.apply(new, "--dry-run=server")).returncode == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "should be less than or equal to 100" in refused.stderr and "must mention seldom" in refused.stderr

    # What the operator writes, what an on-call writes, and an edit of another field.
    status = '{"status": {"plan": "cpu:2"}}'
    ok(server.kubectl("patch", "infd", "old", "-n", "nlp", "--subresource=status", "--type=merge", "-p", status))
    ok(server.kubectl("annotate", "infd", "old", "-n", "nlp", "tightrope.dev/paused=descents"))
    ok(edit(server, '{"spec": {"replicas": {"min": 3}}}'))
    ok(edit(server, '{"spec": {"mode": "Recommend"}}'))
    # What is touched is judged again.
    assert "less than or equal to 100" in edit(server, '{"spec": {"replicas": {"max": 300}}}').stderr
    ok(edit(server, '{"spec": {"replicas": {"max": 90}}}'))


def edit(server: ApiServer, patch: str) -> Any:
    return server.kubectl("patch", "infd", "old", "-n", "nlp", "--type=merge", "-p", patch)


def tighter() -> dict[str, Any]:
    """The next version, say: a lower bound, and a rule on a leaf, that a stored object does not keep."""
    crd: dict[str, Any] = yaml.safe_load(CRD.read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    spec["replicas"]["properties"]["max"]["maximum"] = 100
    pool = spec["variants"]["items"]["properties"]["pool"]
    rule = {"rule": "self.startsWith('seldom-')", "message": "must mention seldom"}
    pool["x-kubernetes-validations"] = [*pool.get("x-kubernetes-validations", []), rule]
    return crd


@pytest.mark.parametrize("plural", ON_SPEC)
def test_no_later_rule_is_about_the_whole_spec_and_no_later_field_is_required(plural: str) -> None:
    crd = yaml.safe_load((ROOT / "crds" / f"{plural}.tightrope.dev.yaml").read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    messages = [rule["message"] for rule in spec["x-kubernetes-validations"]]
    assert len(messages) == len(ON_SPEC[plural])
    assert all(message.startswith(begin) for message, begin in zip(messages, ON_SPEC[plural], strict=True))
    assert set(spec["required"]) == REQUIRED[plural]


def test_the_charts_own_helm_finds_nothing_to_complain_about() -> None:
    done = helm("lint", "--strict", str(ROOT / "helm" / "tightrope"), values={"prometheus": {"url": URL}})
    assert done.returncode == 0, done.stdout + done.stderr
