"""An HTTP server in place of Prometheus, for tests of what is asked and what is made of the answer."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

Parameters = Mapping[str, list[str]]


def matrix(asked: Parameters, rate: Callable[[float], float | None]) -> dict[str, Any]:
    """One series with this rate at every point of the range that is asked for, but where it is None."""
    start, end, step = float(asked["start"][0]), float(asked["end"][0]), float(asked["step"][0].rstrip("s"))
    times = np.arange(start, end + 1, step).tolist()
    values = [[at, str(value)] for at in times if (value := rate(at)) is not None]
    return {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}}


@contextmanager
def served(answer: Callable[[dict[str, list[str]]], tuple[int, Any]]) -> Iterator[str]:
    """The address of an HTTP server that answers so to the parameters of a query."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = answer(parse_qs(urlsplit(self.path).query) | {"token": [self.headers["Authorization"]]})
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
