"""Settings are right, or the process says everything that is wrong and how to put it right."""

import pytest

from tightrope.api.pause import Pause
from tightrope.controller.settings import Settings, SettingsInvalid, parse

URL = {"TIGHTROPE_PROMETHEUS_URL": "http://prometheus:9090"}


def complaint(flags: dict[str, str | None] | None = None, **environment: str) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        parse(flags=flags or {}, environment={**URL, **environment})
    return str(caught.value)


def test_the_url_alone_is_enough() -> None:
    assert parse(flags={}, environment=URL) == Settings(prometheus_url="http://prometheus:9090")


def test_without_a_url_the_variable_is_named() -> None:
    with pytest.raises(SettingsInvalid, match=r"TIGHTROPE_PROMETHEUS_URL is not set: write .* http://prometheus:9090"):
        parse(flags={}, environment={})


def test_a_flag_wins_over_the_environment() -> None:
    settings = parse(flags={"tick_seconds": "5"}, environment={**URL, "TIGHTROPE_TICK_SECONDS": "30"})
    assert settings.tick_seconds == 5


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e400", "15s", "٣x", "banana"])
def test_a_bad_duration_is_refused_with_the_range(value: str) -> None:
    message = complaint(TIGHTROPE_TICK_SECONDS=value)
    assert "TIGHTROPE_TICK_SECONDS is" in message and "from 0.5 to 300" in message


@pytest.mark.parametrize("value", ["prometheus:9090", "file:///etc/passwd", "http://", "http://user:pw@prometheus"])
def test_a_bad_url_is_refused(value: str) -> None:
    assert "--prometheus-url is" in complaint({"prometheus_url": value})


def test_every_problem_is_said_at_once() -> None:
    message = complaint(TIGHTROPE_METRICS_PORT="99999", TIGHTROPE_LOG_LEVEL="loud", TIGHTROPE_GENERIC_IN_FLIGHT="a b")
    assert len(message.splitlines()) == 3
    assert "debug, info, warning, error" in message


def test_the_generic_presets_names_are_the_admins() -> None:
    settings = parse(flags={"generic_requests_total": "my_requests"}, environment=URL)
    assert settings.generic.requests_total == "my_requests"


def test_leader_worker_sets_are_watched_only_where_that_is_said() -> None:
    assert not parse(flags={}, environment=URL).leader_worker_sets
    assert parse(flags={}, environment=URL | {"TIGHTROPE_LEADER_WORKER_SETS": "on"}).leader_worker_sets
    assert "write on where LeaderWorkerSets" in complaint({"leader_worker_sets": "true"})


def test_what_counts_in_front_of_services_is_the_admins_and_nothing_by_default() -> None:
    assert parse(flags={}, environment=URL).gateway.requests_total is None
    flags = {"gateway_requests_total": "istio_requests_total", "gateway_service_label": "destination_service_name"}
    gateway = parse(flags=flags, environment=URL).gateway
    assert (gateway.requests_total, gateway.namespace_label) == ("istio_requests_total", "namespace")
    assert gateway.service_label == "destination_service_name"
    assert "TIGHTROPE_GATEWAY_REQUESTS_TOTAL is 'a-b'" in complaint(TIGHTROPE_GATEWAY_REQUESTS_TOTAL="a-b")


def test_leader_election_is_on_unless_it_is_said_to_be_off() -> None:
    assert parse(flags={}, environment=URL).leader_election
    assert not parse(flags={"leader_election": "off"}, environment=URL).leader_election
    assert "write on, or off" in complaint({"leader_election": "maybe"})


def test_a_lease_has_a_namespace_and_a_duration_that_can_be_kept() -> None:
    message = complaint(TIGHTROPE_LEASE_NAMESPACE="Tight_Rope", TIGHTROPE_LEASE_SECONDS="1")
    assert "TIGHTROPE_LEASE_NAMESPACE is 'Tight_Rope'" in message and "from 5 to 300" in message


def test_without_namespaces_it_is_the_whole_cluster() -> None:
    assert parse(flags={}, environment=URL).namespaces == ()
    assert parse(flags={}, environment={**URL, "TIGHTROPE_NAMESPACES": ""}).namespaces == ()
    assert parse(flags={"namespaces": "vision, nlp,nlp"}, environment=URL).namespaces == ("nlp", "vision")
    assert "--namespaces is 'nlp,N_L'" in complaint({"namespaces": "nlp,N_L"})


def test_a_pause_of_everything_is_said_in_a_word_that_is_known() -> None:
    assert parse(flags={"paused": "none"}, environment=URL).paused is None
    assert parse(flags={}, environment={**URL, "TIGHTROPE_PAUSED": "descents"}).paused is Pause.DESCENTS
    assert "write none, descents" in complaint({"paused": "yes"})
