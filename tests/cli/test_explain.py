"""`tightrope explain`: what an on-call reads at night."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import wire
import yaml
from cli.acted import NOW, recommended, sentiment, vision
from cli.clusters import Cluster
from cli.conftest import Type

from tightrope.cli.explain import document, lines


def shown(infd: Mapping[str, Any], *, after: float = 0.0) -> str:
    return "\n".join(line.plain for line in lines(document(infd), now=NOW + after))


def test_the_reason_the_numbers_and_the_plan_that_was_beaten_are_told() -> None:
    text = shown(sentiment())
    assert text.startswith("nlp/sentiment   Auto   Ready True: AsPlanned")
    assert "Another mix is cheaper: demand is 200.0/s" in text and "CheaperMix, decided 15s ago" in text
    assert "cpu:0 gpu:1   9/9     204/s          0.80 USD" in text
    assert "cpu:8 gpu:0   1.60     dearer by 0.80/h" in text


def test_the_error_budget_the_variants_the_conditions_and_the_decisions_before_are_told() -> None:
    text = shown(sentiment(), after=3600.0)
    assert "99% < 300ms   90.51%     -849%         10.2        10m" in text
    assert "cpu       8       8        0         31.5/s ± 3.4   30s" in text
    assert "SLOMet           False    BudgetSpent   3h ago" in text
    assert "1h ago   cpu:3 gpu:0   HoldDescentWindow" in text
    assert text.count("CheaperMix") == 1, "the latest decision is told once, at the top"


def test_what_only_the_operator_needs_is_left_out() -> None:
    assert "LogMean" not in json.dumps(document(sentiment()))


def test_a_spec_that_was_changed_since_is_said_to_be_so() -> None:
    infd = vision()
    infd["metadata"]["generation"] = 2
    assert not document(infd)["upToDate"] and document(vision())["upToDate"]
    assert "The spec has been changed since, and that has not been acted on yet." in shown(infd)


def test_a_pause_by_annotation_shows_beside_the_mode() -> None:
    def paused(word: str) -> str:
        infd = vision()
        infd["metadata"]["annotations"] = {"tightrope.dev/paused": word}
        return shown(infd).splitlines()[0]

    assert "Auto, descents paused" in paused("descents")
    assert "Paused (by annotation)" in paused("all")
    assert "Paused (by annotation)" in paused("decents"), "a word nobody knows pauses everything"


def test_a_pause_of_all_services_is_not_taken_for_the_service_s_own() -> None:
    def decided(reason: str, **annotations: str) -> str:
        infd = vision()
        infd["status"]["decision"]["reason"] = reason
        infd["metadata"]["annotations"] = annotations
        return shown(infd).splitlines()[0]

    assert "Paused (all services)" in decided("Paused")
    assert "Auto, descents paused (all services)" in decided("HoldDescentsPaused")
    assert "Paused (by annotation)" in decided("Paused", **{"tightrope.dev/paused": "all"})


def test_mode_recommend_tells_what_both_fleets_cost_and_missed() -> None:
    text = shown(recommended())
    assert "COMPARED OVER 12.5h   COST        LATENCY MISSED" in text
    assert "as it ran             12.30 USD   0.43%" in text
    assert "as recommended        7.10 USD    0.50% predicted" in text
    assert "Following the recommendations would have saved 5.20 USD (42%)." in text

    dearer = shown(recommended(planCost="15.00"))
    assert "Following the recommendations would have cost 2.70 USD more (22%)." in dearer


def test_a_comparison_that_makes_no_sense_is_not_told() -> None:
    assert "COMPARED OVER" not in shown(recommended(cost="a lot"))
    assert "COMPARED OVER" not in shown(sentiment())


def test_a_status_can_not_steer_the_terminal() -> None:
    infd = vision()
    infd["status"]["conditions"][0]["message"] = "fine\x1b[2J\rgone"
    said = shown(infd)
    assert "\x1b" not in said and "\r" not in said and "fine [2J gone" in said


def test_a_status_of_another_shape_is_no_error() -> None:
    assert "Nothing has been decided yet" in shown(vision() | {"status": {"conditions": "all fine"}})


def test_the_three_forms_carry_the_same(here: Cluster, typed: Type) -> None:
    here.add(sentiment())
    table, as_json, as_yaml = (typed("explain", "sentiment", "-o", form) for form in ("table", "json", "yaml"))
    assert table.exit_code == as_json.exit_code == as_yaml.exit_code == 0
    said = json.loads(as_json.stdout)
    assert said == yaml.safe_load(as_yaml.stdout)
    assert said["decision"]["alternatives"][0]["perHour"] == "1.60" and said["decision"]["message"] in table.stdout


def test_a_service_nobody_has_acted_on_asks_after_the_operator(here: Cluster, typed: Type) -> None:
    here.add(wire.inference_deployment("fresh"))
    done = typed("explain", "fresh")
    assert done.exit_code == 0 and "Nothing has been decided yet: is the operator running" in done.stdout


def test_a_name_that_is_not_there_is_one_sentence_and_exit_code_1(here: Cluster, typed: Type) -> None:
    done = typed("explain", "nobody", "-n", "vision")
    assert done.exit_code == 1 and not done.stdout
    assert done.stderr.startswith("there is no InferenceDeployment nobody in namespace vision: write -n NAMESPACE")


def test_a_form_that_is_not_there_is_exit_code_2(here: Cluster, typed: Type) -> None:
    done = typed("explain", "sentiment", "-o", "xml")
    assert done.exit_code == 2 and "table" in done.stderr


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ((403, 'inferencedeployments is forbidden: User "u" cannot get it'), 3, "Ask whoever runs the cluster"),
        ((404, "the server could not find the requested resource"), 1, "the cluster knows no InferenceDeployment"),
        ((503, "apiserver is shutting down"), 3, "the API server can't be asked (HTTP 503"),
    ],
)
def test_what_the_api_server_says_becomes_a_sentence_and_an_exit_code(
    here: Cluster, typed: Type, answer: tuple[int, str], code: int, words: str
) -> None:
    here.refuse["inferencedeployments"] = answer
    done = typed("explain", "sentiment")
    assert done.exit_code == code and words in done.stderr and "Traceback" not in done.output


def test_a_kubeconfig_that_is_not_there_or_of_no_use_is_told(typed: Type, tmp_path: Path) -> None:
    absent = typed("explain", "sentiment", "--kubeconfig", "/nowhere/kubeconfig")
    assert absent.exit_code == 2 and "--kubeconfig /nowhere/kubeconfig: there is no such file" in absent.stderr
    (tmp_path / "empty").write_text("kind: Config\n")
    useless = typed("explain", "sentiment", "--kubeconfig", str(tmp_path / "empty"))
    assert useless.exit_code == 3 and "write --kubeconfig FILE or set KUBECONFIG" in useless.stderr


def test_another_context_of_the_kubeconfig_can_be_named(here: Cluster, typed: Type) -> None:
    here.add(sentiment())
    here.kubeconfig.write_text(
        here.kubeconfig.read_text().replace("current-context: here", "current-context: elsewhere")
    )
    assert typed("explain", "sentiment").exit_code == 3

    done = typed("explain", "sentiment", "--context", "here")
    assert done.exit_code == 0 and "nlp/sentiment" in done.stdout

    unknown = typed("explain", "sentiment", "--context", "prod")
    assert unknown.exit_code == 2
    assert "--context prod: the kubeconfig has no such context: it has elsewhere, here" in unknown.stderr


def test_an_error_of_our_own_is_no_traceback_unless_one_is_asked_for(
    here: Cluster, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tightrope.cli.explain.document", lambda _: 1 / 0)
    here.add(wire.inference_deployment())
    done = typed("explain", "sentiment")
    assert done.exit_code == 70 and "Traceback" not in done.output
    assert "tightrope itself has failed here (ZeroDivisionError" in done.stderr
