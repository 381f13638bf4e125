"""Scenario files: the ones that come with the lab can be run, and a bad one is refused in words that help."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tightrope.dataplane.curve import RateCurve
from tightrope.lab import report, scenario
from tightrope.lab.drive import empty_record, node_pools
from tightrope.lab.record import Second

FILES = sorted(scenario.SCENARIOS.glob("*.yaml"))


def demo() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((scenario.SCENARIOS / "demo.yaml").read_text())
    return loaded


def problems(raw: object) -> str:
    with pytest.raises(scenario.ScenarioInvalid) as caught:
        scenario.parse(raw if isinstance(raw, str) else yaml.safe_dump(raw), source="mine.yaml")
    return str(caught.value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_scenarios_of_the_lab_are_valid(path: Path) -> None:
    loaded = scenario.load(path)
    assert loaded.services and loaded.hold


def test_the_demo_is_about_five_minutes_with_an_outage_of_40_seconds_in_the_middle() -> None:
    loaded = scenario.load(scenario.SCENARIOS / "demo.yaml")
    (outage,) = loaded.faults
    assert isinstance(outage, scenario.PrometheusDown) and outage.lasts == 40.0
    assert loaded.duration == 300.0 and 100 < outage.at < 200
    assert set(loaded.hold) == {"slo", "make-before-break", "no-blind-descent"}


def test_the_demo_s_servers_carry_what_its_comments_say() -> None:
    (service,) = empty_record(scenario.load(scenario.SCENARIOS / "demo.yaml")).services
    carries = {facts.name: facts.capacity for facts in service.variants}
    assert carries["cpu"] == pytest.approx(34.6, rel=0.04)
    assert 315 < carries["gpu"] < 338
    assert {facts.name: facts.replicas_per_node for facts in service.variants} == {"cpu": 1, "gpu": 1}


def test_the_demo_s_peak_needs_two_gpu_replicas_and_not_just_barely() -> None:
    loaded = scenario.load(scenario.SCENARIOS / "demo.yaml")
    (service,) = empty_record(loaded).services
    curve = RateCurve(loaded.services[0].traffic.curve or ())
    rates = [curve.rate(second + 0.5) for second in range(300)]
    seconds = tuple(Second(at=at, arrivals=round(rate), good=0, finished=0, dropped=0) for at, rate in enumerate(rates))
    capacity = next(facts.capacity for facts in service.variants if facts.name == "gpu")
    assert 1.05 * capacity < report.busiest(seconds) < 1.9 * capacity
    fleet = report.fixed_fleet(replace(service, seconds=seconds))
    assert fleet is not None and (fleet.variant, fleet.replicas) == ("gpu", 2)


def test_the_emulated_nodes_are_those_of_the_compute_pools() -> None:
    cpu, gpu = node_pools(scenario.load(scenario.SCENARIOS / "demo.yaml"))
    assert (cpu.name, cpu.cpu, cpu.accelerators, cpu.max_nodes) == ("c7i", "4", 0, 12)
    assert (gpu.name, gpu.memory, gpu.accelerators, gpu.provision_seconds) == ("l4", "16Gi", 1, 8.0)


def changed(**fields: Any) -> dict[str, Any]:
    return demo() | fields


def without(field: str) -> dict[str, Any]:
    raw = demo()
    del raw[field]
    return raw


def service_with(**fields: Any) -> dict[str, Any]:
    raw = demo()
    raw["services"][0] |= fields
    return raw


def manifest_with(*path: str, value: Any) -> dict[str, Any]:
    raw = demo()
    place = raw["services"][0]["manifest"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return raw


BAD: dict[str, tuple[object, str]] = {
    "no duration": (without("duration"), "mine.yaml: duration is missing: add it."),
    "a number for a duration": (changed(duration=300), "duration is 300: write a duration with its unit, such as 40s"),
    "no such unit": (changed(duration="5 min"), "duration is '5 min': '5 min' is not a duration: write one such as"),
    "a misspelt field": (changed(falts=[]), "falts is not a field of a scenario: correct its spelling or remove it."),
    "no pools": (changed(pools=[]), "pools is empty: write at least one."),
    "services not a list": (changed(services=3), "services is 3: write a list."),
    "an unknown fault": (
        changed(faults=[{"at": "1s", "kind": "earthquake"}]),
        "faults[0].kind is 'earthquake': write one of 'prometheus-down', 'silent'",
    ),
    "a fault without a kind": (changed(faults=[{"at": "1s"}]), "faults[0].kind is missing: write which fault it is"),
    "a fault without an end": (
        changed(faults=[{"at": "1s", "kind": "prometheus-down"}]),
        "faults[0].for is missing: add it.",
    ),
    "a fault after the end": (
        changed(faults=[{"at": "290s", "kind": "prometheus-down", "for": "40s"}]),
        "faults[0] ends 330 s into the run, after its duration of 300 s: begin it earlier, or write a longer duration.",
    ),
    "a fault of an unknown service": (
        changed(faults=[{"at": "1s", "kind": "nan", "for": "1s", "service": "nlp/other"}]),
        "faults[0].service is 'nlp/other': write one of nlp/sentiment.",
    ),
    "a fault of an unknown variant": (
        changed(faults=[{"at": "1s", "kind": "nan", "for": "1s", "service": "nlp/sentiment", "variant": "tpu"}]),
        "faults[0].variant is 'tpu': write one of cpu, gpu, or leave it out for all pods.",
    ),
    "a fault of an unknown pool": (
        changed(faults=[{"at": "1s", "kind": "nodes-left", "pool": "t4", "nodes": 0}]),
        "faults[0].pool is 't4': write one of c7i, l4.",
    ),
    "a negative number of nodes": (
        changed(faults=[{"at": "1s", "kind": "nodes-left", "pool": "l4", "nodes": -1}]),
        "faults[0].nodes is -1: input should be greater than or equal to 0.",
    ),
    "an unknown check": (changed(hold=["latency"]), "hold[0] is 'latency': write one of slo, make-before-break"),
    "a server missing": (service_with(servers={"cpu": {"base_seconds": 1}}), "services[0].servers.gpu is missing"),
    "a manifest without a template": (
        manifest_with("spec", "variants", value=[]),
        "services[0].manifest: spec.variants",
    ),
    "a pool that is not there": (
        manifest_with("spec", "variants", value=[{"name": "cpu", "pool": "t4"}]),
        "services[0]: variant cpu names the pool 't4': add it under pools, or write one of c7i, l4.",
    ),
    "not a mapping": ("- a\n- b\n", "mine.yaml: write a mapping with name, duration, pools and services."),
    "not YAML": ("a: [", "mine.yaml: this is not YAML"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_a_bad_scenario_is_refused_with_file_field_value_and_remedy(case: str) -> None:
    raw, sentence = BAD[case]
    assert sentence in problems(raw)


def test_every_problem_is_told_at_once() -> None:
    assert len(problems({"name": "x", "duration": 1, "falts": []}).splitlines()) == 4


def test_a_file_that_is_not_there_is_told_with_the_scenarios_that_are() -> None:
    with pytest.raises(scenario.ScenarioInvalid, match=r"nowhere\.yaml: No such file.*demo"):
        scenario.load(Path("nowhere.yaml"))
