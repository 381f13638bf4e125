"""The emulated data plane as a process: `python -m tightrope.lab.emulator --kubeconfig F --listen H:P --announce FILE`.

It watches pods and EndpointSlices, lets requests happen in wall time, and serves over HTTP what Prometheus scrapes
(`/sd`, `/metrics/<namespace>/<pod>`, `/node-metrics`) and what the clients truly saw (`/truth?since=T`), and is told
there what to do (`PUT /services`, `PUT /faults`). The lab starts one; SIGTERM or SIGINT ends it.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from aiohttp import web

from tightrope.dataplane.servers import compile_now
from tightrope.lab.emulation import Emulation
from tightrope.lab.emulation_cluster import ClusterView, follow
from tightrope.lab.emulation_faults import parse_faults
from tightrope.lab.emulation_spec import SpecInvalid, parse_services
from tightrope.lab.errors import LabError

STEP_SECONDS: Final = 0.2
STOP_SECONDS: Final = 2.0
LARGEST_BODY_BYTES: Final = 64 * 1024 * 1024  # a trace may come as the points of a curve
TEXT_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Emulator:
    """Drives an emulation by the clock, with what the view of the cluster says, and answers for it over HTTP."""

    def __init__(self, view: ClusterView, clock: Callable[[], float]) -> None:
        self._view, self._clock = view, clock
        self._seen_version = -1
        self.emulation = Emulation(began=clock())

    def app(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_BODY_BYTES)
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/sd", self._targets),
                web.get("/metrics/{namespace}/{pod}", self._metrics),
                web.get("/node-metrics", self._node_metrics),
                web.get("/truth", self._truth),
                web.put("/services", self._serve),
                web.put("/faults", self._fail),
            ]
        )
        return app

    async def drive(self) -> None:
        """Step after step, for ever."""
        while True:
            self.step()
            await asyncio.sleep(STEP_SECONDS)

    def step(self) -> None:
        """Everything up to now, then the cluster as it is now."""
        self.emulation.advance(self._clock())
        if self._view.version != self._seen_version:
            self._seen_version = self._view.version
            self.emulation.see(self._view.snapshot())

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _targets(self, request: web.Request) -> web.Response:
        # Pods that are gone must not be scraped for one more step.
        self.step()
        return web.json_response(self.emulation.targets(request.host))

    async def _metrics(self, request: web.Request) -> web.Response:
        try:
            text = self.emulation.metrics(request.match_info["namespace"], request.match_info["pod"])
        except KeyError as error:
            return web.Response(status=404, text=f"no such pod: {error.args[0]}\n")
        if text is None:
            return web.Response(status=503, text="silent, as the faults in force say\n")
        return web.Response(body=text.encode(), headers={"Content-Type": TEXT_FORMAT})

    async def _node_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self.emulation.node_metrics().encode(), headers={"Content-Type": TEXT_FORMAT})

    async def _truth(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        try:
            return web.json_response(self.emulation.truth(float(since)))
        except ValueError:
            return web.Response(status=400, text=f"since is {since!r}: write unix seconds, such as 1700000000\n")

    async def _serve(self, request: web.Request) -> web.Response:
        with _refusing():
            services = parse_services(await _body(request))
            self.emulation.serve(services, self._clock())
        print(f"services: {', '.join(sorted(services)) or 'none'}", file=sys.stderr, flush=True)
        return web.json_response({"services": len(services)})

    async def _fail(self, request: web.Request) -> web.Response:
        with _refusing():
            faults = parse_faults(await _body(request))
            self.emulation.fail(faults, self._clock())
        print(f"faults: {faults!r}", file=sys.stderr, flush=True)
        return web.json_response(faults.model_dump())


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """A body that cannot be used is the caller's mistake."""
    try:
        yield
    except SpecInvalid as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from None


async def _body(request: web.Request) -> object:
    try:
        return await request.json()
    except ValueError as error:
        raise SpecInvalid(f"the body is not JSON: {error}") from None


def wall_clock() -> Callable[[], float]:
    """Unix seconds that never fall, whatever happens to the machine's clock meanwhile."""
    zero = time.time() - time.monotonic()
    return lambda: zero + time.monotonic()


async def serve(*, kubeconfig: Path, host: str, port: int, announce: Path | None) -> None:
    """Run until SIGTERM or SIGINT. Raises LabError, and OSError when the port is taken."""
    view = ClusterView()
    emulator = Emulator(view, wall_clock())
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    watches = follow(view, kubeconfig)
    runner = web.AppRunner(emulator.app(), access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        url = f"http://{host}:{runner.addresses[0][1]}"
        print(f"listening on {url}", file=sys.stderr, flush=True)
        if announce is not None:
            _announce(announce, url)
        driving, ending = asyncio.create_task(emulator.drive()), asyncio.create_task(ended.wait())
        await asyncio.wait({driving, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        driving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await driving  # a step that failed ends the process with its error
    finally:
        for watch in watches:
            watch.stop()
        await runner.cleanup()


def _announce(path: Path, url: str) -> None:
    """Whole at once, so that nobody reads half a URL."""
    whole = path.with_name(f"{path.name}.new")
    whole.write_text(url + "\n")
    whole.replace(path)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tightrope.lab.emulator", description="Emulated inference servers.")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="whose cluster to emulate")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 takes a free one")
    parser.add_argument("--announce", type=Path, metavar="FILE", help="where to write the URL once it listens")
    options = parser.parse_args(argv)
    host, _, port = options.listen.rpartition(":")
    if not host or not port.isdigit():
        parser.error(f"--listen is {options.listen!r}: write HOST:PORT, such as 127.0.0.1:0")
    compile_now()
    try:
        asyncio.run(serve(kubeconfig=options.kubeconfig, host=host, port=int(port), announce=options.announce))
    except (LabError, OSError) as error:
        print(f"emulator: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
