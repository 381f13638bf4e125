"""The columns of tokens in a trace."""

from pathlib import Path

import numpy as np
import pytest

from tightrope.dataplane.token_records import TokenMeans, TokenRecord
from tightrope.replay.demand import Demand
from tightrope.replay.inputs.table import read_demand
from tightrope.replay.profiles import ReplayError


def demand_of(tmp_path: Path, text: str) -> Demand:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    return read_demand(path)


def test_single_requests_keep_their_own_tokens(tmp_path: Path) -> None:
    found = demand_of(tmp_path, "t,input_tokens,output_tokens\n0,374,44\n4.3,396,109\n").tokens

    assert isinstance(found, TokenRecord)
    assert (found.input_tokens.tolist(), found.output_tokens.tolist()) == ([374.0, 396.0], [44.0, 109.0])


def test_means_beside_rates_hold_until_the_next_row_and_count_by_the_requests_there_are(tmp_path: Path) -> None:
    text = "second,rate_rps,mean_input_tokens,mean_output_tokens,token_coverage\n0,2,100,10,1\n600,6,300,50,1\n"
    found = demand_of(tmp_path, text).tokens

    assert isinstance(found, TokenMeans)
    assert [values.tolist() for values in found.at(np.array([1.0, 700.0]))] == [[100.0, 300.0], [10.0, 50.0]]
    assert found.overall() == pytest.approx(((2 * 100 + 6 * 300) / 8, (2 * 10 + 6 * 50) / 8))


def test_sums_beside_requests_are_means_and_where_nobody_came_nothing_is_known(tmp_path: Path) -> None:
    text = "second,requests,input_tokens,output_tokens\n0,2,400,60\n1,0,0,0\n2,1,100,90\n"
    found = demand_of(tmp_path, text).tokens

    assert isinstance(found, TokenMeans)
    overall = (500 / 3, 150 / 3)
    assert found.overall() == pytest.approx(overall)
    inputs, outputs = found.at(np.array([0.5, 1.5, 2.5]))
    assert inputs.tolist() == pytest.approx([200.0, overall[0], 100.0])
    assert outputs.tolist() == pytest.approx([30.0, overall[1], 90.0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("t,input_tokens\n0,3\n1,4\n", "there is a column input_tokens and no output_tokens: write both, or neither"),
        ("t,rate,mean_output_tokens\n0,3,4\n1,4,4\n", "a column mean_output_tokens and no mean_input_tokens"),
        ("t,input_tokens,output_tokens\n0,3,x\n1,4,4\n", "line 2: output_tokens is 'x': write a number"),
        ("t,input_tokens,output_tokens\n0,3,-1\n1,4,4\n", "line 2: output_tokens is -1: write a finite number of 0"),
    ],
)
def test_half_of_the_tokens_or_none_at_all_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ReplayError) as failed:
        demand_of(tmp_path, text)
    assert words in str(failed.value)


def test_a_trace_without_tokens_says_nothing_of_them(tmp_path: Path) -> None:
    assert demand_of(tmp_path, "t\n0\n1\n").tokens is None
    assert demand_of(tmp_path, "t,rate\n0,3\n1,4\n").tokens is None
