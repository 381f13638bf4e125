"""A scaleTargetRef has a workload scaled: only for those who may scale it by hand."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
import yaml
from tenants.town import Answer, Person, Town, adopting, rendered_policies, templated
from waiting import until

from tightrope.adapters.kubernetes import ApiServer, KubernetesCluster
from tightrope.api.inferencedeployment import InferenceDeploymentSpec, ScaleTargetRef
from tightrope.lab.lab import CRDS

TAKE = "tightrope.dev/take-replicas-from"
SCALE = {
    "Deployment": ("apps", "deployments/scale", ("patch",)),
    "StatefulSet": ("apps", "statefulsets/scale", ("patch",)),
    "LeaderWorkerSet": ("leaderworkerset.x-k8s.io", "leaderworkersets/scale", ("patch",)),
}
WAYS: dict[str, Callable[[Person, dict[str, Any]], Answer]] = {
    "create": lambda person, manifest: person.create(manifest),
    "server-side apply": lambda person, manifest: person.apply(manifest),
}


@pytest.mark.lab
@pytest.mark.parametrize("kind", SCALE)
@pytest.mark.parametrize("way", WAYS)
def test_who_may_not_scale_a_workload_cannot_have_it_scaled(town: Town, namespace: str, kind: str, way: str) -> None:
    person = town.person(namespace).may_write_services()
    refused = WAYS[way](person, adopting("sentiment", "legacy", kind=kind))
    assert refused.returncode != 0
    assert f"user {person.name} may not scale {kind} legacy in namespace {namespace}" in refused.stderr
    assert f"get the right to patch {kind.lower()}s/scale there" in refused.stderr
    person.may(SCALE[kind])
    assert WAYS[way](person, adopting("sentiment", "legacy", kind=kind)).returncode == 0


@pytest.mark.lab
def test_the_right_to_scale_one_kind_or_to_write_manifests_is_not_the_right_to_scale_another(
    town: Town, namespace: str
) -> None:
    person = town.person(namespace).may_write_services().may(SCALE["StatefulSet"], ("apps", "deployments", ("patch",)))
    assert "may not scale Deployment legacy" in person.create(adopting()).stderr


@pytest.mark.lab
def test_a_right_for_one_name_counts_for_that_name(town: Town, namespace: str) -> None:
    person = town.person(namespace).may_write_services().may(SCALE["Deployment"], of=("mine",))
    assert person.create(adopting("sentiment", "mine")).returncode == 0
    refused = person.create(adopting("other", "mine", "theirs"))
    assert "may not scale Deployment theirs" in refused.stderr


@pytest.mark.lab
@pytest.mark.parametrize("way", ["merge", "replace", "server-side apply"])
def test_an_update_cannot_point_at_another_target_either(town: Town, namespace: str, way: str) -> None:
    person = town.person(namespace).may_write_services().may(SCALE["Deployment"], of=("mine",))
    assert person.apply(adopting("sentiment", "mine")).returncode == 0
    theirs = adopting("sentiment", "theirs")
    ways = {
        "merge": lambda: person.merge("sentiment", {"spec": theirs["spec"]}),
        "replace": lambda: person.replace(theirs),
        "server-side apply": lambda: person.apply(theirs),
    }
    assert "may not scale Deployment theirs" in ways[way]().stderr


@pytest.mark.lab
def test_the_size_of_a_target_is_changed_only_by_those_who_may_scale_it(town: Town, namespace: str) -> None:
    assert town.admin(namespace).create(adopting()).returncode == 0
    person = town.person(namespace).may_write_services()
    assert "may not scale" in person.merge("sentiment", {"spec": {"replicas": {"min": 4}}}).stderr


@pytest.mark.lab
@pytest.mark.parametrize("manifest", [adopting(), templated()], ids=["a target", "a template"])
def test_labels_and_a_pause_need_no_other_right(town: Town, namespace: str, manifest: dict[str, Any]) -> None:
    assert town.admin(namespace).create(manifest).returncode == 0
    person = town.person(namespace).may_write_services()
    for metadata in (
        {"labels": {"team": "nlp"}},
        {"annotations": {"tightrope.dev/paused": "all"}},
        {"annotations": {"tightrope.dev/paused": None}},
        {"finalizers": ["example.com/hold"]},
        {"finalizers": None},
    ):
        changed = person.merge("sentiment", {"metadata": metadata})
        assert changed.returncode == 0, changed.stderr
    assert person.merge("sentiment", {"spec": {"mode": "Auto"}}).returncode == 0, "what changes nothing is no change"


@pytest.mark.lab
@pytest.mark.parametrize(
    ("manifest", "words"),
    [(adopting(), "may not scale Deployment legacy"), (templated(), "may not patch Deployments")],
    ids=["a target", "a template"],
)
def test_only_who_may_scale_may_overrule_another_writer_by_annotation(
    town: Town, namespace: str, manifest: dict[str, Any], words: str
) -> None:
    admin, person = town.admin(namespace), town.person(namespace).may_write_services()
    assert admin.create(manifest).returncode == 0
    annotated = {"metadata": {"annotations": {TAKE: "kubectl@3"}}}
    refused = person.merge("sentiment", annotated)
    assert refused.returncode != 0
    assert words in refused.stderr or "may not create Deployments" in refused.stderr
    assert admin.merge("sentiment", annotated).returncode == 0
    assert person.merge("sentiment", {"metadata": {"labels": {"team": "nlp"}}}).returncode == 0
    assert person.merge("sentiment", {"metadata": {"annotations": {TAKE: None}}}).returncode == 0


@pytest.mark.lab
@pytest.mark.parametrize(
    "annotations", [{"tightrope.dev/validation": "disabled"}, {"tightrope.dev/paused": "all"}], ids=str
)
@pytest.mark.parametrize("manifest", [adopting(), templated()], ids=["a target", "a template"])
def test_no_annotation_and_no_mode_switches_the_questions_off(
    town: Town, namespace: str, manifest: dict[str, Any], annotations: dict[str, str]
) -> None:
    person = town.person(namespace).may_write_services()
    for mode in ("Auto", "Recommend", "Paused"):
        attempt = copy.deepcopy(manifest) | {"metadata": {"name": "sentiment", "annotations": annotations}}
        attempt["spec"]["mode"] = mode
        assert "may not" in person.create(attempt).stderr


@pytest.mark.lab
async def test_the_operators_own_status_writes_are_not_asked_about(town: Town, namespace: str) -> None:
    """Under its own service account, which may not write a spec at all."""
    admin, account = town.admin(namespace), town.person(namespace)
    account.name = "system:serviceaccount:tightrope-system:tightrope"
    server = ApiServer(kubeconfig=str(town.lab.operator_kubeconfig()))
    cluster = KubernetesCluster(server=server, instance="test", now=lambda: 0.0)
    try:
        for manifest in (adopting("adopted"), templated("made")):
            assert admin.create(manifest).returncode == 0
            name = manifest["metadata"]["name"]
            await cluster.patch_status(
                kind="InferenceDeployment",
                namespace=namespace,
                name=name,
                status={"plan": "a:1"},
                resource_version=None,
            )
            assert admin.kubectl("get", "infd", name, "-o", "jsonpath={.status.plan}").stdout == "a:1"
            assert "forbidden" in account.merge(name, {"spec": {"mode": "Paused"}}).stderr
    finally:
        await server.close()


@pytest.fixture
def room_for_sixteen(town: Town) -> Iterator[None]:
    """A later schema, with more variants than today's."""
    crd = yaml.safe_load((CRDS / "inferencedeployments.tightrope.dev.yaml").read_text())
    wider = copy.deepcopy(crd)
    spec = wider["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    spec["variants"]["maxItems"] = 17
    for rule in list(spec["variants"].get("x-kubernetes-validations", ())):
        spec["variants"]["x-kubernetes-validations"].remove(rule)  # quadratic, and not what is tried here
    town.apply(wider)
    yield
    town.apply(crd)


@pytest.mark.lab
def test_sixteen_targets_can_be_asked_about_and_the_last_counts_as_much_as_the_first(
    town: Town, namespace: str, room_for_sixteen: None
) -> None:
    names = [f"t{index}" for index in range(16)]
    admin = town.admin(namespace)
    until(
        lambda: admin.create(adopting("wide", *names), "--dry-run=server").returncode == 0,
        seconds=30, what="sixteen targets are accepted",
    )  # fmt: skip
    person = town.person(namespace).may_write_services().may(SCALE["Deployment"], of=names)
    assert person.create(adopting("all", *names)).returncode == 0
    for stranger in ("stranger-first", "stranger-last"):
        others = names[:-1] if stranger.endswith("last") else names[1:]
        tried = [*others, stranger] if stranger.endswith("last") else [stranger, *others]
        assert f"may not scale Deployment {stranger} in" in person.create(adopting("none", *tried)).stderr
    assert "more than 16 scaleTargetRefs" in admin.create(adopting("more", *names, "t16")).stderr


@pytest.mark.lab
def test_fifteen_targets_beside_a_template_are_not_too_much_to_ask(
    town: Town, namespace: str, room_for_sixteen: None
) -> None:
    admin = town.admin(namespace)
    wide = adopting("wide", *(f"t{index}" for index in range(15)))
    template = templated()["spec"]["template"]
    wide["spec"] |= {"template": template, "variants": [*wide["spec"]["variants"], {"name": "own", "pool": "cpu"}]}
    until(lambda: admin.apply(wide).returncode == 0, seconds=30, what="fifteen targets and a template are accepted")
    renamed = json.loads(json.dumps(wide).replace('"own"', '"other"'))
    changed = admin.apply(renamed)
    assert changed.returncode == 0, changed.stderr


@pytest.mark.lab
def test_the_policy_knows_every_kind_and_every_place_that_the_api_has() -> None:
    policies = rendered_policies()
    policy = next(p for p in policies if p["metadata"]["name"] == "scale-targets.tightrope.dev")
    variables = {variable["name"]: variable["expression"] for variable in policy["spec"]["variables"]}
    known = re.findall(r"'(\w+)': '(\w+)'", variables["resources"])
    assert {kind for kind, _ in known} == set(get_args(ScaleTargetRef.model_fields["kind"].annotation))
    asked = [v for v in policy["spec"]["validations"] if "check('patch')" in v["expression"]]
    places = next(
        m.max_length for m in InferenceDeploymentSpec.model_fields["variants"].metadata if hasattr(m, "max_length")
    )
    assert len(asked) == 16 >= places


@pytest.mark.lab
def test_every_expression_asks_the_authorizer_at_most_once() -> None:
    policies = rendered_policies()
    expressions = [v["expression"] for p in policies for v in p["spec"].get("validations", ())]
    assert len(expressions) > 20
    assert max(expression.count("authorizer.") for expression in expressions) == 1
    assert not any("all(" in e and "authorizer" in e for e in expressions), "a macro asks once for each item"


@pytest.mark.lab
def test_the_policies_can_be_left_out() -> None:
    assert rendered_policies(admission={"enabled": False}) == []
