"""The lab's Prometheus: its configuration and its arguments. `lab` starts, stops and reconfigures it.

It finds the emulated pods over HTTP discovery, with namespace, pod and node as target labels, as a PodMonitor would
give them; the nodes' exporters (DCGM, cAdvisor) name the pods in their own labels, which are kept.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import yaml

from tightrope.lab.errors import LabError
from tightrope.lab.programs import Programs

_ASK_SECONDS = 5.0
_DISCOVERY_SECONDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusServer:
    """One Prometheus: where it listens, where its files are, how often it scrapes."""

    directory: Path
    programs: Programs
    port: int
    scrape_seconds: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config_file(self) -> Path:
        return self.directory / "prometheus.yaml"

    def arguments(self) -> list[str]:
        return [
            self.programs["prometheus"],
            f"--config.file={self.config_file}",
            f"--storage.tsdb.path={self.directory / 'data' / 'prometheus'}",
            "--storage.tsdb.retention.time=2d",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        ]

    def write_config(self, targets_url: str | None) -> None:
        """Scrape what the emulator at this URL announces; without one, nothing yet."""
        jobs = [] if targets_url is None else scrape_jobs(targets_url)
        interval = f"{round(self.scrape_seconds * 1000)}ms"
        document = {
            # A scrape that takes longer than its interval would be lost anyway.
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "scrape_configs": jobs,
        }
        whole = self.config_file.with_suffix(".new")
        whole.write_text(yaml.safe_dump(document, sort_keys=False))
        whole.replace(self.config_file)

    def reload(self) -> None:
        """Have the running Prometheus read its configuration again. Raises LabError."""
        try:
            answer = _session().post(f"{self.url}/-/reload", timeout=_ASK_SECONDS)
        except (requests.RequestException, OSError) as error:
            raise LabError(f"Prometheus at {self.url} cannot be reloaded: {error}") from error
        if not answer.ok:
            raise LabError(f"Prometheus refused {self.config_file}: {answer.text.strip()}")

    def ready(self) -> bool:
        try:
            return _session().get(f"{self.url}/-/ready", timeout=_ASK_SECONDS).ok
        except (requests.RequestException, OSError):
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of this PromQL expression now. Raises LabError."""
        try:
            answer = _session().get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=_ASK_SECONDS)
            body = answer.json()
        except (requests.RequestException, OSError, json.JSONDecodeError) as error:
            raise LabError(f"Prometheus at {self.url} does not answer {expression!r}: {error}") from error
        if body.get("status") != "success":
            raise LabError(f"Prometheus refused {expression!r}: {body.get('error')}")
        result: list[dict[str, Any]] = body["data"]["result"]
        return result


def scrape_jobs(targets_url: str) -> Sequence[dict[str, Any]]:
    """The jobs for an emulator at this URL (with or without its /sd): its pods, and the exporters of its nodes."""
    parts = urlsplit(targets_url)
    if parts.scheme != "http" or not parts.netloc:
        raise LabError(f"targets URL is {targets_url!r}; write the emulator's, such as http://127.0.0.1:8000")
    discovery = {"url": f"http://{parts.netloc}/sd", "refresh_interval": f"{_DISCOVERY_SECONDS}s"}
    return (
        {"job_name": "pods", "http_sd_configs": [discovery]},
        {
            "job_name": "node-metrics",
            "metrics_path": "/node-metrics",
            "honor_labels": True,
            "static_configs": [{"targets": [parts.netloc]}],
        },
    )


def _session() -> requests.Session:
    """A session that ignores the caller's proxies: Prometheus is on the loopback interface."""
    session = requests.Session()
    session.trust_env = False
    return session
