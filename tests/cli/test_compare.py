"""`tightrope compare` over a folder of traces."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tightrope.cli.compare import demands_in
from tightrope.cli.main import app
from tightrope.dataplane.token_records import TokenPairs, TokenRecord
from tightrope.replay.profiles import ReplayError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def folder(path: Path) -> Path:
    """A CSV and JSON lines, both with tokens, at other rates."""
    path.mkdir()
    rows = "".join(f"{at / 4},800,{100 + at % 7}\n" for at in range(1_200))
    (path / "b.csv").write_text("t,input_tokens,output_tokens\n" + rows)
    requests = [{"timestamp": 100 * at, "input_length": 400, "output_length": 80} for at in range(3_000)]
    (path / "a.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    (path / "notes.txt").write_text("nothing to play")
    return path


def test_every_trace_of_a_folder_is_a_row_with_the_lengths_of_its_own_requests(tmp_path: Path) -> None:
    chat = ["--spec", str(EXAMPLES / "chat.yaml"), "--pools", str(EXAMPLES / "chat.yaml")]
    servers = ["--servers", str(EXAMPLES / "replay" / "chat-servers.yaml"), "--results", str(tmp_path / "results")]
    options = ["--policy", "static-peak", "--no-tuned", "--processes", "1", "-o", "json"]
    traces = ["--traces", str(folder(tmp_path / "traces"))]
    done = CliRunner().invoke(app, ["compare", *traces, *chat, *servers, *options])

    assert done.exit_code == 0, done.output
    assert [row["demand"] for row in json.loads(done.stdout)] == ["a.jsonl", "b.csv"]


def test_a_trace_at_another_rate_keeps_its_lengths_in_no_order(tmp_path: Path) -> None:
    traces = folder(tmp_path / "traces")
    own = {demand.name: demand for demand in demands_in(traces, dispersion=1.0, mean_rate=None)}
    scaled = {demand.name: demand for demand in demands_in(traces, dispersion=1.0, mean_rate=2.0)}

    assert own.keys() == scaled.keys() == {"a.jsonl", "b.csv"}
    for name, before in own.items():
        tokens = scaled[name].tokens
        assert isinstance(before.tokens, TokenRecord) and isinstance(tokens, TokenPairs)
        assert tokens.input_tokens.tolist() == before.tokens.input_tokens.tolist()
        assert scaled[name].times is None


def test_a_folder_without_traces_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to play")
    with pytest.raises(ReplayError, match=r"there is no \.csv or \.jsonl file: write a folder with at least one"):
        demands_in(tmp_path, dispersion=1.0, mean_rate=None)
