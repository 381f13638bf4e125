"""The commands against a real API server: what it answers to dry runs, paging, selectors and unknown kinds."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import wire
import yaml
from apiserver import ApiServer, api_server
from cli.prometheus import Prometheus
from typer.testing import CliRunner, Result

from tightrope.cli.main import app
from tightrope.lab import programs

pytestmark = pytest.mark.lab

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server that does not know our kinds yet."""
    with api_server(tmp_path_factory.mktemp("api-server"), programs.prepare()) as started:
        yield started


@pytest.fixture
def real(bare: ApiServer) -> ApiServer:
    """The server with our kinds, two pools and nlp/sentiment."""
    assert bare.kubectl("apply", "--server-side", "-f", str(CRDS)).returncode == 0
    assert bare.kubectl("wait", "--for=condition=Established", "-f", str(CRDS)).returncode == 0
    objects = [wire.namespace(), wire.compute_pool("cpu"), wire.compute_pool("gpu"), wire.inference_deployment()]
    for one in objects:
        applied = bare.apply(one)
        assert applied.returncode == 0, applied.stderr
    return bare


def type_at(server: ApiServer) -> Callable[..., Result]:
    kubeconfig = next(part for part in server._command if part.startswith("--kubeconfig=")).partition("=")[2]
    environment = {"KUBECONFIG": kubeconfig, "KUBERNETES_SERVICE_HOST": None, "SSL_CERT_FILE": os.devnull}
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env=environment)


def test_a_cluster_without_our_kinds_is_told_apart_from_an_empty_one(bare: ApiServer) -> None:
    if bare.kubectl("get", "crd", "inferencedeployments.tightrope.dev").returncode == 0:
        pytest.skip("our kinds have been installed by an earlier test")
    for command in (["top"], ["explain", "sentiment"]):
        done = type_at(bare)(*command)
        assert done.exit_code == 1 and "the cluster knows no InferenceDeployment: install Tightrope" in done.stderr


def test_pausing_reading_and_resuming(real: ApiServer) -> None:
    typed = type_at(real)
    assert typed("pause", "sentiment", "-n", "nlp").exit_code == 0
    assert real.get("infd", "sentiment", "-n", "nlp")["metadata"]["annotations"]["tightrope.dev/paused"] == "all"
    assert "Paused (by annotation)" in typed("top", "-A").stdout
    assert typed("resume", "-A").exit_code == 0
    assert "tightrope.dev/paused" not in real.get("infd", "sentiment", "-n", "nlp")["metadata"]["annotations"]
    missing = typed("explain", "nobody", "-n", "nlp")
    assert missing.exit_code == 1 and "there is no InferenceDeployment nobody" in missing.stderr


def test_a_plan_is_validated_by_the_server_and_stores_nothing(
    real: ApiServer, asked: Prometheus, tmp_path: Path
) -> None:
    def planned(*objects: object) -> Result:
        (tmp_path / "file.yaml").write_text(yaml.safe_dump_all(objects))
        return type_at(real)("plan", "-n", "nlp", "-f", str(tmp_path / "file.yaml"), "--prometheus-url", asked.url,
                             "-o", "json")  # fmt: skip

    before = real.get("infd,deployments", "-A")["items"]
    new = planned(wire.inference_deployment("fresh"))
    changed = planned(wire.inference_deployment(replicas={"min": 3, "max": 40}), wire.compute_pool("cpu", maxNodes=2))
    refused = planned(wire.inference_deployment(replicas={"min": 3, "max": 2}))
    misspelt = planned(wire.inference_deployment(replicas={"min": 3, "maximum": 4, "max": 9}))
    broken = wire.inference_deployment("broken")
    broken["spec"]["template"]["spec"]["containers"][0]["image"] = ""
    invalid = planned(broken)

    assert new.exit_code == 0, new.output
    assert {"verb": "create", "kind": "Deployment", "namespace": "nlp", "name": "fresh-cpu", "replicas": 1} in (
        json.loads(new.stdout)[0]["writes"]
    )
    assert json.loads(changed.stdout)[0]["plan"] in ("cpu:0 gpu:3", "cpu:3 gpu:0", "cpu:2 gpu:0"), changed.output
    assert refused.exit_code == 1 and "min must not be greater than max" in refused.stderr
    assert misspelt.exit_code == 1 and 'unknown field "spec.replicas.maximum"' in misspelt.stderr
    assert invalid.exit_code == 1 and "TemplateInvalid" in invalid.stdout, invalid.output
    assert real.get("infd,deployments", "-A")["items"] == before
