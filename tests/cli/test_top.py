"""`tightrope top`: all services at a glance."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import wire
from cli.acted import recommended, sentiment, vision
from cli.clusters import Cluster
from cli.conftest import Type

from tightrope.cli.top import lines, overview


@pytest.fixture
def filled(here: Cluster) -> Cluster:
    for infd in (vision(), sentiment(), wire.inference_deployment("elsewhere", namespace="vision")):
        here.add(infd)
    return here


def test_the_dearest_comes_first_with_objective_budget_plan_and_cost(filled: Cluster, typed: Type) -> None:
    done = typed("top")
    first, second, third, *_, total = (" ".join(line.split()) for line in done.stdout.splitlines())
    assert done.exit_code == 0
    assert first == "NAME MODE SLO ATTAINED BUDGET LEFT COVERS READY PLAN COST/H STATE"
    assert second == "sentiment Auto 99% < 300ms 90.51% -849% 204/s 9/9 cpu:0 gpu:1 0.80 USD AsPlanned"
    assert third == "vision Auto 99% < 300ms 100.00% 100% - 1/1 cpu:1 gpu:0 0.20 USD AsPlanned"
    assert total == "2 services, 1.00 USD/h"


def test_all_namespaces_are_shown_with_their_names_and_the_unknown_last(filled: Cluster, typed: Type) -> None:
    rows = typed("top", "-A").stdout.splitlines()[1:4]
    assert [row.split()[:2] for row in rows] == [["nlp", "sentiment"], ["nlp", "vision"], ["vision", "elsewhere"]]
    assert rows[2].endswith("NotDecided")


def test_only_those_with_the_labels_are_shown(filled: Cluster, typed: Type) -> None:
    labelled = wire.inference_deployment("labelled")
    labelled["metadata"]["labels"] = {"team": "nlp"}
    filled.add(labelled)
    assert [said["name"] for said in json.loads(typed("top", "-l", "team=nlp", "-o", "json").stdout)] == ["labelled"]
    none = typed("top", "-l", "team=none")
    assert none.exit_code == 0 and "no InferenceDeployment in namespace nlp has the labels team=none" in none.stderr


def test_nothing_found_is_said_on_stderr_and_an_empty_list_to_programs(here: Cluster, typed: Type) -> None:
    assert not typed("top").stdout and "no InferenceDeployment in namespace nlp" in typed("top").stderr
    assert json.loads(typed("top", "-o", "json", "-n", "other").stdout) == []


def test_costs_in_two_currencies_are_not_added(filled: Cluster, typed: Type) -> None:
    filled.get("InferenceDeployment", "vision")["status"]["cost"]["currency"] = "EUR"
    assert typed("top").stdout.splitlines()[-1] == "2 services, 0.20 EUR/h + 0.80 USD/h"


def test_top_only_reads(filled: Cluster, typed: Type) -> None:
    typed("top", "-A")
    typed("explain", "sentiment")
    assert {method for method, _, _ in filled.asked} == {"GET"}


def test_what_recommendations_would_save_is_shown_beside_who_has_them() -> None:
    def told(*services: Mapping[str, Any]) -> list[str]:
        return [line.plain for line in lines([overview(wire) for wire in services], everywhere=True)]

    heading, first, second, *_ = told(recommended(), vision())
    at = heading.index("WOULD SAVE/H")
    assert first[at:].startswith("0.416 USD (42%)   ")
    assert second[at:].startswith("-   "), "nobody knows what another mode saves from its status"
    assert "-0.216 USD (-22%)" in told(recommended(planCost="15.00"))[1]
    assert "WOULD SAVE" not in told(vision())[0]
