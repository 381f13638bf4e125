"""`tightrope pause` and `tightrope resume`: one annotation, in one command, whatever the hour.

The spec is left alone, so that what a repository applies later neither undoes the pause nor fights with it.
"""

from collections.abc import Sequence
from typing import Any, Final

from tightrope.api.pause import PAUSED, Pause
from tightrope.cli.cluster import LiveCluster, Wire, connected
from tightrope.cli.failure import Exit, Failure
from tightrope.cli.where import Where

_SAID: Final = {
    Pause.ALL: "every change is paused",
    Pause.DESCENTS: "descents are paused; demand still scales up",
    None: "resumed",
}


async def switch(
    names: Sequence[str],
    pause: Pause | None,
    where: Where,
    *,
    all_here: bool,
    everywhere: bool,
) -> list[str]:
    """Pause these services, or resume them (None); a sentence for each. All are found before the first is changed.
    Raises Failure."""
    if bool(names) + all_here + everywhere != 1:
        raise Failure("write the names of services, or --all for the whole namespace, or -A", ends=Exit.USAGE)
    async with connected(where) as cluster:
        if names:
            found: Sequence[Wire] = [await cluster.service(name) for name in dict.fromkeys(names)]
        else:
            found = await cluster.services(everywhere=everywhere)
        return [await switched(cluster, wire, pause) for wire in found]


async def switched(cluster: LiveCluster, wire: Wire, pause: Pause | None) -> str:
    """Write the annotation unless it stands there already; what is so now."""
    metadata: dict[str, Any] = wire["metadata"]
    if (metadata.get("annotations") or {}).get(PAUSED) != pause:
        await cluster.annotate(wire, {PAUSED: pause})
    said = f"{metadata['namespace']}/{metadata['name']}: {_SAID[pause]}"
    if pause is not None:
        return f"{said}; tightrope resume {metadata['name']} -n {metadata['namespace']} takes it back"
    if (mode := (wire.get("spec") or {}).get("mode", "Auto")) != "Auto":
        return f"{said}, but its spec says mode: {mode}, so nothing is changed until it says Auto"
    return said
