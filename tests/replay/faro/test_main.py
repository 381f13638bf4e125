import json

import pytest

from tightrope.replay.faro.__main__ import main


@pytest.fixture
def files(tmp_path):
    rows = "\n".join(f"{minute},300,600" for minute in range(20))
    (tmp_path / "trace.csv").write_text(f"minute,a,b\n{rows}\n")
    (tmp_path / "published.csv").write_text("policy,cpus,slo_attainment_pct\nfairshare,4,90\naiad,4,50.5\n")
    return ["--trace", str(tmp_path / "trace.csv"), "--published", str(tmp_path / "published.csv")]


def test_the_table_has_a_line_a_policy_with_the_published_figure_beside(files, capsys):
    assert main([*files, "--cpus", "4", "--policy", "fairshare", "mark"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["POLICY", "CPUS", "OURS", "PUBLISHED", "DIFFERENCE", "DROPPED", "REPLICAS"]
    fair, mark = lines[1].split(), lines[2].split()
    assert fair[:2] == ["fairshare", "4"] and fair[3] == "90.00"
    assert float(fair[4]) == pytest.approx(float(fair[2]) - 90.0, abs=0.011)
    assert mark[0] == "mark" and mark[3:5] == ["-", "-"]


def test_json_has_every_job(files, capsys):
    assert main([*files, "--cpus", "4", "5", "--policy", "aiad", "-o", "json", "--seeds", "2", "--minutes", "5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(line["policy"], line["cpus"], len(line["by_job"])) for line in found] == [("aiad", 4, 2), ("aiad", 5, 2)]


def test_csv_is_for_programs(files, capsys):
    assert main([*files, "--cpus", "4", "--policy", "fairshare", "-o", "csv"]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head == "policy,cpus,attainment,published,difference,dropped,replicas"


def test_a_what_if_changes_the_figures(files, capsys):
    main([*files, "--cpus", "4", "--policy", "fairshare"])
    as_published = capsys.readouterr().out
    main([*files, "--cpus", "4", "--policy", "fairshare", "--what-if", "service-180ms"])
    assert capsys.readouterr().out != as_published


def test_too_few_cpus_and_a_missing_trace_are_said_in_one_line(files, capsys, tmp_path):
    assert main([*files, "--cpus", "1"]) == 1
    assert capsys.readouterr().err == "error: --cpus 1 is less than a replica for each of 2 jobs: write more\n"
    assert main(["--trace", str(tmp_path / "none.csv")]) == 1
    assert "none.csv" in capsys.readouterr().err
