"""Tightrope holds the latency SLOs of inference services at the least cost.

Rooms, from the core outwards (who may import whom is checked by import-linter, see `pyproject.toml`):

- `domain`: pure decisions. Values and functions; no clock, log or IO.
- `ports`: the few protocols through which the controller reaches the outside.
- `api`: pydantic models of the custom resources, the one source of `crds/`.
- `adapters`: Prometheus and Kubernetes; each knows one outside thing.
- `controller`: kopf handlers, the store, the tick, the writes, the status.
- `dataplane`: emulated traffic and servers.
- `lab`: a real control plane on one machine, for the demo and the tests.
- `cli`: `tightrope`.
"""

__version__ = "0.1.0"
