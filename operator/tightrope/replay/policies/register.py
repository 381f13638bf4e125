"""Every policy by name, ours first."""

from tightrope.replay.policies import (
    aiad,
    apa,
    hpa,
    infaas,
    keda,
    kpa,
    kubeai,
    one_shot,
    ray_serve,
    skyserve,
    static_mean,
    static_peak,
    tightrope,
)
from tightrope.replay.profiles import ReplayError
from tightrope.replay.seat import PolicyKind

KINDS: tuple[PolicyKind, ...] = (
    tightrope.KIND,
    hpa.KIND,
    keda.KIND,
    kpa.KIND,
    apa.KIND,
    ray_serve.KIND,
    skyserve.KIND,
    kubeai.KIND,
    infaas.KIND,
    aiad.KIND,
    one_shot.KIND,
    static_peak.KIND,
    static_mean.KIND,
)


def kind_named(name: str) -> PolicyKind:
    """The policy of this name. Raises ReplayError, which lists them."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise ReplayError(f"--policy {name} is unknown: choose among {', '.join(kind.name for kind in KINDS)}")
