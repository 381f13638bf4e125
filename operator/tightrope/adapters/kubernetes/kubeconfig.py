"""What a kubeconfig means by itself: its contexts, and the namespace when nobody names one. kubectl's own rules. The
command line asks."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kubernetes.aio import config as kubernetes_config

_POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_HOME: Final = "~/.kube/config"


def uses_pod_account(kubeconfig: str | None, context: str | None) -> bool:
    """Whether credentials are those of the pod this runs in: inside a cluster, where nobody names anything else."""
    inside = bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and not os.environ.get("KUBECONFIG")
    return inside and kubeconfig is None and context is None


def file_of(kubeconfig: str | None) -> str:
    """The path, or several as KUBECONFIG has them, that is read where this one is named."""
    return kubeconfig or os.environ.get("KUBECONFIG") or str(Path(_HOME).expanduser())


def contexts(kubeconfig: str | None) -> list[str]:
    """The names of the contexts, sorted; empty where the file can't be read."""
    return sorted(_contexts(kubeconfig)[0])


def default_namespace(kubeconfig: str | None, context: str | None = None) -> str:
    """That of this context, of the current one, or of the pod this runs in, chosen as `ApiServer` chooses its
    credentials; else `default`. Never raises: whoever connects afterwards says what is wrong with the file."""
    if uses_pod_account(kubeconfig, context):
        try:
            return _POD_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
        except OSError:
            return "default"
    by_name, current = _contexts(kubeconfig)
    chosen = by_name.get(context or current, {})
    return str(chosen.get("namespace") or "default")


def _contexts(kubeconfig: str | None) -> tuple[dict[str, Mapping[str, Any]], str]:
    """The contexts by name, and the name of the current one."""
    try:
        every, current = kubernetes_config.list_kube_config_contexts(config_file=file_of(kubeconfig))  # type: ignore[no-untyped-call]
        return {str(one["name"]): one.get("context") or {} for one in every}, str(current["name"])
    except Exception:
        # The library lets through whatever a broken file makes its parser raise.
        return {}, ""
