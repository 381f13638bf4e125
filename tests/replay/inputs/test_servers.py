"""How a replica works, as a user describes it."""

from pathlib import Path

import pytest

from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.replay.inputs.servers import read_servers
from tightrope.replay.profiles import ReplayError

VARIANTS = ("cpu", "gpu")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "servers.yaml"
    path.write_text(text)
    return path


def test_each_variant_has_the_server_that_the_file_describes(tmp_path: Path) -> None:
    text = """
    cpu: {base: 30ms}
    gpu: {base: 8ms, perRequest: 0.5ms, batchLimit: 16, slots: 2, distribution: lognormal, cv: 0.4, queueLimit: 64,
          timeout: 2s}
    """
    assert read_servers(written(tmp_path, text), variants=VARIANTS).servers == {
        "cpu": ServerModel(base_seconds=0.03),
        "gpu": ServerModel(
            base_seconds=0.008, per_request_seconds=0.0005, batch_limit=16, slots=2,
            distribution=Distribution.LOGNORMAL, cv=0.4, queue_limit=64, timeout_seconds=2.0,
        ),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no server in it"),
        ("- cpu", "is no object: write an object a variant"),
        ("cpu: [", "this is not YAML"),
        ("cpu: {base: 30ms}\n---\ncpu: {base: 30ms}", "cpu is there twice"),
        ("cpu: 30ms", "cpu: must be an object, written as key: value"),
        ("cpu: {}", "cpu.base: is missing: write it"),
        ("tpu: {base: 30ms}", "the spec has no variant 'tpu'; it has: cpu, gpu"),
        ("cpu: {base: 30}", "cpu.base: 30 must be a length of time such as 12ms"),
        ("cpu: {base: fast}", "cpu.base: 'fast' must be a length of time such as 12ms"),
        ("cpu: {base: -3ms}", "cpu.base: '-3ms' must be a length of time"),
        ("cpu: {base: 0ms}", "base and perRequest are both 0"),
        ("cpu: {base: 30ms, perrequest: 3ms}", "perrequest is no field: write some of base, perRequest"),
        ("cpu: {base: 30ms, batchLimit: 0}", "batchLimit is 0: write 1 or more"),
        ("cpu: {base: 30ms, batchLimit: 2.5}", "cpu.batchLimit: 2.5 must be a whole number"),
        ("cpu: {base: 30ms, distribution: normal}", "must be one of deterministic, exponential, lognormal"),
        ("cpu: {base: 30ms, distribution: lognormal}", "cv is None: a lognormal service time needs one"),
        ("cpu: {base: 30ms, cv: .nan}", "cpu.cv: nan must be a finite number"),
        ("cpu: {base: 30ms, timeout: 0s}", "timeout is 0: write seconds above 0"),
    ],
)
def test_a_server_that_cannot_be_is_named_with_what_to_write(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ReplayError) as failed:
        read_servers(path, variants=VARIANTS)
    assert words in str(failed.value)
    assert str(failed.value).startswith(str(path))


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "c.yaml").write_text("a: " + "[" * 5000)
    with pytest.raises(ReplayError, match=r"b\.yaml: this is not text in UTF-8"):
        read_servers(tmp_path / "b.yaml", variants=VARIANTS)
    with pytest.raises(ReplayError, match=r"c\.yaml: it is nested too deeply"):
        read_servers(tmp_path / "c.yaml", variants=VARIANTS)
    for name in ("none.yaml", "."):
        with pytest.raises(ReplayError, match="write the path of a YAML file"):
            read_servers(tmp_path / name, variants=VARIANTS)
