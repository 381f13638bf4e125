"""docs/metrics.md against the registry: every metric is documented, with its kind and labels, and no other."""

import re

from alerts.exported import families, full, sample_names
from alerts.timeline import RULES, load

TEXT = (RULES.parents[1] / "docs" / "metrics.md").read_text()
ROW = re.compile(r"^\| `(tightrope_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
OF_SERVICES = {"namespace", "name"}
PARTS = ("_bucket", "_sum", "_count")


def exported() -> dict[str, tuple[str, set[str]]]:
    found: dict[str, tuple[str, set[str]]] = {}
    for name, metric in families(full()):
        if not name.startswith("process_"):
            labels = {label for sample in metric.samples for label in sample.labels if label != "le"}
            found[name] = (metric.type, labels)
    return found


def documented(section: str) -> dict[str, tuple[str, set[str]]]:
    part = TEXT.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(part)}


def test_every_metric_is_documented_with_its_kind_and_labels_and_no_other() -> None:
    services = {name: (kind, labels | OF_SERVICES) for name, (kind, labels) in documented("Services").items()}
    assert services | documented("The operator") == exported()


def test_nothing_is_exported_beside_them() -> None:
    parts = {f"{name}{part}" for name, (kind, _) in exported().items() if kind == "histogram" for part in PARTS}
    names = {name for name in sample_names(full()) if not name.startswith("process_")}
    assert names == {name for name, (kind, _) in exported().items() if kind != "histogram"} | parts


def test_names_follow_the_conventions() -> None:
    for name, (kind, labels) in exported().items():
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(ms|milliseconds|minutes|percent|bytes_total_total)(_|$)", name), "base units only"
        assert not labels & {"pod", "node", "service", "job", "instance", "uid"}, "bounded, and never a target's own"
        assert not name.endswith("timestamp") or name.endswith("timestamp_seconds")


def test_every_metric_of_ours_says_what_it_is_in_a_sentence() -> None:
    for name, metric in families(full()):
        assert not name.startswith("tightrope_") or re.fullmatch(r"[A-Z0-9].+\.", metric.documentation), name


def test_every_recorded_figure_is_documented() -> None:
    part = TEXT.split("\n## What the rules add\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`(service:\w+:\w+)`", part)) | {
        f"service:tightrope_slo_burn{suffix}" for suffix in re.findall(r"`(:rate\w+)`", part)
    }
    assert named == {name for name, rule in load().items() if not rule.alerts}
