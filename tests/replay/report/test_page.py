"""The whole page, of replays that were really played: well-formed, sealed, escaped, and true to the scores."""

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import build
import numpy as np
import pytest
from replay.cases import case, told
from replay.report.courses import bound

from tightrope.replay.report.page import page
from tightrope.replay.run import Case, play
from tightrope.replay.score import Beaten, Course, Step
from tightrope.replay.table import share

EVIL = "<script>alert('x')</script>&\"quoted\""
GAP = (300.0, 420.0)


def played(made: Case, title: str, ask, **changes: Any) -> Course:
    """The course of a policy that asks what it is told, under another name."""
    kind, _ = told(ask)
    found = play(made, replace(kind, name=title.lower(), title=title), knobs={}, variants=("cpu", "gpu"))
    return replace(found, **changes)


@pytest.fixture(scope="module")
def made() -> Case:
    return case([(0.0, 30.0), (600.0, 60.0)], seconds=700.0, gaps=[GAP])


@pytest.fixture(scope="module")
def courses(made: Case) -> Sequence[Course]:
    beaten = Beaten(plan=EVIL, cost_per_hour=1.0, why_not=EVIL)
    step = Step(at=60.0, replicas={"cpu": 4, "gpu": 0}, reason="DemandRose", sentence=EVIL, beaten=(beaten,))
    return [
        played(made, "Tightrope", lambda seat: {"cpu": 4, "gpu": 0}, steps=[step]),
        played(made, "HPA", lambda seat: {"cpu": 0, "gpu": 1}),
    ]


def written(made: Case, courses: Sequence[Course], **changes: Any) -> str:
    values: dict[str, Any] = {"bound": None, "command": "tightrope replay --report out.html"}
    return page(made, courses, **(values | changes))


def tree(text: str) -> ET.Element:
    """The page as XML: style and script, the only text that may hold what XML may not, are emptied first."""
    bare = re.sub(r"(<(style|script)[^>]*>).*?(</\2>)", r"\1\3", text, flags=re.DOTALL)
    return ET.fromstring(bare.removeprefix("<!doctype html>"))


def words(text: str) -> str:
    return " ".join(" ".join(tree(text).itertext()).split()).replace("\N{NO-BREAK SPACE}", " ")


def test_the_page_is_well_formed_and_its_names_are_unique(made: Case, courses: Sequence[Course]) -> None:
    root = tree(written(made, courses, bound=replace(bound(), course=courses[1])))
    identities = [one.get("id") for one in root.iter() if one.get("id")]
    charts = [one.get("data-chart") for one in root.iter() if one.get("data-chart")]

    assert root.get("lang") == "en"
    assert len(set(identities)) == len(identities) > 4
    assert len(set(charts)) == len(charts) == 4 + 2 * 3


def test_the_page_fetches_nothing_and_admits_only_its_own_style_and_script(
    made: Case, courses: Sequence[Course]
) -> None:
    text = written(made, courses)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    parts = re.search(r"<style>(.*?)</style>", text, re.DOTALL), re.search(r"<script>(.*?)</script>", text, re.DOTALL)

    assert not re.search(r"https?://|\b(src|href|action)=|@import|url\(|\sstyle=|\son\w+=", text)
    assert policy is not None and "default-src &#x27;none&#x27;" in policy.group(1)
    for part in parts:
        assert part is not None
        digest = base64.b64encode(hashlib.sha256(part.group(1).encode()).digest()).decode()
        assert f"sha256-{digest}" in policy.group(1)


def test_the_figures_on_the_page_are_those_of_the_scores(made: Case, courses: Sequence[Course]) -> None:
    said = words(written(made, courses))

    for course in courses:
        assert f"{course.score.cost:,.2f} USD" in said
        assert share(course.score.attainment) in said
    assert f"{courses[0].score.requests:,} requests" in said
    assert f"Over {700 / 60:.3g} min of demand (of which 2 min unknown" in said


def test_the_words_of_others_stay_words(made: Case, courses: Sequence[Course]) -> None:
    key = replace(build.KEY, name=EVIL)
    odd = replace(
        made, service=replace(made.service, key=key), demand=replace(made.demand, name=EVIL, source=EVIL, notes=(EVIL,))
    )
    text = written(odd, courses, command=EVIL, measured=[EVIL], assumed=[EVIL])

    assert "<script>alert" not in text
    assert text.count("<script") == text.count("</script>") == 2
    assert words(text).count(EVIL) >= 8


def test_a_name_cannot_end_the_readings_early(made: Case, courses: Sequence[Course]) -> None:
    named = [courses[0], replace(courses[1], score=replace(courses[1].score, title="</script><b>HPA</b>"))]
    text = written(made, named)

    assert "</script><b>" not in text
    tree(text)


def test_what_is_unknown_is_neither_zero_nor_drawn(made: Case, courses: Sequence[Course]) -> None:
    text = written(made, courses)
    readings = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text)
    assert readings is not None
    demand = re.search(r'"name":"demand","entrant":null,"values":\[([^]]*)\]', readings.group(1))
    assert demand is not None
    values = demand.group(1).split(",")
    inside = values[int(GAP[0] / 15) : int(GAP[1] / 15)]

    assert set(inside) == {"null"}
    assert "null" not in values[: int(GAP[0] / 15)]
    assert "unknown: nothing was recorded here" in text
    assert "What is shaded is unknown." in words(text)


def test_dates_are_told_where_the_demand_has_them(made: Case, courses: Sequence[Course]) -> None:
    dated = replace(made, demand=replace(made.demand, start_unix=1_772_323_200.0))

    assert "from 2026-03-01 00:00 UTC to 2026-03-01 00:11 UTC" in words(written(dated, courses))
    assert "time in UTC" in words(written(dated, courses))
    assert "time since the start" in words(written(made, courses))


def test_prices_startup_times_and_the_command_are_on_the_page(made: Case, courses: Sequence[Course]) -> None:
    said = words(written(made, courses, measured=["a load test of March"], assumed=["spot nodes stay"]))

    assert "gpu runs in pool gpu, of at most 20 nodes: 0.80 USD per node and hour" in said
    assert "a new replica ready after 1 min" in said
    assert "nodes are billed from request to release" in said
    assert "a load test of March" in said and "spot nodes stay" in said
    assert "tightrope replay --report out.html" in said


def test_the_same_replay_gives_the_same_page(made: Case, courses: Sequence[Course]) -> None:
    assert written(made, courses) == written(made, list(courses))


def test_ours_alone_is_a_page_too_and_claims_no_saving(made: Case, courses: Sequence[Course]) -> None:
    said = words(written(made, courses[:1]))

    assert "No other policy was played beside it" in said
    assert "less than" not in said and "Saved" not in said


def test_no_requests_at_all_give_a_page_that_says_so() -> None:
    idle = case([(0.0, 0.0), (120.0, 0.0)], seconds=120.0)
    said = words(written(idle, [played(idle, "Tightrope", lambda seat: {"cpu": 1, "gpu": 0})]))

    assert "No request was played: nothing can be said of the objective" in said
    assert "no requests" in said


def test_a_fortnight_of_thousands_of_decisions_and_all_peers_stays_small() -> None:
    fortnight = case([(0.0, 30.0)], seconds=14 * 86_400.0)
    short = case([(0.0, 30.0)], seconds=60.0)
    course = played(short, "Tightrope", lambda seat: {"cpu": 4, "gpu": 0})
    line = course.timeline
    names = ("demand", "p50", "p95", "p99", "cost_per_hour", "budget_left")
    course = replace(course, timeline=replace(line, step_seconds=1800.0, **{name: _rough(name) for name in names},
                     ready={"cpu": _rough("cpu"), "gpu": _rough("gpu")},
                     wanted={"cpu": _rough("cpu"), "gpu": _rough("gpu")}))  # fmt: skip
    beaten = (Beaten(plan="cpu:4 gpu:0", cost_per_hour=1.36, why_not="dearer by 0.34/h"),) * 2
    steps = [
        Step(at=300.0 * i, replicas={"cpu": i % 9, "gpu": 0}, reason="DemandRose", sentence="x" * 180, beaten=beaten)
        for i in range(4000)
    ]
    peers = [replace(course, score=replace(course.score, policy=f"p{i}", title=f"Peer {i}")) for i in range(13)]

    assert len(written(fortnight, [replace(course, steps=steps), *peers])) < 3_500_000


def _rough(name: str) -> np.ndarray:
    return np.random.default_rng(len(name)).uniform(0.01, 1.0, 672)
