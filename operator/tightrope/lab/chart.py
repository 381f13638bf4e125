"""What is written from the Helm chart, and what it carries of ours: `make chart` after either has changed.

The chart carries copies of the CRDs, the alerts and the dashboard, because a packaged chart holds nothing from outside
its folder. From it come the plain manifests for `kubectl apply -k`, the lab's own rights and the table of values. In
the lab since rendering takes its helm.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tightrope.lab import programs

ROOT: Final = Path(__file__).parents[3]
CHART: Final = ROOT / "helm" / "tightrope"
NAMESPACE: Final = "tightrope-system"
_URL: Final = "http://prometheus-operated.monitoring:9090"
_HEAD: Final = "# Generated from helm/tightrope by `make chart`; do not edit.\n"
# Copies within the chart, by where they come from.
_CARRIED: Final = {
    "crds/computepools.tightrope.dev.yaml": "crds/computepools.tightrope.dev.yaml",
    "crds/inferencedeployments.tightrope.dev.yaml": "crds/inferencedeployments.tightrope.dev.yaml",
    "alerts/tightrope.rules.yaml": "tightrope.rules.yaml",
    "dashboards/tightrope.json": "tightrope.json",
}
_RIGHTS: Final = ("serviceaccount", "rbac-cluster", "rbac-lease")
_MONITORING: Final = ("podmonitor", "prometheusrule", "dashboard")
_TEAMS_NAME: Final = "tightrope-teams"


def written(helm: str) -> dict[Path, str]:
    """Every file that follows from others, and what it must hold."""
    files = {CHART / "files" / to: (ROOT / origin).read_text(encoding="utf-8") for origin, to in _CARRIED.items()}
    everything = rendered(helm)
    monitoring = rendered(helm, *(f"monitoring.{part}.enabled=true" for part in ("podMonitor", "rules", "dashboard")))
    deploy = ROOT / "deploy"
    files[deploy / "tightrope.yaml"] = joined(_namespace(), *everything.values())
    files[deploy / "monitoring" / "monitoring.yaml"] = joined(*(monitoring[name] for name in _MONITORING))
    policies = (text for name, text in everything.items() if name.startswith("admission/"))
    files[deploy / "teams" / "teams.yaml"] = joined(everything["crds"], *policies, *teams(helm))
    rights = joined(_namespace(), *(everything[name] for name in _RIGHTS))
    files[Path(__file__).parent / "manifests" / "operator-rbac.yaml"] = rights
    files[ROOT / "docs" / "values.md"] = table(
        json.loads((CHART / "values.schema.json").read_text(encoding="utf-8")),
        yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")),
    )
    return files


def rendered(helm: str, *values: str) -> dict[str, str]:
    """What the chart sends, by template, without what only helm reads."""
    settings = [part for value in (f"prometheus.url={_URL}", *values) for part in ("--set", value)]
    done = subprocess.run(
        [helm, "template", "tightrope", str(CHART), "--namespace", NAMESPACE, *settings],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"error: {done.stderr.strip()}")
    parts: dict[str, list[str]] = {}
    for document in re.split(r"^---\n", done.stdout, flags=re.MULTILINE):
        if found := re.match(r"# Source: tightrope/templates/([\w/-]+)\.yaml\n", document):
            parts.setdefault(found.group(1), []).append(_without_helm(document[found.end() :]))
    return {name: "---\n".join(documents) for name, documents in parts.items()}


def _without_helm(text: str) -> str:
    """A plain manifest is nobody's release."""
    text = text.replace("  annotations:\n    helm.sh/resource-policy: keep\n", "")
    kept = [
        line
        for line in text.splitlines()
        if not re.match(r'\s+(helm\.sh/chart: |app\.kubernetes\.io/managed-by: "?Helm)|# Generated from ', line)
    ]
    return "\n".join(kept).strip() + "\n"


def joined(*documents: str) -> str:
    return _HEAD + "---\n".join(documents)


def _namespace() -> str:
    labels = {f"pod-security.kubernetes.io/{how}": "restricted" for how in ("enforce", "warn")}
    return _dumped({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})


def teams(helm: str) -> Iterator[str]:
    """What an administrator of the cluster lays down once for teams that install by themselves: nobody can give an
    operator rights that he does not have, so the admins of namespaces get them; and service accounts may read pools."""
    documents = yaml.safe_load_all(rendered(helm, f"namespaces={{{NAMESPACE}}}")["rbac-namespaced"])
    role = next(document for document in documents if document["kind"] == "Role")
    # A role that is aggregated holds in each namespace for itself: names would have to be known.
    rules = [{key: rule[key] for key in rule if key != "resourceNames"} for rule in role["rules"]]
    group = "rbac.authorization.k8s.io"
    yield _cluster_role(_TEAMS_NAME, [*rules, _people()], labels={f"{group}/aggregate-to-admin": "true"})
    pools = f"{_TEAMS_NAME}-pools"
    yield _cluster_role(
        pools, [{"apiGroups": ["tightrope.dev"], "resources": ["computepools"], "verbs": ["list", "watch"]}], labels={}
    )
    yield _dumped(
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": pools},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": pools},
            "subjects": [{"apiGroup": group, "kind": "Group", "name": "system:serviceaccounts"}],
        }
    )


def _people() -> dict[str, Any]:
    verbs = ["get", "create", "update", "patch", "delete"]
    return {"apiGroups": ["tightrope.dev"], "resources": ["inferencedeployments"], "verbs": verbs}


def _cluster_role(name: str, rules: list[dict[str, Any]], *, labels: Mapping[str, str]) -> str:
    metadata = {"name": name, **({"labels": dict(labels)} if labels else {})}
    return _dumped(
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}
    )


def _dumped(manifest: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(manifest), sort_keys=False, width=120)


def table(schema: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """docs/values.md: a row for every value, with its default and what it means."""
    lines = [
        "# Values of the chart",
        "",
        "Generated from `helm/tightrope/values.schema.json` and `values.yaml` by `make chart`; do not edit.",
        "How to install: [install](install.md).",
        "",
        "| value | default | what it is |",
        "|---|---|---|",
        *(f"| `{path}` | {shown} | {text} |" for path, shown, text in rows(schema, values)),
    ]
    return "\n".join(lines) + "\n"


def rows(schema: Mapping[str, Any], values: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, default and description of every leaf; an object whose keys the user chooses is a leaf."""
    for name, field in schema["properties"].items():
        here = f"{path}.{name}" if path else name
        default = values.get(name) if isinstance(values, dict) else None
        if "properties" in field:
            yield from rows(field, default, here)
        elif isinstance(values, dict) and name in values:
            yield here, f"`{json.dumps(default)}`" if default not in ("", [], {}) else "", _allowed(field)


def _allowed(field: Mapping[str, Any]) -> str:
    """The description, with the bounds of a number."""
    if "minimum" not in field or "maximum" not in field:
        return str(field["description"])
    return f"{field['description']} From {field['minimum']} to {field['maximum']}."


def main() -> int:
    """Write every file; print those that changed."""
    helm = programs.find(next(source for source in programs.SOURCES if source.name == "helm"))
    if helm is None:
        print("error: helm is not there yet: make programs", file=sys.stderr)
        return 1
    for path, text in written(str(helm)).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
