"""Values: every one is explained, and a bad one is refused with what to write instead."""

from typing import Any

import pytest
from helm.chart import refusal

# Wrong values, and what the refusal must say: which value, and what to write.
WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"prometheus": {}}, ["prometheus.url is not set", "--set prometheus.url=http://"]),
    ({"prometheus": {"url": "prometheus:9090"}}, ["prometheus.url", '"prometheus:9090"', "as in http://"]),
    ({"prometheus": {"url": "http://user:secret@p:9090"}}, ["prometheus.url", "without user, password"]),
    ({"prometheus": {"url": "http://p:9090/?a=b"}}, ["prometheus.url", "or query"]),
    ({"prometheus": {"url": 9090}}, ["/prometheus/url", "want string"]),
    ({"replicas": 0}, ["/replicas", "want 1"]),
    ({"replicas": "2"}, ["/replicas", "want integer"]),
    ({"replcas": 2}, ["'replcas' not allowed"]),
    ({"operator": {"tick": 2}}, ["/operator", "'tick' not allowed"]),
    ({"operator": {"tickSeconds": 0}}, ["/operator/tickSeconds", "want 0.5"]),
    ({"operator": {"logLevel": "loud"}}, ["/operator/logLevel", "'debug', 'info', 'warning', 'error'"]),
    ({"operator": {"generic": {"inFlight": "in-flight"}}}, ["operator.generic.inFlight", "letters, digits, _ and :"]),
    ({"image": {"repository": "Tightrope"}}, ["image.repository", "as in registry.example/tightrope"]),
    ({"image": {"tag": "a:b"}}, ["image.tag", "as in 0.1.0"]),
    ({"image": {"digest": "sha256:12"}}, ["image.digest", "64 hexadecimal digits"]),
    ({"image": {"pullPolicy": "Sometimes"}}, ["/image/pullPolicy", "'IfNotPresent', 'Always', 'Never'"]),
    ({"namespaces": "nlp"}, ["/namespaces", "want array"]),
    ({"namespaces": ["nlp", "N_L"]}, ["namespaces[1]", '"N_L"', "as in nlp"]),
    ({"serviceAccount": {"name": "Tight Rope"}}, ["serviceAccount.name", "as in tightrope"]),
    ({"paused": "yes"}, ["/paused", "'none', 'descents', 'all'"]),
    ({"networkPolicy": {"apiServerPorts": []}}, ["/networkPolicy/apiServerPorts"]),
    ({"networkPolicy": {"prometheusTo": [{"pods": {}}]}}, ["/networkPolicy/prometheusTo/0", "'pods' not allowed"]),
    ({"monitoring": {"podMonitor": {"interval": "often"}}}, ["monitoring.podMonitor.interval", "as in 30s"]),
    ({"pod": {"runAsUser": 0}}, ["/pod/runAsUser", "want 1"]),
]


@pytest.mark.lab
@pytest.mark.parametrize(("values", "said"), WRONG, ids=lambda part: str(part)[:60])
def test_a_bad_value_is_refused_with_what_to_write(values: dict[str, Any], said: list[str]) -> None:
    message = refusal(**values)
    assert all(part in message for part in said), message
    assert "secret" not in message
