"""The operator's pod by the Pod Security standard "restricted", field by field, and by what linters of manifests ask.

Source of the list: Kubernetes, Pod Security Standards, profile Restricted (which holds Baseline).
"""

from typing import Any

import pytest
from helm.chart import one, render

pytestmark = pytest.mark.lab
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    template: dict[str, Any] = one(render(), "Deployment")["spec"]["template"]["spec"]
    return template


@pytest.fixture(scope="module")
def container(spec: dict[str, Any]) -> dict[str, Any]:
    assert len(spec["containers"]) == 1 and "initContainers" not in spec
    only: dict[str, Any] = spec["containers"][0]
    return only


def test_nothing_of_the_host_is_shared(spec: dict[str, Any], container: dict[str, Any]) -> None:
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers", "hostAliases"} & spec.keys()
    assert not any("hostPort" in port for port in container["ports"])
    for volume in spec["volumes"]:
        assert set(volume) - {"name"} <= VOLUMES
    assert not {"procMount", "privileged", "seLinuxOptions"} & container["securityContext"].keys()
    assert not {"sysctls", "seLinuxOptions", "windowsOptions"} & spec["securityContext"].keys()


def test_it_runs_as_nobody_and_cannot_become_anybody(spec: dict[str, Any], container: dict[str, Any]) -> None:
    own = container["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"] is own["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 10000 and spec["securityContext"]["runAsGroup"] > 10000
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert spec["securityContext"]["seccompProfile"] == own["seccompProfile"] == {"type": "RuntimeDefault"}


def test_it_can_write_nothing_but_a_small_scratch_place(spec: dict[str, Any], container: dict[str, Any]) -> None:
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}]


def test_a_platform_that_chooses_the_user_itself_is_left_to_it() -> None:
    documents = render(pod={"runAsUser": None})
    context = one(documents, "Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert not {"runAsUser", "runAsGroup"} & context.keys() and context["runAsNonRoot"] is True


def test_it_asks_for_what_it_needs_and_is_bounded(container: dict[str, Any]) -> None:
    for bound in ("requests", "limits"):
        assert set(container["resources"][bound]) == {"cpu", "memory", "ephemeral-storage"}


def test_it_is_asked_whether_it_gets_on_and_whether_it_could_lead(container: dict[str, Any]) -> None:
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert [port["name"] for port in container["ports"]] == ["metrics"]


def test_the_image_has_a_version_and_a_digest_beats_it() -> None:
    digest = f"sha256:{'ab' * 32}"
    assert image() == "tightrope:0.1.0"
    assert (
        image(tag="1.2.3", repository="registry.example:5000/a/tightrope") == "registry.example:5000/a/tightrope:1.2.3"
    )
    assert image(tag="1.2.3", digest=digest) == f"tightrope@{digest}"


def image(**values: str) -> str:
    template = one(render(image=values), "Deployment")["spec"]["template"]["spec"]
    return str(template["containers"][0]["image"])


def test_two_are_kept_apart_and_a_drain_takes_one_at_a_time() -> None:
    documents = render()
    deployment, budget = one(documents, "Deployment")["spec"], one(documents, "PodDisruptionBudget")["spec"]
    assert deployment["replicas"] == 2
    labels = deployment["template"]["metadata"]["labels"]
    apart = deployment["template"]["spec"]["affinity"]["podAntiAffinity"]
    term = apart["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    for selector in (term["labelSelector"], budget["selector"], deployment["selector"]):
        assert selector["matchLabels"].items() <= labels.items()
    assert budget["maxUnavailable"] == 1
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_only_the_pod_itself_has_a_token() -> None:
    documents = render()
    assert one(documents, "ServiceAccount")["automountServiceAccountToken"] is False
    assert one(documents, "Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"] is True


def test_nothing_secret_is_in_the_environment(container: dict[str, Any]) -> None:
    assert all(set(variable) == {"name", "value"} for variable in container["env"])


def test_everything_namespaced_says_in_which_namespace() -> None:
    everything = {"podMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboard": {"enabled": True}}
    by_service = everything | {"podMonitor": {"enabled": False}, "serviceMonitor": {"enabled": True}}
    for document in (*render(monitoring=everything), *render(monitoring=by_service)):
        cluster_wide = document["kind"].startswith(("Cluster", "CustomResourceDefinition", "ValidatingAdmission"))
        assert cluster_wide or document["metadata"]["namespace"] == "tightrope-system", document["kind"]
