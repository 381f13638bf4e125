"""A reverse proxy between the operator and the API server that can kill the operator at its k-th write.

It speaks plain HTTP on loopback to the operator and TLS to the API server, streams watches, and remembers every write
with its path, so that tests can also count them. Runs in a thread with an event loop of its own.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

WRITES = {"POST", "PUT", "PATCH", "DELETE"}
HOP_BY_HOP = {"transfer-encoding", "connection", "content-length", "content-encoding", "host"}


@dataclass(frozen=True)
class Write:
    method: str
    path: str
    status: int | None


class KillingProxy:
    """`arm(k, before=True, kill=...)` calls `kill` when the k-th write from now arrives (or was answered)."""

    def __init__(self, *, upstream: str, ca_file: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.writes: list[Write] = []
        self._upstream, self._ca, self._port = upstream, ca_file, port
        self._countdown: int | None = None
        self._before = True
        self._kill: Callable[[], None] = lambda: None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self.killed = threading.Event()

    def __enter__(self) -> "KillingProxy":
        self._thread.start()
        assert self._ready.wait(10), "the proxy did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def arm(self, countdown: int, *, before: bool, kill: Callable[[], None]) -> None:
        self.killed.clear()
        self._before, self._kill, self._countdown = before, kill, countdown

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.run_forever()
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _serve(self) -> None:
        context = ssl.create_default_context(cafile=str(self._ca))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._forward)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._ready.set()

    async def _close(self) -> None:
        await self._runner.cleanup()  # watches are open for ever: a handler left to the collector fails a later test
        await self._session.close()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        counts = request.method in WRITES and not {"events", "leases"} & set(request.path.split("/"))
        if counts and self._due(before=True):
            raise web.HTTPBadGateway()
        body = await request.read()
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        try:
            async with self._session.request(
                request.method,
                self._upstream + request.raw_path,
                headers=headers,
                data=body or None,
                allow_redirects=False,
            ) as answer:
                if counts:
                    self.writes.append(Write(request.method, request.path, answer.status))
                    if self._due(before=False):
                        raise web.HTTPBadGateway()
                return await self._stream(request, answer)
        except aiohttp.ClientError as error:
            raise web.HTTPBadGateway(text=str(error)) from error

    def _due(self, *, before: bool) -> bool:
        """Counts down on the side that is armed; kills at zero."""
        if self._countdown is None or self._before is not before:
            return False
        self._countdown -= 1
        if self._countdown > 0:
            return False
        self._countdown = None
        self._kill()
        self.killed.set()
        return True

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response
