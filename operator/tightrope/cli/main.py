"""The commands. Each reads its flags, hands over to a room, and turns the outcome into an exit code."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tightrope.cli import live
from tightrope.cli.extras import needed

app = typer.Typer(
    help="Holds the latency SLOs of inference services at the least cost.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def tightrope() -> None:
    """Keeps `run` and `crd` commands of their own, whatever their number."""


def _flag(help_text: str) -> Any:
    # Square brackets hold defaults here; to rich they would be markup.
    return typer.Option(help=help_text.replace("[", r"\["), show_default=False)


@app.command()
def run(
    prometheus_url: Annotated[str | None, _flag("Base URL of Prometheus, as in http://prometheus:9090.")] = None,
    kubeconfig: Annotated[str | None, _flag("Kubeconfig file [the pod's service account, else KUBECONFIG].")] = None,
    tick_seconds: Annotated[str | None, _flag("Seconds between decisions [15].")] = None,
    rate_window_seconds: Annotated[str | None, _flag("Seconds over which rates are taken [60].")] = None,
    max_sample_age_seconds: Annotated[str | None, _flag("A sample older than this is stale [60].")] = None,
    query_timeout_seconds: Annotated[str | None, _flag("Seconds that Prometheus has to answer [5].")] = None,
    history_seconds: Annotated[str | None, _flag("How much is read back at start [691200]; 0 for nothing.")] = None,
    reconcile_seconds: Annotated[str | None, _flag("Seconds between two full listings of the cluster [30].")] = None,
    metrics_host: Annotated[str | None, _flag("Address of /metrics, /healthz and /readyz [0.0.0.0].")] = None,
    metrics_port: Annotated[str | None, _flag("Port of /metrics, /healthz and /readyz [8080]; 0 for any.")] = None,
    leader_election: Annotated[
        str | None, _flag("on, or off where no second process of this operator ever runs [on].")
    ] = None,
    lease_namespace: Annotated[
        str | None, _flag("Namespace of the Lease tightrope [the pod's own, else tightrope-system].")
    ] = None,
    lease_seconds: Annotated[str | None, _flag("How long a leader's Lease lasts without renewal [15].")] = None,
    namespaces: Annotated[
        str | None, _flag("Only these namespaces, as in nlp,vision, and no right elsewhere [the whole cluster].")
    ] = None,
    paused: Annotated[str | None, _flag("In every service: none, descents or all stands still [none].")] = None,
    leader_worker_sets: Annotated[
        str | None, _flag("on where LeaderWorkerSets are to be scaled, which takes the right to list them [off].")
    ] = None,
    log_level: Annotated[str | None, _flag("debug, info, warning or error [info].")] = None,
    generic_requests_total: Annotated[str | None, _flag("Preset generic: counter [http_requests_total].")] = None,
    generic_latency_histogram: Annotated[
        str | None, _flag("Preset generic: histogram in seconds [http_request_duration_seconds].")
    ] = None,
    generic_in_flight: Annotated[str | None, _flag("Preset generic: gauge [http_requests_in_flight].")] = None,
    generic_status_label: Annotated[str | None, _flag("Preset generic: label of the HTTP status [code].")] = None,
    generic_ttft_histogram: Annotated[
        str | None, _flag("Preset generic: histogram of times to the first token, in seconds [none].")
    ] = None,
    generic_itl_histogram: Annotated[
        str | None, _flag("Preset generic: histogram of gaps between tokens, in seconds [none].")
    ] = None,
    gateway_requests_total: Annotated[
        str | None, _flag("For replicas.min 0: counter of requests in front of services [none].")
    ] = None,
    gateway_namespace_label: Annotated[str | None, _flag("Its label with the namespace [namespace].")] = None,
    gateway_service_label: Annotated[str | None, _flag("Its label with the name of the Service [service].")] = None,
) -> None:
    """Run the operator. Every flag can be set as TIGHTROPE_<FLAG> in the environment instead."""
    flags = dict(locals())
    # Imported here: kopf and the Kubernetes client take a second, which `tightrope crd` need not wait for.
    from tightrope.controller import wiring
    from tightrope.controller.settings import SettingsInvalid, parse

    try:
        settings = parse(flags=flags, environment=os.environ)
    except SettingsInvalid as invalid:
        print(invalid, file=sys.stderr)
        raise typer.Exit(2) from None
    raise typer.Exit(wiring.run(settings))


@app.command()
def crd() -> None:
    """Print the custom resource definitions, for kubectl apply -f -."""
    from tightrope.api.crd import KINDS, as_yaml, crd

    print("---\n".join(as_yaml(crd(kind)) for kind in KINDS), end="")


# What both commands take for granted, unless told otherwise.
_Servers = Annotated[
    Path | None, _flag("YAML file: how a replica of each variant works [as the spec's capacity says].")
]
_Tokens = Annotated[
    str | None, _flag("For language models: how long requests are, as YAML or a CSV file [as the trace says].")
]
_From = Annotated[
    str | None, typer.Option("--from", help="With --prometheus: begin, as in 30d, RFC 3339 or unix seconds.")
]
_Pods = Annotated[
    str | None, typer.Option("--pods", help=r"With --prometheus: regular expression of their names \[by the spec].")
]
_Events = Annotated[Path | None, _flag("CSV or YAML file of shortages, reclaimed nodes and price changes.")]
_Minimum = Annotated[str, _flag("A node is billed for this long at the least [60s].")]
_BillingStep = Annotated[str, _flag("A node is billed in whole steps of this, such as 1s, 1m or 1h [1s].")]
_Routing = Annotated[str, _flag("Who takes the next request: even, weighted or least-loaded [even].")]
_StartupCv = Annotated[float, _flag("How much start-up varies: standard deviation over timeToReady [0.1].")]
_Drain = Annotated[str, _flag("How long a stopped replica may finish what it has [30s].")]
_Seed = Annotated[int, typer.Option(min=0, show_default=False, help=r"Seed of everything random \[0].")]
_Scrape = Annotated[str, _flag("How often metrics are scraped [15s].")]
_Warmup = Annotated[str, _flag("So much of the demand is played first and not scored, such as 24h [0s].")]


@app.command()
def replay(
    spec: Annotated[Path, _flag("YAML file with the InferenceDeployment.")],
    pools: Annotated[Path, _flag("YAML file with its ComputePools.")],
    trace: Annotated[Path | None, _flag("CSV file (plain or .gz) of rates, counts or requests.")] = None,
    prometheus: Annotated[str | None, _flag("Instead of a trace: base URL of the Prometheus that recorded it.")] = None,
    query: Annotated[str | None, _flag("With --prometheus: PromQL [arrivals by the service's metrics preset].")] = None,
    start: _From = None,
    end: Annotated[str | None, typer.Option("--to", help=r"With --prometheus: end, likewise \[now].")] = None,
    step: Annotated[str | None, _flag("With --prometheus: how fine, two scrapes at least [60s].")] = None,
    namespace: Annotated[str | None, _flag("With --prometheus: where the pods are [that of the spec].")] = None,
    pods_like: _Pods = None,
    token_file: Annotated[Path | None, _flag("With --prometheus: file with a bearer token.")] = None,
    ca_file: Annotated[Path | None, _flag("With --prometheus: file with its certificate authorities.")] = None,
    generate: Annotated[str | None, _flag("Instead of a trace: diurnal, step, spike, ...; see docs/replay.md.")] = None,
    hours: Annotated[float, _flag("With --generate: how long [24].")] = 24.0,
    rate: Annotated[float | None, _flag("With --generate: the mean, in requests per second.")] = None,
    peak: Annotated[float | None, _flag("With --generate: the highest rate [what suits the kind].")] = None,
    column: Annotated[str | None, _flag("Which column of the trace, where it has several.")] = None,
    dispersion: Annotated[float, _flag("How bursty requests are within a step of the trace; 1 is Poisson [1].")] = 1.0,
    service: Annotated[str | None, _flag("Which InferenceDeployment, where the file has several.")] = None,
    policy: Annotated[list[str] | None, _flag("A policy to play; may be given again [all].")] = None,
    tuned: Annotated[bool, _flag("Also search the settings of every peer for the cheapest in hindsight.")] = False,
    bounds: Annotated[bool, _flag("Also find the cheapest schedule for somebody who knows every arrival.")] = False,
    servers: _Servers = None,
    tokens: _Tokens = None,
    events: _Events = None,
    billing_minimum: _Minimum = "60s",
    billing_step: _BillingStep = "1s",
    startup_cv: _StartupCv = 0.1,
    routing: _Routing = "even",
    drain: _Drain = "30s",
    scrape: _Scrape = "15s",
    warmup: _Warmup = "0s",
    report: Annotated[Path | None, _flag("Also write a page to look at: --report out.html.")] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="table, csv or json.")] = "table",
    seed: _Seed = 0,
) -> None:
    """What Tightrope, and what others would have done with this demand, and what it would have cost."""
    options = dict(locals())
    with needed("replay", by="replay"):
        from tightrope.cli.assumed import Assumed
        from tightrope.cli.history import asked
        from tightrope.cli.replay import chosen_demand, replayed
        from tightrope.replay.profiles import ReplayError

    try:
        demand = chosen_demand(
            trace=trace, column=column, history=asked(options), spec=spec, service_name=service,
            generate=generate, hours=hours, rate=rate, peak=peak, dispersion=dispersion, seed=seed,
        )  # fmt: skip
        text, notes = replayed(
            demand=demand, spec=spec, pools=pools, service_name=service, assumed=Assumed.of(options),
            policies=policy or [], tuned=tuned, bounds=bounds, output=output, report=report,
            command=shlex.join(["tightrope", *sys.argv[1:]]), seed=seed,
        )  # fmt: skip
    except ReplayError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    print(*notes, sep="\n", file=sys.stderr)
    print(text, end="")


@app.command()
def compare(
    traces: Annotated[Path, _flag("Folder of CSV files, or one; every column of demand is a row.")],
    spec: Annotated[Path, _flag("YAML file with the InferenceDeployment.")],
    pools: Annotated[Path, _flag("YAML file with its ComputePools.")],
    service: Annotated[str | None, _flag("Which InferenceDeployment, where the file has several.")] = None,
    mean_rate: Annotated[float | None, _flag("Scale every demand to this mean, in requests per second.")] = None,
    dispersion: Annotated[float, _flag("How bursty requests are within a step; 1 is Poisson [1].")] = 1.0,
    policy: Annotated[list[str] | None, _flag("A peer to compare with; may be given again [all].")] = None,
    tuned: Annotated[
        bool, _flag("Also search every peer's settings in hindsight; --no-tuned for defaults alone.")
    ] = True,
    bounds: Annotated[bool, _flag("Also find the clairvoyant's schedule for each demand.")] = False,
    results: Annotated[Path, _flag("Folder for finished runs, from which it goes on [build/compare].")] = Path(
        "build/compare"
    ),
    processes: Annotated[int | None, _flag("Side by side [one a core].")] = None,
    servers: _Servers = None,
    tokens: _Tokens = None,
    events: _Events = None,
    billing_minimum: _Minimum = "60s",
    billing_step: _BillingStep = "1s",
    startup_cv: _StartupCv = 0.1,
    routing: _Routing = "even",
    drain: _Drain = "30s",
    scrape: _Scrape = "15s",
    warmup: _Warmup = "0s",
    output: Annotated[str, typer.Option("-o", "--output", help="table, csv or json.")] = "table",
    seed: _Seed = 0,
) -> None:
    """A row a demand: Tightrope with its defaults beside the best peer, tuned in hindsight."""
    options = dict(locals())
    with needed("replay", by="compare"):
        from tightrope.cli.assumed import Assumed
        from tightrope.cli.compare import comparison
        from tightrope.replay.profiles import ReplayError

    try:
        text, notes = comparison(
            traces=traces, dispersion=dispersion, mean_rate=mean_rate, spec=spec, pools=pools, service_name=service,
            assumed=Assumed.of(options), policies=policy or [], tuned=tuned, bounds=bounds, results=results,
            processes=processes or os.cpu_count() or 1, output=output, seed=seed,
        )  # fmt: skip
    except ReplayError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    print(*notes, sep="\n", file=sys.stderr)
    print(text, end="")


live.register(app)
