"""The Grafana dashboard: panels in their places, expressions about metrics that exist, something to show in each."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alerts.backfill import Series, past_prometheus
from alerts.exported import asked_for, families, full, sample_names
from alerts.timeline import RULES, load, written_out
from prometheus_server import prometheus_program

PATH = RULES.parents[1] / "dashboards" / "tightrope.json"
DASHBOARD = json.loads(PATH.read_text())
PANELS = DASHBOARD["panels"]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
RECORDED = {name: rule.expr for name, rule in load().items() if not rule.alerts}


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression with the title of its panel; variables still in it."""
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def chosen(expression: str) -> str:
    """With the variables set to the service that is exported, and recorded figures written out."""
    selected = {"namespace": "nlp", "name": "sentiment"}
    expression = re.sub(r"\$(\w+)", lambda m: selected[m[1]], expression)
    # A selector behind a recorded figure belongs to the series it would have had.
    expression = re.sub(r"(service:\w+:\w+)\{[^}]*\}", r"\1", expression)
    return written_out(expression, RECORDED)


def test_panels_have_their_own_numbers_and_places() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS) > 20
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_every_panel_says_what_it_shows() -> None:
    for panel in PANELS:
        assert panel["title"]
        assert panel["type"] == "row" or (panel["description"].endswith(".") and panel["targets"])


def test_expressions_name_only_metrics_that_exist_and_variables_that_are_defined() -> None:
    known = sample_names(full()) | set(load())
    for title, expression in (*expressions(), *(("", variable["query"]["query"]) for variable in queried())):
        names = asked_for([expression])
        assert names, title
        assert names <= known, title
        assert set(re.findall(r"\$(\w+)", expression)) <= set(VARIABLES), title


def queried() -> list[dict[str, Any]]:
    return [variable for variable in VARIABLES.values() if variable["type"] == "query"]


def test_the_data_source_is_chosen_by_whoever_looks() -> None:
    sources = {json.dumps(panel["datasource"]) for panel in PANELS if "datasource" in panel}
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}


def test_every_metric_of_services_is_on_the_dashboard() -> None:
    shown = asked_for(chosen(expression) for _, expression in expressions())
    of_services = {
        name for name, metric in families(full()) if any("namespace" in sample.labels for sample in metric.samples)
    }
    assert of_services <= shown


@pytest.mark.lab
def test_every_expression_is_understood_by_prometheus_and_has_something_to_show(tmp_path: Path) -> None:
    """An hour of an operator's own samples; what grows, grows."""
    program = prometheus_program()
    if program is None:
        pytest.skip("no prometheus yet: python -m tightrope.lab.programs builds it")
    start = 1_700_000_000.0
    with past_prometheus(program, tmp_path, rules=RULES) as prometheus:
        prometheus.write(
            Series(
                name=sample.name,
                labels={"instance": "a:8080", **sample.labels},
                samples=[(start + 60 * minute, grown(sample.name, sample.value, minute)) for minute in range(61)],
            )
            for _, metric in families(full())
            for sample in metric.samples
        )
        for title, expression in expressions():
            answer = prometheus.ask("query", query=chosen(expression), time=start + 3600)
            rows = answer["result"]
            assert rows, f"{title}: nothing to show for {expression}"
            assert all(row["value"][1] != "NaN" for row in rows), f"{title}: {expression}"


def grown(name: str, value: float, minute: int) -> float:
    grows = name.endswith(("_total", "_sum", "_count", "_bucket"))
    return value + minute * (60.0 if grows else 0.0)
