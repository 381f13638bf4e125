"""Scores as people and programs read them."""

import csv
import io
import json

from tightrope.replay.score import Score
from tightrope.replay.table import rendered


def score(**changes) -> Score:
    values = {
        "policy": "told", "title": "Told", "knobs": {"target": 0.5}, "variants": ("cpu", "gpu"), "requests": 1000,
        "good": 989, "dropped": 4, "attainment": 0.98999, "objective": 0.99, "cost": 12.345, "currency": "EUR",
        "violation_seconds": 5400.0, "longest_violation_seconds": 120.0, "worst_hour": None, "worst_day": None,
        "changes": 7, "switches": 1, "unknown_seconds": 0.0,
    }  # fmt: skip
    return Score(**(values | changes))


def test_a_near_miss_never_reads_as_met() -> None:
    line = rendered([score()], "table").splitlines()[1]

    assert "98.99%" in line
    assert "MISSED" in line
    assert "12.35 EUR" in line or "12.34 EUR" in line
    assert "1h30m" in line


def test_the_columns_stand_under_their_headings() -> None:
    heading, first, second = rendered([score(), score(title="A much longer title", knobs={})], "table").splitlines()

    assert first.index("cpu+gpu") == second.index("cpu+gpu") == heading.index("POOLS")


def test_programs_get_every_figure_unrounded() -> None:
    (fromjson,) = json.loads(rendered([score()], "json"))
    (fromcsv,) = csv.DictReader(io.StringIO(rendered([score()], "csv")))

    assert fromjson["attainment"] == 0.98999
    assert fromjson["met"] is False
    assert float(fromcsv["cost"]) == 12.345
    assert fromcsv["variants"] == "cpu+gpu"


def test_a_cost_is_compared_with_the_clairvoyants_only_where_the_objective_is_met() -> None:
    missed, met = rendered([score(), score(attainment=0.995)], "table", clairvoyant=10.0).splitlines()[1:]

    assert "1.234" in met or "1.235" in met
    assert "1.23" not in missed.replace("12.3", "")
