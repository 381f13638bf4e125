"""`tightrope pause` and `resume`: an on-call with one hand on the phone."""

import pytest
import wire
from cli.clusters import Cluster
from cli.conftest import Type

PAUSED = "tightrope.dev/paused"


@pytest.fixture
def services(here: Cluster) -> Cluster:
    for name, namespace in (("sentiment", "nlp"), ("vision", "nlp"), ("speech", "audio")):
        here.add(wire.inference_deployment(name, namespace))
    here.get("InferenceDeployment", "vision")["metadata"]["annotations"] = {"note": "kept"}
    return here


def annotations(cluster: Cluster, name: str, namespace: str = "nlp") -> dict[str, str]:
    return cluster.get("InferenceDeployment", name, namespace)["metadata"].get("annotations") or {}


def test_one_service_is_paused_and_resumed_with_one_command_each(services: Cluster, typed: Type) -> None:
    done = typed("pause", "vision")
    assert done.exit_code == 0
    assert done.stdout == "nlp/vision: every change is paused; tightrope resume vision -n nlp takes it back\n"
    assert annotations(services, "vision") == {"note": "kept", PAUSED: "all"}
    assert typed("resume", "vision").stdout == "nlp/vision: resumed\n"
    assert annotations(services, "vision") == {"note": "kept"}
    assert not annotations(services, "sentiment")


def test_descents_alone_can_be_paused_and_one_pause_replaces_the_other(services: Cluster, typed: Type) -> None:
    typed("pause", "vision")
    done = typed("pause", "vision", "--descents")
    assert "descents are paused; demand still scales up" in done.stdout
    assert annotations(services, "vision")[PAUSED] == "descents"


def test_a_namespace_or_the_whole_cluster_is_paused_at_once(services: Cluster, typed: Type) -> None:
    assert len(typed("pause", "--all").stdout.splitlines()) == 2
    assert PAUSED not in annotations(services, "speech", "audio")
    assert len(typed("pause", "-A").stdout.splitlines()) == 3
    assert annotations(services, "speech", "audio")[PAUSED] == "all"


def test_what_is_paused_already_is_not_written_again(services: Cluster, typed: Type) -> None:
    typed("pause", "vision")
    written = len(services.writes)
    assert typed("pause", "vision").exit_code == 0 and len(services.writes) == written == 1


def test_a_wrong_name_changes_nobody(services: Cluster, typed: Type) -> None:
    done = typed("pause", "vision", "nobody")
    assert done.exit_code == 1 and "there is no InferenceDeployment nobody" in done.stderr
    assert not services.writes


def test_a_mode_in_the_spec_is_not_resumed_and_said_so(services: Cluster, typed: Type) -> None:
    services.get("InferenceDeployment", "vision")["spec"]["mode"] = "Paused"
    assert "its spec says mode: Paused, so nothing is changed until it says Auto" in typed("resume", "vision").stdout


@pytest.mark.parametrize("words", [[], ["vision", "--all"], ["--all", "-A"]])
def test_who_is_meant_must_be_said_once(services: Cluster, typed: Type, words: list[str]) -> None:
    done = typed("pause", *words)
    assert done.exit_code == 2 and "write the names of services, or --all" in done.stderr and not services.writes


def test_a_refused_write_is_told(services: Cluster, typed: Type) -> None:
    services.refuse["PATCH"] = (403, 'cannot patch resource "inferencedeployments"')
    done = typed("pause", "vision")
    assert done.exit_code == 1 and 'can\'t be annotated: cannot patch resource "inferencedeployments"' in done.stderr
