"""How many replicas a node takes, also where a replica is a group of pods."""

import build
import pytest

from tightrope.domain.capacity_room import limits, nodes_used
from tightrope.domain.spec import Resources


@pytest.mark.parametrize(
    ("cores", "pods", "room"),
    [(8, 1, 1.0), (4, 1, 2.0), (8, 2, 0.5), (4, 4, 0.5), (2, 2, 2.0), (5, 2, 0.5), (9, 2, 0.0)],
)
def test_a_group_takes_the_nodes_that_its_pods_need(cores: float, pods: int, room: float) -> None:
    variant = build.variant(requests=Resources(cpu_cores=cores, memory_bytes=1.0), pods_per_replica=pods)
    assert build.pool().room_per_node(variant) == room


def test_groups_fill_a_pool_and_no_more() -> None:
    service = build.service(variants=(build.variant(pods_per_replica=3),))
    per_node = {"cpu": build.pool().room_per_node(service.variants[0])}
    seen = build.observation(0.0, 10.0, {"cpu": build.state(1)})
    pools = {"cpu": build.pool(max_nodes=20)}
    assert limits(service, pools, seen, {}, per_node, {"cpu": 20.0}, 0.0) == {"cpu": 6}
    assert nodes_used(service, {"cpu": 6}, per_node) == {"cpu": 18.0}
    assert limits(service, pools, seen, {}, per_node, {"cpu": 21.0}, 0.0) == {"cpu": 7}, "a third of 21 is a whole 7"
