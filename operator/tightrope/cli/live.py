"""The commands that look at a live cluster. Each reads its flags, hands over to its module, and prints what it says.

`main` registers them. Their modules are imported only when they run, so that `run` and `crd` start without them.
"""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tightrope.cli.failure import Exit, told
from tightrope.cli.output import Form, note, show
from tightrope.cli.where import Where

if TYPE_CHECKING:
    from tightrope.api.pause import Pause


def _option(*names: str, help_text: str) -> Any:
    # Square brackets hold defaults here; to rich they would be markup.
    return typer.Option(*names, help=help_text.replace("[", r"\["), show_default=False)


Name = Annotated[str, typer.Argument(help="Name of the InferenceDeployment.", show_default=False)]
Names = Annotated[
    list[str] | None, typer.Argument(help="Names of InferenceDeployments.", metavar="[NAME]...", show_default=False)
]
AllHere = Annotated[bool, _option("--all", help_text="All of the namespace.")]
Kubeconfig = Annotated[
    str | None, _option("--kubeconfig", help_text="Kubeconfig file [KUBECONFIG, else ~/.kube/config].")
]
Context = Annotated[str | None, _option("--context", help_text="Context of the kubeconfig [its current one].")]
Namespace = Annotated[str | None, _option("--namespace", "-n", help_text="Namespace [that of the kubeconfig].")]
Everywhere = Annotated[bool, _option("--all-namespaces", "-A", help_text="In all namespaces.")]
Selector = Annotated[str | None, _option("--selector", "-l", help_text="Only those with these labels, as team=nlp.")]
PrometheusUrl = Annotated[
    str | None, _option("--prometheus-url", help_text="Base URL of Prometheus [TIGHTROPE_PROMETHEUS_URL].")
]
Output = Annotated[Form, _option("--output", "-o", help_text="table, json or yaml [table].")]


def register(app: typer.Typer) -> None:
    """Make these commands part of the application."""
    for command in (explain, top, check, plan, pause, resume):
        app.command()(command)


def explain(
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Why a service has its plan: the reason, what was not chosen, the error budget, the conditions."""
    from tightrope.cli import explain as room

    with told():
        said = asyncio.run(room.explain(name, Where(kubeconfig=kubeconfig, context=context, namespace=namespace)))
        show(said, output, lambda: room.lines(said, now=_now()))


def top(
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    selector: Selector = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """All services, the dearest first: objective, error budget, plan and cost."""
    from tightrope.cli import top as room

    with told():
        where = Where(kubeconfig=kubeconfig, context=context, namespace=namespace)
        services, looked_in = asyncio.run(room.top(where, everywhere=everywhere, selector=selector))
        if not services:
            note(f"no InferenceDeployment in {looked_in}" + (f" has the labels {selector}" if selector else ""))
        if services or output is not Form.TABLE:
            show(services, output, lambda: room.lines(services, everywhere=everywhere))


def check(
    name: Annotated[str | None, typer.Argument(help="One InferenceDeployment \\[all].", show_default=False)] = None,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    prometheus_url: PrometheusUrl = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """What Prometheus lacks of a service, or of all: metrics, buckets, labels; and what to change."""
    from tightrope.cli import check as room

    with told():
        where = Where(kubeconfig=kubeconfig, context=context, namespace=namespace)
        found = asyncio.run(room.check(name, where, everywhere=everywhere, prometheus_url=prometheus_url))
        show(found, output, lambda: room.lines(found))
        healthy = room.healthy(found)
    raise typer.Exit(Exit.OK if healthy else Exit.NO)


def plan(
    file: Annotated[
        Path, _option("--filename", "-f", help_text="YAML file with InferenceDeployments and ComputePools.")
    ],
    namespace: Namespace = None,
    prometheus_url: PrometheusUrl = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """What would happen if a file were applied now: what would be written, why, at what cost. Writes nothing."""
    from tightrope.cli import plan as room

    with told():
        where = Where(kubeconfig=kubeconfig, context=context, namespace=namespace)
        services = asyncio.run(room.plan(file, where, prometheus_url=prometheus_url))
        show(services, output, lambda: room.lines(services, now=_now()))
        sound = all(room.sound(said) for said in services)
    raise typer.Exit(Exit.OK if sound else Exit.NO)


def pause(
    names: Names = None,
    descents: Annotated[bool, _option("--descents", help_text="Descents only: demand still scales up.")] = False,
    all_here: AllHere = False,
    everywhere: Everywhere = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Stop every change of a service, or its descents, until it is resumed. The spec stays as it is."""
    from tightrope.api.pause import Pause

    chosen = Pause.DESCENTS if descents else Pause.ALL
    where = Where(kubeconfig=kubeconfig, context=context, namespace=namespace)
    _switch(names, chosen, where, all_here=all_here, everywhere=everywhere)


def resume(
    names: Names = None,
    all_here: AllHere = False,
    everywhere: Everywhere = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Take back what tightrope pause has paused."""
    where = Where(kubeconfig=kubeconfig, context=context, namespace=namespace)
    _switch(names, None, where, all_here=all_here, everywhere=everywhere)


def _switch(names: list[str] | None, chosen: "Pause | None", where: Where, *, all_here: bool, everywhere: bool) -> None:
    from tightrope.cli import pause as room

    with told():
        for sentence in asyncio.run(room.switch(names or [], chosen, where, all_here=all_here, everywhere=everywhere)):
            print(sentence)


def _now() -> float:
    return time.time()  # noqa: TID251 - the age of what is shown is counted from this very command
