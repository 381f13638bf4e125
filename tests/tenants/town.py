"""A cluster with the admission policies as the chart renders them, and people with exactly the rights they are given.

The API server's own authorizer decides: people are impersonated by the admin, and RBAC is asked as for everybody.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from helm.chart import render
from waiting import until

from tightrope.lab.lab import CRDS, Lab

Answer = subprocess.CompletedProcess[str]
Rule = tuple[str, str, Sequence[str]]


def rendered_policies(**values: Any) -> list[dict[str, Any]]:
    """The chart's admission policies and their bindings."""
    return [document for document in render(**values) if document["kind"].startswith("ValidatingAdmissionPolicy")]


class Person:
    """Somebody with no right but those given here, in one namespace."""

    def __init__(self, town: "Town", name: str, namespace: str) -> None:
        self.name = name
        self.namespace = namespace
        self._town = town

    def may(self, *rules: Rule, of: Sequence[str] = ()) -> "Person":
        """Give rights: (group, resource, verbs); `of` names the only objects that they hold for."""
        only = {"resourceNames": list(of)} if of else {}
        role = {
            "metadata": {"name": f"{self.name}-{self._town.count()}"},
            "rules": [
                {"apiGroups": [group], "resources": [kind], "verbs": [*verbs], **only} for group, kind, verbs in rules
            ],
        }
        api = "rbac.authorization.k8s.io"
        path = f"/apis/{api}/v1/namespaces/{self.namespace}"
        self._town.admin_api.post(f"{path}/roles", role)
        subject = {"kind": "User", "apiGroup": api, "name": self.name}
        ref = {"kind": "Role", "apiGroup": api, "name": role["metadata"]["name"]}
        binding = {"metadata": role["metadata"], "subjects": [subject], "roleRef": ref}
        self._town.admin_api.post(f"{path}/rolebindings", binding)
        for group, kind, verbs in rules:
            name = of[-1] if of else ""
            until(
                lambda g=group, k=kind, v=verbs, n=name: self.can(v[-1], g, k, n),
                seconds=20,
                what=f"may {verbs} {kind}",
            )
        return self

    def has_role(self, role: str) -> "Person":
        """Bind a ClusterRole in the namespace."""
        api = "rbac.authorization.k8s.io"
        subject = {"kind": "User", "apiGroup": api, "name": self.name}
        ref = {"kind": "ClusterRole", "apiGroup": api, "name": role}
        binding = {"metadata": {"name": f"{self.name}-{self._town.count()}"}, "subjects": [subject], "roleRef": ref}
        self._town.admin_api.post(f"/apis/{api}/v1/namespaces/{self.namespace}/rolebindings", binding)
        return self

    def can(self, verb: str, group: str, resource: str, name: str = "") -> bool:
        """What the authorizer says."""
        resource, _, subresource = resource.partition("/")
        asked = {"namespace": self.namespace, "verb": verb, "group": group, "resource": resource, "name": name}
        review = {"spec": {"user": self.name, "resourceAttributes": {**asked, "subresource": subresource}}}
        answer = self._town.admin_api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    def may_write_services(self) -> "Person":
        """What every person here may do: anything at all with InferenceDeployments, and nothing else."""
        return self.may(("tightrope.dev", "inferencedeployments", ("get", "list", "create", "update", "patch", "delete",
                                                                   "deletecollection")))  # fmt: skip

    def kubectl(self, *arguments: str, manifest: Mapping[str, Any] | None = None) -> Answer:
        text = None if manifest is None else json.dumps(manifest)
        return self._town.lab.kubectl(*arguments, "-n", self.namespace, f"--as={self.name}", input=text)

    def create(self, manifest: Mapping[str, Any], *flags: str) -> Answer:
        return self.kubectl("create", "-f", "-", *flags, manifest=manifest)

    def apply(self, manifest: Mapping[str, Any], *flags: str) -> Answer:
        return self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", *flags, manifest=manifest)

    def replace(self, manifest: Mapping[str, Any]) -> Answer:
        return self.kubectl("replace", "-f", "-", manifest=manifest)

    def merge(self, name: str, patch: Mapping[str, Any], *flags: str) -> Answer:
        return self.kubectl("patch", "infd", name, "--type=merge", f"--patch={json.dumps(patch)}", *flags)


class Town:
    """The cluster: what the admin does in it, and who lives there."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.admin_api = lab.api()
        self._counted = 0

    @classmethod
    def settle(cls, lab: Lab) -> "Town":
        """CRDs and policies, in force when this returns."""
        town = cls(lab)
        lab.apply(CRDS)
        for document in rendered_policies():
            town.apply(document)
        stranger = town.person("default").may_write_services()
        # A policy is in force a moment after it was stored.
        until(
            lambda: "scale-targets.tightrope.dev" in stranger.create(adopting("x"), "--dry-run=server").stderr
            and "workloads.tightrope.dev" in stranger.create(templated("x"), "--dry-run=server").stderr,
            seconds=60,
            what="the admission policies refuse a stranger",
        )  # fmt: skip
        return town

    def count(self) -> int:
        self._counted += 1
        return self._counted

    def namespace(self, **labels: str) -> str:
        name = f"team-{self.count()}"
        self.admin_api.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        return name

    def person(self, namespace: str) -> Person:
        return Person(self, f"ann-{self.count()}", namespace)

    def apply(self, manifest: Mapping[str, Any]) -> None:
        done = self.lab.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifest))
        assert done.returncode == 0, done.stderr

    def admin(self, namespace: str) -> Person:
        """Somebody who may do everything in the namespace."""
        return self.person(namespace).may(("*", "*", ("*",)))

    def exists(self, namespace: str, kind: str, name: str) -> bool:
        return self.lab.kubectl("get", kind, name, "-n", namespace).returncode == 0


def templated(name: str = "sentiment", **spec: Any) -> dict[str, Any]:
    """A service that runs a template on two variants; `spec` overrides, None removes."""
    container = {"name": "server", "image": "example/server:1", "ports": [{"containerPort": 8000}]}
    return service(
        name, **{"template": {"spec": {"containers": [container]}}, "variants": variants("cpu", "gpu"), **spec}
    )


def adopting(name: str = "sentiment", *targets: str, kind: str = "Deployment", **spec: Any) -> dict[str, Any]:
    """A service that scales what exists: one variant for each target."""
    refs = [
        {"name": f"v{index}", "pool": "cpu", "scaleTargetRef": {"kind": kind, "name": target}}
        for index, target in enumerate(targets or ("legacy",))
    ]
    return service(name, **{"variants": refs, **spec})


def variants(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "pool": name} for name in names]


def service(name: str, **spec: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "slo": {"objectives": [{"metric": "latency", "threshold": "300ms", "percent": 99}]},
        "replicas": {"min": 1, "max": 4},
    }
    return {
        "apiVersion": "tightrope.dev/v1alpha1",
        "kind": "InferenceDeployment",
        "metadata": {"name": name},
        "spec": {key: value for key, value in {**values, **spec}.items() if value is not None},
    }
