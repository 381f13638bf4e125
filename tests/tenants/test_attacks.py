"""What somebody tries who may do everything in one namespace, and wants something elsewhere.

Most of it ends at the schema, because the API has no such field: kubectl refuses it, and where a client does not ask to
be told, the API server drops it.
"""

import copy
import json
from typing import Any

import pytest
from tenants.town import Town, adopting, templated

pytestmark = pytest.mark.lab

URLS = (
    "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1:6443",
    "http://[::ffff:127.0.0.1]:6443",
    "file:///var/run/secrets/kubernetes.io/serviceaccount/token",
    "gopher://prometheus:9090",
    "http://user:pw@prometheus:9090",
)
# Where a field would have to be, if there were one; `/` for a variant's target.
FIELDS: dict[str, tuple[str, Any]] = {
    "metrics of another namespace": ("metrics.namespace", "payments"),
    "metrics of other pods": ("metrics.selector", {"matchLabels": {"app": "payments"}}),
    "a query": ("metrics.query", 'sum(rate(http_requests_total{namespace="payments"}[1m]))'),
    "label matchers": ("metrics.labels", {"namespace": 'a"} or vector(0) #'}),
    "a metric's name": ("metrics.requestsTotal", 'up{namespace="payments"}'),
    "parameters of the request": ("metrics.parameters", "x&query=vector(1e9)"),
    **{f"the URL {url}": ("metrics.url", url) for url in URLS},
    "the URL beside the spec's parts": ("prometheus", {"url": "http://127.0.0.1:9"}),
    "a token for it": ("metrics.bearerTokenSecret", {"name": "operator", "key": "token"}),
    "a target elsewhere": ("/.namespace", "payments"),
    "objects elsewhere": ("targetNamespace", "payments"),
    "an account": ("serviceAccountName", "tightrope"),
    "a price of one's own": ("pools", [{"name": "gpu", "price": "0.0001"}]),
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a query for a preset": (templated(metrics={"preset": 'generic"} or vector(0) #'}), "Unsupported value"),
    "a path for a target": (adopting("x", "../../nodes/n1"), "must be the name of a workload in the same namespace"),
    "a subresource for a target": (adopting("x", "legacy/eviction"), "must be the name of a workload"),
    "a pod for a target": (adopting(kind="Pod"), 'supported values: "Deployment", "StatefulSet", "LeaderWorkerSet"'),
    "a node for a target": (adopting(kind="Node"), 'supported values: "Deployment", "StatefulSet", "LeaderWorkerSet"'),
    "a pool with a path": (templated(variants=[{"name": "a", "pool": "../cpu"}]), "must be lower-case letters"),
    "a matcher for a variant": (templated(variants=[{"name": 'a"}', "pool": "cpu"}]), "must be lower-case letters"),
}


def place(manifest: dict[str, Any], field: str) -> tuple[dict[str, Any], str]:
    """The object that would have the field, and the field's own name."""
    holder = manifest["spec"]["variants"][0]["scaleTargetRef"] if field.startswith("/") else manifest["spec"]
    *parents, last = field.removeprefix("/.").split(".")
    for parent in parents:
        holder = holder.setdefault(parent, {})
    return holder, last


@pytest.mark.parametrize(("field", "value"), FIELDS.values(), ids=FIELDS)
def test_the_api_has_no_field_for_it(town: Town, namespace: str, field: str, value: Any) -> None:
    """Sound but for one field."""
    admin, manifest = town.admin(namespace), copy.deepcopy(adopting() if field.startswith("/") else templated())
    holder, name = place(manifest, field)
    holder[name] = value
    for attempt in (admin.create(manifest), admin.kubectl("apply", "-f", "-", manifest=manifest)):
        assert attempt.returncode != 0
        assert "unknown field" in attempt.stderr and f'{name}"' in attempt.stderr
    assert "field not declared in schema" in admin.apply(manifest).stderr
    quietly = admin.create(manifest, "--validate=false")
    assert quietly.returncode == 0, quietly.stderr
    stored = json.loads(admin.kubectl("get", "infd", "sentiment", "-o", "json").stdout)
    holder, name = place(stored, field)
    assert name not in holder


@pytest.mark.parametrize(("manifest", "words"), REFUSED.values(), ids=REFUSED)
def test_a_value_with_a_meaning_elsewhere_is_refused(
    town: Town, namespace: str, manifest: dict[str, Any], words: str
) -> None:
    refused = town.admin(namespace).create(manifest, "--validate=false")
    assert refused.returncode != 0
    assert words in refused.stderr


@pytest.mark.parametrize("name", ['a"} or vector(0) #', "../kube-system", "a.b", "x" * 64, "päyments", ""])
def test_no_name_of_a_service_can_be_a_query_or_a_path(town: Town, namespace: str, name: str) -> None:
    refused = town.admin(namespace).create(templated(name), "--validate=false")
    assert refused.returncode != 0
    assert "metadata.name" in refused.stderr or "name or generateName is required" in refused.stderr


@pytest.mark.parametrize("where", ["template", "patch"])
def test_pods_cannot_be_labelled_as_those_of_another_service(town: Town, namespace: str, where: str) -> None:
    manifest = copy.deepcopy(templated())
    forged = {"labels": {"tightrope.dev/service-uid": "5f0c1c2e-0001-4c2a-9d9f-1a2b3c4d5e6f"}}
    if where == "template":
        manifest["spec"]["template"]["metadata"] = forged
    else:
        manifest["spec"]["variants"][0]["patch"] = {"metadata": forged}
    assert "must not use keys under tightrope.dev/" in town.admin(namespace).create(manifest).stderr


def test_a_status_is_not_forged(town: Town, namespace: str) -> None:
    person = town.person(namespace).may_write_services().may(("apps", "deployments/scale", ("patch",)))
    forged = adopting() | {"status": {"plan": "gpu:1000"}}
    assert person.create(forged, "--validate=false").returncode == 0
    assert person.kubectl("get", "infd", "sentiment", "-o", "jsonpath={.status}").stdout == ""
    patched = person.merge("sentiment", {"status": {"plan": "gpu:1000"}})
    assert "gpu:1000" not in person.kubectl("get", "infd", "sentiment", "-o", "json").stdout, patched.stderr
    directly = person.merge("sentiment", {"status": {"plan": "gpu:1000"}}, "--subresource=status")
    assert "forbidden" in directly.stderr


def test_what_tightrope_says_of_a_service_is_read_only_by_those_who_may_read_it(town: Town, namespace: str) -> None:
    """A status tells demand and latency."""
    assert town.admin(namespace).create(adopting()).returncode == 0
    stranger = town.person(town.namespace()).may_write_services()
    stranger.namespace = namespace
    assert "forbidden" in stranger.kubectl("get", "infd", "sentiment").stderr


def test_a_service_is_written_only_where_its_author_may_write(town: Town, namespace: str) -> None:
    stranger = town.person(town.namespace()).may_write_services()
    stranger.namespace = namespace
    assert 'cannot create resource "inferencedeployments"' in stranger.create(adopting()).stderr


@pytest.mark.parametrize(
    ("verb", "group", "resource"),
    [
        ("create", "", "pods"),
        ("create", "", "pods/exec"),
        ("get", "", "secrets"),
        ("list", "", "secrets"),
        ("create", "", "serviceaccounts/token"),
        ("impersonate", "", "serviceaccounts"),
        ("patch", "", "namespaces"),
        ("get", "", "nodes/proxy"),
        ("patch", "", "nodes"),
        ("create", "", "persistentvolumes"),
        ("create", "apps", "statefulsets"),
        ("patch", "apps", "statefulsets"),
        ("create", "apps", "daemonsets"),
        ("create", "batch", "jobs"),
        ("escalate", "rbac.authorization.k8s.io", "roles"),
        ("bind", "rbac.authorization.k8s.io", "clusterroles"),
        ("create", "rbac.authorization.k8s.io", "rolebindings"),
        ("create", "admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("patch", "admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("approve", "certificates.k8s.io", "signers"),
        ("create", "tightrope.dev", "inferencedeployments"),
        ("patch", "tightrope.dev", "inferencedeployments"),
        ("patch", "tightrope.dev", "computepools"),
        ("*", "*", "*"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_there_is_little_to_borrow_from_the_operator(
    town: Town, namespace: str, verb: str, group: str, resource: str
) -> None:
    town.lab.operator_kubeconfig()
    operator = town.person(namespace)
    operator.name = "system:serviceaccount:tightrope-system:tightrope"
    assert not operator.can(verb, group, resource)
    assert operator.can("patch", "apps", "deployments/scale"), "the account is the operator's own"
