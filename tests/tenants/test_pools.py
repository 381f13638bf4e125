"""A pool may be for certain namespaces: a service elsewhere is refused at once, and the operator does not act on it."""

from typing import Any

import pytest
from tenants.town import Person, Town, templated, variants
from waiting import until
from wire import compute_pool

from tightrope.api.parse import parse_pool
from tightrope.controller.roster import allows

pytestmark = pytest.mark.lab

SELECTORS: dict[str, dict[str, Any]] = {
    "a label": {"matchLabels": {"team": "nlp"}},
    "two labels": {"matchLabels": {"team": "nlp", "tier": "gold"}},
    "in": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["nlp", "vision"]}]},
    "not in": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["nlp"]}]},
    "exists": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
    "does not exist": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]},
    "both": {
        "matchLabels": {"team": "nlp"},
        "matchExpressions": [
            {"key": "tier", "operator": "DoesNotExist"},
            {"key": "team", "operator": "In", "values": ["nlp"]},
        ],
    },
}
LABELS = ({}, {"team": "nlp"}, {"team": "vision"}, {"team": "nlp", "tier": "gold"}, {"tier": "gold"})


def pool(town: Town, **spec: Any) -> str:
    name = f"pool-{town.count()}"
    town.apply(compute_pool(name, **spec))
    return name


def using(*pools: str) -> dict[str, Any]:
    return templated(variants=variants(*pools))


def refused(person: Person, name: str) -> bool:
    """Whether the API server refuses a service on this pool; a new pool is known to the policy after a moment."""
    return f"may not use pool {name}: its allowedNamespaces" in person.create(using(name), "--dry-run=server").stderr


@pytest.mark.parametrize("selector", SELECTORS.values(), ids=SELECTORS)
def test_the_policy_and_the_operator_agree_on_who_may_use_a_pool(town: Town, selector: dict[str, Any]) -> None:
    name = pool(town, allowedNamespaces=selector)
    parsed = parse_pool(town.lab.api().get(f"/apis/tightrope.dev/v1alpha1/computepools/{name}"))
    people = [(town.admin(town.namespace(**labels)), labels) for labels in LABELS]
    left_out = [person for person, labels in people if not allows(parsed, labels)]
    assert 0 < len(left_out) < len(people)
    until(lambda: refused(left_out[0], name), seconds=30, what="the policy knows the pool")
    assert [person for person, _ in people if refused(person, name)] == left_out


def test_a_pool_without_allowed_namespaces_is_for_everybody(town: Town, namespace: str) -> None:
    assert town.admin(namespace).create(using(pool(town))).returncode == 0


def test_a_pool_can_be_for_namespaces_by_name(town: Town, namespace: str) -> None:
    by_name = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]}
    name = pool(town, allowedNamespaces={"matchExpressions": [by_name]})
    other = town.admin(town.namespace())
    until(lambda: refused(other, name), seconds=30, what="the policy knows the pool")
    assert town.admin(namespace).create(using(name)).returncode == 0


def test_a_service_that_is_there_can_still_be_edited_but_not_pointed_at_the_pool_anew(
    town: Town, namespace: str
) -> None:
    first, second = pool(town), pool(town)
    admin = town.admin(namespace)
    assert admin.create(using(first)).returncode == 0
    for name in (first, second):
        town.apply(compute_pool(name, allowedNamespaces={"matchLabels": {"team": "other"}}))
        until(lambda n=name: refused(admin, n), seconds=30, what="the policy knows the pool")
    paused = admin.merge("sentiment", {"spec": {"mode": "Paused"}})
    assert paused.returncode == 0, paused.stderr
    assert f"may not use pool {second}" in admin.replace(using(first, second)).stderr


def test_who_may_write_services_writes_no_pools_and_relabels_no_namespace(town: Town, namespace: str) -> None:
    person = town.person(namespace).may_write_services()
    assert 'cannot create resource "computepools"' in person.create(compute_pool("mine")).stderr
    label = ("label", "namespace", namespace, "--overwrite")
    assert "forbidden" in person.kubectl(*label, "team=nlp").stderr


def test_the_label_with_the_name_cannot_be_forged_even_by_those_who_may_label(town: Town, namespace: str) -> None:
    """Whoever may patch a namespace may set its other labels: then allow by name."""
    admin = town.admin(namespace)
    assert admin.kubectl("label", "namespace", namespace, "team=nlp").returncode == 0
    admin.kubectl("label", "namespace", namespace, "--overwrite", "kubernetes.io/metadata.name=other")
    labels = town.lab.api().get(f"/api/v1/namespaces/{namespace}")["metadata"]["labels"]
    assert labels == {"team": "nlp", "kubernetes.io/metadata.name": namespace}
