"""Rows of demands: resumable, the same on any number of processes, and honest about a loss."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from replay.cases import CHAT, case, llm_case
from replay.test_table import score

from tightrope.dataplane.token_records import TokenPairs
from tightrope.replay import compare_table, contest
from tightrope.replay.compare import CLAIRVOYANT, OURS, Job, compared, imported, key_of, row_of
from tightrope.replay.policies.register import kind_named

KINDS = [kind_named(name) for name in (OURS, "static-peak", "hpa")]


def cases():
    return {"low": case([(0, 20.0)], seconds=900), "high": case([(0, 90.0), (900, 30.0)], seconds=900)}


def rows(results: Path, processes: int, **changes):
    values = {"tuned": False, "bounds": False, "results": results, "processes": processes}
    return compared(cases(), KINDS, **(values | changes))


def test_one_process_and_two_give_the_same_rows_in_the_order_of_the_demands(tmp_path: Path) -> None:
    one, two = rows(tmp_path / "one", 1), rows(tmp_path / "two", 2)

    assert one == two
    assert [row.demand for row in one] == ["low", "high"]


def test_what_is_finished_is_not_played_again_and_what_is_missing_is(tmp_path: Path) -> None:
    first = rows(tmp_path, 1)
    files = sorted(tmp_path.glob("*.json"))
    marked = json.loads(files[0].read_text()) | {"title": "read back"}
    files[0].write_text(json.dumps(marked))
    files[1].unlink()
    heard: list[tuple[int, int]] = []
    again = rows(tmp_path, 1, done=lambda finished, total: heard.append((finished, total)))

    assert heard == [(len(files) - 1, len(files)), (len(files), len(files))]
    assert json.loads(files[0].read_text())["title"] == "read back"
    assert [row.ours.cost for row in again] == [row.ours.cost for row in first]


def test_another_seed_another_curve_or_another_code_is_another_run() -> None:
    job, one = Job(demand="low", policy=OURS), cases()["low"]
    other = replace(one, seed=1)
    steeper = replace(one, demand=one.demand.at_mean(21.0))
    keys = {key_of(job, one, "a"), key_of(job, other, "a"), key_of(job, steeper, "a"), key_of(job, one, "b")}

    assert len(keys) == 4


def test_a_language_model_gives_the_same_rows_on_one_process_and_two_and_other_lengths_are_another_run(
    tmp_path: Path,
) -> None:
    one, other = (
        llm_case([(0, 4.0)], seconds=900.0, lengths=lengths) for lengths in (CHAT, replace(CHAT, cv_output=0.3))
    )
    found = [
        compared(
            {"a": one, "b": other}, [KINDS[0], kind_named("static-peak")], tuned=False, bounds=False,
            results=tmp_path / str(processes), processes=processes,
        )
        for processes in (1, 2)
    ]  # fmt: skip

    assert found[0] == found[1]
    assert found[0][0].ours != found[0][1].ours
    job = Job(demand="a", policy=OURS)
    pairs = [
        TokenPairs(input_tokens=np.arange(1.0, 3_000.0), output_tokens=np.full(2_999, last)) for last in (5.0, 6.0)
    ]
    cases_of_pairs = [replace(one, assumptions=replace(one.assumptions, lengths=lengths)) for lengths in pairs]
    assert len({key_of(job, case, "a") for case in (one, other, *cases_of_pairs)}) == 4


def test_a_demand_at_another_mean_keeps_its_course() -> None:
    scaled = cases()["high"].demand.at_mean(6.0)
    assert scaled.expected(np.array([0.0, 450.0, 900.0])) == pytest.approx([3375.0, 2025.0])


def row(**found):
    jobs = {
        Job(demand="d", policy=OURS, variants=("cpu",)): found.get("ours", score(attainment=0.995, cost=10.0)),
        Job(demand="d", policy="hpa", knobs=(("target", 80.0),), variants=("cpu",)): score(attainment=0.999, cost=12.0),
        Job(demand="d", policy="hpa", knobs=(("target", 50.0),), variants=("cpu",)): score(attainment=0.991, cost=8.0),
        Job(demand="d", policy="hpa", knobs=(("target", 90.0),), variants=("cpu",)): score(attainment=0.98, cost=5.0),
        Job(demand="d", policy=CLAIRVOYANT): score(attainment=0.99, cost=7.0),
    }
    return row_of("d", jobs)


def test_the_best_peer_is_the_cheapest_that_met_the_objective() -> None:
    found = row()

    assert found.peer is not None and found.peer.cost == 12.0
    assert found.tuned is not None and found.tuned.cost == 8.0
    assert found.over_tuned == pytest.approx(1.25)
    assert found.over_clairvoyant == pytest.approx(10 / 7)


def test_a_loss_and_a_miss_are_said_plainly() -> None:
    text = compare_table.rendered([row(), row(ours=score(attainment=0.97, cost=1.0))], "table")

    assert "LOST" in text.splitlines()[1]
    assert "MISSED" in text.splitlines()[2]
    assert "objective met on 1 of 2" in text
    assert json.loads(compare_table.rendered([row()], "json"))[0]["verdict"] == "LOST"


def test_the_search_ends_hopeless_runs_early_and_finds_what_playing_all_of_them_finds(tmp_path: Path) -> None:
    [found, _] = rows(tmp_path, 1, tuned=True)
    one = cases()["low"]
    played = [
        contest.played(one, entry).score for kind in KINDS[1:] for entry in contest.entries(one, kind, tuned=True)
    ]
    best = min((score for score in played if score.met), key=lambda score: score.cost)
    beaten = [file for file in tmp_path.glob("*.json") if file.read_text() == "null"]

    assert found.tuned == best
    assert beaten


def test_a_change_of_our_decision_leaves_what_the_peers_have_played() -> None:
    ours = imported(["tightrope.replay.contest", "tightrope.replay.policies.tightrope"])
    peer = imported(["tightrope.replay.contest", "tightrope.replay.policies.hpa"])

    assert "tightrope.domain.decide" in ours and "tightrope.domain.decide" not in peer
    assert "tightrope.dataplane.kernels" in peer and "tightrope.replay.policies.keda" not in peer
