"""What may talk to the operator and to whom it may talk; scraping, alerts and the dashboard."""

import json
from typing import Any

import pytest
import yaml
from helm.chart import ROOT, one, render

pytestmark = pytest.mark.lab


def ports(url: str, **policy: Any) -> list[list[int]]:
    """The ports of each rule of the way out."""
    documents = render(prometheus={"url": url}, networkPolicy=policy)
    return [[port["port"] for port in rule["ports"]] for rule in one(documents, "NetworkPolicy")["spec"]["egress"]]


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://prometheus.monitoring:9090", 9090),
        ("http://prometheus", 80),
        ("https://prometheus/select/0/prometheus", 443),
        ("http://[fd00::1]:9091", 9091),
    ],
)
def test_the_way_out_is_names_the_api_server_and_prometheus(url: str, port: int) -> None:
    assert ports(url) == [[53, 53], [443, 6443], [port]]


def test_a_service_with_another_port_than_its_pods_can_be_told() -> None:
    assert ports("http://prometheus", prometheusPorts=[9090])[-1] == [9090]


def test_both_ways_are_closed_but_for_what_is_named() -> None:
    pods = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    policy = one(render(networkPolicy={"metricsFrom": pods, "prometheusTo": pods}), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"ports": [{"port": 8080, "protocol": "TCP"}], "from": pods}]
    assert policy["egress"][-1]["to"] == pods
    assert "NetworkPolicy" not in {document["kind"] for document in render(networkPolicy={"enabled": False})}


def test_metrics_keep_the_namespace_of_the_service_they_are_about() -> None:
    documents = render(monitoring={"podMonitor": {"enabled": True, "interval": "30s"}, "labels": {"release": "prom"}})
    monitor, deployment = one(documents, "PodMonitor"), one(documents, "Deployment")
    assert monitor["metadata"]["labels"]["release"] == "prom"
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": "metrics", "path": "/metrics", "honorLabels": True, "interval": "30s"}
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_a_service_monitor_finds_every_pod_by_a_service_without_an_address() -> None:
    chosen = {"serviceMonitor": {"enabled": True, "interval": "30s"}, "labels": {"release": "prom"}}
    documents = render(monitoring=chosen)
    monitor, service, deployment = (one(documents, kind) for kind in ("ServiceMonitor", "Service", "Deployment"))
    assert monitor["metadata"]["labels"]["release"] == "prom"
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint == {"port": "metrics", "path": "/metrics", "honorLabels": True, "interval": "30s"}
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"] is True
    (port,) = service["spec"]["ports"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert port["name"] == "metrics" and port["targetPort"] in {of["name"] for of in container["ports"]}


def test_the_alerts_are_those_of_the_file() -> None:
    rule = one(render(monitoring={"rules": {"enabled": True}}), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((ROOT / "alerts" / "tightrope.rules.yaml").read_text())


def test_the_dashboard_is_that_of_the_file_and_found_by_its_label() -> None:
    config = next(
        document
        for document in render(monitoring={"dashboard": {"enabled": True}})
        if document["metadata"]["name"] == "tightrope-dashboard"
    )
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config["data"]["tightrope.json"]) == json.loads((ROOT / "dashboards/tightrope.json").read_text())
