"""The emulated data plane as the lab's other parts see it: a process to start, and a few requests over HTTP.

`drive` and the end-to-end tests use it; what runs behind it is `emulator`.
"""

import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import requests

from tightrope.lab.errors import LabError
from tightrope.lab.lab import Lab
from tightrope.lab.record import Second

EMULATOR: Final = "emulator"
_ANNOUNCE_SECONDS: Final = 20.0
_ASK_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.1


class Emulator:
    """The emulated data plane, over HTTP. Methods raise LabError."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def serve(self, services: Mapping[str, Any]) -> None:
        """Traffic and servers, by service; the traffic begins now."""
        self._ask("PUT", "/services", body=services)

    def fail(self, faults: Mapping[str, Any]) -> None:
        """Exactly these faults from now on."""
        self._ask("PUT", "/faults", body=faults)

    def truth(self, since: float) -> Any:
        """What the emulated clients saw from then on, by service."""
        return self._ask("GET", f"/truth?since={since:.3f}")

    def _ask(self, method: str, path: str, *, body: Mapping[str, Any] | None = None) -> Any:
        try:
            answer = self._session.request(method, f"{self.url}{path}", json=body, timeout=_ASK_SECONDS)
        except (requests.RequestException, OSError) as error:
            raise LabError(f"the emulator at {self.url} does not answer {method} {path}: {error}") from error
        if not answer.ok:
            raise LabError(f"the emulator refused {method} {path}: {answer.text.strip()}")
        return answer.json() if answer.content and method == "GET" else None


def start_emulator(lab: Lab) -> Emulator:
    """Start the emulator and wait until it listens."""
    announce = lab.directory / "emulator.url"
    announce.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "tightrope.lab.emulator", "--kubeconfig", str(lab.kubeconfig)]
    program = lab.spawn(EMULATOR, [*argv, "--listen", "127.0.0.1:0", "--announce", str(announce)])
    deadline = time.monotonic() + _ANNOUNCE_SECONDS
    while not announce.exists() or not announce.read_text().strip():
        if program.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"the emulator did not start; its log ends:\n{program.tail()}")
        time.sleep(_POLL_SECONDS)
    return Emulator(announce.read_text().strip())


def seconds_of(truth: Any) -> dict[str, list[Second]]:
    """The emulator's account, by service."""
    return {
        name: [
            Second(
                at=row["at"],
                arrivals=row["arrivals"],
                good=row["good"],
                finished=row["finished"],
                dropped=row["dropped"],
                p50=row["p50"],
                p99=row["p99"],
                serving=row["ready"],
            )
            for row in service["seconds"]
        ]
        for name, service in truth.items()
    }
