"""Which cluster and namespace a command is about. `live` fills it from the flags, `cluster` connects to it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """As its user wrote it, in kubectl's flags; None is what kubectl takes where nobody writes anything."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
