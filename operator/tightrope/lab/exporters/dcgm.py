"""What NVIDIA's DCGM exporter says of the pods on its node.

Source of the label set: dcgm-exporter, internal/pkg/rendermetrics. `pod`, `namespace` and `container` name the pod that
the device is given to. A scrape that honours labels keeps them; one that does not renames them to `exported_pod` and
so on, in favour of the exporter's own pod: both happen in clusters, so both can be rendered.
"""

from collections.abc import Iterable

from tightrope.lab.exporters import PodCounters
from tightrope.lab.exporters.exposition import family


def render(pods: Iterable[PodCounters], *, honour_labels: bool = True) -> str:
    """DCGM_FI_DEV_GPU_UTIL in percent, one device per pod that has a GPU. With `honour_labels` False the labels are
    spelt as Prometheus stores them when it does not honour the exporter's."""
    prefix = "" if honour_labels else "exported_"
    return family(
        "DCGM_FI_DEV_GPU_UTIL",
        "gauge",
        "GPU utilization (in %).",
        [
            (labels_of(counters, index, prefix), counters.gpu_utilisation * 100.0)
            for index, counters in enumerate(pods)
            if counters.gpu_utilisation is not None
        ],
    )


def labels_of(counters: PodCounters, index: int, prefix: str) -> dict[str, str]:
    """The labels of one device; its number is unique among the pods rendered together."""
    return {
        "gpu": str(index),
        "UUID": f"GPU-{counters.namespace}-{counters.pod}",
        "pci_bus_id": f"00000000:{index:02X}:00.0",
        "device": f"nvidia{index}",
        "modelName": "NVIDIA L4",
        "Hostname": counters.node,
        f"{prefix}container": "server",
        f"{prefix}namespace": counters.namespace,
        f"{prefix}pod": counters.pod,
    }
