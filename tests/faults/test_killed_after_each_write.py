"""SIGKILL after every single write of a whole life: the next process ends in the same state, with nothing extra.

The reference run is not killed. Then, for every k, the same story is played with the operator killed right after its
k-th write and started anew from what the cluster and Prometheus hold.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import wire
from fakes import Killed
from operation import Operation, operation

Step = tuple[Callable[[Operation], None], int]


def demand(rate: float) -> Callable[[Operation], None]:
    def change(op: Operation) -> None:
        op.demand = dict.fromkeys(op.demand, rate)

    return change


def new_image(op: Operation) -> None:
    template = {**op.cluster.get("InferenceDeployment", "sentiment")["spec"]["template"]}
    container = {**template["spec"]["containers"][0], "image": "registry.example/sentiment:2"}
    op.cluster.edit_spec("InferenceDeployment", "sentiment", template={"spec": {"containers": [container]}})


def gpu_only(op: Operation) -> None:
    op.cluster.edit_spec("InferenceDeployment", "sentiment", variants=[wire.variant("gpu")])


SHORT = {"descent": {"window": "30s", "percentPerMinute": 100}, "switch": {"minDwell": "30s"}}


def born() -> Operation:
    return operation(
        wire.compute_pool("cpu"),
        wire.compute_pool("gpu"),
        wire.inference_deployment(behavior=SHORT, replicas={"min": 2, "max": 40}),
        sentiment=1.0,
    )


def adopting() -> Operation:
    spec = {"template": None, "variants": [wire.target_variant()], "behavior": SHORT, "replicas": {"min": 2, "max": 40}}
    op = operation(wire.compute_pool(), wire.inference_deployment(**spec))
    op.cluster.add(wire.deployment("legacy", replicas=1), writers=[("helm", "")])
    op.demand = {"legacy": 1.0}
    return op


STORIES: Mapping[str, tuple[Callable[[], Operation], list[Step]]] = {
    "created, grown and shrunk": (born, [(demand(1), 3), (demand(250), 3), (demand(1), 2)]),
    "a new image while it grows": (born, [(demand(1), 3), (new_image, 1), (demand(250), 3), (demand(1), 2)]),
    "a variant removed": (born, [(demand(60), 3), (gpu_only, 12)]),
    "a target adopted": (adopting, [(demand(1), 2), (demand(250), 3), (demand(1), 2)]),
}


async def play(story: str, *, die_after: int | None = None) -> tuple[Operation, int]:
    """The story to its end and on until nothing is changed any more; and how many writes there were."""
    build, steps = STORIES[story]
    op = build()
    op.cluster.die_after = die_after
    for change, ticks in steps:
        change(op)
        for _ in range(ticks):
            await tick_or_die(op)
    op.clock.at += 1900.0  # the forecast remembers half an hour
    still, before = 0, -1
    for _ in range(200):
        await tick_or_die(op)
        acts = sum(write[0] != "status" for write in op.cluster.writes)
        still, before = (still + 1 if acts == before else 0), acts
        if still == 5:
            return op, len(op.cluster.writes)
    raise AssertionError("still writing after 200 ticks of the same")


async def tick_or_die(op: Operation) -> None:
    """One tick; a killed process is started anew."""
    try:
        await op.tick()
    except Killed:
        await others_die_too()
        op.cluster.dead, op.cluster.die_after = False, None
        op.clock.at += 5.0
        op.start()
        await op.tick()
    assert op.cluster.replicas() == told_sizes(op), "a size changed that nobody asked for"


async def others_die_too() -> None:
    """With the process go all its tasks."""
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)


def end_state(op: Operation) -> dict[str, Any]:
    """What stands in the cluster, without what must differ from run to run."""
    kept = ("Deployment", "Service", "PodDisruptionBudget", "InferenceDeployment")
    state = {}
    for (kind, _, name), held in sorted(op.cluster.objects.items()):
        if kind not in kept:
            continue
        state[f"{kind}/{name}"] = (held["spec"], sorted(op.cluster.writers(held)))
        if kind == "InferenceDeployment":
            status = held["status"]
            ours = {v["name"]: "targetUID" in v for v in status["variants"]}
            state[f"{kind}/{name}/status"] = (status["plan"], status["ready"], ours)
    return state


def told_sizes(op: Operation) -> dict[str, int]:
    """What each workload was last told, or was made with. The trap of server-side apply: a size that leaves our entry
    without another owner is reset to 1, and nobody has told it so."""
    sizes = {"legacy": 1} if "legacy" in op.demand else {}
    for verb, kind, _, name, replicas in op.cluster.writes:
        if verb == "delete":
            sizes.pop(name, None)
        elif kind == "Deployment" and replicas is not None:
            sizes[name] = replicas
    return sizes


@pytest.mark.parametrize("story", STORIES)
async def test_killed_after_any_write_the_end_is_the_same(story: str) -> None:
    reference, writes = await play(story)
    wanted = end_state(reference)
    assert writes > 8
    for k in range(1, writes + 1):
        op, _ = await play(story, die_after=k)
        assert end_state(op) == wanted, f"killed after write {k}: {reference.cluster.writes[k - 1]}"
