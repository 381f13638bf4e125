"""What the chart sends, without a server: the files it carries, the pod, the rights."""

import pytest
import yaml
from helm.chart import CHART, ROOT, one, render

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
