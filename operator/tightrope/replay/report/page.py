"""The report of a replay as one page: the verdict first, why to believe it, who else did what, and on what it rests.

`tightrope replay --report` writes what `page` returns. The page fetches nothing and allows nothing to be fetched: its
content security policy admits its own style and script by their digests, and no others.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from importlib import resources

from tightrope.replay.bounds import Bound
from tightrope.replay.report import grounds
from tightrope.replay.report.axes import TimeAxis
from tightrope.replay.report.charts import Chart, Frame, figure, readings
from tightrope.replay.report.decisions import decisions
from tightrope.replay.report.frontier import frontier, limits_in_words
from tightrope.replay.report.markup import Markup, element
from tightrope.replay.report.panels import charts, style
from tightrope.replay.report.standing import Entrant, Standing, standing
from tightrope.replay.report.table import table
from tightrope.replay.report.words import headline, tiles, verdict
from tightrope.replay.run import Case
from tightrope.replay.score import Course

GROUPS = ("", "Ready replicas", "Latency", "Error budget", "Cost")  # the headings of `panels.charts`


def page(
    case: Case,
    courses: Sequence[Course],
    *,
    bound: Bound | None,
    command: str,
    measured: Sequence[str] = (),
    assumed: Sequence[str] = (),
    today: str = "hpa",
) -> str:
    """The whole page as HTML.

    The first course is ours; of every other policy any number may be given, the first with its defaults. `command` is
    what made the page; `measured` and `assumed` are sentences to add to those that the case itself gives; `today` names
    the policy that stands for what runs today. Raises ValueError without a course.
    """
    found = standing(courses, bound=bound, today=today, variants=len(case.service.variants))
    axis = TimeAxis(seconds=case.demand.duration_seconds, start_unix=case.demand.start_unix)
    body = element(
        "main",
        {},
        _head(case, found),
        _believe(case, found),
        _frontier(found),
        *_courses(case, found, axis),
        _decisions(found, axis),
        _grounds(case, axis, command=command, measured=measured, assumed=assumed),
    )
    title = f"Tightrope replay of {case.service.key} over {case.demand.name}"
    return f'<!doctype html>\n<html lang="en">{_document_head(title)}<body>{body}{_scripts()}</body></html>\n'


def _document_head(title: str) -> Markup:
    css, js = _part("style.css"), _part("script.js")
    admitted = f"style-src '{_digest(css)}'; script-src '{_digest(js)}'"
    policy = f"default-src 'none'; {admitted}; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        {},
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", {}, title),
        element("style", {}, Markup(css)),
    )


def _scripts() -> Markup:
    return element("script", {}, Markup(_part("script.js")))


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _section(identity: str, heading: str, *children: str) -> Markup:
    return element("section", {"id": identity}, element("h2", {}, heading), *children)


def _list(sentences: Iterable[str]) -> Markup:
    return element("ul", {}, *(element("li", {}, sentence) for sentence in sentences))


def _head(case: Case, found: Standing) -> Markup:
    figures = [
        element("div", {"class": "tile"}, element("dt", {}, what), element("dd", {}, element("b", {}, figure_), remark))
        for what, figure_, remark in tiles(found, case.demand)
    ]
    return element(
        "header",
        {},
        element("p", {"class": "eyebrow"}, f"Tightrope replay · {case.service.key} · {case.demand.name}"),
        element("h1", {}, headline(found)),
        element("p", {"class": "verdict"}, " ".join(verdict(found, case.service.objective, case.demand))),
        element("dl", {"class": "tiles"}, *figures),
    )


def _believe(case: Case, found: Standing) -> Markup:
    return _section("believe", "Why believe it", _list(grounds.reasons(case, found)))


def _frontier(found: Standing) -> Markup:
    remark = "Each numbered dot is a policy: higher is better served, further left is cheaper."
    if found.others:
        remark += " Small dots are the same policies with other settings."
    return _section(
        "frontier",
        "Cost against attainment",
        element("p", {"class": "remark"}, f"{remark} {limits_in_words(found)}"),
        frontier(found),
        element("div", {"class": "wide", "role": "region", "tabindex": 0, "aria-label": "Scores"}, table(found)),
    )


def _courses(case: Case, found: Standing, axis: TimeAxis) -> Iterable[Markup]:
    timeline = found.ours.course.timeline
    frame = Frame(
        axis=axis,
        steps=case.demand.duration_seconds / timeline.step_seconds,
        gaps=case.demand.gaps,
        shown=found.shown_first,
    )
    groups = list(charts(case, found))
    drawn: list[Markup] = []
    for heading, group in zip(GROUPS, groups, strict=True):
        drawn += [element("h3", {}, heading)] if heading else []
        drawn.append(element("div", {"class": "group"}, *(figure(chart, frame) for chart in group)))
    remark = f"Steps of {timeline.step_seconds:g} s; {axis.title}."
    if case.demand.gaps:
        remark += " What is shaded is unknown."
    more = (
        " Point at a chart to read it, or move with the arrow keys; click, or press Enter, for the decision in force."
    )
    chips = [_chip(entrant, found) for entrant in found.entrants]
    yield _section(
        "courses",
        "How it went",
        element("p", {"class": "remark"}, remark, element("span", {"class": "scripted"}, more)),
        element("div", {"class": "chips", "role": "group", "aria-label": "Policies shown"}, *chips),
        *drawn,
        _data([chart for group in groups for chart in group], frame, timeline.step_seconds),
    )


def _chip(entrant: Entrant, found: Standing) -> Markup:
    """A button that shows or hides one policy; without scripts, the legend of those that are shown."""
    shown = entrant.number in found.shown_first
    sample = element("svg", {"width": 22, "height": 10, "aria-hidden": "true"},
                     element("path", {"d": "M0 5h22", "class": f"line {style(entrant, found)}"}))  # fmt: skip
    return element(
        "button",
        {"type": "button", "data-toggle": entrant.number, "aria-pressed": "true" if shown else "false"},
        sample,
        f"{entrant.number} {entrant.name}",
    )


def _data(shown: Sequence[Chart], frame: Frame, step_seconds: float) -> Markup:
    """What the script reads out; no script itself, so that the content security policy need not admit it."""
    values = {
        "step": step_seconds,
        "steps": round(frame.steps, 6),
        "start": frame.axis.start_unix,
        "gaps": [[round(start, 3), round(end, 3)] for start, end in frame.gaps],
        "charts": {chart.key: readings(chart) for chart in shown},
    }
    text = json.dumps(values, separators=(",", ":")).replace("&", "\\u0026").replace("<", "\\u003c")
    return element("script", {"type": "application/json", "id": "readings"}, Markup(text))


def _decisions(found: Standing, axis: TimeAxis) -> Markup:
    steps, ours = found.ours.course.steps, found.ours.score
    opens = "Each opens for its sentence and the plans it beat."
    remark = f"{len(steps):,} times Tightrope changed replicas; {axis.title}. {opens}"
    return _section(
        "decisions",
        "Every decision",
        element("p", {"class": "remark"}, remark),
        decisions(steps, axis, ours.currency),
    )


def _grounds(case: Case, axis: TimeAxis, *, command: str, measured: Sequence[str], assumed: Sequence[str]) -> Markup:
    return _section(
        "grounds",
        "What it rests on",
        element("h3", {}, "Recorded or measured"),
        _list([*grounds.recorded(case, axis), *measured]),
        element("h3", {}, "Stated in your files"),
        _list(grounds.stated(case)),
        element("h3", {}, "Assumed"),
        _list(grounds.assumed(case, assumed)),
        element("h3", {}, "The command"),
        element("pre", {}, element("code", {}, command)),
    )
