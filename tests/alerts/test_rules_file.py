"""The rules as a file: complete, without templating, about metrics that exist, and a runbook for each alert."""

import re

import pytest
import yaml
from alerts.exported import asked_for, families, full, sample_names
from alerts.timeline import RULES, Rule, load, written_out

RULE = load()
ALERTS = {name: rule for name, rule in RULE.items() if rule.alerts}
RUNBOOKS = RULES.parents[1] / "docs" / "runbooks"
METRICS = RULES.parents[1] / "docs" / "metrics.md"


def test_the_file_has_no_template_but_the_labels_and_values_of_annotations() -> None:
    templates = re.findall(r"{{(.*?)}}", RULES.read_text())
    assert templates
    assert not [one for one in templates if not re.match(r" (\$labels\.\w+|\$value( \| humanize(Duration)?)?) $", one)]


def test_every_rule_asks_only_for_metrics_that_the_operator_exports() -> None:
    names = asked_for(rule.expr for rule in RULE.values())
    assert len(names) > 8
    assert names <= sample_names(full())


def test_every_label_that_a_rule_selects_or_groups_by_is_one_that_the_metric_has() -> None:
    labels = {label for _, metric in families(full()) for sample in metric.samples for label in sample.labels}
    for rule in RULE.values():
        grouped = {label for part in re.findall(r"by \(([^)]*)\)", rule.expr) for label in part.split(", ")}
        selected = set(re.findall(r"(\w+)=~?\"", rule.expr))
        assert grouped | selected <= labels, rule.name


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_every_alert_says_who_should_care_and_where_to_read_on(rule: Rule) -> None:
    assert rule.labels["severity"] in ("critical", "warning")
    assert set(rule.annotations) == {"summary", "description", "runbook"}
    page = RULES.parents[1] / rule.annotations["runbook"]
    assert page == RUNBOOKS / f"{rule.name}.md"
    text = page.read_text()
    assert text.startswith(f"# {rule.name}\n\n**")
    assert "\n## Look\n" in text


def test_every_runbook_has_its_alert_and_every_link_its_page() -> None:
    assert {page.stem for page in RUNBOOKS.iterdir()} == set(ALERTS)
    for page in (*RUNBOOKS.iterdir(), METRICS):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_document_lists_every_alert_with_its_severity() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(runbooks/\w+\.md\) \| (\w+) \|", METRICS.read_text(), re.MULTILINE)
    assert dict(rows) == {name: rule.labels["severity"] for name, rule in ALERTS.items()}


def test_a_figure_within_another_name_is_not_written_out() -> None:
    assert written_out("a:rate3d + a:rate30m", {"a:rate3d": "x", "a:rate3": "y"}) == "(x) + a:rate30m"


def test_groups_and_rules_have_names_of_their_own() -> None:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    assert len({group["name"] for group in groups}) == len(groups)
    assert len(RULE) == sum(len(group["rules"]) for group in groups)
