"""Traces of language models as they are published."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tightrope.dataplane.token_records import TokenRecord
from tightrope.replay.demand import Demand
from tightrope.replay.inputs.table import read_demand
from tightrope.replay.profiles import ReplayError


def demand_of(path: Path, text: str) -> Demand:
    path.write_text(text)
    return read_demand(path)


def lengths(demand: Demand) -> tuple[list[float], list[float]]:
    assert isinstance(demand.tokens, TokenRecord)
    return demand.tokens.input_tokens.tolist(), demand.tokens.output_tokens.tolist()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2023-11-16 18:15:46.6805900", "2023-11-16 18:15:50.9951690"),  # the trace of 2023, seven digits and no zone
        ("2023-11-16 18:15:46.680590+00:00", "2023-11-16 18:15:50.995169+00:00"),  # as that of 2024
    ],
)
def test_azure_traces_have_their_own_times_and_tokens(tmp_path: Path, first: str, second: str) -> None:
    demand = demand_of(
        tmp_path / "a.csv", f"TIMESTAMP,ContextTokens,GeneratedTokens\n{first},374,44\n{second},396,109\n"
    )

    assert demand.times is not None
    assert demand.times.tolist() == pytest.approx([0.0, 4.314579], abs=1e-5)
    assert demand.start_unix == pytest.approx(datetime(2023, 11, 16, 18, 15, 46, 680590, UTC).timestamp(), abs=1e-3)
    assert lengths(demand) == ([374.0, 396.0], [44.0, 109.0])


def test_burstgpt_counts_from_a_start_of_its_own_and_its_failures_are_counted_and_said(tmp_path: Path) -> None:
    text = (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,0,1087,API log\n118,GPT-4,417,276,693,API log\n"
    )
    demand = demand_of(tmp_path / "b.csv", text)

    assert demand.times is not None
    assert demand.times.tolist() == [0.0, 40.0, 113.0]
    assert demand.start_unix is None
    assert lengths(demand) == ([472.0, 1087.0, 417.0], [18.0, 1.0, 276.0])
    assert demand.notes == ("requests with 0 tokens of input or output: 1, counted as 1 token",)


def test_vidur_traces_have_their_own_times_and_tokens(tmp_path: Path) -> None:
    demand = demand_of(tmp_path / "v.csv", "arrived_at,num_prefill_tokens,num_decode_tokens\n1.5,100,20\n2.0,50,7\n")

    assert demand.times is not None and demand.times.tolist() == [0.0, 0.5]
    assert lengths(demand) == ([100.0, 50.0], [20.0, 7.0])


def test_mooncake_traces_are_json_lines_with_milliseconds(tmp_path: Path) -> None:
    text = (
        '{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}\n'
        '{"timestamp": 3000, "input_length": 7322, "output_length": 490, "hash_ids": [2]}\n'
    )
    demand = demand_of(tmp_path / "m.jsonl", text)

    assert demand.times is not None and demand.times.tolist() == [0.0, 3.0]
    assert lengths(demand) == ([6758.0, 7322.0], [500.0, 490.0])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([""], "line 1: this is no such request: write a request a line, as in {"),
        (['{"timestamp": 0, "input_length": 6}'], "line 1: this is no such request"),
        (['{"timestamp": 0, "input_length": 6, "output_length": -1}'], "line 1: it has a number that cannot be"),
        (['{"timestamp": NaN, "input_length": 6, "output_length": 1}'], "line 1: it has a number that cannot be"),
        (
            [f'{{"timestamp": {at}, "input_length": 6, "output_length": 1}}' for at in (5, 9, 7)],
            "line 3: its time lies before that of the line above",
        ),
    ],
)
def test_json_lines_that_are_no_requests_are_named(tmp_path: Path, lines: list[str], words: str) -> None:
    path = tmp_path / "m.jsonl"
    with pytest.raises(ReplayError) as failed:
        demand_of(path, "\n".join(lines) + "\n")
    assert words in str(failed.value)
    assert str(failed.value).startswith(str(path))
