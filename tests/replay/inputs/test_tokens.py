"""How long requests are, as a user gives it."""

from pathlib import Path

import pytest

from tightrope.dataplane.token_records import TokenPairs
from tightrope.replay.inputs.servers import read_servers
from tightrope.replay.inputs.tokens import option_tokens
from tightrope.replay.profiles import ReplayError
from tightrope.replay.token_choice import TokenShape

SHAPE = TokenShape(
    mean_input=1155.0, mean_output=None, cv_input=0.96, cv_output=1.0, max_input=131_072.0, max_output=4096.0
)


def test_means_and_how_lengths_vary_may_be_written_in_the_option_and_in_the_file_of_the_servers(tmp_path: Path) -> None:
    text = "{input: {mean: 1155, cv: 0.96}, output: {max: 4096}}"
    path = tmp_path / "servers.yaml"
    path.write_text(f"gpu: {{kind: llm, step: 5ms}}\ntokens: {text}\n")

    assert option_tokens(text) == SHAPE
    assert read_servers(path, variants=["gpu"]).tokens == SHAPE


def test_lengths_that_were_recorded_are_read_with_whatever_else_stands_beside_them(tmp_path: Path) -> None:
    (tmp_path / "lengths.csv").write_text("t,input_tokens,model,output_tokens\n0,10,a,3\n# twice\n1,20.4,b,0\n")
    (tmp_path / "azure.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,374,44\n")
    (tmp_path / "servers.yaml").write_text("gpu: {kind: llm, step: 5ms}\ntokens: lengths.csv\n")
    option, file = option_tokens(str(tmp_path / "azure.csv")), read_servers(tmp_path / "servers.yaml", variants=["gpu"])

    assert isinstance(option, TokenPairs) and isinstance(file.tokens, TokenPairs)
    assert (option.input_tokens.tolist(), option.output_tokens.tolist()) == ([374.0], [44.0])
    assert (file.tokens.input_tokens.tolist(), file.tokens.output_tokens.tolist()) == ([10.0, 20.0], [3.0, 1.0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{input: {mean: 0.5}}", "input.mean: 0.5 must be at least 1"),
        ("{input: {mean: long}}", "input.mean: 'long' must be a number without quotes"),
        ("{input: {cv: -1}}", "input.cv: -1"),
        ("{output: {median: 4}}", "median is no field: write some of mean, cv, max"),
        ("{inputs: {mean: 4}}", "inputs is no field: write some of input, output"),
        ("{input: {mean: 4}, kind: chat}", "kind is no field: write some of input, output"),
        ("{input: 4}", "input: 4 must be an object"),
        ("{input: [", "this is not YAML"),
        ("none.csv", "none.csv: No such file or directory"),
    ],
)
def test_an_option_that_says_nothing_of_lengths_is_named(text: str, words: str) -> None:
    with pytest.raises(ReplayError) as failed:
        option_tokens(text)
    assert words in str(failed.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no request in it: write a header with input_tokens and output_tokens"),
        ("input_tokens,output_tokens\n", "there is no request in it"),
        ("t,input_tokens\n0,3\n", "line 1: there is no column output_tokens"),
        ("input_tokens,output_tokens\n3,many\n", "line 2: output_tokens is 'many': write a number of tokens"),
        ("input_tokens,output_tokens\n3,nan\n", "line 2: output_tokens is 'nan': write a number of tokens"),
        ("input_tokens,output_tokens\n3,-4\n", "line 2: output_tokens is '-4': write a number of tokens"),
        ("input_tokens,output_tokens\n3\n", "line 2: it has 1 columns, the header has 2"),
        ("input_tokens;output_tokens\n3;4\n", "separated by semicolons"),
    ],
)
def test_a_file_without_lengths_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "lengths.csv"
    path.write_text(text)
    with pytest.raises(ReplayError) as failed:
        option_tokens(str(path))
    assert words in str(failed.value)
    assert str(failed.value).startswith(str(path))
