"""Our attainments beside the published ones: which policies are played, and how the comparison is printed."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean

from tightrope.replay.faro.forecast import Forecast, Level, Oracle
from tightrope.replay.faro.load import Load
from tightrope.replay.faro.ours import Tightrope
from tightrope.replay.faro.planner import Faro
from tightrope.replay.faro.play import Course
from tightrope.replay.faro.rules import FairShare, Hybrid, Mark, Policy, Reactive
from tightrope.replay.policies.step_counter import INTERVAL_SECONDS
from tightrope.replay.policies.tightrope import TICK_SECONDS
from tightrope.replay.table import aligned

_NHITS = "/window_420s/max_latency/nhits"
_PLAIN = f"/pred_none{_NHITS}"
_FARO = "hybrid_ai_pred_darts_cobyla_utility_latency_coldstart_mdc0.99_adjust"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """One policy of the table: how it is called there and in the published results, how it is built for a load, how
    many replicas each job begins with on so many CPUs, and how often it has its turn, in seconds."""

    name: str
    published: str | None
    build: Callable[[Load, Forecast], Policy]
    replicas: Callable[[int, int], int] = lambda cpus, jobs: 1
    period: float = INTERVAL_SECONDS


ENTRANTS = (
    Entrant(
        name="fairshare",
        published="fairshare",
        build=lambda load, forecast: FairShare(),
        replicas=lambda cpus, jobs: max(1, cpus // jobs),
    ),
    Entrant(
        name="oneshot",
        published="oneshot",
        build=lambda load, forecast: Reactive(len(load.names), proportional=True),
    ),
    Entrant(name="aiad", published="aiad", build=lambda load, forecast: Reactive(len(load.names))),
    Entrant(
        name="mark",
        published=f"hybrid_ai_pred_darts/pred_max{_NHITS}",
        build=lambda load, forecast: Hybrid(Mark(), forecast, len(load.names)),
    ),
    Entrant(
        name="faro-sum",
        published=f"{_FARO}{_PLAIN}",
        build=lambda load, forecast: Hybrid(Faro(fair=False), forecast, len(load.names)),
    ),
    Entrant(
        name="faro-fairsum",
        published=f"{_FARO}_minmax3{_PLAIN}",
        build=lambda load, forecast: Hybrid(Faro(fair=True), forecast, len(load.names)),
    ),
    Entrant(
        name="tightrope",
        published=None,
        build=lambda load, forecast: Tightrope(len(load.names)),
        period=TICK_SECONDS,
    ),
)

FORECASTS: Mapping[str, Callable[[Load], Forecast]] = {
    "level": lambda load: Level(),
    "oracle": lambda load: Oracle(load.counts),
}

HEADINGS = ("POLICY", "CPUS", "OURS", "PUBLISHED", "DIFFERENCE", "DROPPED", "REPLICAS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One policy on one size, over all seeds: attainments in percent, their difference in points, the percentage of
    requests dropped, and the replicas ready on average."""

    policy: str
    cpus: int
    attainment: float
    published: float | None
    difference: float | None
    dropped: float
    replicas: float
    by_job: Sequence[float]


def line(entrant: Entrant, cpus: int, courses: Sequence[Course], published: Mapping[tuple[str, int], float]) -> Line:
    """The mean of these courses beside what was published."""
    attained = mean(course.attainment for course in courses)
    theirs = published.get((entrant.published or "", cpus))
    return Line(
        policy=entrant.name,
        cpus=cpus,
        attainment=attained,
        published=theirs,
        difference=None if theirs is None else attained - theirs,
        dropped=mean(100.0 * course.dropped / max(course.requests, 1) for course in courses),
        replicas=mean(course.mean_replicas for course in courses),
        by_job=[mean(values) for values in zip(*(course.by_job for course in courses), strict=True)],
    )


def rendered(found: Iterable[Line], form: str) -> str:
    """The lines as a table, `csv` or `json`."""
    documents = [asdict(one) for one in found]
    if form == "json":
        return json.dumps(documents, indent=2) + "\n"
    if form == "csv":
        out = io.StringIO()
        names = [name for name in documents[0] if name != "by_job"] if documents else []
        writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(documents)
        return out.getvalue()
    return aligned([HEADINGS, *([_cell(document[key]) for key in _COLUMNS] for document in documents)])


_COLUMNS = ("policy", "cpus", "attainment", "published", "difference", "dropped", "replicas")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
