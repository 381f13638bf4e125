"""The services of the scale bench: valid declarations that adopt what was made for them."""

from tightrope.api.parse import parse_service
from tightrope.lab.scale_objects import NAMESPACE_SERVICES, places, writes_of


def test_services_are_spread_over_namespaces_and_no_name_comes_twice() -> None:
    made = list(places(2 * NAMESPACE_SERVICES + 1))
    assert len(set(made)) == len(made)
    assert [sum(place.namespace == name for place in made) for name in ("bench-000", "bench-001", "bench-002")] == [
        NAMESPACE_SERVICES, NAMESPACE_SERVICES, 1,
    ]  # fmt: skip


def test_the_declaration_comes_last_and_names_the_deployment_whose_pod_it_finds() -> None:
    (place,) = places(1)
    deployment, _, pod, _, declaration = (write.body for write in writes_of(place))
    metadata = {
        **declaration["metadata"],
        "uid": "u",
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    parsed = parse_service({**declaration, "metadata": metadata}, accelerator_resources={}, now=0.0)
    assert parsed.targets["cpu"].name == deployment["metadata"]["name"]
    assert pod["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"]
    assert "replicas" not in deployment["spec"], "a size that somebody has set would have to be taken from them"
