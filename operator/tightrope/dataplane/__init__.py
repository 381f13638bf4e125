"""Emulated traffic and servers: one data plane, two clocks.

The lab drives it in wall time so that a real Prometheus has something to read; a replay drives the same code in
virtual time. Time is therefore always an argument: seconds since the data plane began, as a float, never a clock.

- `curve`: request rate over time; `traces` reads it, or single requests, from a file.
- `arrivals`: when requests arrive, Poisson or bursty.
- `servers`: one pod, an exact first-come-first-served queue; `fleet`: the pods behind one Service.
- `outcomes`: what became of each request.

Models, formulas, sources and what is checked: docs/dataplane.md.
"""
