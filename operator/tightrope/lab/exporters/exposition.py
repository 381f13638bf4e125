"""The Prometheus text format: the one way every exporter here writes a family.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/. Values go through `repr`, so that counters lose
no digit; bounds keep the spelling of the server that is played (`0.3`, `300`), because `le` is compared as text.
"""

import math
from collections.abc import Iterable, Mapping

from tightrope.lab.exporters import Histogram

Labels = Mapping[str, str]


def family(name: str, kind: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> str:
    """A counter or gauge family: its help and type, then one line per sample, labels in the order given."""
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
    lines += [sample(name, labels, value) for labels, value in samples]
    return "\n".join(lines) + "\n"


def histogram_family(
    name: str, help_text: str, labels: Labels, histogram: Histogram, *, units_per_second: float = 1.0
) -> str:
    """A histogram family with one label set. `units_per_second` is 1000 for a server that exports milliseconds."""
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} histogram"]
    for bound, count in histogram.buckets or ((math.inf, 0.0),):
        lines.append(sample(f"{name}_bucket", {**labels, "le": number(bound * units_per_second)}, count))
    lines.append(sample(f"{name}_count", labels, histogram.count))
    lines.append(sample(f"{name}_sum", labels, histogram.sum * units_per_second))
    return "\n".join(lines) + "\n"


def sample(name: str, labels: Labels, value: float) -> str:
    """One line of the exposition."""
    pairs = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{pairs}}} {number(value)}" if pairs else f"{name} {number(value)}"


def escaped(text: str) -> str:
    """A label value with backslash, quote and newline escaped."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """A value or bound as Prometheus reads it: `+Inf`, `NaN`, `3`, `0.3`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    # 0.07 s in a server that counts milliseconds is 70.00000000000001 without the rounding.
    value = round(value, 9)
    return str(int(value)) if value == int(value) else repr(value)
