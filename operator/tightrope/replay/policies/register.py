"""Every policy by name, ours first."""

from tightrope.replay.policies import (
    aiad,
    aibrix_optimizer,
    apa,
    dynamo_hybrid,
    dynamo_load,
    dynamo_throughput,
    faro,
    hpa,
    infaas,
    keda,
    kpa,
    kthena,
    kubeai,
    mark,
    one_shot,
    ray_serve,
    skyserve,
    static_mean,
    static_peak,
    tightrope,
    wva_slo,
    wva_v1,
    wva_v2,
)
from tightrope.replay.profiles import ReplayError
from tightrope.replay.seat import PolicyKind

KINDS: tuple[PolicyKind, ...] = (
    tightrope.KIND,
    hpa.KIND,
    keda.KIND,
    kpa.KIND,
    apa.KIND,
    aibrix_optimizer.KIND,
    wva_v1.KIND,
    wva_v2.KIND,
    wva_slo.KIND,
    dynamo_load.KIND,
    dynamo_throughput.KIND,
    dynamo_hybrid.KIND,
    kthena.KIND,
    ray_serve.KIND,
    skyserve.KIND,
    kubeai.KIND,
    infaas.KIND,
    mark.KIND,
    faro.KIND,
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
