"""`--prometheus` and the options that go with it: demand out of a user's own history. `replay` calls it."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tightrope.adapters.prometheus import Connection, GenericNames, TargetLabels
from tightrope.adapters.prometheus.queries import catalogue
from tightrope.api.parse import ParsedService
from tightrope.controller.manifests import workload_name
from tightrope.controller.settings import Settings, SettingsInvalid, parse
from tightrope.replay.demand import Demand
from tightrope.replay.inputs.history import Pods, Question, Range, arrivals_query, prometheus, range_of, read_history
from tightrope.replay.inputs.manifests import read_parsed
from tightrope.replay.profiles import ReplayError


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options as they were written; None where one was left out."""

    url: str
    start: str
    end: str = "now"
    step: str = "60s"
    query: str | None = None
    namespace: str | None = None
    pods_like: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None


def asked(options: Mapping[str, Any]) -> Asked | None:
    """What the options of `replay` ask of Prometheus; None if nothing. Raises ReplayError for options that have no use
    alone."""
    given = {one.name: found for one in fields(Asked) if (found := options.get(one.name)) is not None}
    if options["prometheus"] is None:
        written = {"start": "from", "end": "to", "pods_like": "pods"}
        for name in given:
            option = written.get(name, name.replace("_", "-"))
            raise ReplayError(f"--{option} goes with --prometheus: write its URL, or leave --{option} out")
        return None
    if "start" not in given:
        raise ReplayError("--from is missing: write when the replay begins, as in 30d for thirty days ago")
    return Asked(url=options["prometheus"], **given)


def recorded(wish: Asked, *, spec: Path, service_name: str | None, dispersion: float) -> Demand:
    """The demand that Prometheus recorded. Names of the generic preset are read from the environment, as the operator
    does. Raises ReplayError."""
    if wish.query is not None and (wish.namespace or wish.pods_like):
        raise ReplayError("--query goes without --namespace and --pods: write the matchers into the query")
    now = time.time()  # noqa: TID251 - "30d" means before this very command
    over = range_of(start=wish.start, end=wish.end, step=wish.step, now=now)
    settings = _settings(wish.url)
    connection = Connection(
        url=settings.prometheus_url,
        bearer_token_file=_there("--token-file", wish.token_file),
        ca_file=_there("--ca-file", wish.ca_file),
    )
    if wish.query is not None:
        question = Question(text=wish.query)
    else:
        question = _preset_question(wish, read_parsed(spec, name=service_name), settings, over)
    ask = prometheus(connection, monotonic=time.monotonic)
    return read_history(ask, question, over, dispersion=dispersion, where=connection.shown)


def _settings(url: str) -> Settings:
    try:
        return parse(flags={"prometheus_url": url}, environment=os.environ)
    except SettingsInvalid as invalid:
        raise ReplayError(str(invalid).replace("--prometheus-url", "--prometheus")) from None


def _there(option: str, path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise ReplayError(f"{option} {path}: there is no such file: write the path of one")
    return path


def _preset_question(wish: Asked, parsed: ParsedService, settings: Settings, over: Range) -> Question:
    """What the operator asks of this service's preset, for the pods of all its variants."""
    names, labels = settings.generic, TargetLabels()
    generic = GenericNames(
        requests_total=names.requests_total,
        latency_histogram=names.latency_histogram,
        in_flight=names.in_flight or None,
        status_label=names.status_label,
        ttft_histogram=names.ttft_histogram,
        itl_histogram=names.itl_histogram,
    )
    pods = Pods(namespace=wish.namespace or parsed.service.key.namespace, pattern=wish.pods_like or pods_of(parsed))
    preset = catalogue(labels, generic)[parsed.preset]
    return arrivals_query(preset, pods, step_seconds=over.step_seconds, labels=labels)


def pods_of(parsed: ParsedService) -> str:
    """A regular expression for the names of the pods of every variant's workload."""
    service = parsed.service
    workloads = [
        parsed.targets[v.name].name if v.name in parsed.targets else workload_name(service.key.name, v.name)
        for v in service.variants
    ]
    one_of = "|".join(name.replace(".", "[.]") for name in workloads)
    return f"({one_of})-.+"
