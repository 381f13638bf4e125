"""A template makes Deployments, Services and PodDisruptionBudgets: only for those who may make them by hand."""

from collections.abc import Callable
from typing import Any

import pytest
from tenants.town import Answer, Person, Town, adopting, templated, variants
from waiting import until

pytestmark = pytest.mark.lab

OBJECTS = (("apps", "deployments"), ("", "services"), ("policy", "poddisruptionbudgets"))
WAYS: dict[str, Callable[[Person, dict[str, Any]], Answer]] = {
    "create": lambda person, manifest: person.create(manifest),
    "server-side apply": lambda person, manifest: person.apply(manifest),
    "dry run": lambda person, manifest: person.create(manifest, "--dry-run=server"),
}


def owner(town: Town, namespace: str, *verbs: str) -> Person:
    """Somebody who may also do this with all objects that a template makes."""
    return town.person(namespace).may_write_services().may(*((group, resource, verbs) for group, resource in OBJECTS))


@pytest.mark.parametrize("way", WAYS)
def test_who_may_not_create_deployments_gets_no_pods_out_of_a_template(town: Town, namespace: str, way: str) -> None:
    person = town.person(namespace).may_write_services()
    refused = WAYS[way](person, templated())
    assert refused.returncode != 0
    assert f"user {person.name} may not create Deployments in namespace {namespace}" in refused.stderr
    assert "get the right to create deployments there, or scale what exists with scaleTargetRef" in refused.stderr
    assert not town.exists(namespace, "infd", "sentiment")


@pytest.mark.parametrize("missing", OBJECTS, ids=lambda missing: missing[1])
def test_each_kind_that_a_template_makes_is_asked_about(town: Town, namespace: str, missing: tuple[str, str]) -> None:
    person = town.person(namespace).may_write_services()
    person.may(*((group, resource, ("create",)) for group, resource in OBJECTS if (group, resource) != missing))
    refused = person.create(templated())
    assert refused.returncode != 0
    assert f"get the right to create {missing[1]} there" in refused.stderr


def test_who_may_create_all_three_may_write_a_template(town: Town, namespace: str) -> None:
    assert owner(town, namespace, "create").create(templated()).returncode == 0


def test_the_built_in_roles_are_enough_for_everything_here_and_not_for_namespaces(town: Town, namespace: str) -> None:
    """`edit` is aggregated from this role, and `admin` from these two; a controller does that."""
    editor = town.person(namespace).has_role("system:aggregate-to-edit").has_role("system:aggregate-to-admin")
    until(lambda: editor.can("delete", "policy", "poddisruptionbudgets"), seconds=20, what="the role is bound")
    for group, resource in (*OBJECTS, ("apps", "deployments/scale"), ("apps", "statefulsets/scale")):
        assert all(editor.can(verb, group, resource) for verb in ("create", "patch", "delete") if "/" not in resource)
        assert editor.can("patch", group, resource)
    assert not editor.can("patch", "", "namespaces", namespace)
    assert editor.may_write_services().create(templated()).returncode == 0
    assert editor.merge("sentiment", {"spec": {"replicas": {"max": 9}}}).returncode == 0
    assert editor.kubectl("delete", "infd", "sentiment").returncode == 0


def test_a_right_in_another_namespace_does_not_count(town: Town, namespace: str) -> None:
    person = owner(town, town.namespace(), "create", "patch", "delete")
    person.namespace = namespace
    refused = person.may_write_services().create(templated())
    assert f"may not create Deployments in namespace {namespace}" in refused.stderr


@pytest.mark.parametrize("way", ["merge", "replace", "server-side apply"])
def test_an_update_cannot_bring_in_a_template_either(town: Town, namespace: str, way: str) -> None:
    scaling = ("apps", "deployments/scale", ("patch",))
    person = town.person(namespace).may_write_services().may(scaling)
    assert person.apply(adopting()).returncode == 0
    template = templated()
    ways = {
        "merge": lambda: person.merge("sentiment", {"spec": template["spec"]}),
        "replace": lambda: person.replace(template),
        "server-side apply": lambda: person.apply(template),
    }
    refused = ways[way]()
    assert refused.returncode != 0
    assert f"user {person.name} may not create Deployments in namespace {namespace}" in refused.stderr


@pytest.mark.parametrize(
    "change", [{"replicas": {"max": 9}}, {"mode": "Recommend"}, {"slo": {"window": "7d"}}], ids=str
)
def test_what_runs_is_changed_only_by_those_who_may_change_it(
    town: Town, namespace: str, change: dict[str, Any]
) -> None:
    assert town.admin(namespace).create(templated()).returncode == 0
    person = owner(town, namespace, "create")
    refused = person.merge("sentiment", {"spec": change})
    assert f"user {person.name} may not patch Deployments in namespace {namespace}" in refused.stderr
    person.may(*((group, resource, ("patch",)) for group, resource in OBJECTS))
    assert person.merge("sentiment", {"spec": change}).returncode == 0


@pytest.mark.parametrize(
    "taken_out", [templated(variants=variants("cpu")), adopting()], ids=["a variant", "all of them"]
)
def test_a_variant_is_taken_out_only_by_those_who_may_delete_deployments(
    town: Town, namespace: str, taken_out: dict[str, Any]
) -> None:
    assert town.admin(namespace).create(templated()).returncode == 0
    person = owner(town, namespace, "create", "patch").may(("apps", "deployments/scale", ("patch",)))
    refused = person.replace(taken_out)
    assert f"user {person.name} may not delete Deployments in namespace {namespace}" in refused.stderr
    assert "with the variants that are taken out their Deployments would go" in refused.stderr
    person.may(("apps", "deployments", ("delete",)))
    assert person.replace(taken_out).returncode == 0


@pytest.mark.parametrize("missing", OBJECTS, ids=lambda missing: missing[1])
def test_a_service_with_a_template_is_deleted_only_by_those_who_may_delete_what_goes_with_it(
    town: Town, namespace: str, missing: tuple[str, str]
) -> None:
    assert town.admin(namespace).create(templated()).returncode == 0
    person = town.person(namespace).may_write_services()
    person.may(*((group, resource, ("delete",)) for group, resource in OBJECTS if (group, resource) != missing))
    for way in (("delete", "infd", "sentiment"), ("delete", "infd", "--all")):
        refused = person.kubectl(*way)
        assert refused.returncode != 0
        assert f"get the right to delete {missing[1]} there" in refused.stderr
    path = f"/apis/tightrope.dev/v1alpha1/namespaces/{namespace}/inferencedeployments"
    assert "may not delete" in person.kubectl("delete", "--raw", path).stderr
    assert town.exists(namespace, "infd", "sentiment")
    person.may((missing[0], missing[1], ("delete",)))
    assert person.kubectl("delete", "infd", "sentiment").returncode == 0


def test_a_service_without_a_template_takes_nothing_with_it_and_is_deleted_freely(town: Town, namespace: str) -> None:
    assert town.admin(namespace).create(adopting()).returncode == 0
    assert town.person(namespace).may_write_services().kubectl("delete", "infd", "sentiment").returncode == 0


def test_a_namespace_goes_with_its_services(town: Town, namespace: str) -> None:
    """The namespace controller deletes them; it may delete everything."""
    assert town.admin(namespace).create(templated()).returncode == 0
    done = town.lab.kubectl("delete", "namespace", namespace, "--timeout=60s")
    assert done.returncode == 0, done.stderr
