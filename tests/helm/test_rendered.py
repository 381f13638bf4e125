"""What the chart sends, without a server: the files it carries, the pod, the rights."""

import subprocess
from pathlib import Path

import pytest
import yaml
from helm.chart import CHART, ROOT, one, program, render
from helm.installation import Right, granted, operators

pytestmark = pytest.mark.lab


def test_the_chart_carries_the_crds_as_they_are_and_keeps_them_at_uninstall() -> None:
    carried = {file.name: file.read_bytes() for file in (CHART / "files" / "crds").iterdir()}
    assert carried == {file.name: file.read_bytes() for file in (ROOT / "crds").iterdir()}, "run: make chart"

    rendered = [document for document in render() if document["kind"] == "CustomResourceDefinition"]
    assert len(rendered) == len(carried)
    for crd in rendered:
        assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert rendered == [yaml.safe_load(carried[name]) for name in sorted(carried)]


def test_a_release_can_leave_the_crds_to_somebody_else() -> None:
    assert "CustomResourceDefinition" not in {document["kind"] for document in render(crds={"install": False})}


def test_a_label_of_the_user_never_replaces_one_that_the_selector_needs() -> None:
    deployment = one(render(pod={"labels": {"team": "ml", "app.kubernetes.io/name": "other"}}), "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels["team"] == "ml"
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()


GROUPS = "leaderworkerset.x-k8s.io"


@pytest.mark.parametrize("namespaces", [[], ["nlp"]], ids=["the cluster", "one namespace"])
def test_rights_over_groups_of_pods_come_only_with_their_value(namespaces: list[str]) -> None:
    def of_groups(enabled: bool) -> set[Right]:
        documents = render(namespaces=namespaces, leaderWorkerSets={"enabled": enabled})
        return {right for right in granted(operators(documents)) if right[0] == GROUPS}

    assert not of_groups(False)
    assert of_groups(True) == {
        (GROUPS, "leaderworkersets", "list"),
        (GROUPS, "leaderworkersets", "watch"),
        (GROUPS, "leaderworkersets/scale", "patch"),
    }


def test_the_operator_is_told_of_groups_by_the_chart_and_by_the_component_alike(tmp_path: Path) -> None:
    by_chart = render(leaderWorkerSets={"enabled": True})
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    (tmp_path / "kustomization.yaml").write_text("resources: [deploy]\ncomponents: [deploy/leaderworkersets]\n")
    done = subprocess.run(
        [program("kubectl"), "kustomize", "--load-restrictor=LoadRestrictionsNone", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plain = list(yaml.safe_load_all(done.stdout))
    for documents in (by_chart, plain):
        deployment = next(one for one in documents if one["kind"] == "Deployment")
        environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        assert {"name": "TIGHTROPE_LEADER_WORKER_SETS", "value": "on"} in environment
    assert granted(operators(plain)) == granted(operators(by_chart))
