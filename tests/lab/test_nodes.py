"""Pools of nodes, and how many more of them the waiting pods need."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightrope.lab.errors import LabError
from tightrope.lab.nodes import GPU, NodePool, PodView, Taint, node_manifest, nodes_wanted, pod_view, quantity

TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
GPUS = NodePool(name="gpu", accelerators=2, max_nodes=8)
CPUS = NodePool(name="cpu", cpu="4", memory="8Gi", max_nodes=8)


def pod(
    name: str = "p",
    *,
    pool: str | None = "gpu",
    node: str | None = None,
    waiting: bool = True,
    requests: Mapping[str, str] | None = None,
    tolerations: Sequence[Mapping[str, str]] = (TOLERATION,),
) -> PodView:
    """A pod for one GPU, without a place."""
    return PodView(
        key=f"default/{name}",
        created=name,
        node=node,
        wants_room=waiting and node is None,
        requests={key: quantity(value) for key, value in (requests or {GPU: "1"}).items()},
        selector={} if pool is None else {"tightrope.dev/pool": pool},
        tolerations=tolerations,
    )


def wire(**spec: Any) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {
        "metadata": {"namespace": "nlp", "name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [], **spec},
        "status": {"phase": "Pending", "conditions": [condition]},
    }


def test_a_gpu_node_is_labelled_tainted_and_offers_what_the_pool_says() -> None:
    pool = NodePool(name="gpu", accelerators=2, labels={"zone": "a"}, taints=[Taint(key="team", value="nlp")])
    node = node_manifest(pool, "gpu-1")
    assert node["metadata"]["labels"]["tightrope.dev/pool"] == "gpu"
    assert node["metadata"]["labels"]["zone"] == "a"
    assert node["spec"]["taints"] == [
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
        {"key": "team", "value": "nlp", "effect": "NoSchedule"},
    ]
    assert node["status"]["allocatable"] == {
        "cpu": "8",
        "memory": "32Gi",
        "ephemeral-storage": "100Gi",
        "pods": "110",
        "nvidia.com/gpu": "2",
    }


def test_a_cpu_node_has_no_taint_and_no_gpu() -> None:
    node = node_manifest(CPUS, "cpu-1")
    assert node["spec"]["taints"] == []
    assert GPU not in node["status"]["capacity"]


def test_more_initial_nodes_than_the_pool_may_have_are_refused_by_name() -> None:
    with pytest.raises(LabError, match="pool cpu: initial_nodes is 3, max_nodes 2"):
        NodePool(name="cpu", initial_nodes=3, max_nodes=2)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1500m", "1.5"), ("2", "2"), ("2Gi", "2147483648"), ("1k", "1000"), ("1e3", "1000"), ("250u", "0.00025")],
)
def test_quantities_are_numbers(text: str, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "Gi", "1Q", "one", "1mm"])
def test_what_is_not_a_quantity_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(LabError, match=f"quantity is '{text}'"):
        quantity(text)


def test_a_pod_waits_for_room_only_while_the_scheduler_refuses_it() -> None:
    assert pod_view(wire()).wants_room
    assert not pod_view(wire(nodeName="n1")).wants_room
    fresh = wire()
    fresh["status"]["conditions"] = []
    assert not pod_view(fresh).wants_room
    leaving = wire()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:01:00Z"
    assert not pod_view(leaving).wants_room


def test_a_limit_without_a_request_is_the_request_and_containers_add_up() -> None:
    containers = [
        {"name": "a", "resources": {"limits": {"cpu": "2", GPU: "1"}, "requests": {"cpu": "500m"}}},
        {"name": "b", "resources": {"requests": {"cpu": "1"}}},
        {"name": "c"},
    ]
    assert pod_view(wire(containers=containers)).requests == {"pods": 1, "cpu": Decimal("1.5"), GPU: 1}


def test_waiting_pods_are_packed_into_as_few_nodes_as_first_fit_needs() -> None:
    waiting = [pod(f"p{number}") for number in range(5)]
    assert nodes_wanted(GPUS, pods=waiting, open_nodes=[], ordered=0) == 3


def test_room_on_nodes_that_are_there_or_ordered_is_used_first() -> None:
    running = [pod("r", node="gpu-1")]
    waiting = [pod(f"p{number}") for number in range(4)]
    assert nodes_wanted(GPUS, pods=running + waiting, open_nodes=["gpu-1"], ordered=1) == 1
    assert nodes_wanted(GPUS, pods=running + waiting[:3], open_nodes=["gpu-1"], ordered=1) == 0


@pytest.mark.parametrize(
    "stranger",
    [
        pod(pool=None),
        pod(pool="cpu"),
        pod(tolerations=()),
        pod(tolerations=({"key": "nvidia.com/gpu", "value": "absent"},)),
        pod(requests={GPU: "3"}),
        pod(waiting=False),
    ],
    ids=["names no pool", "names another", "tolerates nothing", "tolerates another value", "too large", "not refused"],
)
def test_no_node_is_ordered_for_a_pod_that_could_not_use_it(stranger: PodView) -> None:
    assert nodes_wanted(GPUS, pods=[stranger], open_nodes=[], ordered=0) == 0


@pytest.mark.parametrize(
    "toleration", [TOLERATION, {"operator": "Exists"}, {"key": "nvidia.com/gpu", "value": "present"}]
)
def test_every_way_to_tolerate_the_gpu_taint_counts(toleration: Mapping[str, str]) -> None:
    assert nodes_wanted(GPUS, pods=[pod(tolerations=[toleration])], open_nodes=[], ordered=0) == 1


@given(cores=st.lists(st.integers(1, 6), max_size=20), nodes=st.integers(0, 4))
def test_what_is_ordered_is_enough_never_more_than_one_a_pod_and_asked_for_once(cores: list[int], nodes: int) -> None:
    pods = [pod(f"p{n:02}", pool="cpu", requests={"cpu": str(size)}) for n, size in enumerate(cores)]
    there = [f"cpu-{number}" for number in range(nodes)]
    wanted = nodes_wanted(CPUS, pods=pods, open_nodes=there, ordered=0)
    possible = [size for size in cores if size <= 4]
    assert wanted <= len(possible)
    assert (wanted + nodes) * 4 >= sum(possible)
    assert nodes_wanted(CPUS, pods=pods, open_nodes=there, ordered=wanted) == 0
