"""The commands. Each reads its flags, hands over to a room, and turns the outcome into an exit code."""

import os
import sys
from typing import Annotated, Any

import typer

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
    return typer.Option(help=help_text, show_default=False)


@app.command()
def run(
    prometheus_url: Annotated[str | None, _flag("Base URL of Prometheus, as in http://prometheus:9090.")] = None,
    kubeconfig: Annotated[str | None, _flag("Kubeconfig file [the pod's service account, else KUBECONFIG].")] = None,
    tick_seconds: Annotated[str | None, _flag("Seconds between decisions [15].")] = None,
    rate_window_seconds: Annotated[str | None, _flag("Seconds over which rates are taken [60].")] = None,
    max_sample_age_seconds: Annotated[str | None, _flag("A sample older than this is stale [60].")] = None,
    query_timeout_seconds: Annotated[str | None, _flag("Seconds that Prometheus has to answer [5].")] = None,
    history_seconds: Annotated[str | None, _flag("How much is read back at start [3600]; 0 for nothing.")] = None,
    reconcile_seconds: Annotated[str | None, _flag("Seconds between two full listings of the cluster [30].")] = None,
    metrics_host: Annotated[str | None, _flag("Address of /metrics, /healthz and /readyz [0.0.0.0].")] = None,
    metrics_port: Annotated[str | None, _flag("Port of /metrics, /healthz and /readyz [8080]; 0 for any.")] = None,
    log_level: Annotated[str | None, _flag("debug, info, warning or error [info].")] = None,
    generic_requests_total: Annotated[str | None, _flag("Preset generic: counter [http_requests_total].")] = None,
    generic_latency_histogram: Annotated[
        str | None, _flag("Preset generic: histogram in seconds [http_request_duration_seconds].")
    ] = None,
    generic_in_flight: Annotated[str | None, _flag("Preset generic: gauge [http_requests_in_flight].")] = None,
    generic_status_label: Annotated[str | None, _flag("Preset generic: label of the HTTP status [code].")] = None,
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
