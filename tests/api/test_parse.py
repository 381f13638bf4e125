import copy
from typing import Any

import pytest
from customresources import adopting_wire, pool_wire, service_wire
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tightrope.api.parse import ParsedService, ScaleTarget, SpecInvalid, parse_pool, parse_service
from tightrope.domain.spec import Behavior, BudgetPolicy, ErrorsObjective, LatencyObjective, Metric, Mode, Resources

GI = 2.0**30

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["300ms", "1e9d"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def test_a_service_is_read_into_domain_values_with_the_defaults_filled_in() -> None:
    parsed = parse_service(service_wire())
    service = parsed.service
    assert str(service.key) == "nlp/sentiment"
    assert service.objective == LatencyObjective(threshold_seconds=0.3, percent=99)
    assert (service.min_replicas, service.max_replicas) == (2, 40)
    assert service.slo_window_seconds == 28 * 86_400
    assert service.mode is Mode.AUTO
    assert service.behavior == Behavior()
    assert (parsed.preset, parsed.generation, parsed.resource_version) == ("generic", 3, "812")
    assert (parsed.rollout.max_surge, parsed.rollout.max_unavailable) == ("25%", 0)
    assert not parsed.deleting


def test_every_field_that_is_written_counts() -> None:
    parsed = parse_service(
        service_wire(
            metadata__deletionTimestamp="2026-11-23T04:00:00Z",
            spec__mode="Paused",
            spec__slo__window="36h",
            spec__metrics={"preset": "vllm"},
            spec__rollout={"maxSurge": 0, "maxUnavailable": 1, "minReadySeconds": 20},
            spec__behavior={
                "descent": {"window": "90s", "percentPerMinute": 12.5},
                "switch": {"minDwell": "0s", "minSavingsPercent": 1},
            },
        )
    )
    assert parsed.service.slo_window_seconds == 1.5 * 86_400
    assert parsed.service.mode is Mode.PAUSED
    assert parsed.service.behavior == Behavior(
        descent_window_seconds=90,
        descent_percent_per_minute=12.5,
        switch_min_dwell_seconds=0,
        switch_min_savings_percent=1,
    )
    assert (parsed.rollout.max_surge, parsed.rollout.max_unavailable, parsed.rollout.min_ready_seconds) == (0, 1, 20)
    assert parsed.preset == "vllm"
    assert parsed.deleting


def test_what_a_variant_requests_follows_from_the_template_and_its_patch() -> None:
    cpu, gpu = parse_service(service_wire()).service.variants
    assert cpu.requests == Resources(cpu_cores=2, memory_bytes=4 * GI, accelerators=0)
    assert gpu.requests == Resources(cpu_cores=2, memory_bytes=4 * GI, accelerators=1)
    assert cpu.capacity is None
    assert gpu.capacity is not None
    assert (gpu.capacity.rate_per_second, gpu.capacity.at_seconds) == (95, 0.3)


def test_accelerators_are_counted_under_the_name_that_the_pool_gives_them() -> None:
    parsed = parse_service(service_wire(), accelerator_resources={"l4": "amd.com/gpu"})
    assert parsed.service.variant("gpu").requests.accelerators == 0


def test_a_variant_with_a_scale_target_has_neither_template_nor_requests() -> None:
    parsed = parse_service(adopting_wire())
    assert parsed.targets["gpu"] == ScaleTarget(api_version="apps/v1", kind="StatefulSet", name="on-gpu")
    assert parsed.template is None
    assert not parsed.templates
    assert parsed.service.variant("cpu").requests == Resources(cpu_cores=0, memory_bytes=0)


def test_the_group_of_a_target_follows_from_its_kind() -> None:
    wire = adopting_wire()
    wire["spec"]["variants"][1]["scaleTargetRef"] = {"kind": "LeaderWorkerSet", "name": "on-gpu"}
    target = ScaleTarget(api_version="leaderworkerset.x-k8s.io/v1", kind="LeaderWorkerSet", name="on-gpu")
    assert parse_service(wire).targets["gpu"] == target


def test_a_pool_is_read_with_its_placement() -> None:
    parsed = parse_pool(pool_wire(spec__timeToReady="90s"))
    assert parsed.pool.price_per_node_hour == 0.8048
    assert parsed.pool.currency == "USD"
    assert parsed.pool.node == Resources(cpu_cores=8, memory_bytes=32 * GI, accelerators=1)
    assert (parsed.pool.max_nodes, parsed.pool.time_to_ready_seconds) == (10, 90)
    assert parsed.accelerator_resource == "nvidia.com/gpu"
    assert parsed.node_selector == {"tightrope.dev/pool": "l4"}
    assert parsed.tolerations == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_a_pool_is_for_everybody_unless_it_says_for_whom() -> None:
    assert parse_pool(pool_wire()).allowed_namespaces is None
    some = parse_pool(pool_wire(spec__allowedNamespaces={"matchLabels": {"team": "nlp"}}))
    assert some.allowed_namespaces == {"matchLabels": {"team": "nlp"}, "matchExpressions": []}


def test_the_refusal_names_the_field_the_value_and_what_to_write() -> None:
    with pytest.raises(SpecInvalid) as refusal:
        parse_service(service_wire(spec__slo__window="a fortnight"))
    assert (refusal.value.field, refusal.value.value) == ("spec.slo.window", "a fortnight")
    assert str(refusal.value) == ("spec.slo.window: 'a fortnight' must be a duration such as 300ms, 4m, 1h30m or 28d")


def test_what_the_schema_cannot_see_in_a_template_is_refused_with_its_field() -> None:
    bad = service_wire()
    bad["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "two"}}
    with pytest.raises(SpecInvalid, match=r"variant cpu\)\.containers\[0\]\.resources\.requests\[cpu\]: 'two' must be"):
        parse_service(bad)


def test_the_budget_policy_is_balanced_unless_the_spec_says_otherwise() -> None:
    assert parse_service(service_wire()).service.budget_policy is BudgetPolicy.BALANCED
    assert parse_service(service_wire(spec__slo__budgetPolicy="Spend")).service.budget_policy is BudgetPolicy.SPEND
    with pytest.raises(SpecInvalid, match="budgetPolicy"):
        parse_service(service_wire(spec__slo__budgetPolicy="Careless"))


def test_how_much_may_stand_on_spot_is_read_and_unlimited_by_default() -> None:
    assert parse_service(service_wire(spec__spot={"maxPercent": 50})).service.spot_share == 0.5
    assert parse_service(service_wire()).service.spot_share == 1.0


def test_the_quality_of_variants_and_its_floor_are_read() -> None:
    wire = service_wire(spec__quality={"min": 0.98, "bridgeMin": 0.95})
    for variant in wire["spec"]["variants"]:
        variant["quality"] = 0.985
    service = parse_service(wire).service
    assert (service.min_quality, service.bridge_quality) == (0.98, 0.95)
    assert {variant.quality for variant in service.variants} == {0.985}


def test_schedules_and_a_budget_are_read() -> None:
    schedule = {"cron": "0 8 * * 1-5", "timeZone": "Europe/Berlin", "duration": "10h", "min": 4}
    service = parse_service(service_wire(spec__schedules=[schedule], spec__budget={"perHour": "12.50"})).service

    assert service.budget_per_hour == 12.5
    (read,) = service.schedules
    assert (read.duration_seconds, read.min_replicas, str(read.begins)) == (36_000, 4, "0 8 * * 1-5 Europe/Berlin")
    assert parse_service(service_wire()).service.schedules == ()


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"cron": "0 25 * * *"}, r"spec\.schedules\[0\]\.cron: '0 25 \* \* \*' is no cron expression"),
        ({"timeZone": "Europe/Atlantis"}, r"spec\.schedules\[0\]\.timeZone: 'Europe/Atlantis' is no time zone"),
        ({"min": 41}, r"schedules: min must not be greater than replicas\.max"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(change: dict[str, Any], refused: str) -> None:
    schedule = {"cron": "0 8 * * 1-5", "duration": "10h", "min": 4} | change
    with pytest.raises(SpecInvalid, match=refused):
        parse_service(service_wire(spec__schedules=[schedule]))


def test_unknown_fields_of_a_newer_version_are_ignored() -> None:
    assert parse_service(service_wire(spec__canary={"share": 0.1}, spec__slo__calendar="weekly"))


@given(json_values)
def test_arbitrary_json_is_read_or_refused_and_nothing_else(value: Any) -> None:
    for parse in (parse_service, parse_pool):
        try:
            parse(value)
        except SpecInvalid as refusal:
            assert str(refusal)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


GOOD = [
    service_wire(status={"slo": [{"metric": "latency", "objective": "99% < 300ms"}], "variants": [{"name": "cpu"}]}),
    adopting_wire(),
    pool_wire(),
]


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_good_object_with_one_part_replaced_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    changed = copy.deepcopy(data.draw(st.sampled_from(GOOD)))
    *parents, last = data.draw(st.sampled_from(places(changed)[1:]))
    holder: Any = changed
    for parent in parents:
        holder = holder[parent]
    holder[last] = data.draw(json_values)
    parse = parse_pool if changed.get("kind") == "ComputePool" else parse_service
    try:
        parse(changed)
    except SpecInvalid as refusal:
        assert refusal.remedy


def test_nesting_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    bad = service_wire()
    bad["spec"]["variants"][0]["patch"] = {"spec": {"affinity": deep}}
    with pytest.raises(SpecInvalid, match="nested too deeply"):
        parse_service(bad)


def learned(**status: Any) -> ParsedService:
    """nlp/sentiment as it comes back after a restart, read at 2026-11-23T04:00Z."""
    variant = {
        "name": "cpu",
        "planned": 4,
        "capacityLogMean": "3.2",
        "capacityLogSd": "0.07",
        "timeToReady": "38s",
        "retryAt": "2026-11-23T04:05:00Z",
        "backOff": "2m",
    }
    defaults = {
        "slo": [{"metric": "latency", "objective": "99% < 300ms"}],
        "lastSwitchTime": "2026-11-23T03:00:00Z",
        "variants": [{**variant, **status.pop("variant", {})}],
    }
    return parse_service(service_wire(status={**defaults, **status}), now=1_795_406_400.0)


def test_the_memory_comes_back_from_the_status() -> None:
    memory = learned().persisted
    assert memory.plan == {"cpu": 4}
    assert memory.last_switch_at == 1_795_402_800.0
    assert memory.capacities["cpu"].log_mean == 3.2
    assert memory.capacities["cpu"].log_sd == 0.07
    assert memory.time_to_ready_seconds == {"cpu": 38}
    assert memory.back_offs["cpu"].wait_seconds == 120


def test_a_capacity_learned_for_another_objective_is_forgotten() -> None:
    assert not learned(slo=[{"metric": "latency", "objective": "99% < 500ms"}]).persisted.capacities


def test_the_target_that_was_adopted_is_remembered_by_its_uid() -> None:
    status = {"variants": [{"name": "cpu", "targetUID": "abc"}, {"name": "gone", "targetUID": "def"}]}
    assert parse_service(adopting_wire(status=status)).adopted == {"cpu": "abc"}


@pytest.mark.parametrize(
    "forged",
    [
        {"variant": {"capacityLogMean": "inf"}},
        {"variant": {"capacityLogMean": "nan"}},
        {"variant": {"capacityLogMean": "9999"}},
        {"variant": {"capacityLogSd": "-1"}},
        {"variant": {"capacityLogSd": "0"}},
        {"variant": {"capacityLogMean": 3.2}},
    ],
)
def test_an_absurd_capacity_in_the_status_is_ignored(forged: dict[str, Any]) -> None:
    assert not learned(**forged).persisted.capacities


@pytest.mark.parametrize(
    "forged",
    [
        {"variant": {"retryAt": "9999-01-01T00:00:00Z"}},
        {"variant": {"retryAt": "2026-12-01T00:00:00Z"}},
        {"variant": {"retryAt": "soon"}},
        {"variant": {"backOff": "999999d"}},
        {"variant": {"backOff": "0s"}},
    ],
)
def test_an_absurd_wait_in_the_status_is_ignored(forged: dict[str, Any]) -> None:
    assert not learned(**forged).persisted.back_offs


@pytest.mark.parametrize("at", ["2026-11-23T05:00:00Z", "9999-12-31T23:59:59Z", "-1", "", "1e9"])
def test_a_switch_that_has_not_happened_yet_is_ignored(at: str) -> None:
    assert learned(lastSwitchTime=at).persisted.last_switch_at is None


@pytest.mark.parametrize(
    "status", [None, [], "forged", {"variants": "all"}, {"variants": [{"name": "cpu", "planned": -1}]}]
)
def test_a_status_of_another_shape_is_as_good_as_none(status: Any) -> None:
    assert parse_service({**service_wire(), "status": status}).persisted.plan is None


def test_a_plan_for_absurdly_many_replicas_or_for_a_variant_that_is_gone_is_ignored() -> None:
    assert learned(variant={"planned": 10**9}).persisted.plan is None
    assert learned(variant={"name": "tpu"}).persisted.plan is None


def test_the_first_objective_with_a_threshold_leads_and_the_others_follow_in_order() -> None:
    given = [
        {"metric": "errors", "percent": 99.9},
        {"metric": "itl", "threshold": "50ms", "percent": 95},
        {"metric": "latency", "threshold": "10s", "percent": 99},
    ]
    service = parse_service(service_wire(spec__slo__objectives=given)).service

    assert service.objectives == (
        LatencyObjective(threshold_seconds=0.05, percent=95, metric=Metric.ITL),
        ErrorsObjective(percent=99.9),
        LatencyObjective(threshold_seconds=10.0, percent=99),
    )
