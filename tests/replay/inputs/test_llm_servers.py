"""How a replica that serves a language model works, as a user describes it."""

from pathlib import Path

import pytest

from tightrope.dataplane.llm_model import LlmModel
from tightrope.replay.inputs.servers import read_servers
from tightrope.replay.profiles import ReplayError

VARIANTS = ("full", "quantised")
# Steps of 10 ms + 1 ms a sequence, prefills of 20 ms + 0.1 ms a token, by hand.
PROFILE = "prompt_size,batch_size,token_size,prompt_time,token_time\n" + "".join(
    f"{inputs},{batch},101,{0.020 + 0.0001 * inputs},{100 * (0.010 + 0.001 * batch)}\n"
    for inputs in (100, 400, 900)
    for batch in (1, 4, 16)
)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "servers.yaml"
    path.write_text(text)
    return path


def test_each_variant_has_the_server_that_the_file_describes(tmp_path: Path) -> None:
    text = """
    full: {kind: llm, step: 8.3ms, stepPerSequence: 0.25ms, prefill: 10ms, prefillPerToken: 0.04ms, batchLimit: 64,
           cacheTokens: 400000, chunkTokens: 512, queueLimit: 20, timeout: 1m}
    quantised: {kind: llm, step: 5ms}
    """
    assert read_servers(written(tmp_path, text), variants=VARIANTS).servers == {
        "full": LlmModel(
            step_base_seconds=0.0083, step_per_sequence_seconds=0.00025, prefill_base_seconds=0.01,
            prefill_per_token_seconds=0.00004, batch_limit=64, cache_tokens=400_000, chunk_tokens=512, queue_limit=20,
            timeout_seconds=60.0,
        ),
        "quantised": LlmModel(step_base_seconds=0.005),
    }  # fmt: skip


def test_a_measured_profile_beside_the_file_gives_the_times(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(PROFILE)
    text = "full: {kind: llm, profile: runs.csv, batchLimit: 32}"
    found = read_servers(written(tmp_path, text), variants=VARIANTS).servers["full"]

    assert isinstance(found, LlmModel)
    assert (found.step_base_seconds, found.step_per_sequence_seconds) == pytest.approx((0.010, 0.001))
    assert (found.prefill_base_seconds, found.prefill_per_token_seconds) == pytest.approx((0.020, 0.0001))
    assert found.batch_limit == 32


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("full: {kind: vllm, step: 8ms}", "full.kind: 'vllm' must be llm, or be left out"),
        ("full: {step: 8ms}", "full: step belongs to a server of a language model: add kind: llm"),
        ("full: {kind: llm}", "full: step is missing: write how long a step takes, or profile with a CSV"),
        ("full: {kind: llm, step: 8}", "full.step: 8 must be a length of time such as 12ms"),
        ("full: {kind: llm, base: 8ms}", "full: base is no field: write some of step, stepPerSequence, prefill"),
        ("full: {kind: llm, step: 0ms}", "step and stepPerSequence are both 0: write how long a step takes"),
        ("full: {kind: llm, step: 8ms, batchLimit: 0}", "full: batchLimit is 0: write 1 or more"),
        ("full: {kind: llm, step: 8ms, cacheTokens: 1}", "full: cacheTokens is 1: write 2 or more"),
        ("full: {kind: llm, step: 8ms, chunkTokens: 0}", "full: chunkTokens is 0: write 1 or more"),
        ("full: {kind: llm, step: 8ms, timeout: 0s}", "full: timeout is 0: write seconds above 0"),
        ("full: {kind: llm, step: 8ms, withinTokens: 9}", "withinTokens says which runs of a profile count"),
        ("full: {kind: llm, prefill: 8ms, profile: runs.csv}", "full: prefill is written and profile too"),
        ("full: {kind: llm, profile: none.csv}", "none.csv: No such file or directory: write the path of a CSV file"),
        ("full: {kind: llm, profile: runs.csv, withinTokens: 300}", "batch_size has fewer than two values"),
    ],
)
def test_a_server_that_cannot_be_is_named_with_what_to_write(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "runs.csv").write_text(PROFILE.replace(",4,101,", ",1,101,").replace(",16,101,", ",1,101,"))
    path = written(tmp_path, text)
    with pytest.raises(ReplayError) as failed:
        read_servers(path, variants=VARIANTS)
    assert words in str(failed.value)
    assert str(failed.value).startswith(str(path))
