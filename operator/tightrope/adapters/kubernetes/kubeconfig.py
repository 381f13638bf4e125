"""Which namespace a kubeconfig means when nobody names one: kubectl's own rule. The command line asks."""

import os
from pathlib import Path
from typing import Any, Final

from kubernetes.aio import config as kubernetes_config

_POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_HOME: Final = "~/.kube/config"


def default_namespace(kubeconfig: str | None) -> str:
    """That of the current context, or of the pod this runs in, chosen as `ApiServer` chooses its credentials; else
    `default`. Never raises: whoever connects afterwards says what is wrong with the file."""
    if kubeconfig is None and os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
        try:
            return _POD_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
        except OSError:
            return "default"
    path = kubeconfig or os.environ.get("KUBECONFIG") or str(Path(_HOME).expanduser())
    try:
        _, current = kubernetes_config.list_kube_config_contexts(config_file=path)  # type: ignore[no-untyped-call]
        context: dict[str, Any] = current["context"]
        return str(context.get("namespace") or "default")
    except Exception:
        # The library lets through whatever a broken file makes its parser raise.
        return "default"
