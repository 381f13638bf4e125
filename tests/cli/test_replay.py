"""`tightrope replay` as a newcomer runs it: two YAML files and a CSV, no cluster."""

import json
from pathlib import Path

import pytest
from replay.answers import matrix, served
from typer.testing import CliRunner

from tightrope.cli.main import app

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = ["--spec", str(EXAMPLES / "sentiment.yaml"), "--pools", str(EXAMPLES / "pools.yaml")]


def run(trace: Path, *arguments: str):
    return CliRunner().invoke(app, ["replay", "--trace", str(trace), *FILES, *arguments])


def trace(path: Path) -> Path:
    path.write_text("minute,requests\n" + "".join(f"{m},{600 + 40 * m}\n" for m in range(30)))
    return path


def test_a_table_goes_to_stdout_and_the_assumptions_to_stderr(tmp_path: Path) -> None:
    done = run(trace(tmp_path / "a.csv"), "--policy", "tightrope", "--policy", "static-peak", "--bounds")

    assert done.exit_code == 0, done.output
    names = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert names[0] == "POLICY" and names[1] == "Tightrope" and names[-1] == "Clairvoyant"
    assert "assumed: a replica of cpu answers one request in" in done.stderr
    assert "no schedule by the minute costs less than" in done.stderr


def test_the_same_seed_gives_the_same_figures(tmp_path: Path) -> None:
    path = trace(tmp_path / "a.csv")
    one, two = (run(path, "--policy", "tightrope", "-o", "json") for _ in range(2))

    assert one.stdout == two.stdout
    assert json.loads(one.stdout)[0]["requests"] > 30_000


def test_a_mistake_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    path = trace(tmp_path / "a.csv")
    unknown = run(path, "--policy", "magic")
    form = run(path, "-o", "xml")
    absent = run(tmp_path / "none.csv")

    assert unknown.exit_code == form.exit_code == absent.exit_code == 2
    assert "--policy magic is unknown: choose among tightrope" in unknown.stderr
    assert "--output xml is unknown: write table, csv, json" in form.stderr
    assert "none.csv" in absent.stderr


def test_demand_can_be_made_up_instead_of_recorded(tmp_path: Path) -> None:
    made = ["replay", *FILES, "--policy", "static-peak", "-o", "json", "--generate"]
    done = CliRunner().invoke(app, [*made, "diurnal", "--hours", "1", "--rate", "20"])
    both = run(trace(tmp_path / "a.csv"), "--generate", "diurnal")
    unknown = CliRunner().invoke(app, [*made, "zigzag", "--rate", "20"])
    rateless = CliRunner().invoke(app, [*made, "diurnal"])

    assert 60_000 < json.loads(done.stdout)[0]["requests"] < 84_000
    assert "either --trace FILE or --prometheus URL or --generate KIND" in both.stderr
    assert "zigzag" in unknown.stderr and "recurring-bursts" in unknown.stderr
    assert "--rate is missing" in rateless.stderr


def history(url: str, *arguments: str):
    made = ["replay", *FILES, "--policy", "static-peak", "-o", "json", "--prometheus", url, *arguments]
    return CliRunner().invoke(app, made)


def test_the_demand_of_ones_own_prometheus_is_replayed_for_the_pods_of_the_service() -> None:
    queries: list[str] = []

    def answer(asked):
        queries.append(asked["query"][0])
        return 200, matrix(asked, lambda at: None if 1_772_350_000 < at < 1_772_350_600 else 20.0)

    with served(answer) as url:
        done = history(url, "--from", "2026-03-01T07:00:00Z", "--to", "1772352000", "--namespace", "nlp")
        silent = history(url, "--from", "9h", "--query", "nothing", "--pods", "a")
    score = json.loads(done.stdout)[0]

    assert done.exit_code == 0, done.output
    assert score["requests"] == pytest.approx(20 * 3000, rel=0.03)
    assert score["unknown_seconds"] == 600
    assert 'namespace="nlp", pod=~"(sentiment-cpu|sentiment-gpu)-.+"' in queries[0]
    assert "gaps: 1, 600 s in all, are unknown" in done.stderr
    assert "--query goes without --namespace and --pods" in silent.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prometheus", "prom:9090", "--from", "1d"], "--prometheus is 'prom:9090': write a base URL"),
        (["--prometheus", "http://127.0.0.1:9", "--from", "1d"], "refused the connection: is it running"),
        (["--prometheus", "http://127.0.0.1:9"], "--from is missing"),
        (["--generate", "steady", "--rate", "1", "--from", "1d"], "--from goes with --prometheus"),
        (["--generate", "steady", "--rate", "1", "--token-file", "x"], "--token-file goes with --prometheus"),
        (["--prometheus", "http://127.0.0.1:9", "--from", "1d", "--token-file", "x"], "--token-file x: there is no"),
    ],
)
def test_options_of_a_history_that_do_not_fit_are_named(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["replay", *FILES, *arguments])

    assert done.exit_code == 2
    assert words in done.stderr


def steady(*arguments: str):
    made = ["replay", *FILES, "--policy", "static-peak", "-o", "json", "--generate", "steady", "--hours", "1"]
    return CliRunner().invoke(app, [*made, "--rate", "60", *arguments])


def test_a_described_server_is_measured_and_the_others_keep_what_the_spec_states(tmp_path: Path) -> None:
    (tmp_path / "servers.yaml").write_text("gpu: {base: 20ms, perRequest: 1ms, batchLimit: 8}\n")
    done = steady("--servers", str(tmp_path / "servers.yaml"))

    assert done.exit_code == 0, done.output
    gpu = next(line for line in done.stderr.splitlines() if "replica of gpu" in line)
    measured = float(gpu.split("it carries ")[1].split()[0])
    assert 200 < measured < 8 / 0.028  # batches of eight take 28 ms
    assert "replica of cpu answers one request in 36.6 ms" in done.stderr
    assert "made to fit the capacity that the spec states" in done.stderr


def test_a_server_too_slow_for_the_slo_is_named(tmp_path: Path) -> None:
    (tmp_path / "servers.yaml").write_text("gpu: {base: 400ms}\n")
    done = steady("--servers", str(tmp_path / "servers.yaml"))

    assert done.exit_code == 2
    assert "the server described for variant gpu answers less than 99 % of requests within 300ms" in done.stderr


CHAT = ["--spec", str(EXAMPLES / "chat.yaml"), "--pools", str(EXAMPLES / "chat.yaml")]
CHAT_SERVERS = ["--servers", str(EXAMPLES / "replay" / "chat-servers.yaml")]


def chat(*arguments: str):
    made = ["--generate", "steady", "--hours", "0.5", "--rate", "4", "--policy", "static-peak", "-o", "json"]
    return CliRunner().invoke(app, ["replay", *CHAT, *(arguments if "--trace" in arguments else (*made, *arguments))])


def test_the_example_of_a_language_model_can_be_replayed_and_says_what_it_takes_for_granted() -> None:
    done = chat(*CHAT_SERVERS)

    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)[0]
    assert row["requests"] > 6_000 and row["attainment"] > 0.9
    assert "assumed: a replica of full gives each of up to 64 sequences a token in 8.34 ms" in done.stderr
    assert "lengths are drawn, lognormal with coefficients of variation 0.96 and 0.77: 1,155 tokens in" in done.stderr


def test_a_trace_with_tokens_plays_its_own_and_the_option_stands_in_for_none(tmp_path: Path) -> None:
    rows = "".join(f"{at / 4},800,{100 + at % 7}\n" for at in range(4_000))
    (tmp_path / "requests.csv").write_text("t,input_tokens,output_tokens\n" + rows)
    recorded = chat("--trace", str(tmp_path / "requests.csv"), *CHAT_SERVERS, "--policy", "static-peak")
    drawn = chat(*CHAT_SERVERS, "--tokens", str(tmp_path / "requests.csv"))

    assert "each request has the lengths that the trace recorded for it, 800 tokens in and 103 out" in recorded.stderr
    assert "each request has the lengths of one of 4,000 recorded ones, 800 tokens in and 103 out" in drawn.stderr


@pytest.mark.parametrize(
    ("servers", "arguments", "words"),
    [
        ("full: {kind: llm, step: 8ms}", [], "full serves a language model, and variant quantised is not described"),
        (
            "full: {kind: llm, step: 8ms}\nquantised: {kind: llm, step: 9ms}", [],
            "servers of language models need the lengths of requests, and the demand has none: write --tokens",
        ),
        (
            "full: {base: 1s}\nquantised: {base: 1s}", ["--tokens", "{input: {mean: 3}}"],
            "no server needs to know lengths: describe one with kind: llm, or leave tokens out",
        ),
        ("full: {base: 1s}\nquantised: {base: 1s}", ["--tokens", "none.csv"], "none.csv: No such file or directory"),
        (
            "full: {kind: llm, step: 2s}\nquantised: {kind: llm, step: 2s}",
            ["--tokens", "{input: {mean: 30}, output: {mean: 90}}"],
            "the server described for variant full answers less than 95 % of requests within 20000ms",
        ),
    ],
)  # fmt: skip
def test_a_language_model_that_cannot_be_played_is_named(
    tmp_path: Path, servers: str, arguments: list[str], words: str
) -> None:
    path = tmp_path / "servers.yaml"
    path.write_text(servers)
    done = chat("--servers", str(path), *arguments)

    assert done.exit_code == 2
    assert words in done.stderr


def test_events_and_billing_change_what_it_costs(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("event,pool,from,price\nprice,cpu,30m,3.4\nprice,l4,30m,8.048\n")
    usual, dear = steady(), steady("--events", str(tmp_path / "events.csv"))
    hourly = steady("--billing-step", "1d")
    cost, dearer, whole = (json.loads(done.stdout)[0]["cost"] for done in (usual, dear, hourly))

    assert dearer == pytest.approx(cost * (0.5 + 10 * 0.5), rel=1e-6)
    assert whole == pytest.approx(cost * 24, rel=1e-6)
    assert "assumed: what befalls pool cpu, whoever plays: 1 change of price" in dear.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--billing-step", "0s"], "--billing-step is '0s': write a length of time from 1s"),
        (["--billing-minimum", "soon"], "--billing-minimum is 'soon': write a length of time from 0s"),
        (["--drain", "-1s"], "--drain is '-1s': write a length of time"),
        (["--scrape", "1h"], "--scrape is '1h': write a length of time from 1s to 300s"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--startup-cv", "nan"], "--startup-cv is nan: write 0 for exactly"),
        (["--warmup", "a day"], "--warmup is 'a day': write a length of time from 0s"),
        (["--warmup", "30d"], "hours long: write less, so that something is left to score"),
        (["--events", "none.csv"], "none.csv: No such file or directory"),
        (["--servers", "none.yaml"], "none.yaml: No such file or directory"),
    ],
)
def test_an_assumption_that_cannot_be_is_named(arguments: list[str], words: str) -> None:
    done = steady(*arguments)

    assert done.exit_code == 2
    assert words in done.stderr


def test_a_report_is_written_beside_the_table_and_says_what_made_it(tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    done = run(trace(tmp_path / "a.csv"), "--policy", "hpa", "--report", str(page), "-o", "json")

    assert done.exit_code == 0, done.output
    rows = {row["policy"]: row for row in json.loads(done.stdout)}
    assert set(rows) == {"tightrope", "hpa"}  # the page compares with ours, asked for or not
    text = page.read_text()
    assert text.startswith("<!doctype html>") and "http://" not in text
    assert f"{rows['tightrope']['cost']:.2f}" in text and f"{rows['hpa']['cost']:.2f}" in text


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    done = run(trace(tmp_path / "a.csv"), "--policy", "static-peak", "--report", str(tmp_path / "no" / "out.html"))

    assert done.exit_code == 2
    assert "out.html: No such file or directory: write a path in a folder that is there" in done.stderr


def test_a_balancer_that_counts_serves_better_than_an_even_split(tmp_path: Path) -> None:
    path, pool = trace(tmp_path / "a.csv"), ["--policy", "static-mean", "-o", "json"]
    even, least = (run(path, *pool, "--routing", routing) for routing in ("even", "least-loaded"))
    unknown = run(path, "--routing", "sticky")

    shares = [json.loads(done.stdout)[0]["attainment"] for done in (even, least)]
    assert shares[1] > shares[0]
    assert "assumed: each request goes to the ready replica with the fewest requests inside" in least.stderr
    assert unknown.exit_code == 2 and "--routing is 'sticky': write even, weighted, least-loaded" in unknown.stderr
