"""`tightrope plan`: what a file would change, before it changes anything."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import wire
import yaml
from cli.acted import condition
from cli.clusters import Cluster
from cli.conftest import Type
from cli.fleet import running
from cli.prometheus import Prometheus
from typer.testing import Result

from tightrope.api.figures import time_text


@pytest.fixture
def fleet(here: Cluster, asked: Prometheus) -> Cluster:
    """nlp/sentiment on two CPU replicas that get 20/s together, of 25/s each."""
    running(here, asked, wire.inference_deployment(), cpu=2)
    return here


@pytest.fixture
def planned(fleet: Cluster, asked: Prometheus, typed: Type, tmp_path: Path) -> Type:
    """`planned(infd, "-o", "json")` plans a file with these objects."""

    def plan(*parts: Any) -> Result:
        file = tmp_path / "file.yaml"
        objects = [part for part in parts if not isinstance(part, str)]
        file.write_text(yaml.safe_dump_all(objects))
        options = [part for part in parts if isinstance(part, str)]
        return typed("plan", "-f", str(file), "--prometheus-url", asked.url, *options)

    return plan


def writes(done: Result) -> list[tuple[str, str, Any]]:
    (said,) = json.loads(done.stdout)
    return [(one["verb"], one["name"], one.get("replicas")) for one in said["writes"]]


def test_a_new_service_shows_what_would_be_created_and_what_it_costs(planned: Type) -> None:
    done = planned(wire.inference_deployment("fresh"), "-o", "json")
    assert done.exit_code == 0, done.stderr
    (said,) = json.loads(done.stdout)
    assert said["plan"] == "cpu:1 gpu:0" and said["cost"] == {"perHour": "0.20", "currency": "USD"}
    assert ("create", "fresh-cpu", 1) in writes(done) and ("create", "fresh", None) in writes(done)
    assert said["decision"]["reason"] == "FirstPlan" and said["decision"]["alternatives"]


def test_a_change_shows_the_replicas_before_and_after_and_the_reason(planned: Type) -> None:
    done = planned(wire.inference_deployment(replicas={"min": 5, "max": 40}))
    assert done.exit_code == 0, done.stderr
    rows = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "scale Deployment sentiment-cpu 2 to 5" in rows
    assert "Nothing was written." in rows and any(row.startswith("cpu:5 gpu:0 2/2") for row in rows)


def test_the_demand_that_is_measured_now_is_planned_for(planned: Type, asked: Prometheus) -> None:
    for pod in asked.pods.values():
        pod.rate = 60.0
    done = planned(wire.inference_deployment(variants=[wire.variant("cpu")]), "-o", "json")
    (scaled,) = [replicas for verb, name, replicas in writes(done) if verb == "scale"]
    assert scaled >= 5, "120/s on replicas of 25/s"


def test_a_descent_is_held_only_where_nobody_has_seen_whole_data_before(
    planned: Type, here: Cluster, asked: Prometheus
) -> None:
    idle = wire.inference_deployment("idle", variants=[wire.variant("cpu")])
    running(here, asked, idle, cpu=8)
    for pod in asked.pods.values():
        pod.rate = 1.0
    fresh = json.loads(planned(idle, "-o", "json").stdout)[0]
    stored = here.get("InferenceDeployment", "idle")
    healthy = condition("MetricsHealthy", "True", "Complete", "demand and latency are known")
    stored["status"] = {"conditions": [healthy | {"lastTransitionTime": time_text(time.time() - 3600.0)}]}
    watched = json.loads(planned(idle, "-o", "json").stdout)[0]

    assert fresh["decision"]["reason"] == "HoldReentry"
    assert not [one for one in fresh["writes"] if one["verb"] == "scale"]
    (descent,) = [one for one in watched["writes"] if one["verb"] == "scale"]
    assert descent["before"] == 8 and descent["replicas"] < 8


def test_a_price_in_the_file_is_planned_with(planned: Type) -> None:
    dear = wire.compute_pool("cpu", price={"perNodeHour": "9.00", "currency": "USD"})
    (said,) = json.loads(planned(wire.inference_deployment("fresh"), dear, "-o", "json").stdout)
    assert said["plan"] == "cpu:0 gpu:1"


def test_nothing_is_written_but_in_dry_runs(planned: Type, fleet: Cluster) -> None:
    before = json.dumps(list(fleet.objects.values()))
    planned(wire.inference_deployment("fresh"))
    planned(wire.inference_deployment(replicas={"min": 5, "max": 40}))
    assert fleet.writes == []
    assert json.dumps(list(fleet.objects.values())) == before


def test_what_the_server_refuses_is_one_sentence_and_exit_code_1(planned: Type, fleet: Cluster) -> None:
    fleet.refuse["PUT /apis/tightrope.dev"] = (422, "spec.replicas: min must not be greater than max")
    done = planned(wire.inference_deployment())
    assert done.exit_code == 1 and "min must not be greater than max" in done.stderr and not done.stdout


def test_a_template_that_the_server_refuses_shows_as_a_condition_and_exit_code_1(planned: Type, fleet: Cluster) -> None:
    fleet.refuse["deployments/fresh-gpu"] = (422, "spec.template.spec.containers[0].image: Required value")
    done = planned(wire.inference_deployment("fresh"))
    assert done.exit_code == 1
    assert "TemplateInvalid" in done.stdout and "image: Required value" in done.stdout


def test_a_user_who_may_not_write_deployments_can_plan_all_the_same(planned: Type, fleet: Cluster) -> None:
    fleet.refuse["deployments/fresh-"] = (403, 'deployments.apps "x" is forbidden: cannot patch resource "deployments"')
    done = planned(wire.inference_deployment("fresh"))
    assert done.exit_code == 0, done.stdout
    assert "note: Deployment fresh-cpu was not tried" in done.stdout


def test_a_tenant_is_told_that_other_namespaces_were_not_seen(planned: Type, fleet: Cluster) -> None:
    fleet.refuse["/api/v1/pods"] = (403, "pods is forbidden at the cluster scope")
    done = planned(wire.inference_deployment("fresh"))
    assert done.exit_code == 0, done.stderr
    assert "note: only namespace nlp could be seen" in done.stdout


def test_a_pool_that_is_not_there_is_named_and_exit_code_1(planned: Type) -> None:
    done = planned(wire.inference_deployment("fresh", variants=[wire.variant("cpu", pool="nope")]))
    assert done.exit_code == 1 and "'nope' is not a ComputePool: write one that exists (now: cpu, gpu)" in done.stdout


def test_a_paused_service_shows_its_plan_and_writes_nothing(planned: Type) -> None:
    done = planned(wire.inference_deployment("fresh", mode="Paused"), "-o", "json")
    assert writes(done) == [] and json.loads(done.stdout)[0]["plan"] == "cpu:1 gpu:0"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Deployment\n", "document 1: kind is 'Deployment': write InferenceDeployments"),
        ("a: [", "can't be read"),
        ("", "has no InferenceDeployment: write at least one"),
        ("just words", "kind is None"),
        ("apiVersion: tightrope.dev/v1alpha1\nkind: InferenceDeployment\n", "metadata.name is missing"),
        ("apiVersion: tightrope.dev/v1alpha1\nkind: InferenceDeployment\nmetadata: {name: a}\n", "spec is missing"),
    ],
)
def test_a_file_of_another_shape_is_exit_code_2(
    fleet: Cluster, typed: Type, asked: Prometheus, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    done = typed("plan", "-f", str(tmp_path / "bad.yaml"), "--prometheus-url", asked.url)
    assert done.exit_code == 2 and words in done.stderr and not done.stdout


def test_a_file_that_is_not_there_is_exit_code_2(typed: Type, asked: Prometheus) -> None:
    done = typed("plan", "-f", "nowhere.yaml", "--prometheus-url", asked.url)
    assert done.exit_code == 2 and "nowhere.yaml can't be read (No such file or directory)" in done.stderr
