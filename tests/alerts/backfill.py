"""A real Prometheus that is told the past: series with old times, written over its remote-write receiver.

The receiver takes protobuf in Snappy. The message is small (prometheus/prompb, WriteRequest of remote write 1.0), and
a Snappy block of nothing but literals is a valid one, so neither needs a library.
"""

import contextlib
import json
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A scrape that does not find a series any more leaves this NaN behind: the series has ended.
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
_LITERAL_MAX = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A name, labels, and (unix seconds, value) in ascending time."""

    name: str
    labels: Mapping[str, str]
    samples: Sequence[tuple[float, float]]


class PastPrometheus:
    """Where it listens; writing the past and asking about it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def write(self, series: Iterable[Series]) -> None:
        request = urllib.request.Request(
            f"{self.url}/api/v1/write",
            data=snappy(b"".join(field(1, encoded(one)) for one in series)),
            headers={
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30):
                pass
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def ask(self, path: str, **parameters: str | float) -> Any:
        """The data of one answer of the HTTP API; an AssertionError with Prometheus' own words if it refuses."""
        body = urllib.parse.urlencode(parameters).encode() or None
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data=body, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error


@contextlib.contextmanager
def past_prometheus(
    program: Path, directory: Path, *, rules: Path, scraping: Sequence[Mapping[str, Any]] = ()
) -> Iterator[PastPrometheus]:
    """A Prometheus that takes samples of any age and evaluates these rules every second. `scraping` are its
    scrape_configs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = directory / "prometheus.yml"
    config.write_text(
        json.dumps(
            {
                "global": {"evaluation_interval": "1s"},
                "rule_files": [str(rules)],
                "scrape_configs": list(scraping),
                "storage": {"tsdb": {"out_of_order_time_window": "10000d"}},
            }
        )
    )
    argv = [
        str(program), f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}", "--log.level=error",
        f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
        "--storage.tsdb.retention.time=100y", "--storage.tsdb.min-block-duration=10000d",
        "--storage.tsdb.max-block-duration=10000d",
    ]  # fmt: skip
    log = directory / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out)
    try:
        prometheus = PastPrometheus(f"http://127.0.0.1:{port}")
        _wait_ready(prometheus, process, log)
        yield prometheus
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait_ready(prometheus: PastPrometheus, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{prometheus.url}/-/ready", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.05)


def encoded(series: Series) -> bytes:
    """A TimeSeries message: labels in the order of their names, then samples in milliseconds."""
    labels = sorted({"__name__": series.name, **series.labels}.items())
    parts = [field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in labels]
    parts += [
        field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(round(at * 1000)))
        for at, value in series.samples
    ]
    return b"".join(parts)


def field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def snappy(content: bytes) -> bytes:
    """A Snappy block without any compression: its length, then literals with two bytes of length each."""
    blocks = (content[start : start + _LITERAL_MAX] for start in range(0, len(content), _LITERAL_MAX))
    return varint(len(content)) + b"".join(b"\xf4" + struct.pack("<H", len(block) - 1) + block for block in blocks)
