"""What is known of each variant before a replay."""

from dataclasses import replace

import build
import pytest
from replay.cases import CHAT, LLM, case, llm_case

from tightrope.dataplane.server_model import ServerModel
from tightrope.replay.profiles import ReplayError, server_of

FAST = ServerModel(base_seconds=0.01)


def test_a_capacity_is_the_measured_one_where_there_is_one_and_else_the_stated_one() -> None:
    service = build.service()
    servers = {"cpu": FAST, "gpu": server_of(service, service.variant("gpu"))}
    cpu, gpu = case([(0, 1.0)], seconds=60.0, servers=servers, measured={"cpu": 61.0}).profiles()

    assert (cpu.capacity, cpu.saturation) == (61.0, pytest.approx(100.0))
    assert gpu.capacity == pytest.approx(300.0)


def test_a_described_server_needs_no_stated_capacity_and_nothing_else_does_without() -> None:
    service = build.service(variants=(build.variant("cpu", capacity=None),))
    found = replace(case([(0, 1.0)], seconds=60.0, servers={"cpu": FAST}, measured={"cpu": 61.0}), service=service)

    assert found.profiles()[0].capacity == 61.0
    with pytest.raises(ReplayError, match=r"variants\[cpu\].capacity is missing: .* or --servers"):
        server_of(service, service.variant("cpu"))


def test_a_server_that_carries_nothing_within_the_slo_is_refused() -> None:
    with pytest.raises(ReplayError, match="answers less than 99 % of requests within 300ms"):
        case([(0, 1.0)], seconds=60.0, servers={"cpu": FAST, "gpu": FAST}, measured={"cpu": 0.0}).profiles()


def test_a_language_model_has_its_cache_and_lengths_beside_how_long_requests_inside_take() -> None:
    cpu, gpu = llm_case([(0, 1.0)], seconds=60.0).profiles()
    averages = CHAT.averages()

    assert cpu.llm is not None
    assert (cpu.llm.cache_tokens, cpu.llm.output_tokens) == (5_000, pytest.approx(averages.output_tokens))
    assert (cpu.slots, cpu.batch_limit) == (1, min(16, int(5_000 / averages.held_tokens)))
    assert cpu.service_seconds(1) == pytest.approx(0.03 + (averages.output_tokens - 1) * 0.021)
    assert cpu.batch_limit / cpu.service_seconds(cpu.batch_limit) == pytest.approx(cpu.saturation, rel=0.05)
    assert 0 < cpu.capacity < cpu.saturation == pytest.approx(LLM.saturation(averages))
    assert gpu.capacity > 1.3 * cpu.capacity
