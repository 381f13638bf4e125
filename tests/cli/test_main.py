"""The command line: what is wrong is said on stderr, data goes to stdout."""

import yaml
from typer.testing import CliRunner

from tightrope.cli.main import app

runner = CliRunner()


def test_run_without_a_prometheus_says_what_to_write() -> None:
    done = runner.invoke(app, ["run"], env={"TIGHTROPE_PROMETHEUS_URL": None})
    assert done.exit_code == 2
    assert "TIGHTROPE_PROMETHEUS_URL is not set" in done.stderr and not done.stdout


def test_run_refuses_a_bad_flag_with_the_range() -> None:
    done = runner.invoke(app, ["run", "--prometheus-url", "http://p", "--tick-seconds", "soon"])
    assert done.exit_code == 2 and "--tick-seconds is 'soon': write a number of seconds from 0.5 to 300" in done.stderr


def test_crd_prints_both_kinds() -> None:
    done = runner.invoke(app, ["crd"])
    assert {document["spec"]["names"]["kind"] for document in yaml.safe_load_all(done.stdout)} == {
        "ComputePool", "InferenceDeployment",
    }  # fmt: skip
