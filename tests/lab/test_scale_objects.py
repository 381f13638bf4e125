"""The services of the scale bench: valid declarations that adopt what was made for them."""

from tightrope.api.parse import parse_pool, parse_service
from tightrope.lab.scale_objects import NAMESPACE_SERVICES, objects_of, places, pool


def test_services_are_spread_over_namespaces_and_no_name_comes_twice() -> None:
    made = list(places(2 * NAMESPACE_SERVICES + 1))
    assert len(set(made)) == len(made)
    assert [sum(place.namespace == name for place in made) for name in ("bench-000", "bench-001", "bench-002")] == [
        NAMESPACE_SERVICES, NAMESPACE_SERVICES, 1,
    ]  # fmt: skip


def test_the_declaration_comes_last_and_names_the_deployment_whose_pod_it_finds() -> None:
    (place,) = places(1)
    deployment, pod, declaration = (stored.body for stored in objects_of(place, now=1_800_000_000.0))
    metadata = {**declaration["metadata"], "resourceVersion": "1"}
    parsed = parse_service({**declaration, "metadata": metadata}, accelerator_resources={}, now=0.0)
    assert parsed.targets["cpu"].name == deployment["metadata"]["name"]
    assert pod["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"]
    assert "managedFields" not in deployment["metadata"], "a size that somebody set would have to be taken from them"


def test_the_pool_is_valid_however_many_services_there_are() -> None:
    for count in (1, 10_000):
        body = pool(count, now=1_800_000_000.0).body
        parsed = parse_pool({**body, "metadata": {**body["metadata"], "resourceVersion": "1"}})
        assert parsed.pool.max_nodes * 64 >= count
