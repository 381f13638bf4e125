"""How this operator runs, read once at start from flags and environment and never changed afterwards.

`cli` collects the raw strings; `parse` turns them into one frozen value or says everything that is wrong at once.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import urlsplit

from tightrope.api.pause import Pause

ENV_PREFIX: Final = "TIGHTROPE_"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class SettingsInvalid(Exception):
    """One or more settings cannot be used; the message has a line for each, with what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericMetrics:
    """Metric and label names of the `generic` preset: what an HTTP server of your own exports."""

    requests_total: str = "http_requests_total"
    latency_histogram: str = "http_request_duration_seconds"
    in_flight: str = "http_requests_in_flight"
    status_label: str = "code"
    ttft_histogram: str | None = None
    itl_histogram: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayMetrics:
    """What counts requests in front of services, and by which labels; None where nothing does."""

    requests_total: str | None = None
    namespace_label: str = "namespace"
    service_label: str = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Durations are in seconds. `kubeconfig` None means the pod's own service account, else KUBECONFIG;
    `lease_namespace` None the pod's own namespace, else `tightrope-system`. Without `namespaces` the whole cluster is
    looked after; `paused` is what stands still in every service. With `leader_worker_sets` these are watched and may be
    scaled as well."""

    prometheus_url: str
    kubeconfig: str | None = None
    tick_seconds: float = 15.0
    rate_window_seconds: float = 60.0
    max_sample_age_seconds: float = 60.0
    query_timeout_seconds: float = 5.0
    history_seconds: float = 691_200.0
    reconcile_seconds: float = 30.0
    metrics_host: str = "0.0.0.0"  # noqa: S104 - probes and scrapes come from outside the pod
    metrics_port: int = 8080
    leader_election: bool = True
    lease_namespace: str | None = None
    lease_seconds: float = 15.0
    namespaces: tuple[str, ...] = ()
    paused: Pause | None = None
    log_level: str = "info"
    generic: GenericMetrics = field(default_factory=GenericMetrics)
    leader_worker_sets: bool = False
    gateway: GatewayMetrics = field(default_factory=GatewayMetrics)

    @property
    def metrics_delay_seconds(self) -> float:
        """How old a rate is when it is read: on average half its window ago."""
        return self.rate_window_seconds / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    low: float
    high: float


_SECONDS: Final = {
    "tick_seconds": Bounds(low=0.5, high=300),
    "rate_window_seconds": Bounds(low=1, high=3600),
    "max_sample_age_seconds": Bounds(low=1, high=3600),
    "query_timeout_seconds": Bounds(low=0.1, high=60),
    "history_seconds": Bounds(low=0, high=691_200),
    "reconcile_seconds": Bounds(low=1, high=600),
    "lease_seconds": Bounds(low=5, high=300),
}

_SWITCHES: Final = {
    "leader_election": "write on, or off where no second process of this operator ever runs",
    "leader_worker_sets": "write on where LeaderWorkerSets are to be scaled, else off",
}


def variable(name: str) -> str:
    """The environment variable of a setting: tick_seconds -> TIGHTROPE_TICK_SECONDS."""
    return f"{ENV_PREFIX}{name.upper()}"


def parse(*, flags: Mapping[str, str | None], environment: Mapping[str, str]) -> Settings:
    """Settings from flags, else environment, else defaults. Raises SettingsInvalid with every problem at once."""
    problems: list[str] = []

    def read(name: str, convert: Callable[[str], Any]) -> dict[str, Any]:
        flag = flags.get(name)
        raw = flag if flag is not None else environment.get(variable(name))
        if raw is None or (raw == "" and name != "prometheus_url"):
            return {}
        try:
            return {name: convert(raw)}
        except ValueError as error:
            source = f"--{name.replace('_', '-')}" if flag is not None else variable(name)
            problems.append(f"{source} is {raw!r}: {error}")
            return {}

    values = read("prometheus_url", _url) | read("kubeconfig", str) | read("metrics_host", str)
    for name, bounds in _SECONDS.items():
        values |= read(name, lambda raw, bounds=bounds: _seconds(raw, bounds))  # type: ignore[misc]
    values |= read("metrics_port", _port) | read("log_level", _level)
    for name, advice in _SWITCHES.items():
        values |= read(name, lambda raw, advice=advice: _on_or_off(raw, advice))  # type: ignore[misc]
    values |= read("lease_namespace", _namespace)
    values |= read("namespaces", _namespaces) | read("paused", _paused)

    def names(kind: str, of: type[GenericMetrics] | type[GatewayMetrics]) -> dict[str, Any]:
        found = {part.name: read(f"{kind}_{part.name}", _metric_name) for part in fields(of)}
        return {name: value for name, read_ in found.items() for value in read_.values()}

    generic, gateway = names("generic", GenericMetrics), names("gateway", GatewayMetrics)
    if "prometheus_url" not in values and not problems:
        problems.append(f"{variable('prometheus_url')} is not set: write the base URL, as in http://prometheus:9090")
    if problems:
        raise SettingsInvalid("\n".join(problems))
    return Settings(**values, generic=GenericMetrics(**generic), gateway=GatewayMetrics(**gateway))


def _url(raw: str) -> str:
    parts = urlsplit(raw)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write a base URL that starts with http:// or https://, as in http://prometheus:9090")
    if parts.username or parts.password:
        raise ValueError("write it without user and password: a URL ends up in logs")
    return raw.rstrip("/")


def _seconds(raw: str, bounds: Bounds) -> float:
    advice = f"write a number of seconds from {bounds.low:g} to {bounds.high:g}, as in {max(bounds.low, 15):g}"
    try:
        seconds = float(raw)
    except ValueError:
        raise ValueError(advice) from None
    if not math.isfinite(seconds) or not bounds.low <= seconds <= bounds.high:
        raise ValueError(advice)
    return seconds


def _port(raw: str) -> int:
    if not raw.isascii() or not raw.isdigit() or int(raw) > 65535:
        raise ValueError("write a port from 0 (any free one) to 65535, as in 8080")
    return int(raw)


def _level(raw: str) -> str:
    if raw.lower() not in LOG_LEVELS:
        raise ValueError(f"write one of {', '.join(LOG_LEVELS)}")
    return raw.lower()


def _on_or_off(raw: str, advice: str) -> bool:
    if raw.lower() not in ("on", "off"):
        raise ValueError(advice)
    return raw.lower() == "on"


def _namespace(raw: str) -> str:
    if not _NAMESPACE.fullmatch(raw):
        raise ValueError("write the name of a namespace: lower-case letters, digits and -, as in tightrope-system")
    return raw


def _namespaces(raw: str) -> tuple[str, ...]:
    return tuple(sorted({_namespace(name.strip()) for name in raw.split(",") if name.strip()}))


def _paused(raw: str) -> Pause | None:
    if raw not in ("none", *Pause):
        raise ValueError("write none, descents (replicas are only added) or all (nothing is changed)")
    return None if raw == "none" else Pause(raw)


def _metric_name(raw: str) -> str:
    if not _NAME.fullmatch(raw):
        raise ValueError("write a Prometheus name: letters, digits, _ and :, not starting with a digit")
    return raw
