"""`tightrope replay` as a newcomer runs it: two YAML files and a CSV, no cluster."""

import json
from pathlib import Path

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
    assert "either --trace FILE or --generate KIND" in both.stderr
    assert "zigzag" in unknown.stderr and "recurring-bursts" in unknown.stderr
    assert "--rate is missing" in rateless.stderr
