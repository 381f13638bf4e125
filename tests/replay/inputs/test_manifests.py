"""The user's own YAML, read without a cluster."""

from pathlib import Path

import pytest

from tightrope.replay.inputs.manifests import read_pools, read_service
from tightrope.replay.profiles import ReplayError

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_shipped_examples_are_read_as_they_are() -> None:
    service, pools = read_service(EXAMPLES / "sentiment.yaml"), read_pools(EXAMPLES / "pools.yaml")

    assert (service.key.namespace, service.key.name) == ("default", "sentiment")
    assert {variant.pool for variant in service.variants} <= set(pools)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not YAML"),
        ("- 1", "no object"),
        ("kind: Deployment", "no InferenceDeployment"),
        ("kind: InferenceDeployment", "metadata"),
        ("kind: InferenceDeployment\nmetadata: {name: a}\nspec: {slo: {window: 1d}}", "spec."),
    ],
)
def test_a_spec_that_cannot_be_used_is_named_with_its_file(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path / "infd.yaml", text)
    with pytest.raises(ReplayError, match=words) as failed:
        read_service(path)
    assert str(path) in str(failed.value)


def test_a_file_that_is_not_there_and_one_without_pools_say_so(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="No such file"):
        read_pools(tmp_path / "none.yaml")
    with pytest.raises(ReplayError, match="no ComputePool"):
        read_pools(EXAMPLES / "sentiment.yaml")


def test_one_of_several_services_must_be_chosen(tmp_path: Path) -> None:
    one = (EXAMPLES / "sentiment.yaml").read_text()
    both = written(tmp_path / "both.yaml", one + "\n---\n" + one.replace("name: sentiment\n", "name: other\n"))

    with pytest.raises(ReplayError, match="--service"):
        read_service(both)
    assert read_service(both, name="other").key.name == "other"
