from typing import Any

import pytest

from tightrope.api.invalid import SpecInvalid
from tightrope.api.requests import pod_requests
from tightrope.domain.spec import Resources

GI = 2.0**30


def container(restart: Any = None, **requests: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"resources": {"requests": requests}}
    return made | ({"restartPolicy": restart} if restart else {})


def requests(spec: dict[str, Any], accelerator: str = "nvidia.com/gpu") -> Resources:
    return pod_requests(spec, accelerator_resource=accelerator, field="spec")


def test_containers_run_together_so_their_requests_add_up() -> None:
    found = requests({"containers": [container(cpu="2", memory="4Gi"), container(cpu="500m")]})
    assert found == Resources(cpu_cores=2.5, memory_bytes=4 * GI, accelerators=0)


def test_an_init_container_counts_only_if_it_asks_for_more_than_what_runs_later() -> None:
    containers = [container(cpu=2)]
    assert requests({"containers": containers, "initContainers": [container(cpu=1)]}).cpu_cores == 2
    assert requests({"containers": containers, "initContainers": [container(cpu=5)]}).cpu_cores == 5


def test_a_sidecar_adds_to_the_containers_and_to_the_init_containers_after_it() -> None:
    sidecar, containers = container("Always", cpu=1), [container(cpu=2)]
    assert requests({"containers": containers, "initContainers": [sidecar]}).cpu_cores == 3
    assert requests({"containers": containers, "initContainers": [sidecar, container(cpu=4)]}).cpu_cores == 5
    assert requests({"containers": containers, "initContainers": [container(cpu=4), sidecar]}).cpu_cores == 4


def test_a_limit_without_a_request_is_the_request() -> None:
    limits = {"resources": {"limits": {"nvidia.com/gpu": 1, "cpu": 4}, "requests": {"cpu": 1}}}
    assert requests({"containers": [limits]}) == Resources(cpu_cores=1, memory_bytes=0, accelerators=1)


def test_accelerators_are_counted_under_the_name_of_the_pool() -> None:
    spec = {"containers": [container(**{"amd.com/gpu": 2, "rdma/hca": 1})]}
    assert requests(spec, "amd.com/gpu").accelerators == 2
    assert requests(spec, "nvidia.com/gpu").accelerators == 0


def test_a_request_of_the_whole_pod_stands_for_its_containers_and_overhead_is_added() -> None:
    spec = {
        "containers": [container(cpu=1)],
        "resources": {"requests": {"cpu": 6}},
        "overhead": {"cpu": "250m", "memory": "1Gi"},
    }
    assert requests(spec) == Resources(cpu_cores=6.25, memory_bytes=GI, accelerators=0)


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [container(cpu="two")]},
        {"containers": [container(cpu="-1")]},
        {"containers": [container(memory={"a": 1})]},
        {"containers": "server"},
        {"containers": ["server"]},
        {"containers": [{"resources": []}]},
        {"overhead": 5},
    ],
)
def test_what_cannot_be_counted_is_named_with_its_field(spec: dict[str, Any]) -> None:
    with pytest.raises(SpecInvalid, match=r"^spec\.(containers|overhead)"):
        requests(spec)
