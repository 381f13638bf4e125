import copy
from typing import Any

import pytest

from tightrope.api.invalid import SpecInvalid
from tightrope.api.merge import strategic_merge

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"team": "nlp"}},
    "spec": {
        "nodeSelector": {"disk": "ssd"},
        "volumes": [{"name": "models", "emptyDir": {}}],
        "tolerations": [{"key": "a"}],
        "containers": [
            {
                "name": "server",
                "image": "server:1",
                "args": ["--cpu"],
                "env": [{"name": "THREADS", "value": "2"}, {"name": "LOG", "value": "info"}],
                "ports": [{"name": "http", "containerPort": 8000}],
                "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "4Gi"}},
            },
            {"name": "proxy", "image": "proxy:1"},
        ],
    },
}


def merged(patch: dict[str, Any]) -> dict[str, Any]:
    return strategic_merge(TEMPLATE, patch, field="patch")["spec"]  # type: ignore[no-any-return]


def container(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "server", **fields}]}}


def test_a_container_is_found_by_name_and_the_rest_of_the_template_stays() -> None:
    spec = merged(container(image="server:1-cuda", resources={"limits": {"nvidia.com/gpu": 1}}))
    server, proxy = spec["containers"]
    assert server["image"] == "server:1-cuda"
    assert server["resources"] == {"requests": {"cpu": "2"}, "limits": {"memory": "4Gi", "nvidia.com/gpu": 1}}
    assert server["env"] == TEMPLATE["spec"]["containers"][0]["env"]
    assert proxy == {"name": "proxy", "image": "proxy:1"}
    assert spec["nodeSelector"] == {"disk": "ssd"}


def test_environment_variables_ports_and_mounts_are_merged_by_their_own_keys() -> None:
    fields = {
        "env": [{"name": "THREADS", "value": "8"}, {"name": "CUDA", "value": "1"}],
        "ports": [{"containerPort": 9000}],
        "volumeMounts": [{"mountPath": "/models", "name": "models"}],
    }
    server = merged(container(**fields))["containers"][0]
    assert [(e["name"], e["value"]) for e in server["env"]] == [("THREADS", "8"), ("LOG", "info"), ("CUDA", "1")]
    assert [port["containerPort"] for port in server["ports"]] == [8000, 9000]
    assert server["volumeMounts"] == [{"mountPath": "/models", "name": "models"}]


def test_a_list_without_a_merge_key_is_replaced() -> None:
    spec = merged({"spec": {"tolerations": [{"key": "b"}]}})
    assert spec["tolerations"] == [{"key": "b"}]
    assert merged(container(args=["--gpu"]))["containers"][0]["args"] == ["--gpu"]


def test_null_deletes_a_field_also_below_something_new() -> None:
    assert "nodeSelector" not in merged({"spec": {"nodeSelector": None}})
    assert merged({"spec": {"affinity": {"nodeAffinity": None, "podAffinity": {}}}})["affinity"] == {"podAffinity": {}}


def test_an_item_can_be_deleted_and_an_object_replaced() -> None:
    spec = merged({"spec": {"containers": [{"name": "proxy", "$patch": "delete"}]}})
    assert [c["name"] for c in spec["containers"]] == ["server"]
    replaced = {"$patch": "replace", "limits": {"nvidia.com/gpu": 1}}
    assert merged(container(resources=replaced))["containers"][0]["resources"] == {"limits": {"nvidia.com/gpu": 1}}
    only = {"spec": {"volumes": [{"$patch": "replace"}, {"name": "cache", "emptyDir": {}}]}}
    assert [volume["name"] for volume in merged(only)["volumes"]] == ["cache"]


def test_neither_the_template_nor_the_patch_is_changed() -> None:
    template, patch = copy.deepcopy(TEMPLATE), container(env=[{"name": "LOG", "value": "debug"}])
    before = copy.deepcopy(patch)
    strategic_merge(template, patch, field="patch")
    assert (template, patch) == (TEMPLATE, before)


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, r"patch\.spec\.containers\[0\]\.name"),
        (container(ports=[{"name": "http"}]), r"patch\.spec\.containers\[0\]\.ports\[0\]\.containerPort"),
        ({"spec": {"$setElementOrder/containers": []}}, r"patch\.spec\.\$setElementOrder"),
        ({"spec": {"$patch": "merge-not"}}, r"patch\.spec\.\$patch"),
        ({"spec": {"containers": "server"}}, r"patch\.spec\.containers"),
        ({"spec": {"containers": ["server"]}}, r"patch\.spec\.containers\[0\]"),
    ],
)
def test_what_cannot_be_merged_is_named_with_its_field(patch: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecInvalid, match=f"^{field}"):
        merged(patch)
