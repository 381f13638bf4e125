"""Values: every one is explained, and a bad one is refused with what to write instead."""

from typing import Any

import pytest
import yaml
from helm.chart import refusal, template

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
    ({"monitoring": {"serviceMonitor": {"interval": "often"}}}, ["monitoring.serviceMonitor.interval", "as in 30s"]),
    (
        {"monitoring": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
        ["monitoring.podMonitor.enabled", "monitoring.serviceMonitor.enabled", "write false for one"],
    ),
    ({"pod": {"runAsUser": 0}}, ["/pod/runAsUser", "want 1"]),
]


@pytest.mark.lab
@pytest.mark.parametrize(("values", "said"), WRONG, ids=lambda part: str(part)[:60])
def test_a_bad_value_is_refused_with_what_to_write(values: dict[str, Any], said: list[str]) -> None:
    message = refusal(**values)
    assert all(part in message for part in said), message
    assert "secret" not in message


# Texts that would be something else in YAML or in a template, if they were pasted.
NASTY = ["a\nkind: Secret\n---\nkind: Pod", '"}, {"x": "', "{{ .Values.image }}", "yes"]
FREE = [
    ("image", "repository"), ("image", "tag"), ("image", "digest"), ("image", "pullSecrets", 0), ("prometheus", "url"),
    ("namespaces", 0), ("operator", "generic", "requestsTotal"), ("serviceAccount", "name"),
    ("serviceAccount", "annotations", "key"), ("pod", "labels", "key"), ("pod", "annotations", "key"),
    ("pod", "nodeSelector", "key"), ("pod", "priorityClassName"), ("monitoring", "labels", "key"),
    ("monitoring", "podMonitor", "interval"), ("monitoring", "dashboard", "labels", "key"),
    ("resources", "limits", "cpu"),
]  # fmt: skip


@pytest.mark.lab
@pytest.mark.parametrize("path", FREE, ids=lambda path: ".".join(map(str, path)))
def test_a_text_stays_a_text_wherever_it_is_put(path: tuple[str | int, ...]) -> None:
    base = {"crds": {"install": False}} | ({"monitoring": EVERYTHING} if path[0] == "monitoring" else {})
    plain = template(**merged(base, put(path, "plain")))
    for text in NASTY:
        done = template(**merged(base, put(path, text)))
        if done.returncode != 0:
            named = [name for name in path if isinstance(name, str)][-1]
            assert named in done.stderr and "converting" not in done.stderr, done.stderr
            continue
        assert swapped(list(yaml.safe_load_all(done.stdout)), text) == list(yaml.safe_load_all(plain.stdout)), text


EVERYTHING = {"podMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboard": {"enabled": True}}


def put(path: tuple[str | int, ...], text: str) -> dict[str, Any]:
    value: Any = text
    for name in reversed(path):
        value = [value] if isinstance(name, int) else {name: value}
    whole: dict[str, Any] = value
    return whole


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = one | other
    for key in one.keys() & other.keys():
        if isinstance(one[key], dict):
            both[key] = merged(one[key], other[key])
    return both


def swapped(node: Any, text: str) -> Any:
    """These documents with the plain text where this one is."""
    if isinstance(node, dict):
        return {key: swapped(value, text) for key, value in node.items()}
    if isinstance(node, list):
        return [swapped(value, text) for value in node]
    return node.replace(text, "plain") if isinstance(node, str) else node
